//! The routes of invites.

use std::time::Duration;

use super::super::invite_codes;
use super::{Route, get, post};
use crate::http::error::Error;
use crate::http::openapi::{Admits, Answer, Body, Operation};

pub(super) fn api() -> Vec<Route> {
    vec![
        get(
            "/invites/{code}",
            invite_codes::show,
            Operation {
                about: "What a landing page of the app shows to whoever followed the link in a mail. The code is the \
                    credential; looking never spends it. `state` tells whether it can be accepted.",
                parameters: &["code"],
                answer: Answer::data("Offer", "the invite"),
                refusals: by_code(vec![]),
                ..Operation::new("showInviteByCode", "invites", "Look at an invite", Admits::Anyone)
            },
        ),
        post(
            "/invites/{code}/accept",
            invite_codes::accept,
            Operation {
                about: "Accepts the invite, once, and stores what the body says of the user, all or nothing. The \
                    answer has an access token, with which the page can go on to `PUT /v1/users/me`.",
                parameters: &["code"],
                body: Some(Body::Accept),
                answer: Answer::data("Welcome", "the invite was accepted"),
                refusals: by_code(vec![
                    Error::InviteAccepted,
                    Error::InviteRevoked,
                    Error::InviteExpired,
                    Error::AccountExists,
                ]),
                ..Operation::new("acceptInviteByCode", "invites", "Accept an invite", Admits::Anyone)
            },
        ),
    ]
}

/// What every route refuses whose credential is a code.
fn by_code(mut refusals: Vec<Error>) -> Vec<Error> {
    refusals.extend([
        Error::InvalidInviteCode,
        Error::OriginNotAllowed,
        Error::DuplicateHeader("Origin"),
        Error::TooManyRequests(Duration::ZERO),
        Error::TooManyFailures(Duration::ZERO),
        Error::Overloaded,
    ]);
    refusals
}
