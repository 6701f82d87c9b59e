//! The routes of users' addresses.

use std::time::Duration;

use super::{Route, get, post};
use crate::api::openapi::{Admits, Answer, Body, Operation};
use crate::api::pages::email_confirmation;
use crate::api::users;
use crate::http::error::Error;

pub(crate) fn api() -> Vec<Route> {
    vec![
        post(
            "/users/{userId}/email-confirmation",
            users::email_confirmation::resend_confirmation,
            Operation {
                about: "Sends the mail once more that asks an address to confirm, the new one that waits or else the user's \
                    own; an earlier one's link ends. With an access token for its own user only, and bounded per user, \
                    address and day. No mail goes to an address that another user has.",
                parameters: &["userIdOrMe"],
                answer: Answer::data("Null", "the address was asked to confirm"),
                refusals: vec![
                    Error::AlreadyVerified,
                    Error::UserOutOfReach,
                    Error::ConfirmationQuotaExceeded,
                    Error::MailQuotaExceeded(Duration::ZERO),
                ],
                ..Operation::new(
                    "askToConfirmEmail",
                    "users",
                    "Send the mail that confirms an address again",
                    Admits::WriteKeyOrToken,
                )
            },
        ),
        post(
            "/users/{userId}/email-verification",
            users::email_verification::verify,
            Operation {
                about: "Marks the user's address as verified, where the backend knows that it is: `email` has to be the \
                    address that the user has. A link that waits to confirm it is done with.",
                parameters: &["userId"],
                body: Some(Body::Verification),
                answer: Answer::data("Null", "the address is verified"),
                refusals: vec![Error::OtherAddress, Error::UserOutOfReach],
                ..Operation::new("verifyEmail", "users", "Mark an address as verified", Admits::WriteKey)
            },
        ),
    ]
}

pub(crate) fn page_routes() -> Vec<Route> {
    vec![
        get(
            "/email-confirmations/{code}",
            email_confirmation::show,
            Operation {
                about: "The page behind the link in a mail to a new address. Looking changes nothing.",
                parameters: &["code"],
                answer: Answer::Page(&[200, 404, 429, 500, 503]),
                ..Operation::new("showConfirmation", "pages", "Look at a confirmation", Admits::Anyone)
            },
        ),
        post(
            "/email-confirmations/{code}",
            email_confirmation::confirm,
            Operation {
                about: "What the button of the page does: the address becomes the user's and is verified, unless another user \
                    has it by now; once.",
                parameters: &["code"],
                answer: Answer::Page(&[200, 404, 429, 500, 503]),
                ..Operation::new("confirmEmail", "pages", "Confirm an address", Admits::Anyone)
            },
        ),
    ]
}
