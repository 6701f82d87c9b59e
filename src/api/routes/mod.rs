//! Every route, beside what the `OpenAPI` document says of it: no route is served that is not described, and
//! none described that is not served.

mod emails;
mod invites;
mod opt_outs;
mod referrals;

use std::time::Duration;

use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};
use serde_json::Map;

use super::openapi::{Admits, Answer, Body, Operation};
use super::referrals::create;
use super::users::{access_status, tokens};
use super::{apps, docs, health, mail_reports, openapi, users};
use crate::domain::credentials::access_token::Invalid;
use crate::domain::invites::accept_body::AcceptBody;
use crate::domain::invites::bulk_body::BulkBody;
use crate::domain::invites::invite_body::{InviteBody, NewUserBody};
use crate::domain::json::JsonError;
use crate::domain::users::external_subject;
use crate::domain::users::profile::ProfilePatch;
use crate::http::AppState;
use crate::http::error::Error;
use crate::http::route_metrics;

/// One method of one path.
pub struct Route {
    /// In lower case, as a key of a path item.
    pub method: &'static str,
    /// Below the prefixes for [`api`], else whole.
    pub path: &'static str,
    /// What answers.
    pub handler: MethodRouter<AppState>,
    /// What it is.
    pub operation: Operation,
}

fn route<H: Handler<T, AppState>, T: 'static>(
    filter: MethodFilter,
    method: &'static str,
    path: &'static str,
    handler: H,
    operation: Operation,
) -> Route {
    Route { method, path, handler: on(filter, handler), operation }
}

macro_rules! methods {
    ($($name:ident $filter:ident),*) => {
        $(fn $name<H: Handler<T, AppState>, T: 'static>(
            path: &'static str,
            handler: H,
            operation: Operation,
        ) -> Route {
            route(MethodFilter::$filter, stringify!($name), path, handler, operation)
        })*
    };
}
methods!(get GET, post POST, put PUT, delete DELETE);

/// The routes that exist below `/v1` and below `/api/v1`.
#[must_use]
pub fn api() -> Vec<Route> {
    let mut routes = vec![invite(), update(), refer()];
    routes.extend(users());
    routes.extend(apps());
    routes.extend(invites::api());
    routes.extend(referrals::api());
    routes.extend(emails::api());
    routes
}

fn invite() -> Route {
    post(
        "/users/{userId}",
        users::invite::invite,
        Operation {
            about: "Sends an invite mail to `email` and returns the new user. If nobody has the id, it becomes the \
                    new user's, who gets a tenant of their own. If it is a user's, they are the inviter, whose \
                    tenant the new user joins under a fresh id; with their own `email`, their invite is sent \
                    again, unless one went out a moment ago.",
            parameters: &["userId", "Idempotency-Key"],
            body: Some(Body::Invite),
            answer: Answer::data("InvitedUser", "the user was invited"),
            refusals: vec![
                Error::EmailTaken("email"),
                Error::AlreadyAccepted,
                Error::UnknownReferralCode,
                Error::UserOutOfReach,
                Error::InvalidIdempotencyKey,
                Error::IdempotencyInProgress,
                Error::IdempotencyKeyReused,
                Error::MailQuotaExceeded(Duration::ZERO),
            ],
            links: &["updateUser", "showUser", "createToken", "eraseUser", "createReferralInvite"],
            ..Operation::new("inviteUser", "users", "Invite a user", Admits::WriteKey)
        },
    )
}

fn update() -> Route {
    put(
        "/users/{userId}",
        users::update::update,
        Operation {
            about: "Changes the fields that the body names: all of them, or, if one is bad, none. With `If-Match` \
                    only if nobody else changed the user since. With an API key a new `email` counts at once and is not verified: a \
                    mail to it asks to confirm, and one to the old address, if that was verified, tells. With an access \
                    token it waits: a mail to it asks to confirm, and until that is done the old address counts. The answer \
                    is the same whether the address is free, another user's, who is told, or the user's own, which ends \
                    what waits; each counts for the user's day.",
            parameters: &["userIdOrMe", "If-Match"],
            body: Some(Body::Update),
            answer: Answer::Success {
                status: 200,
                message: "the user was updated",
                data: "Null",
                etag: true,
            },
            refusals: vec![
                Error::EmailTaken("user.email"),
                Error::UserOutOfReach,
                Error::InvalidIfMatch,
                Error::Stale,
                Error::ConfirmationQuotaExceeded,
                Error::MailQuotaExceeded(Duration::ZERO),
            ],
            ..Operation::new("updateUser", "users", "Update a user", Admits::WriteKeyOrToken)
        },
    )
}

fn refer() -> Route {
    post(
        "/users/{userId}/referral-invites",
        create::create,
        Operation {
            about: "Mails a referral invite with the referral code of the user in the path. The answer is the same \
                    whether or not the address has an account, so that nobody can probe for accounts; no mail \
                    goes to an address that has one, or that opted out. Bounded per referrer and day.",
            parameters: &["userIdOrMe", "Idempotency-Key"],
            body: Some(Body::Referral),
            answer: Answer::Success {
                status: 201,
                message: "the referral invite was taken",
                data: "Null",
                etag: false,
            },
            refusals: vec![
                Error::OwnAddress,
                Error::UserOutOfReach,
                Error::InvalidIdempotencyKey,
                Error::IdempotencyInProgress,
                Error::IdempotencyKeyReused,
                Error::ReferralQuotaExceeded,
                Error::MailQuotaExceeded(Duration::ZERO),
            ],
            ..Operation::new(
                "createReferralInvite",
                "users",
                "Send a referral invite",
                Admits::WriteKeyOrToken,
            )
        },
    )
}

fn users() -> Vec<Route> {
    vec![
        get(
            "/users/{userId}",
            users::show::show,
            Operation {
                about: "An API key sees every user of its app who is not deleted, an access token those of its user's \
                    tenant.",
                parameters: &["userIdOrMeOrEmail"],
                answer: Answer::Success {
                    status: 200,
                    message: "the user",
                    data: "UserResource",
                    etag: true,
                },
                refusals: vec![Error::UserOutOfReach],
                ..Operation::new("showUser", "users", "Show a user", Admits::AnyKeyOrToken)
            },
        ),
        get(
            "/users",
            users::list::list,
            Operation {
                about: "The users of the app by id, a page at a time.",
                parameters: &["limit", "after", "email"],
                answer: Answer::data("UserPage", "users of the app"),
                ..Operation::new("listUsers", "users", "List users", Admits::AnyKey)
            },
        ),
        delete(
            "/users/{userId}",
            users::erase::erase,
            Operation {
                about: "Erases the personal data of a user: with an API key any of the app, with an access token its own. \
                    Their invites and tokens end at once, their address is free again. With `If-Match` only if \
                    nobody changed the user since.",
                parameters: &["userIdOrMe", "If-Match"],
                answer: Answer::data("Null", "the user was deleted"),
                refusals: vec![Error::UserOutOfReach, Error::InvalidIfMatch, Error::Stale],
                ..Operation::new("eraseUser", "users", "Delete a user", Admits::WriteKeyOrToken)
            },
        ),
        put(
            "/users/{userId}/external-subject",
            users::external_subject::set_external_subject,
            Operation {
                about: "Records which `sub` of the app's external issuer is the user, where it is not the user's id.",
                parameters: &["userId"],
                body: Some(Body::ExternalSubject),
                answer: Answer::data("Null", "the subject was recorded"),
                refusals: vec![Error::ExternalSubjectTaken, Error::UserOutOfReach],
                ..Operation::new("setExternalSubject", "users", "Record an outside subject", Admits::WriteKey)
            },
        ),
        post(
            "/users/{userId}/tokens",
            tokens::create,
            Operation {
                about: "A short-lived access token for a user of the app, to be handed to their browser.",
                parameters: &["userId"],
                answer: Answer::data("AccessToken", "an access token was issued"),
                refusals: vec![Error::UserOutOfReach],
                ..Operation::new("createToken", "tokens", "Issue an access token", Admits::WriteKey)
            },
        ),
    ]
}

fn apps() -> Vec<Route> {
    vec![
        post(
            "/mail-reports",
            mail_reports::create,
            Operation {
                about: "Records what became of a mail after the mail server took it: it bounced, is late, or was complained \
                    of. The mail is named by its `Message-ID`, or is the newest of an invite. Recorded once, however \
                    often it is reported, and shown in the timeline of the invite. After a complaint the recipient gets no \
                    more referrals of the app. With `provider` the call is one of that mail provider, in its own form, \
                    with its own signature or password instead of an API key, as the settings of the server have it; \
                    reports on mails that are not known change nothing.",
                parameters: &["provider"],
                body: Some(Body::MailReport),
                answer: Answer::data("Null", "the report was recorded"),
                refusals: vec![
                    Error::MailNotFound,
                    Error::UnprovenProvider("the signature of the provider is more than a day old"),
                ],
                ..Operation::new("reportMail", "apps", "Report a bounce or a complaint", Admits::WriteKey)
            },
        ),
        put(
            "/apps/{appId}/users/{userId}/access-status/{accessStatus}",
            access_status::set_access_status,
            Operation {
                about: "`0` freezes a user, whose access tokens are refused at once; `1` undoes it.",
                parameters: &["appId", "userId", "accessStatus"],
                answer: Answer::data("Null", "the user was frozen"),
                refusals: vec![Error::UserOutOfReach, Error::AppOutOfReach],
                ..Operation::new("setAccessStatus", "apps", "Freeze or unfreeze a user", Admits::WriteKey)
            },
        ),
        get(
            "/apps/{appId}/public-keys",
            apps::public_key::public_key,
            Operation {
                about: "The key that verifies the newest access tokens of the app.",
                parameters: &["appId"],
                answer: Answer::data("PublicKey", "the public key of the app"),
                refusals: vec![Error::AppOutOfReach, Error::AppNotFound],
                ..Operation::new("showPublicKey", "apps", "Show the public key", Admits::AnyKey)
            },
        ),
        get(
            "/public-key",
            apps::public_key::public_key,
            Operation {
                about: "The same as `/apps/{appId}/public-keys`, at its older path.",
                answer: Answer::data("PublicKey", "the public key of the app"),
                refusals: vec![Error::AppNotFound],
                ..Operation::new("showOwnPublicKey", "apps", "Show the public key", Admits::AnyKey)
            },
        ),
        get(
            "/apps/{appId}/jwks.json",
            apps::jwks::jwks,
            Operation {
                about: "All keys that verify access tokens of the app, as a JWK set (RFC 7517). Public, and good for \
                    five minutes.",
                parameters: &["appId"],
                answer: Answer::Bare { media: "application/jwk-set+json", data: "JwkSet" },
                refusals: vec![
                    Error::InvalidPath(UUID),
                    Error::AppNotFound,
                    Error::TooManyFailures(Duration::ZERO),
                    Error::Overloaded,
                ],
                ..Operation::new("listKeys", "apps", "List the public keys", Admits::Anyone)
            },
        ),
    ]
}

/// The routes beside the API.
#[must_use]
pub fn page_routes() -> Vec<Route> {
    let mut routes = vec![
        get(
            "/invites/{code}",
            super::pages::invite::show,
            Operation {
                about: "The page behind the link in a mail, for an app that has none of its own. Looking changes \
                    nothing.",
                parameters: &["code"],
                answer: Answer::Page(&[200, 404, 429, 500, 503]),
                ..Operation::new("showInvite", "pages", "Look at an invite", Admits::Anyone)
            },
        ),
        post(
            "/invites/{code}",
            super::pages::invite::accept,
            Operation {
                about: "What the button of the page does: accepts the invite, once. That of an expired invite \
                    sends `renew` in the query, which mails it again to the same address.",
                parameters: &["code", "renew"],
                answer: Answer::Page(&[200, 404, 429, 500, 503]),
                ..Operation::new("acceptInvite", "pages", "Accept an invite", Admits::Anyone)
            },
        ),
        get(
            "/healthz",
            health::healthz,
            Operation {
                answer: Answer::data("Null", "alive"),
                ..Operation::new("healthz", "operation", "Whether the process lives", Admits::Anyone)
            },
        ),
        get(
            "/readyz",
            health::readyz,
            Operation {
                about: "503 while the database is away or the server is stopping.",
                answer: Answer::data("Null", "ready"),
                ..Operation::new("readyz", "operation", "Whether the server can do its work", Admits::Anyone)
            },
        ),
        get(
            "/openapi.json",
            openapi::serve,
            Operation {
                answer: Answer::Bare { media: "application/json", data: "Document" },
                ..Operation::new("openapi", "operation", "This document", Admits::Anyone)
            },
        ),
        get(
            "/docs",
            docs::page,
            Operation {
                answer: Answer::Page(&[200]),
                ..Operation::new("docs", "pages", "This document as a page", Admits::Anyone)
            },
        ),
    ];
    routes.extend(emails::page_routes());
    routes.extend(opt_outs::page_routes());
    routes
}

/// Registers every path, prefix included, for metrics and for the names of calls in the audit log.
pub fn register() {
    let below = |prefix| api().into_iter().map(move |route| (prefix, route));
    let all = below("/v1").chain(below("/api/v1")).chain(page_routes().into_iter().map(|route| ("", route)));
    route_metrics::register(
        all.map(|(prefix, route)| (format!("{prefix}{}", route.path), route.method, route.operation.id)),
    );
}

/// A field that no body has.
fn unknown() -> (String, serde_json::Value) {
    ("code".to_owned(), serde_json::Value::Null)
}

const UUID: &str = "`userId` in the path must be a hyphenated UUID";

/// All that a route may refuse: what its operation names, and what every route with such callers, with a
/// path, a query or a body does.
#[must_use]
pub fn refusals(operation: Operation) -> Vec<Error> {
    let mut refusals = Vec::new();
    if operation.admits != Admits::Anyone {
        refusals.extend([
            Error::CredentialsMissing,
            Error::InvalidApiKey,
            Error::MalformedToken("Authorization"),
            Error::InvalidToken(Invalid::Expired),
            Error::AmbiguousCredentials,
            Error::DuplicateHeader("X-API-KEY"),
            Error::ApiKeyFromBrowser,
            Error::OriginNotAllowed,
            Error::TooManyRequests(Duration::ZERO),
            Error::TooManyFailures(Duration::ZERO),
            Error::Overloaded,
            Error::InvalidPath(UUID),
            Error::InvalidQuery("`test` in the query must be `true` or `false`"),
        ]);
    }
    if matches!(operation.admits, Admits::WriteKey | Admits::WriteKeyOrToken) {
        refusals.push(Error::WriteKeyRequired);
    }
    if matches!(operation.admits, Admits::WriteKey | Admits::AnyKey) {
        refusals.push(Error::ApiKeyRequired);
    }
    if let Some(body) = operation.body {
        let faults = match body {
            Body::Invite => NewUserBody::parse(Map::new()).err(),
            Body::Referral => InviteBody::parse(Map::new()).err(),
            Body::Bulk => BulkBody::parse(Map::new()).err(),
            Body::Verification => crate::domain::users::email_body::parse(Map::new()).err(),
            Body::MailReport => crate::domain::mail::report::Report::parse(Map::new()).err(),
            Body::ExternalSubject => external_subject::parse(Map::new()).err(),
            Body::Accept => AcceptBody::parse(Map::from_iter([unknown()]), jiff::civil::Date::ZERO).err(),
            Body::Update => ProfilePatch::parse(Map::new(), jiff::civil::Date::ZERO).err(),
        };
        refusals.extend(faults.map(Error::from));
        refusals.extend([
            Error::InvalidJson(JsonError::Empty),
            Error::UnsupportedBody("`Content-Type` must be application/json in UTF-8"),
            Error::BodyIncomplete,
            Error::BodyTimeout,
            Error::BodyTooLarge,
        ]);
    }
    refusals.extend(operation.refusals);
    refusals.extend([Error::Internal("unknown".into()), Error::Unavailable(None), Error::TimedOut(None)]);
    refusals
}
