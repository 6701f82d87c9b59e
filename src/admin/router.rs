//! The routes of the console: a line for each screen and for each change. A change is an audit event, also if refused.

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::handler::Handler;
use axum::http::{HeaderName, HeaderValue, Uri};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use super::document;
use super::error::Error;
use super::screens::apps::{self, branding, settings};
use super::screens::invites::{self, imports, invite};
use super::screens::keys::{self, api_key, signing_key};
use super::screens::mails::{self, bounces};
use super::screens::passwords::setting;
use super::screens::users::{self, save, user};
use super::screens::webhooks::{self, webhook};
use super::screens::{account, audit, home, link_mails, openid, operators, passkeys, referrals, sign_in};
use super::state::ConsoleState;
use crate::audit::AuditedCall;
use crate::db::operators::audit_events;
use crate::domain::id;
use crate::http::context::RequestContext;

/// Headers of every response (<https://owasp.org/www-project-secure-headers/>).
const HEADERS: [(&str, &str); 6] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; frame-src 'self'; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("cache-control", "no-store"),
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// The router of the console's listener.
pub fn router(console: &ConsoleState) -> Router {
    let change = Changes(Arc::clone(console));
    let router = Router::new()
        .route("/sign-in", get(sign_in::form).merge(change.post("signIn", sign_in::with_password)))
        .route("/sign-in/link", change.post("mailSignInLink", link_mails::send))
        .route("/sign-in/passkey", change.post("signIn", passkeys::sign_in))
        .route("/sign-in/passkey/options", post(passkeys::sign_in_options))
        .route("/sign-in/openid", get(openid::begin))
        .route("/sign-in/openid/callback", change.get("signIn", openid::callback))
        .route("/sign-in/{code}", get(sign_in::link).merge(change.post("signIn", sign_in::sign_in)))
        .route("/sign-out", change.post("signOut", sign_in::sign_out))
        .route("/sign-out-everywhere", change.post("signOutEverywhere", sign_in::sign_out_everywhere))
        .route("/account", get(account::show))
        .route("/account/password", get(setting::edit).merge(change.post("setPassword", setting::save)))
        .route("/account/password/remove", change.post("removePassword", setting::remove))
        .route("/account/passkeys", change.post("addPasskey", passkeys::add))
        .route("/account/passkeys/options", post(passkeys::add_options))
        .route("/account/passkeys/remove", change.post("removePasskey", passkeys::remove))
        .route("/", get(apps::list))
        .route("/audit", get(audit::server))
        .route("/operators", get(operators::list).merge(change.post("createOperator", operators::create)))
        .route("/operators/{id}/link", change.post("createSignInLink", operators::link))
        .route("/operators/{id}/disable", change.post("disableOperator", operators::disable))
        .route("/apps/{app}/invites", get(invites::list))
        .route("/apps/{app}/invites/{id}", get(invite::show))
        .route("/apps/{app}/invites/{id}/resend", change.post("resendInvite", invite::resend))
        .route("/apps/{app}/invites/{id}/extend", change.post("extendInvite", invite::extend))
        .route("/apps/{app}/invites/{id}/revoke", change.post("revokeInvite", invite::revoke))
        .route(
            "/apps/{app}/imports/new",
            get(imports::new).merge(change.post("uploadImport", imports::upload)),
        )
        .route("/apps/{app}/imports/{id}", get(imports::show))
        .route("/apps/{app}/imports/{id}/check", change.post("checkImport", imports::check))
        .route("/apps/{app}/imports/{id}/start", change.post("importInvites", imports::start))
        .route("/apps/{app}/imports/{id}/rejected.csv", get(imports::rejected))
        .route("/apps/{app}/audit", get(audit::of_app))
        .route("/apps/new", get(apps::new).merge(change.post("createApp", apps::create)))
        .route("/apps/{app}", get(home::show))
        .route("/apps/{app}/settings", get(settings::show).merge(change.post("updateApp", settings::save)))
        .route("/apps/{app}/branding", get(branding::show).merge(change.post("updateApp", branding::save)))
        .route("/apps/{app}/branding/mail", get(branding::mail))
        .route("/apps/{app}/keys", get(keys::list).merge(change.post("createApiKey", api_key::create)))
        .route("/apps/{app}/keys/{id}", get(api_key::show))
        .route("/apps/{app}/keys/{id}/rotate", change.post("rotateApiKey", api_key::rotate))
        .route("/apps/{app}/keys/{id}/revoke", change.post("revokeApiKey", api_key::revoke))
        .route("/apps/{app}/signing-keys", change.post("createSigningKey", signing_key::create))
        .route("/apps/{app}/signing-keys/{id}/remove", change.post("revokeSigningKey", signing_key::remove))
        .route("/apps/{app}/mails", get(mails::list))
        .route("/apps/{app}/mails/{id}", get(mails::show))
        .route("/apps/{app}/mails/{id}/retry", change.post("retryMail", mails::retry))
        .route("/apps/{app}/bounces", get(bounces::list))
        .route("/apps/{app}/bounces/opt-out", change.post("optOut", bounces::add))
        .route("/apps/{app}/bounces/opt-out/undo", change.post("undoOptOut", bounces::remove))
        .route("/apps/{app}/bounces/opt-out/look-up", post(bounces::look_up))
        .route(
            "/apps/{app}/webhooks",
            get(webhooks::list).merge(change.post("createWebhook", webhooks::create)),
        )
        .route("/apps/{app}/webhooks/new", get(webhooks::new))
        .route("/apps/{app}/webhooks/{id}", get(webhook::show))
        .route("/apps/{app}/webhooks/{id}/enable", change.post("enableWebhook", webhook::enable))
        .route("/apps/{app}/webhooks/{id}/delete", change.post("deleteWebhook", webhook::delete))
        .route("/apps/{app}/webhooks/{id}/rotate", change.post("rotateWebhookSecret", webhook::rotate))
        .route("/apps/{app}/webhooks/{id}/replay", change.post("replayDeliveries", webhook::replay_failed))
        .route("/apps/{app}/deliveries/{id}/replay", change.post("replayDeliveries", webhook::replay))
        .route("/apps/{app}/users", get(users::list))
        .route("/apps/{app}/users/{id}", get(user::show).merge(change.post("updateUser", save::save)))
        .route("/apps/{app}/users/{id}/freeze", change.post("freezeUser", user::freeze))
        .route("/apps/{app}/users/{id}/unfreeze", change.post("unfreezeUser", user::unfreeze))
        .route("/apps/{app}/users/{id}/verify-email", change.post("verifyEmail", user::verify_email))
        .route("/apps/{app}/users/{id}/erase", change.post("eraseUser", user::erase))
        .route("/apps/{app}/referrals", get(referrals::show));
    let mut layers = router
        .route(&document::STYLE.path, get(async || document::STYLE.response()))
        .route(&document::SCRIPT.path, get(async || document::SCRIPT.response()))
        .fallback(async || Error::NotFound)
        .method_not_allowed_fallback(above)
        .with_state(Arc::clone(console))
        // Forms have limits of their own.
        .layer(DefaultBodyLimit::disable())
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(with_context));
    for (name, value) in HEADERS {
        layers = layers.layer(SetResponseHeaderLayer::if_not_present(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        ));
    }
    layers
}

#[expect(clippy::needless_pass_by_value, reason = "the form that tower-http calls")]
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    tracing::error!(panic = text.unwrap_or_default(), "a page of the console panicked");
    Error::Refused("Something went wrong here. It is in the log of the server.".to_owned()).into_response()
}

/// A page that answered a form is loaded again by its address: leads to the page with the form, one step up.
async fn above(uri: Uri) -> Redirect {
    let path = uri.path().rsplit_once('/').map_or("/", |(above, _)| above);
    Redirect::to(if path.is_empty() { "/" } else { path })
}

async fn with_context(mut request: Request, next: Next) -> Response {
    RequestContext::begin(request.extensions_mut());
    next.run(request).await
}

/// Makes the routes of changes.
struct Changes(ConsoleState);

impl Changes {
    /// A change by a form, which is recorded as `action`.
    fn post<H, T>(&self, action: &'static str, handler: H) -> MethodRouter<ConsoleState>
    where
        H: Handler<T, ConsoleState>,
        T: 'static,
    {
        self.audited(action, post(handler))
    }

    /// A change by following a link from another site, which is recorded as `action`.
    fn get<H, T>(&self, action: &'static str, handler: H) -> MethodRouter<ConsoleState>
    where
        H: Handler<T, ConsoleState>,
        T: 'static,
    {
        self.audited(action, get(handler))
    }

    fn audited(&self, action: &'static str, route: MethodRouter<ConsoleState>) -> MethodRouter<ConsoleState> {
        route.layer(from_fn_with_state((Arc::clone(&self.0), action), audited))
    }
}

async fn audited(
    State((console, action)): State<(ConsoleState, &'static str)>,
    request: Request,
    next: Next,
) -> Response {
    let call = AuditedCall::begin(action, &id::new().to_string());
    let response = call.watch(next.run(request)).await;
    let code = response.headers().get("x-error-code").and_then(|code| code.to_str().ok());
    if let Some(event) = call.finish(response.status().as_u16(), code) {
        let keep = console.server.config.retention.audit;
        if let Err(error) = audit_events::store(console.db(), &event, keep).await {
            tracing::warn!(%error, "the audit event was not stored");
        }
    }
    response
}
