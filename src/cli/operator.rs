//! `userdocks operator`

use clap::{Subcommand, ValueEnum};
use serde_json::json;
use url::Url;
use uuid::Uuid;

use super::{Context, Output, Result, table};
use crate::audit::AuditRecord;
use crate::db::{Pool, operators};
use crate::domain::credentials::random_code::RandomCode;
use crate::domain::email::Email;
use crate::domain::operators::{LINK_VALID, Role};
use crate::server::console_url;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Create an operator, who may use the console; one who was disabled is enabled again
    Create {
        /// Their address
        #[arg(long, value_parser = super::email)]
        email: Email,
        /// What they may do: admin (read and write) or viewer (read)
        #[arg(long)]
        role: RoleArgument,
        /// An app that they may see; may be repeated; all if not given
        #[arg(long = "app", value_name = "ID", value_parser = super::id)]
        apps: Vec<Uuid>,
    },
    /// List all operators
    List,
    /// Disable an operator: they are signed out at once, and cannot sign in
    Disable {
        /// The operator's id
        #[arg(value_parser = super::id)]
        id: Uuid,
    },
    /// Print a link that signs an operator in, once
    SignInLink {
        /// The operator's id
        #[arg(value_parser = super::id)]
        id: Uuid,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum RoleArgument {
    Admin,
    Viewer,
}

impl From<RoleArgument> for Role {
    fn from(role: RoleArgument) -> Self {
        match role {
            RoleArgument::Admin => Self::Admin,
            RoleArgument::Viewer => Self::Viewer,
        }
    }
}

pub(super) async fn run(command: Command, context: &Context) -> Result<Output> {
    let db = &context.database.operator;
    match command {
        Command::Create { email, role, apps } => {
            for app in &apps {
                context.app(*app).await?;
            }
            let role = Role::from(role);
            let apps = (!apps.is_empty()).then_some(apps);
            let created = operators::create(db, &email, role, apps.as_deref()).await?;
            let id = created.ok_or_else(|| {
                format!("{email} is an operator already: to change the role or the apps, disable and create them again")
            })?;
            let url = console_url(&context.config);
            let link = sign_in_link(db, id, &url).await?;
            let text = format!("{id}\n{link}\nThe link works once, for 15 minutes.");
            let result =
                json!({ "id": id, "email": email.as_str(), "role": role, "apps": apps, "signInLink": link });
            let output = Output::new(result, text)?.changed("createOperator", facts(id));
            Ok(Output { notes: notes(context), ..output })
        }
        Command::List => {
            let operators = operators::list(db).await?;
            let head = ["ID", "ROLE", "APPS", "EMAIL", "SIGNED IN", "DISABLED"];
            let rows = operators.iter().map(|operator| {
                let time = |time: &Option<String>| time.clone().unwrap_or_else(|| "-".to_owned());
                [
                    operator.id.to_string(),
                    operator.role.as_str().to_owned(),
                    operator.apps.as_ref().map_or_else(|| "all".to_owned(), |apps| apps.len().to_string()),
                    operator.email.clone(),
                    time(&operator.signed_in_at),
                    time(&operator.disabled_at),
                ]
            });
            let text = table(head, rows);
            Output::new(operators, text)
        }
        Command::Disable { id } => {
            if !operators::disable(db, id).await? {
                return Err(missing(id));
            }
            let text = format!("The operator {id} is disabled and signed out.");
            Ok(Output::new(json!({ "id": id, "disabled": true }), text)?
                .changed("disableOperator", facts(id)))
        }
        Command::SignInLink { id } => {
            let link = sign_in_link(db, id, &console_url(&context.config)).await?;
            let text = format!("{link}\nThe link works once, for 15 minutes, and replaces an earlier one.");
            let output = Output::new(json!({ "id": id, "signInLink": link }), text)?;
            Ok(Output { notes: notes(context), ..output.changed("createSignInLink", facts(id)) })
        }
    }
}

/// Where links lead nowhere.
fn notes(context: &Context) -> Vec<String> {
    let off = context.config.admin_listen().is_none();
    let note = "the console is off in these settings: a server serves it at USERDOCKS_ADMIN__LISTEN";
    off.then(|| note.to_owned()).into_iter().collect()
}

fn facts(id: Uuid) -> AuditRecord {
    AuditRecord { subject: Some(id), ..AuditRecord::default() }
}

fn missing(id: Uuid) -> Box<dyn std::error::Error + Send + Sync> {
    format!("there is no operator {id} who is not disabled").into()
}

/// A new link that signs the operator of a trial in, who is created at the first start.
pub(super) async fn trial_link(db: &Pool, url: &Url) -> Result<String> {
    let email = Email::parse("operator@example.com").map_err(|error| error.0)?;
    sign_in_link(db, operators::of_trial(db, &email).await?, url).await
}

/// A new link that signs an operator in. `url`: the base of the console.
pub(super) async fn sign_in_link(db: &Pool, operator: Uuid, url: &Url) -> Result<String> {
    let code = RandomCode::generate();
    if !operators::set_link(db, operator, &code, LINK_VALID).await? {
        return Err(missing(operator));
    }
    Ok(format!("{}sign-in/{}", url, code.expose()))
}
