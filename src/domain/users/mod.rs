//! A user as in API responses: exactly the thirty fields of the seed for `POST /users/:userId`.

pub mod birthdate;
pub mod profile;

use serde::Serialize;
use uuid::Uuid;

use super::id::{AppId, UserId};
use super::invites::invite_body::InviteBody;

/// A user of an app. `None` means unset and is `null` in JSON. Times are RFC 3339 in UTC.
#[derive(Clone, Debug, Serialize)]
pub struct User {
    pub id: Uuid,
    #[serde(rename = "appId")]
    pub app_id: Uuid,
    pub language: String,
    pub salutation: Option<String>,
    #[serde(rename = "salutationOther")]
    pub salutation_other: Option<String>,
    #[serde(rename = "acceptedNewsletter")]
    pub accepted_newsletter: bool,
    #[serde(rename = "acceptedNewsletterDate")]
    pub accepted_newsletter_date: Option<String>,
    #[serde(rename = "lastAskedNewsletterSignUp")]
    pub last_asked_newsletter_sign_up: Option<String>,
    #[serde(rename = "mailchimpMemberId")]
    pub mailchimp_member_id: Option<String>,
    pub name: Option<String>,
    pub given_name: Option<String>,
    pub family_name: Option<String>,
    pub middle_name: Option<String>,
    pub nickname: Option<String>,
    pub preferred_username: Option<String>,
    pub profile: Option<String>,
    pub picture: Option<String>,
    pub website: Option<String>,
    pub email: Option<String>,
    pub email_verified: bool,
    pub gender: Option<String>,
    pub other_gender: Option<String>,
    pub birthdate: Option<String>,
    pub zoneinfo: Option<String>,
    pub locale: Option<String>,
    pub phone_number: Option<String>,
    pub phone_number_verified: bool,
    pub freezed: bool,
    pub deleted: bool,
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
