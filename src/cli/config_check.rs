//! `userdocks config check`

use clap::Subcommand;

use super::{Output, Result};
use crate::config::Config;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Check the settings and print those in force, secrets masked
    Check,
}

pub(super) fn run(Command::Check: &Command, config: &Config) -> Result<Output> {
    Output::new(config, serde_json::to_string_pretty(config)?)
}
