//! `userdocks signing-key`

use std::time::Duration;

use clap::Subcommand;
use serde_json::json;
use uuid::Uuid;

use crate::audit::AuditRecord;
use crate::cli::{Context, Output, Result, table};
use crate::db::{apps, operator};
use crate::domain::credentials::access_token::{JWKS_MAX_AGE, NewKeyPair};
use crate::domain::id::AppId;

#[derive(Subcommand)]
pub(in crate::cli) enum Command {
    /// Create a key that signs the app's tokens from five minutes on; the older ones go on verifying theirs
    Create {
        /// The app's id
        #[arg(long, value_parser = crate::cli::id)]
        app: Uuid,
        /// Sign with it now; a client that has cached the app's JWK set refuses its tokens for up to five minutes
        #[arg(long)]
        at_once: bool,
    },
    /// List the keys of an app
    List {
        /// The app's id
        #[arg(long, value_parser = crate::cli::id)]
        app: Uuid,
    },
    /// Remove a key: the tokens that it signed end at once
    Revoke {
        /// The key's id
        #[arg(value_parser = crate::cli::id)]
        id: Uuid,
    },
}

pub(in crate::cli) async fn run(command: Command, context: &Context) -> Result<Output> {
    let db = &context.database.operator;
    match command {
        Command::Create { app, at_once } => {
            context.app(app).await?;
            let keys = NewKeyPair::generate();
            let delay = if at_once { Duration::ZERO } else { JWKS_MAX_AGE };
            apps::add_signing_key(db, AppId(app), &keys, delay, &context.seal).await?;
            let stored = apps::signing_keys(db, AppId(app)).await?;
            let stored = stored.into_iter().find(|key| key.id == keys.id).ok_or("the key is gone already")?;
            let text = format!("The key {} signs from {}.", stored.id, stored.signs_from);
            let result = json!({ "id": stored.id, "signsFrom": stored.signs_from });
            let facts =
                AuditRecord { app: Some(AppId(app)), subject: Some(keys.id), ..AuditRecord::default() };
            Ok(Output::new(result, text)?.changed("createSigningKey", facts))
        }
        Command::List { app } => {
            context.app(app).await?;
            let keys = apps::signing_keys(db, AppId(app)).await?;
            let rows = keys.iter().map(|key| {
                let signs = if key.signs { "yes" } else { "no" };
                [key.id.to_string(), key.created_at.clone(), key.signs_from.clone(), signs.to_owned()]
            });
            let text = table(["ID", "CREATED", "SIGNS FROM", "SIGNS"], rows);
            Output::new(keys, text)
        }
        Command::Revoke { id } => {
            let app = operator::app_of_signing_key(db, id).await?;
            let app = app.ok_or_else(|| format!("there is no signing key {id}"))?;
            if !apps::remove_signing_key(db, app, id).await? {
                return Err(format!("no other key of the app {app} signs yet: create one first").into());
            }
            let facts = AuditRecord { app: Some(app), subject: Some(id), ..AuditRecord::default() };
            let text = format!("The signing key {id} is removed.");
            Ok(Output::new(json!({ "id": id, "revoked": true }), text)?.changed("revokeSigningKey", facts))
        }
    }
}
