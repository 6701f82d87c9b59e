//! The routes of what became of referrals.

use super::super::referrals;
use super::{Route, get};
use crate::http::error::Error;
use crate::http::openapi::{Admits, Answer, Operation};

pub(super) fn api() -> Vec<Route> {
    vec![
        get(
            "/users/{userId}/referrals",
            referrals::list,
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
            referrals::leaderboard,
            Operation {
                about: "The users by whose referrals most others accepted, first.",
                parameters: &["limit"],
                answer: Answer::data("Leaderboard", "who referred most"),
                ..Operation::new("showLeaderboard", "invites", "List the best referrers", Admits::AnyKey)
            },
        ),
    ]
}
