//! Setting, changing and removing one's own password. The new secret of the authenticator app travels in the form,
//! sealed, until a code of it is right; nothing is stored before.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use maud::{Markup, html};

use super::qr_code;
use crate::admin::error::Error;
use crate::admin::form::{Fields, OwnForm};
use crate::admin::layout::{self, Page, token};
use crate::admin::parts::{Field, Tone, badge};
use crate::admin::password_check::{Checked, check, hash};
use crate::admin::session::{Session, Try};
use crate::admin::state::ConsoleState;
use crate::audit;
use crate::clock;
use crate::db::operators::passwords::{self, PasswordState};
use crate::domain::credentials::password::Password;
use crate::domain::credentials::secret_key::Purpose;
use crate::domain::credentials::totp::TotpSecret;

/// How long a secret that is not stored yet can be confirmed, in seconds.
const DRAFT_VALID: i64 = 15 * 60;

/// Why a way to sign in is not added.
pub const OLD_SESSION: &str =
    "This needs a session of the last 15 minutes: sign out, sign in again, and come back.";

const WRONG: &str = "The current password or code is wrong. A code works once; after five wrong tries, the password is \
    locked for 15 minutes. You can also sign in anew with a link, which allows changes for 15 minutes.";

async fn state(console: &ConsoleState, session: &Session) -> Result<PasswordState, Error> {
    Ok(passwords::state(console.db(), session.operator.id, &session.code).await?)
}

/// The password on the page of the account.
pub async fn section(console: &ConsoleState, session: &Session) -> Result<Markup, Error> {
    let PasswordState { exists, session_is_young } = state(console, session).await?;
    Ok(html! {
        section .box {
            h2 { "Password" }
            @if exists {
                p { (badge(Tone::Good, "Set")) }
                p .quiet { "You sign in with your password and a code of your authenticator app." }
                div .actions {
                    a .button.second href="/account/password" { "Change password" }
                    details .ask.danger {
                        summary .button.second { "Remove password" }
                        form method="post" action="/account/password/remove" {
                            p { "Password and authenticator app do not work any more, and your other sessions end." }
                            (token(session))
                            @if !session_is_young { (current(None)) }
                            button .destroy { "Remove password" }
                        }
                    }
                }
            } @else {
                p .quiet { "Set a password, and sign in with it and a code of an authenticator app instead of a link." }
                a .button href="/account/password" { "Set a password" }
            }
        }
    })
}

/// The fields for what is set now.
fn current(error: Option<&str>) -> Markup {
    let password = Field { name: "current", label: "Current password", help: "", value: "", error };
    let code = Field {
        name: "current-code",
        label: "Current code",
        help: "6 digits that your authenticator app shows now.",
        value: "",
        error: None,
    };
    html! {
        (password.completed("password", "current-password"))
        (code.completed("text", "one-time-code"))
    }
}

/// The secret of a form.
struct Draft {
    secret: TotpSecret,
    sealed: String,
}

impl Draft {
    fn new(console: &ConsoleState, session: &Session) -> Self {
        let secret = TotpSecret::generate();
        let plain = [&clock::now().as_second().to_be_bytes(), secret.expose()].concat();
        let sealed = console.server.seal.seal(Purpose::TotpDraft, session.operator.id, &plain);
        Self { secret, sealed: BASE64_URL_SAFE_NO_PAD.encode(sealed) }
    }

    /// The secret of a form that was sent; `None` if it is too old, or of somebody else.
    fn parse(console: &ConsoleState, session: &Session, text: &str) -> Option<Self> {
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let plain = console.server.seal.open(Purpose::TotpDraft, session.operator.id, &sealed).ok()?;
        let (made, secret) = plain.split_first_chunk()?;
        let age = clock::now().as_second().saturating_sub(i64::from_be_bytes(*made));
        let secret = TotpSecret::stored(secret)?;
        (0..=DRAFT_VALID).contains(&age).then(|| Self { secret, sealed: text.to_owned() })
    }
}

/// The errors of the form.
#[derive(Default)]
struct Errors<'a> {
    current: Option<&'a str>,
    password: Option<&'a str>,
    again: Option<&'a str>,
    code: Option<&'a str>,
}

impl Errors<'_> {
    fn any(&self) -> bool {
        self.password.is_some() || self.again.is_some() || self.code.is_some()
    }
}

/// The form.
pub async fn edit(State(console): State<ConsoleState>, session: Session) -> Result<Page, Error> {
    let state = state(&console, &session).await?;
    Ok(form(&console, &session, &state, &Draft::new(&console, &session), &Errors::default()))
}

fn form(
    console: &ConsoleState,
    session: &Session,
    state: &PasswordState,
    draft: &Draft,
    errors: &Errors,
) -> Page {
    let title = if state.exists { "Change password" } else { "Set a password" };
    let field = |name, label, help, error| Field { name, label, help, value: "", error };
    let body = html! {
        p .trail { a href="/account" { "Your account" } }
        div .title { h1 { (title) } }
        form method="post" action="/account/password" {
            (token(session))
            input type="hidden" name="secret" value=(draft.sealed);
            // Password managers store the password under it.
            input type="text" name="username" value=(session.operator.email) autocomplete="username" hidden;
            @if state.exists && !state.session_is_young {
                section .box { h2 { "What you use now" } (current(errors.current)) }
            }
            section .box {
                h2 { "New password" }
                (field("password", "New password", "At least 12 characters.", errors.password).completed("password", "new-password"))
                (field("again", "New password again", "", errors.again).completed("password", "new-password"))
            }
            section .box {
                h2 { "Authenticator app" }
                @if state.exists { p { "The app gets a new key, too. Delete the old entry in it afterwards." } }
                (secret(console, session, &draft.secret))
                (field("code", "Code of the new key", "6 digits that the app shows now.", errors.code).completed("text", "one-time-code"))
            }
            button { (title) }
        }
    };
    layout::server_page(session, title, &body)
}

/// The secret for the app: to scan, to open, to type.
fn secret(console: &ConsoleState, session: &Session, secret: &TotpSecret) -> Markup {
    let host = console.url.host_str().unwrap_or_default();
    let uri = secret.uri(&format!("Userdocks {host}"), &session.operator.email);
    let text = secret.base32();
    html! {
        div .key {
            (qr_code::svg(&uri, "QR code of the key"))
            div {
                p { "Scan the code with an authenticator app, or " a href=(uri) { "open the app on this device" } "." }
                p .quiet { "You can also type this key into the app:" }
                p { code { @for at in (0..text.len()).step_by(4) { @if at > 0 { " " } (text[at..at + 4]) } } }
            }
        }
    }
}

/// Stores a new password and the secret of the app together.
pub async fn save(
    State(console): State<ConsoleState>,
    tried: Try,
    OwnForm { at: session, form: sent }: OwnForm<Session>,
) -> Result<Response, Error> {
    audit::record(|facts| facts.subject = Some(session.operator.id));
    let state = state(&console, &session).await?;
    let answer = |status, draft: &Draft, errors: &Errors| {
        audit::record(|facts| facts.refused = Some("invalid_fields"));
        Ok((status, form(&console, &session, &state, draft, errors)).into_response())
    };
    let Some(draft) = Draft::parse(&console, &session, sent.get("secret")) else {
        tried.forgive(&console);
        let code = Some("The key was older than 15 minutes. Scan the new one.");
        let errors = Errors { code, ..Errors::default() };
        return answer(StatusCode::UNPROCESSABLE_ENTITY, &Draft::new(&console, &session), &errors);
    };
    let password = Password::parse(sent.get("password"));
    let step = draft.secret.step_of(sent.get("code"), clock::now(), None);
    let invalid = password.as_ref().err().map(|error| format!("It {error}."));
    let again = password.as_ref().is_ok_and(|password| !password.same_as(sent.get("again")));
    let errors = Errors {
        password: invalid.as_deref(),
        again: again.then_some("It differs from the new password."),
        code: step.is_none().then_some("The code is wrong. Type the one that the app shows now."),
        ..Errors::default()
    };
    let (Ok(password), Some(step), false) = (password, step, errors.any()) else {
        tried.forgive(&console);
        return answer(StatusCode::UNPROCESSABLE_ENTITY, &draft, &errors);
    };
    if !proves(&console, &session, &state, &sent).await? {
        let errors = Errors { current: Some(WRONG), ..Errors::default() };
        return answer(StatusCode::FORBIDDEN, &draft, &errors);
    }
    tried.forgive(&console);
    let hash = hash(password).await?;
    let operator = session.operator.id;
    let sealed = console.server.seal.seal(Purpose::TotpSecret, operator, draft.secret.expose());
    if !passwords::set(console.db(), operator, &session.code, &hash, &sealed, step).await? {
        return Err(Error::SignedOut);
    }
    audit::record(|facts| facts.fields = vec!["password".to_owned(), "authenticator".to_owned()]);
    Ok(Redirect::to("/account?done=password").into_response())
}

/// Removes the password and the secret of the app.
pub async fn remove(
    State(console): State<ConsoleState>,
    tried: Try,
    OwnForm { at: session, form }: OwnForm<Session>,
) -> Result<Response, Error> {
    audit::record(|facts| facts.subject = Some(session.operator.id));
    let state = state(&console, &session).await?;
    if !proves(&console, &session, &state, &form).await? {
        return Err(Error::Forbidden(WRONG));
    }
    tried.forgive(&console);
    let removed = passwords::remove(console.db(), session.operator.id, &session.code).await?;
    audit::record(|facts| facts.unchanged = !removed);
    Ok(Redirect::to("/account?done=password-removed").into_response())
}

/// Whether it is the operator who changes their password: the session is young, or the form has the current password and
/// code.
async fn proves(
    console: &ConsoleState,
    session: &Session,
    state: &PasswordState,
    form: &Fields,
) -> Result<bool, Error> {
    if state.session_is_young {
        return Ok(true);
    }
    if !state.exists {
        return Err(Error::Forbidden(OLD_SESSION));
    }
    let operator = Some(session.operator.id);
    match check(console, operator, form.get("current"), form.get("current-code")).await? {
        Some(Checked { stored, step }) => Ok(passwords::accept(console.db(), &stored, step).await?),
        None => Ok(false),
    }
}
