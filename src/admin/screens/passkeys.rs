//! Passkeys: signing in with one, and the list of the operator's own. The browser's part is in script.js.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use maud::{Markup, html};
use serde_json::{Value, json};

use crate::admin::error::Error;
use crate::admin::form::{Fields, OwnForm, PublicForm};
use crate::admin::layout::token;
use crate::admin::parts::{optional_time, time};
use crate::admin::screens::passwords::setting::OLD_SESSION;
use crate::admin::session::{self, Session, Try};
use crate::admin::state::{Console, ConsoleState};
use crate::audit;
use crate::db::operators::passkeys::{self, CHALLENGE_VALID, MAX_PASSKEYS, PasskeyRow};
use crate::db::operators::sessions;
use crate::domain::credentials::passkey::{
    ALGORITHMS, Assertion, MAX_CREDENTIAL_ID, Passkey, Refused, RelyingParty,
};
use crate::domain::credentials::random_code::RandomCode;
use crate::domain::text::Text;

pub const ADDED: (&str, &str) =
    ("passkey-added", "The passkey is added. You can sign in with it from now on.");
pub const REMOVED: (&str, &str) =
    ("passkey-removed", "The passkey is removed. Delete it on your device too, where it is of no use now.");

const NO_PASSKEYS: &str = "Passkeys need a console with a host name.";

/// The part of the sign-in page. The script adds the button if the browser can use passkeys.
#[must_use]
pub fn sign_in_form(console: &Console) -> Markup {
    html! {
        @if RelyingParty::of(&console.url).is_some() {
            form #passkey-sign-in method="post" action="/sign-in/passkey" data-options="/sign-in/passkey/options" hidden {
                @for name in ["challenge", "credential", "clientDataJSON", "authenticatorData", "signature", "userHandle"] {
                    input type="hidden" name=(name);
                }
                button { "Use a passkey" }
                p .error role="alert" {}
            }
        }
    }
}

/// What the browser needs to sign in with a passkey of any operator.
pub async fn sign_in_options(
    State(console): State<ConsoleState>,
    _: Try,
    _: PublicForm,
) -> Result<Response, Error> {
    let party = relying_party(&console)?;
    let challenge = RandomCode::generate();
    passkeys::add_challenge(console.db(), &challenge, None).await?;
    Ok(json_response(&json!({
        "challenge": challenge.expose(),
        "rpId": party.id,
        "timeout": CHALLENGE_VALID.as_millis(),
        "userVerification": "required",
    })))
}

/// Begins a session of the operator whose passkey signed the challenge.
pub async fn sign_in(
    State(console): State<ConsoleState>,
    tried: Try,
    PublicForm(form): PublicForm,
) -> Result<Response, Error> {
    let party = relying_party(&console)?;
    let challenge = challenge(&form)?;
    let unknown =
        || refused("unknown_passkey", "This passkey is not known here. Another one or a link may be.");
    let again = || refused("expired_challenge", "That took too long, or was sent twice. Try again.");
    if !passkeys::take_challenge(console.db(), &challenge, None).await? {
        return Err(again());
    }
    let credential = bytes(&form, "credential")?;
    if credential.len() > MAX_CREDENTIAL_ID {
        return Err(unknown());
    }
    let stored = passkeys::find(console.db(), &credential).await?.ok_or_else(unknown)?;
    audit::record(|facts| facts.subject = Some(stored.operator));
    let assertion = Assertion {
        client_data: &bytes(&form, "clientDataJSON")?,
        authenticator_data: &bytes(&form, "authenticatorData")?,
        signature: &bytes(&form, "signature")?,
        user: &bytes(&form, "userHandle")?,
    };
    let passkey = Passkey {
        public_key: &stored.public_key,
        sign_count: stored.sign_count,
        user: stored.operator.as_bytes(),
    };
    let sign_count = party.authenticate(&challenge, &passkey, &assertion).map_err(not_verified)?;
    if !passkeys::mark_used(console.db(), &credential, sign_count).await? {
        return Err(not_verified(Refused::Counter));
    }
    let session = RandomCode::generate();
    if !sessions::begin(console.db(), stored.operator, &session).await? {
        return Err(unknown());
    }
    tried.forgive(&console);
    audit::record(|facts| (facts.operator, facts.authenticated) = (Some(stored.operator), true));
    Ok(([(header::SET_COOKIE, session::begin_cookie(&session))], Redirect::to("/")).into_response())
}

/// The part of the account page.
pub async fn section(console: &Console, session: &Session) -> Result<Markup, Error> {
    let rows = passkeys::list(console.db(), session.operator.id).await?;
    let offered = RelyingParty::of(&console.url).is_some();
    Ok(html! {
        section .box #passkeys {
            h2 { "Passkeys" }
            p .quiet {
                "A passkey is on your device or security key. It signs you in with your fingerprint, your face or a PIN."
            }
            @if !rows.is_empty() { (table(session, &rows)) }
            @if offered { (add_form(session, rows.len())) }
            @else {
                p { "Passkeys are not available: browsers bind them to a host name, and this console is opened by an IP address." }
            }
        }
    })
}

fn table(session: &Session, rows: &[PasskeyRow]) -> Markup {
    html! {
        div .scroll tabindex="0" role="region" aria-label="Passkeys" {
            table {
                thead { tr {
                    th scope="col" { "Name" } th scope="col" { "Added" } th scope="col" { "Last used" }
                    th scope="col" { "Actions" }
                } }
                tbody {
                    @for row in rows {
                        tr {
                            td { bdi { (row.name) } }
                            td { (time(&row.created_at)) }
                            td { (optional_time(row.used_at.as_deref())) }
                            td { (remove_form(session, row)) }
                        }
                    }
                }
            }
        }
    }
}

/// As `parts::danger`, but also for a viewer.
fn remove_form(session: &Session, row: &PasskeyRow) -> Markup {
    html! {
        details .ask.danger {
            summary .button .second { "Remove" }
            form method="post" action="/account/passkeys/remove" {
                p { "You cannot sign in with it any more." }
                (token(session))
                input type="hidden" name="credential" value=(BASE64_URL_SAFE_NO_PAD.encode(&row.credential_id));
                button .destroy { "Remove" }
            }
        }
    }
}

fn add_form(session: &Session, count: usize) -> Markup {
    html! {
        @if i64::try_from(count).is_ok_and(|count| count < MAX_PASSKEYS) {
            form #passkey-add method="post" action="/account/passkeys" data-options="/account/passkeys/options" hidden {
                (token(session))
                @for name in ["challenge", "clientDataJSON", "attestationObject"] {
                    input type="hidden" name=(name);
                }
                div .field {
                    label for="passkey-name" { "Name of a new passkey" }
                    p .quiet #passkey-name-help { "Such as the device that it is on." }
                    input #passkey-name type="text" name="name" maxlength="100" required autocomplete="off"
                        aria-describedby="passkey-name-help";
                }
                button { "Add a passkey" }
                p .error role="alert" {}
            }
            p #passkey-unsupported { "To add one, use a browser that supports passkeys, with script." }
        } @else {
            p { "You have " (MAX_PASSKEYS) " passkeys: remove one to add another." }
        }
    }
}

/// What the browser needs to make a passkey for the operator.
pub async fn add_options(
    State(console): State<ConsoleState>,
    OwnForm { at: session, .. }: OwnForm<Session>,
) -> Result<Response, Error> {
    let party = relying_party(&console)?;
    let challenge = RandomCode::generate();
    let operator = &session.operator;
    passkeys::add_challenge(console.db(), &challenge, Some(operator.id)).await?;
    let known = passkeys::list(console.db(), operator.id).await?;
    let known = known
        .iter()
        .map(|row| json!({ "type": "public-key", "id": BASE64_URL_SAFE_NO_PAD.encode(&row.credential_id) }));
    Ok(json_response(&json!({
        "challenge": challenge.expose(),
        "rp": { "id": party.id, "name": "Userdocks" },
        "user": {
            "id": BASE64_URL_SAFE_NO_PAD.encode(operator.id.as_bytes()),
            "name": operator.email,
            "displayName": operator.email,
        },
        "pubKeyCredParams": ALGORITHMS.map(|alg| json!({ "type": "public-key", "alg": alg })),
        "excludeCredentials": known.collect::<Vec<_>>(),
        "authenticatorSelection": {
            "residentKey": "required",
            "requireResidentKey": true,
            "userVerification": "required",
        },
        "attestation": "none",
        "timeout": CHALLENGE_VALID.as_millis(),
    })))
}

/// Stores a new passkey.
pub async fn add(
    State(console): State<ConsoleState>,
    OwnForm { at: session, form }: OwnForm<Session>,
) -> Result<Redirect, Error> {
    audit::record(|facts| facts.subject = Some(session.operator.id));
    if !sessions::is_young(console.db(), &session.code).await? {
        return Err(Error::Forbidden(OLD_SESSION));
    }
    let party = relying_party(&console)?;
    let name = Text::parse(form.get("name"))
        .map_err(|error| Error::Refused(format!("The name of the passkey {error}.")))?;
    let challenge = challenge(&form)?;
    if !passkeys::take_challenge(console.db(), &challenge, Some(session.operator.id)).await? {
        return Err(Error::Refused("That took too long, or was sent twice. Try again.".to_owned()));
    }
    let (client_data, object) = (bytes(&form, "clientDataJSON")?, bytes(&form, "attestationObject")?);
    let passkey = party.register(&challenge, &client_data, &object).map_err(|reason| {
        tracing::info!(%reason, operator = %session.operator.id, "a new passkey is refused");
        Error::Refused(format!("This passkey cannot be added: {reason}."))
    })?;
    if !passkeys::add(console.db(), session.operator.id, &name, &passkey).await? {
        return Err(Error::Refused(format!(
            "The passkey is in use already, or you have {MAX_PASSKEYS} passkeys."
        )));
    }
    Ok(Redirect::to("/account?done=passkey-added"))
}

/// Removes a passkey of the operator.
pub async fn remove(
    State(console): State<ConsoleState>,
    OwnForm { at: session, form }: OwnForm<Session>,
) -> Result<Redirect, Error> {
    audit::record(|facts| facts.subject = Some(session.operator.id));
    if !passkeys::remove(console.db(), session.operator.id, &bytes(&form, "credential")?).await? {
        return Err(Error::NotFound);
    }
    Ok(Redirect::to("/account?done=passkey-removed"))
}

fn relying_party(console: &Console) -> Result<RelyingParty, Error> {
    RelyingParty::of(&console.url).ok_or(Error::Refused(NO_PASSKEYS.to_owned()))
}

fn challenge(form: &Fields) -> Result<RandomCode, Error> {
    RandomCode::parse(form.get("challenge")).ok_or(Error::BadForm)
}

/// A field in base64url.
fn bytes(form: &Fields, name: &str) -> Result<Vec<u8>, Error> {
    BASE64_URL_SAFE_NO_PAD.decode(form.get(name)).map_err(|_| Error::BadForm)
}

fn not_verified(reason: Refused) -> Error {
    tracing::warn!(%reason, "a passkey is refused");
    match reason {
        Refused::Counter => refused(
            "passkey_counter",
            "The passkey counts backwards, so there may be a copy of it. Sign in another way and remove it.",
        ),
        _ => refused("passkey_not_verified", "The passkey did not prove who you are."),
    }
}

fn refused(code: &'static str, text: &'static str) -> Error {
    Error::SignInFailed { code, text: text.into() }
}

fn json_response(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}
