//! `userdocks serve`

use std::io::Write;

use super::{Result, demo, operator, print};
use crate::config::{self, Config};
use crate::server::{Database, Server, stop_signal};

/// Serves until a stop signal arrives.
pub(super) async fn run(config: Config) -> Result<()> {
    let seal = config::seal(&config)?;
    let trial = config.database.url.is_none();
    // Listen for signals from here on, so that a signal during the start also ends it in order.
    let stop = tokio::spawn(stop_signal());
    let database = Database::open(&config, false).await?;
    let served = async {
        database.check(&seal).await?;
        let demo = if trial { Some(demo::prepare(&config, &database, &seal).await?) } else { None };
        let server = Server::start(config, &database, seal).await?;
        print(&format!("listening on http://{}", server.address))?;
        if server.state.console_url.is_none() {
            // From here on, only the server's own database role is used.
            database.operator.close().await;
        }
        let mut instructions = String::new();
        if let Some(url) = &server.state.console_url {
            tracing::info!(%url, "the console is served");
            if !server.state.config.production() {
                let link = operator::trial_link(&database.operator, url).await?;
                instructions = format!("\nOpen the console, once, within 15 minutes:\n\n{link}\n");
            }
        }
        if let Some(demo) = demo {
            let mailbox = server.state.mailbox.is_some();
            instructions = demo.instructions(&server.state.public_url, mailbox, &instructions);
        }
        if !instructions.is_empty() {
            let _ = writeln!(std::io::stderr(), "{instructions}");
        }
        stop.await??;
        tracing::info!("stopping");
        server.stop().await;
        Ok(())
    };
    let served = served.await;
    database.close().await;
    served
}
