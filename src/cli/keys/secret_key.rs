//! `userdocks secret-key`

use clap::Subcommand;
use serde_json::json;

use crate::audit::AuditRecord;
use crate::cli::{Context, Output, Result};
use crate::db::operator;

#[derive(Subcommand)]
pub(in crate::cli) enum Command {
    /// Encrypt everything anew under the key of the settings, what the other key opens included
    Reseal,
}

pub(in crate::cli) async fn run(Command::Reseal: Command, context: &Context) -> Result<Output> {
    let done = operator::reseal(&context.database.operator, &context.seal).await?;
    let json = json!({
        "signingKeys": done.signing_keys, "mails": done.mails, "webhookSecrets": done.webhook_secrets,
        "optOutKeys": done.opt_out_keys, "totpSecrets": done.totp_secrets, "unopened": done.unopened,
    });
    let text = format!(
        "{} signing keys, {} mails, {} webhook secrets, {} keys of opt-outs and {} secrets of authenticator apps were \
         encrypted anew; {} values open with neither key and were left.",
        done.signing_keys,
        done.mails,
        done.webhook_secrets,
        done.opt_out_keys,
        done.totp_secrets,
        done.unopened
    );
    Ok(Output::new(json, text)?.changed("resealSecrets", AuditRecord::default()))
}
