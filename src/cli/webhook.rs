//! `userdocks webhook`

use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use serde_json::json;
use uuid::Uuid;

use super::{Context, Output, Result, table};
use crate::audit::AuditRecord;
use crate::config::Config;
use crate::db::webhooks::deliveries::{self, Replay};
use crate::db::webhooks::manage;
use crate::db::webhooks::manage::{OVERLAP, WebhookRow};
use crate::domain::id::AppId;
use crate::domain::webhook::{EventType, Secret};
use crate::webhook::receiver::parse_url;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Create a webhook and show its secret, this once
    Create {
        /// The app's id
        #[arg(long, value_parser = super::id)]
        app: Uuid,
        /// Where to post events
        #[arg(long)]
        url: String,
        /// A type of event, such as user.updated; may be repeated; all if not given
        #[arg(long = "event", value_name = "EVENT")]
        events: Vec<EventType>,
    },
    /// List webhooks
    List {
        /// Of this app only
        #[arg(long, value_parser = super::id)]
        app: Option<Uuid>,
    },
    /// Delete a webhook and its deliveries
    Delete {
        /// The webhook's id
        #[arg(value_parser = super::id)]
        id: Uuid,
    },
    /// Tell a webhook again that was disabled since it answered 410
    Enable {
        /// The webhook's id
        #[arg(value_parser = super::id)]
        id: Uuid,
    },
    /// Give a webhook another secret and show it, this once; for a day the one before signs too
    RotateSecret {
        /// The webhook's id
        #[arg(value_parser = super::id)]
        id: Uuid,
        /// End the one before now, since it has leaked
        #[arg(long)]
        at_once: bool,
    },
    /// List deliveries, newest first
    Deliveries {
        /// Of this app only
        #[arg(long, value_parser = super::id)]
        app: Option<Uuid>,
        /// In this state only
        #[arg(long)]
        state: Option<State>,
        /// At most so many
        #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(i64).range(1..))]
        limit: i64,
    },
    /// Send a delivery again, or all of a webhook since a time, under their old ids
    Replay {
        /// The delivery's id
        #[arg(required_unless_present = "webhook", value_parser = super::id)]
        id: Option<Uuid>,
        /// The webhook's id
        #[arg(long, requires = "since", conflicts_with = "id", value_parser = super::id)]
        webhook: Option<Uuid>,
        /// Those written since then, such as 2026-11-25T09:30:00Z
        #[arg(long, requires = "webhook")]
        since: Option<jiff::Timestamp>,
        /// Of those, the ones in this state only
        #[arg(long, requires = "webhook")]
        state: Option<State>,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum State {
    Queued,
    Delivered,
    Failed,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

pub(super) async fn run(command: Command, context: &Context) -> Result<Output> {
    let db = &context.database.operator;
    match command {
        Command::Create { app, url, events } => {
            context.app(app).await?;
            let (url, secret) = (receiver(&url, &context.config)?, Secret::generate());
            let id = manage::create(db, AppId(app), &url, &events, &secret, &context.seal).await?;
            let text =
                format!("{}\nThe webhook's id is {id}. The secret is not shown again.", secret.expose());
            let facts = AuditRecord { app: Some(AppId(app)), subject: Some(id), ..AuditRecord::default() };
            let result = json!({ "id": id, "url": url, "secret": secret.expose() });
            Ok(Output::new(result, text)?.changed("createWebhook", facts))
        }
        Command::List { app } => {
            if let Some(app) = app {
                context.app(app).await?;
            }
            let webhooks = manage::list(db, app.map(AppId), None).await?;
            let rows = webhooks.iter().map(|webhook| {
                let events =
                    if webhook.events.is_empty() { "all".to_owned() } else { webhook.events.join(",") };
                let disabled = webhook.disabled_at.clone().unwrap_or_else(|| "-".to_owned());
                [webhook.id.to_string(), webhook.app_id.to_string(), disabled, events, webhook.url.clone()]
            });
            let text = table(["ID", "APP", "DISABLED", "EVENTS", "URL"], rows);
            Output::new(webhooks, text)
        }
        Command::Delete { id } => {
            let webhook = find(context, id).await?;
            manage::delete(db, &webhook).await?;
            let text = format!("The webhook {id} is deleted.");
            let result = json!({ "id": id, "deleted": true });
            Ok(Output::new(result, text)?.changed("deleteWebhook", facts(&webhook)))
        }
        Command::Enable { id } => {
            let webhook = find(context, id).await?;
            manage::enable(db, &webhook).await?;
            let text = format!("The webhook {id} is enabled.");
            Ok(Output::new(json!({ "id": id, "enabled": true }), text)?
                .changed("enableWebhook", facts(&webhook)))
        }
        Command::RotateSecret { id, at_once } => {
            let (webhook, secret) = (find(context, id).await?, Secret::generate());
            let overlap = if at_once { Duration::ZERO } else { OVERLAP };
            manage::rotate(db, &webhook, &secret, overlap, &context.seal).await?;
            let text = format!("{}\nIt is not shown again.", secret.expose());
            let result = json!({ "id": id, "secret": secret.expose() });
            Ok(Output::new(result, text)?.changed("rotateWebhookSecret", facts(&webhook)))
        }
        Command::Deliveries { app, state, limit } => {
            if let Some(app) = app {
                context.app(app).await?;
            }
            let deliveries =
                deliveries::list(db, app.map(AppId), state.map(State::as_str), None, limit).await?;
            let head = ["ID", "CREATED", "STATE", "TRIES", "TYPE", "WEBHOOK", "LAST ANSWER"];
            let rows = deliveries.iter().map(|delivery| {
                [
                    delivery.id.to_string(),
                    delivery.created_at.clone(),
                    delivery.state.clone(),
                    delivery.attempts.to_string(),
                    delivery.r#type.clone(),
                    delivery.webhook_id.to_string(),
                    delivery.last_answer.clone().unwrap_or_default(),
                ]
            });
            let text = table(head, rows);
            Output::new(deliveries, text)
        }
        Command::Replay { id: Some(id), .. } => {
            let found = deliveries::list(db, None, None, Some(id), 1).await?.into_iter().next();
            let found = found.ok_or_else(|| format!("there is no delivery {id}"))?;
            replay(context, &find(context, found.webhook_id).await?, Replay::One(id)).await
        }
        Command::Replay { webhook, since, state, .. } => {
            let (webhook, since) = webhook.zip(since).ok_or("--webhook and --since go together")?;
            let state = state.map(|state| state.as_str().to_owned());
            let again = Replay::Since(webhook, since.to_string(), state);
            replay(context, &find(context, webhook).await?, again).await
        }
    }
}

async fn replay(context: &Context, webhook: &WebhookRow, again: Replay) -> Result<Output> {
    if webhook.disabled_at.is_some() {
        return Err(format!("the webhook {} is disabled: enable it first", webhook.id).into());
    }
    let replayed = deliveries::replay(&context.database.operator, AppId(webhook.app_id), &again).await?;
    let text = format!("{replayed} deliveries are sent again now.");
    let subject = match again {
        Replay::One(id) => id,
        Replay::Since(..) => webhook.id,
    };
    let output = Output::new(json!({ "replayed": replayed }), text)?;
    Ok(output.changed("replayDeliveries", AuditRecord { subject: Some(subject), ..facts(webhook) }))
}

fn facts(webhook: &WebhookRow) -> AuditRecord {
    AuditRecord { app: Some(AppId(webhook.app_id)), subject: Some(webhook.id), ..AuditRecord::default() }
}

async fn find(context: &Context, id: Uuid) -> Result<WebhookRow> {
    let webhooks = manage::list(&context.database.operator, None, Some(id)).await?;
    webhooks.into_iter().next().ok_or_else(|| format!("there is no webhook {id}").into())
}

fn receiver(text: &str, config: &Config) -> Result<String> {
    let url = parse_url(text, config.production(), config.webhook.allow_private_addresses);
    url.map_err(|error| format!("--url {error}").into())
}
