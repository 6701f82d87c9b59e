//! Sign-in links by mail.

use std::sync::Arc;

use axum::extract::State;
use maud::{Markup, html};

use crate::admin::document::{self, Page};
use crate::admin::error::Error;
use crate::admin::form::PublicForm;
use crate::admin::parts::Field;
use crate::admin::session::Try;
use crate::admin::state::{Console, ConsoleState};
use crate::audit;
use crate::db;
use crate::db::operators::{self, passwords};
use crate::domain::credentials::random_code::RandomCode;
use crate::domain::email::Email;
use crate::domain::operators::{LINK_VALID, Operator};

/// The form of the sign-in page.
#[must_use]
pub fn form() -> Markup {
    // Its name differs from the one of the other form of the page, whose id comes from it.
    let address = Field { name: "address", label: "E-mail address", help: "", value: "", error: None };
    html! {
        form method="post" action="/sign-in/link" {
            h2 { "Or get a link by mail" }
            (address.completed("email", "email"))
            button .second { "Send me a link" }
        }
    }
}

/// Mails a new link, if the address is an operator's. The answer does not reveal that.
pub async fn send(
    State(console): State<ConsoleState>,
    _: Try,
    PublicForm(form): PublicForm,
) -> Result<Page, Error> {
    let operator = match Email::parse(form.get("address")) {
        Ok(email) => operators::by_email(console.db(), &email).await?,
        Err(_) => None,
    };
    audit::record(|facts| {
        facts.subject = operator.as_ref().map(|operator| operator.id);
        facts.unchanged = operator.is_none();
    });
    if let Some(operator) = operator {
        // Not awaited: the time of the answer does not reveal it either.
        tokio::spawn(async move {
            if let Err(error) = make_and_send(&console, &operator).await {
                tracing::warn!(%error, "a sign-in link could not be stored");
            }
        });
    }
    let body = html! {
        h1 { "Look at your mail" }
        p { "If the address is an operator's, a mail with a link is on its way. It works once, for 15 minutes." }
        p .quiet { "There is at most one mail a minute." }
        p { a .button.second href="/sign-in" { "Back to sign in" } }
    };
    Ok(document::card("Look at your mail", &body))
}

async fn make_and_send(console: &Arc<Console>, operator: &Operator) -> Result<(), db::Error> {
    let Ok(email) = Email::parse(&operator.email) else { return Ok(()) };
    let code = RandomCode::generate();
    if passwords::claim_link_mail(console.db(), operator.id).await?
        && operators::set_link(console.db(), operator.id, &code, LINK_VALID).await?
    {
        console.link_mailer.send(&email, &console.url, &code).await;
    }
    Ok(())
}
