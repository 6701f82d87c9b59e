//! Signing in with a password and a code.

mod qr_code;
pub mod setting;

use maud::{Markup, html};
use uuid::Uuid;

use crate::admin::error::Error;
use crate::admin::form::Fields;
use crate::admin::parts::Field;
use crate::admin::password_check::{Checked, check};
use crate::admin::state::ConsoleState;
use crate::db::operators::passwords;
use crate::domain::credentials::random_code::RandomCode;

/// What was typed into the form, and what is wrong with it.
#[derive(Default)]
pub struct Typed<'a> {
    pub email: &'a str,
    pub error: Option<&'a str>,
}

/// The form of the sign-in page.
#[must_use]
pub fn form(typed: &Typed) -> Markup {
    html! {
        form method="post" action="/sign-in" {
            @if let Some(error) = typed.error { p .notice.bad role="alert" { (error) } }
            (field("email", "E-mail address", "", typed.email).completed("email", "username"))
            (field("password", "Password", "", "").completed("password", "current-password"))
            (field("code", "Code", "6 digits from your authenticator app.", "").completed("text", "one-time-code"))
            button { "Sign in" }
        }
    }
}

fn field<'a>(name: &'a str, label: &'a str, help: &'a str, value: &'a str) -> Field<'a> {
    Field { name, label, help, value, error: None }
}

/// Begins a session of this operator if password and code are right. Returns the operator.
pub async fn begin(
    console: &ConsoleState,
    operator: Option<Uuid>,
    form: &Fields,
    session: &RandomCode,
) -> Result<Option<Uuid>, Error> {
    let checked = check(console, operator, form.get("password"), form.get("code")).await?;
    let Some(Checked { stored, step }) = checked else { return Ok(None) };
    let begun = passwords::begin_session(console.db(), &stored, step, session).await?;
    Ok(begun.then_some(stored.operator_id))
}
