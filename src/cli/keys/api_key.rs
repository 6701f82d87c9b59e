//! `userdocks api-key`

use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use serde_json::json;
use uuid::Uuid;

use crate::audit::AuditRecord;
use crate::cli::{Context, Output, Result, duration, table};
use crate::db::api_keys;
use crate::domain::credentials::api_key::{ApiKey, KeyType};
use crate::domain::id::AppId;

/// `--type`
#[derive(Clone, Copy, ValueEnum)]
pub(in crate::cli) enum Type {
    Read,
    Write,
}

impl From<Type> for KeyType {
    fn from(key_type: Type) -> Self {
        match key_type {
            Type::Read => Self::Read,
            Type::Write => Self::Write,
        }
    }
}

#[derive(Subcommand)]
pub(in crate::cli) enum Command {
    /// Create a key and show it, this once
    Create {
        /// The app's id
        #[arg(long, value_parser = crate::cli::id)]
        app: Uuid,
        /// What it may do
        #[arg(long = "type")]
        key_type: Type,
        /// How long it is valid: 12h, 90d; for ever if not given
        #[arg(long, value_parser = duration)]
        expires_in: Option<Duration>,
    },
    /// List the keys of an app
    List {
        /// The app's id
        #[arg(long, value_parser = crate::cli::id)]
        app: Uuid,
    },
    /// Revoke a key at once
    Revoke {
        /// The key's id
        #[arg(value_parser = crate::cli::id)]
        id: Uuid,
    },
}

pub(in crate::cli) async fn run(command: Command, context: &Context) -> Result<Output> {
    let db = &context.database.operator;
    match command {
        Command::Create { app, key_type, expires_in } => {
            context.app(app).await?;
            let key = ApiKey::generate(key_type.into());
            api_keys::create(&mut *db.acquire().await?, AppId(app), &key, expires_in).await?;
            let result = json!({ "id": key.id, "key": key.expose(), "type": KeyType::from(key_type) });
            let text = format!("{}\nIts id is {}. It is not shown again.", key.expose(), key.id);
            let facts =
                AuditRecord { app: Some(AppId(app)), subject: Some(key.id), ..AuditRecord::default() };
            Ok(Output::new(result, text)?.changed("createApiKey", facts))
        }
        Command::List { app } => {
            context.app(app).await?;
            let keys = api_keys::list(db, AppId(app)).await?;
            let head = ["ID", "TYPE", "CREATED", "EXPIRES", "REVOKED"];
            let rows = keys.iter().map(|key| {
                let time = |time: &Option<String>| time.clone().unwrap_or_else(|| "-".to_owned());
                let (expires, revoked) = (time(&key.expires_at), time(&key.revoked_at));
                [key.id.to_string(), key.r#type.clone(), key.created_at.clone(), expires, revoked]
            });
            let text = table(head, rows);
            Output::new(keys, text)
        }
        Command::Revoke { id } => {
            let app = api_keys::revoke(db, id).await?;
            let app = app.ok_or_else(|| format!("there is no key {id} that is not revoked already"))?;
            let facts = AuditRecord { app: Some(app), subject: Some(id), ..AuditRecord::default() };
            let text = format!("The key {id} is revoked.");
            Ok(Output::new(json!({ "id": id, "revoked": true }), text)?.changed("revokeApiKey", facts))
        }
    }
}
