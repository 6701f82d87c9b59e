//! The routes of invites.

use std::time::Duration;

use super::{Route, get, post};
use crate::api::invites;
use crate::api::invites::accept;
use crate::api::invites::preview;
use crate::api::openapi::{Admits, Answer, Body, Operation};
use crate::http::error::Error;

pub(crate) fn api() -> Vec<Route> {
    let mut routes = by_id();
    routes.extend(by_code());
    routes
}

fn by_code() -> Vec<Route> {
    vec![
        get(
            "/invites/{code}",
            preview::show,
            Operation {
                about: "What a landing page of the app shows to whoever followed the link in a mail. The code is the \
                    credential; looking never spends it. `state` tells whether it can be accepted.",
                parameters: &["code"],
                answer: Answer::data("Offer", "the invite"),
                refusals: of_a_code(vec![]),
                ..Operation::new("showInviteByCode", "invites", "Look at an invite", Admits::Anyone)
            },
        ),
        post(
            "/invites/{code}/accept",
            accept::accept,
            Operation {
                about: "Accepts the invite, once, and stores what the body says of the user, all or nothing. The \
                    answer has an access token, with which the page can go on to `PUT /v1/users/me`.",
                parameters: &["code"],
                body: Some(Body::Accept),
                answer: Answer::data("Welcome", "the invite was accepted"),
                refusals: of_a_code(vec![
                    Error::InviteAccepted,
                    Error::InviteRevoked,
                    Error::InviteExpired,
                    Error::AccountExists,
                    Error::UnknownReferralCode,
                    Error::OwnReferralCode,
                ]),
                ..Operation::new("acceptInviteByCode", "invites", "Accept an invite", Admits::Anyone)
            },
        ),
    ]
}

/// What every route refuses whose credential is a code.
fn of_a_code(mut refusals: Vec<Error>) -> Vec<Error> {
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

fn by_id() -> Vec<Route> {
    let answer = |message| Answer::data("Null", message);
    vec![
        get(
            "/invites",
            invites::list::list,
            Operation {
                about: "Invites by id, a page at a time: to an API key those of its app, to an access token the \
                    referrals of its user, with addresses in part.",
                parameters: &["limit", "after", "inviteState", "inviteKind", "inviterId", "emailOfInvite"],
                answer: Answer::data("InvitePage", "invites"),
                refusals: vec![Error::UserOutOfReach, Error::ApiKeyRequired],
                ..Operation::new("listInvites", "invites", "List invites", Admits::AnyKeyOrToken)
            },
        ),
        get(
            "/invites/by-id/{inviteId}",
            invites::show::show,
            Operation {
                about: "An API key sees every invite of its app, an access token the referrals of its user, with \
                    the address in part and without the timeline.",
                parameters: &["inviteId"],
                answer: Answer::data("InviteLife", "the invite"),
                refusals: vec![Error::InviteOutOfReach],
                ..Operation::new("showInviteById", "invites", "Show an invite", Admits::AnyKeyOrToken)
            },
        ),
        post(
            "/invites/by-id/{inviteId}/resend",
            invites::resend::resend,
            Operation {
                about: "Mails the invite again: with a new code, which ends the one before, and its full time. Not \
                    less than `invite.resend_after` after the last mail: `message` says so then. A referral is \
                    bounded like a new one, and like there the answer does not tell whether a mail goes out.",
                parameters: &["inviteId", "Idempotency-Key"],
                answer: answer("the invite was sent again"),
                refusals: vec![
                    Error::InviteOutOfReach,
                    Error::InviteAccepted,
                    Error::InviteRevoked,
                    Error::InvalidIdempotencyKey,
                    Error::IdempotencyInProgress,
                    Error::IdempotencyKeyReused,
                    Error::ReferralQuotaExceeded,
                    Error::MailQuotaExceeded(Duration::ZERO),
                ],
                ..Operation::new("resendInvite", "invites", "Send an invite again", Admits::WriteKeyOrToken)
            },
        ),
        post(
            "/invites/by-id/{inviteId}/revoke",
            invites::revoke::revoke,
            Operation {
                about: "Ends an invite that was not accepted; a mail that waits is not sent. The user that an invite \
                    made stays, and can be invited again. Of one that was revoked before, `message` says so.",
                parameters: &["inviteId"],
                answer: answer("the invite was revoked"),
                refusals: vec![Error::InviteOutOfReach, Error::InviteAccepted],
                ..Operation::new("revokeInvite", "invites", "Revoke an invite", Admits::WriteKeyOrToken)
            },
        ),
    ]
}
