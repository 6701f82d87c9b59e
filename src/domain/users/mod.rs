//! A user as in API responses: exactly the thirty fields of the seed for `POST /users/:userId`.

pub mod birthdate;
pub mod phone_number;
pub mod profile;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::id::{AppId, UserId};
use super::invites::invite_body::InviteBody;

/// A user of an app. A field that is not set is `null`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct User {
    /// The UUID of the user.
    pub id: Uuid,
    /// The app of the user: `X-CLIENT-ID`, and `aud` of access tokens.
    #[serde(rename = "appId")]
    pub app_id: Uuid,
    /// See `Language`.
    #[schemars(example = &"en-GB")]
    pub language: String,
    pub salutation: Option<String>,
    #[serde(rename = "salutationOther")]
    pub salutation_other: Option<String>,
    /// Whether the user has accepted the newsletter.
    #[serde(rename = "acceptedNewsletter")]
    pub accepted_newsletter: bool,
    /// Time of acceptance, UTC.
    #[serde(rename = "acceptedNewsletterDate")]
    #[schemars(with = "Option<Timestamp>")]
    pub accepted_newsletter_date: Option<String>,
    /// Time of the last update with `acceptedNewsletter`, UTC.
    #[serde(rename = "lastAskedNewsletterSignUp")]
    #[schemars(with = "Option<Timestamp>")]
    pub last_asked_newsletter_sign_up: Option<String>,
    /// Not used by this server.
    #[serde(rename = "mailchimpMemberId")]
    pub mailchimp_member_id: Option<String>,
    #[schemars(example = &"Ada Lovelace")]
    pub name: Option<String>,
    #[schemars(example = &"Ada")]
    pub given_name: Option<String>,
    #[schemars(example = &"Lovelace")]
    pub family_name: Option<String>,
    pub middle_name: Option<String>,
    pub nickname: Option<String>,
    pub preferred_username: Option<String>,
    /// See `WebUrl`.
    pub profile: Option<String>,
    /// See `WebUrl`.
    pub picture: Option<String>,
    /// See `WebUrl`.
    pub website: Option<String>,
    /// See `Email`.
    #[schemars(example = &"ada@example.com")]
    pub email: Option<String>,
    /// Whether `email` is verified.
    #[schemars(example = true)]
    pub email_verified: bool,
    pub gender: Option<String>,
    pub other_gender: Option<String>,
    /// See `Birthdate`.
    pub birthdate: Option<String>,
    /// See `Zoneinfo`.
    pub zoneinfo: Option<String>,
    /// See `Locale`.
    pub locale: Option<String>,
    /// See `PhoneNumber`.
    pub phone_number: Option<String>,
    /// Whether `phone_number` is verified.
    pub phone_number_verified: bool,
    /// Whether the app's backend has frozen the user.
    pub freezed: bool,
    /// Whether the user has been erased.
    pub deleted: bool,
    /// The UUID of the tenant within the app that the user belongs to.
    #[serde(rename = "tenantId")]
    pub tenant_id: Uuid,
    /// Changes with every update of the user. Not part of the JSON.
    #[serde(skip)]
    pub version: i64,
}

impl User {
    /// A user as created by an invite; all other fields are unset.
    #[must_use]
    pub fn invited(app_id: AppId, id: UserId, tenant_id: Uuid, body: &InviteBody) -> Self {
        Self {
            id: id.0,
            app_id: app_id.0,
            language: body.language.as_str().to_owned(),
            salutation: None,
            salutation_other: None,
            accepted_newsletter: false,
            accepted_newsletter_date: None,
            last_asked_newsletter_sign_up: None,
            mailchimp_member_id: None,
            name: None,
            given_name: None,
            family_name: None,
            middle_name: None,
            nickname: None,
            preferred_username: None,
            profile: None,
            picture: None,
            website: None,
            email: Some(body.email.as_str().to_owned()),
            email_verified: false,
            gender: None,
            other_gender: None,
            birthdate: None,
            zoneinfo: None,
            locale: None,
            phone_number: None,
            phone_number_verified: false,
            freezed: false,
            deleted: false,
            tenant_id,
            version: 1,
        }
    }
}
