//! The routes of those who want no referrals.

use super::{Route, get, post};
use crate::api::openapi::{Admits, Answer, Operation};
use crate::api::pages::opt_out;

pub(crate) fn page_routes() -> Vec<Route> {
    vec![
        get(
            "/opt-out/{code}",
            opt_out::show,
            Operation {
                about: "The page behind the link at the end of a referral. Looking changes nothing.",
                parameters: &["optOutCode"],
                answer: Answer::Page(&[200, 404, 429, 500, 503]),
                ..Operation::new("showOptOut", "pages", "Look at an opt-out", Admits::Anyone)
            },
        ),
        post(
            "/opt-out/{code}",
            opt_out::add,
            Operation {
                about: "What the button of the page does, or of a mail program in one click (RFC 8058), whatever the body: \
                        no referral of the app goes to the address any more, whoever sends it.",
                parameters: &["optOutCode"],
                answer: Answer::Page(&[200, 404, 429, 500, 503]),
                ..Operation::new("optOut", "pages", "Opt out of referrals", Admits::Anyone)
            },
        ),
        post(
            "/opt-out/{code}/undo",
            opt_out::remove,
            Operation {
                about: "Takes it back.",
                parameters: &["optOutCode"],
                answer: Answer::Page(&[200, 404, 429, 500, 503]),
                ..Operation::new("undoOptOut", "pages", "Allow referrals again", Admits::Anyone)
            },
        ),
    ]
}
