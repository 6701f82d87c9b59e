//! The routes of many invites at once, and of what became of referrals.

use std::time::Duration;

use super::{Route, get, post};
use crate::api::invites::bulk;
use crate::api::openapi::{Admits, Answer, Body, Operation};
use crate::api::referrals::leaderboard;
use crate::api::referrals::list;
use crate::http::error::Error;

pub(crate) fn api() -> Vec<Route> {
    vec![
        post(
            "/invites/bulk",
            bulk::create,
            Operation {
                about: "Invites up to 1,000 addresses, each for itself, with a result for each in the same order. Whoever is \
                    a user already is left alone, so that the call can be repeated and sends nobody a second \
                    mail. The body may have 256 KiB.",
                parameters: &["Idempotency-Key"],
                body: Some(Body::Bulk),
                answer: Answer::data("BulkResult", "the invites were taken"),
                refusals: vec![
                    Error::BulkTooLarge,
                    Error::UserOutOfReach,
                    Error::UserIdTaken,
                    Error::InvalidIdempotencyKey,
                    Error::IdempotencyInProgress,
                    Error::IdempotencyKeyReused,
                    Error::MailQuotaExceeded(Duration::ZERO),
                ],
                ..Operation::new("inviteUsers", "invites", "Invite many users", Admits::WriteKey)
            },
        ),
        get(
            "/users/{userId}/referrals",
            list::list,
            Operation {
                about: "The referral code of a user, and what became of their referrals: the invites that they sent, and \
                    the users who brought their code along; by id, a page at a time. An access token sees those \
                    of its user, addresses in part.",
                parameters: &["userIdOrMe", "limit", "after"],
                answer: Answer::data("ReferralPage", "the referrals of the user"),
                refusals: vec![Error::UserOutOfReach],
                ..Operation::new(
                    "listReferrals",
                    "invites",
                    "List the referrals of a user",
                    Admits::AnyKeyOrToken,
                )
            },
        ),
        get(
            "/referrals/leaderboard",
            leaderboard::leaderboard,
            Operation {
                about: "The users by whose referrals most others accepted, first.",
                parameters: &["limit"],
                answer: Answer::data("Leaderboard", "who referred most"),
                ..Operation::new("showLeaderboard", "invites", "List the best referrers", Admits::AnyKey)
            },
        ),
    ]
}
