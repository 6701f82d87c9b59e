//! `userdocks opt-out`

use clap::{Args, Subcommand};
use serde_json::json;
use uuid::Uuid;

use super::{Context, Output, Result};
use crate::audit::AuditRecord;
use crate::db::referrals::opt_outs;
use crate::domain::email::Email;
use crate::domain::id::AppId;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Send an address no referrals of an app any more, as the link in a referral does
    Add(Address),
    /// Allow referrals to an address again
    Remove(Address),
}

#[derive(Args)]
pub(super) struct Address {
    /// The app's id
    #[arg(long, value_parser = super::id)]
    app: Uuid,
    /// The address
    #[arg(long, value_parser = super::email)]
    email: Email,
}

pub(super) async fn run(command: Command, context: &Context) -> Result<Output> {
    let db = &context.database.operator;
    let (Command::Add(recipient) | Command::Remove(recipient)) = &command;
    context.app(recipient.app).await?;
    let app = AppId(recipient.app);
    let address =
        opt_outs::key(db, app, &context.seal).await?.open(&context.seal)?.address(recipient.email.as_str());
    let (changed, text, action) = match command {
        Command::Add(_) => {
            (opt_outs::add(db, app, &address).await?, "is sent no referrals of the app any more", "optOut")
        }
        Command::Remove(_) => {
            (opt_outs::remove(db, app, &address).await?, "can be sent referrals of the app", "undoOptOut")
        }
    };
    let output = Output::new(json!({ "changed": changed }), format!("{} {text}.", recipient.email))?;
    if !changed {
        return Ok(output);
    }
    Ok(output.changed(action, AuditRecord { app: Some(app), ..AuditRecord::default() }))
}
