//! `userdocks migrate`

use serde_json::json;

use super::{Context, Output, Result};

/// Opening the database has already applied the migrations.
pub(super) async fn run(context: &Context) -> Result<Output> {
    let ready = crate::db::is_ready(&context.database.operator).await?;
    Output::new(json!({ "migrated": ready }), "The database is up to date.")
}
