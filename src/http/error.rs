//! API errors: each variant has a status, an `X-Error-Code` and a sentence. Texts of SQL, SMTP and libraries are
//! logged and never sent to a caller.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::envelope;
use crate::db::referrals::opt_outs::OptOutKeyError;
use crate::db::{self, KeyRefusal};
use crate::domain::credentials::access_token;
use crate::domain::fields::FieldErrors;
use crate::domain::json::JsonError;

/// Why a request was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the request is not valid HTTP/1.1")]
    MalformedRequest,
    #[error("the path and the query are too long")]
    AddressTooLong,
    #[error("the request line and the headers must be at most 32768 bytes long, and the headers at most 100")]
    HeadTooLarge,
    #[error("`Transfer-Encoding` must be `chunked` alone")]
    UnsupportedTransferCoding,
    #[error("there is no such route; the paths of the API start with /v1/ or /api/v1/")]
    RouteNotFound,
    #[error("the method is not one of those in the `Allow` header")]
    MethodNotAllowed,

    #[error(
        "send either an API key (`X-API-KEY`, `X-API-KEY-TYPE`, `X-CLIENT-ID`) or one access token, not both"
    )]
    AmbiguousCredentials,
    #[error("the header `{0}` must be sent once")]
    DuplicateHeader(&'static str),
    #[error(
        "credentials are missing: send `X-API-KEY`, `X-API-KEY-TYPE` and `X-CLIENT-ID`, or `Authorization: Bearer <access token>`"
    )]
    CredentialsMissing,
    #[error("the header `{0}` is missing: an API key needs `X-API-KEY`, `X-API-KEY-TYPE` and `X-CLIENT-ID`")]
    HeaderMissing(&'static str),
    #[error(
        "`X-API-KEY` must be a live key of the app in `X-CLIENT-ID`, and `X-API-KEY-TYPE` the type of that key, `read` or `write`"
    )]
    InvalidApiKey,
    #[error("the header `{0}` must be `Bearer`, a space and an access token")]
    MalformedToken(&'static str),
    #[error("{0}")]
    InvalidToken(access_token::Invalid),
    #[error("{0}")]
    UnprovenProvider(&'static str),
    #[error("the code in the path is not that of an invite, or was replaced by the one in a newer mail")]
    InvalidInviteCode,

    #[error("this needs an API key of the type `write`")]
    WriteKeyRequired,
    #[error("this needs an API key; access tokens may not do it")]
    ApiKeyRequired,
    #[error(
        "API keys are for servers: a request with the header `Origin` comes from a browser and must use an access token"
    )]
    ApiKeyFromBrowser,

    #[error("{0}")]
    InvalidPath(&'static str),
    #[error("{0}")]
    InvalidQuery(&'static str),
    #[error("{0}")]
    UnsupportedBody(&'static str),
    #[error(transparent)]
    InvalidJson(#[from] JsonError),
    #[error(transparent)]
    InvalidFields(#[from] FieldErrors),
    #[error("the body must be at most 65536 bytes long")]
    BodyTooLarge,
    #[error("the body must be at most 262144 bytes long")]
    BulkTooLarge,
    #[error("the body must be at most 1048576 bytes long")]
    ReportsTooLarge,
    #[error("the body did not arrive in time")]
    BodyTimeout,
    #[error("the body is incomplete")]
    BodyIncomplete,

    #[error("`{0}` is the e-mail address of another user of the app")]
    EmailTaken(&'static str),
    #[error("`userId` is the id of another user of the app")]
    UserIdTaken,
    #[error("`externalSubject` is recorded for another user of the app")]
    ExternalSubjectTaken,
    #[error("the user has already accepted, so no invite is sent")]
    AlreadyAccepted,
    #[error("there is no such invite, or it is not for this caller to act on, or its user is frozen")]
    InviteOutOfReach,
    #[error("the invite has been accepted")]
    InviteAccepted,
    #[error("the invite has been revoked")]
    InviteRevoked,
    #[error("the invite has expired; a new mail brings a new code")]
    InviteExpired,
    #[error("the invited address already has an account; sign in instead")]
    AccountExists,
    #[error(
        "`referralCode` must be the referral code of a user of the app, who is neither frozen nor deleted"
    )]
    UnknownReferralCode,
    #[error("`referralCode` must not be the user's own")]
    OwnReferralCode,
    #[error("the address of the user is verified")]
    AlreadyVerified,
    #[error("`email` must be the address that the user has")]
    OtherAddress,
    #[error("`email` must not be the referrer's own address")]
    OwnAddress,
    #[error("the user in the path does not exist, is frozen or deleted, or is not for this caller to act on")]
    UserOutOfReach,

    #[error("the user was changed since `If-Match` was read: read it again, and send the newer `ETag`")]
    Stale,
    #[error("`If-Match` must be one strong ETag as this server gave it, or `*`")]
    InvalidIfMatch,
    #[error("`Idempotency-Key` must be a quoted string or a token of 1 to 255 characters")]
    InvalidIdempotencyKey,
    #[error("`Idempotency-Key` was used for another request; use a new key for each request")]
    IdempotencyKeyReused,
    #[error("a request with this `Idempotency-Key` is being answered; try again in a moment")]
    IdempotencyInProgress,
    #[error("no mail of the app has this `messageId`, or is of the invite `inviteId`")]
    MailNotFound,
    #[error("there is no such app")]
    AppNotFound,
    #[error("the app in the path is not that of the API key")]
    AppOutOfReach,
    #[error("pages of this origin may not call the app; its operator can allow the origin")]
    OriginNotAllowed,

    #[error("too many requests with these credentials; wait for the seconds in `Retry-After`")]
    TooManyRequests(Duration),
    #[error(
        "too many failed or unauthenticated requests from this address; wait for the seconds in `Retry-After`"
    )]
    TooManyFailures(Duration),
    #[error(
        "the app has reached its limit of mails for this day (UTC); try again after the seconds in `Retry-After`"
    )]
    MailQuotaExceeded(Duration),
    #[error(
        "the limit of referral invites for this day (UTC) is reached; try again after the seconds in `Retry-After`"
    )]
    ReferralQuotaExceeded,
    #[error(
        "the limit of address changes for this day (UTC) is reached; try again after the seconds in `Retry-After`"
    )]
    ConfirmationQuotaExceeded,

    #[error("the server is overloaded; try again after the seconds in `Retry-After`")]
    Overloaded,
    #[error("the server cannot answer now; nothing was lost, try again after the seconds in `Retry-After`")]
    Unavailable(#[source] Option<Box<dyn std::error::Error + Send + Sync>>),
    #[error(
        "the request was not finished in time, and may have taken effect; it is safe to send it again, after the seconds in `Retry-After`"
    )]
    TimedOut(#[source] Option<Box<dyn std::error::Error + Send + Sync>>),
    #[error("the server failed with an internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<db::Error> for Error {
    fn from(error: db::Error) -> Self {
        match error {
            db::Error::MailQuotaExceeded(left) => Self::MailQuotaExceeded(left),
            db::Error::Idempotency(KeyRefusal::InProgress) => Self::IdempotencyInProgress,
            db::Error::Idempotency(KeyRefusal::RequestMismatch) => Self::IdempotencyKeyReused,
            db::Error::Idempotency(KeyRefusal::TooMany(wait)) => Self::TooManyRequests(wait),
            db::Error::Idempotency(KeyRefusal::NotAccessible) => Self::UserOutOfReach,
            error if error.is_timeout() => Self::TimedOut(None),
            error @ db::Error::InDoubt(_) => Self::TimedOut(Some(Box::new(error))),
            error if error.is_temporary() => Self::Unavailable(Some(Box::new(error))),
            error => Self::Internal(Box::new(error)),
        }
    }
}

impl From<OptOutKeyError> for Error {
    fn from(reason: OptOutKeyError) -> Self {
        match reason {
            OptOutKeyError::Database(error) => error.into(),
            OptOutKeyError::NotOurs(error) => Self::Internal(Box::new(error)),
        }
    }
}

impl Error {
    /// The status and the stable code of `X-Error-Code`.
    #[must_use]
    pub fn status(&self) -> (StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::MalformedRequest => (S::BAD_REQUEST, "malformed_request"),
            Self::AddressTooLong => (S::URI_TOO_LONG, "uri_too_long"),
            Self::HeadTooLarge => (S::REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_large"),
            Self::UnsupportedTransferCoding => (S::NOT_IMPLEMENTED, "unsupported_transfer_coding"),
            Self::RouteNotFound => (S::NOT_FOUND, "route_not_found"),
            Self::MethodNotAllowed => (S::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::AmbiguousCredentials => (S::BAD_REQUEST, "ambiguous_credentials"),
            Self::DuplicateHeader(_) => (S::BAD_REQUEST, "duplicate_header"),
            Self::CredentialsMissing | Self::HeaderMissing(_) => (S::UNAUTHORIZED, "credentials_missing"),
            Self::InvalidApiKey => (S::UNAUTHORIZED, "invalid_api_key"),
            Self::InvalidToken(access_token::Invalid::Expired) => (S::UNAUTHORIZED, "token_expired"),
            Self::MalformedToken(_) | Self::InvalidToken(_) => (S::UNAUTHORIZED, "invalid_token"),
            Self::UnprovenProvider(_) => (S::UNAUTHORIZED, "unproven_provider"),
            Self::InvalidInviteCode => (S::UNAUTHORIZED, "invalid_invite_code"),
            Self::WriteKeyRequired => (S::FORBIDDEN, "write_key_required"),
            Self::ApiKeyRequired => (S::FORBIDDEN, "api_key_required"),
            Self::ApiKeyFromBrowser => (S::FORBIDDEN, "api_key_from_browser"),
            Self::InvalidPath(_) => (S::BAD_REQUEST, "invalid_path"),
            Self::InvalidQuery(_) => (S::BAD_REQUEST, "invalid_query"),
            Self::UnsupportedBody(_) => (S::BAD_REQUEST, "unsupported_body"),
            Self::InvalidJson(_) => (S::BAD_REQUEST, "invalid_json"),
            Self::InvalidFields(_) => (S::BAD_REQUEST, "invalid_fields"),
            Self::BodyTooLarge | Self::BulkTooLarge | Self::ReportsTooLarge => {
                (S::PAYLOAD_TOO_LARGE, "body_too_large")
            }
            Self::BodyTimeout => (S::REQUEST_TIMEOUT, "body_timeout"),
            Self::BodyIncomplete => (S::BAD_REQUEST, "body_incomplete"),
            Self::EmailTaken(_) => (S::BAD_REQUEST, "email_taken"),
            Self::UserIdTaken => (S::BAD_REQUEST, "user_id_taken"),
            Self::ExternalSubjectTaken => (S::BAD_REQUEST, "external_subject_taken"),
            Self::AlreadyAccepted => (S::BAD_REQUEST, "already_accepted"),
            Self::InviteOutOfReach => (S::FORBIDDEN, "invite_out_of_reach"),
            Self::InviteAccepted => (S::BAD_REQUEST, "invite_accepted"),
            Self::InviteRevoked => (S::BAD_REQUEST, "invite_revoked"),
            Self::InviteExpired => (S::BAD_REQUEST, "invite_expired"),
            Self::AccountExists => (S::BAD_REQUEST, "account_exists"),
            Self::UnknownReferralCode => (S::BAD_REQUEST, "unknown_referral_code"),
            Self::OwnReferralCode => (S::BAD_REQUEST, "own_referral_code"),
            Self::AlreadyVerified => (S::BAD_REQUEST, "already_verified"),
            Self::OtherAddress => (S::BAD_REQUEST, "other_address"),
            Self::OwnAddress => (S::BAD_REQUEST, "own_address"),
            Self::UserOutOfReach => (S::FORBIDDEN, "user_out_of_reach"),
            Self::Stale => (S::PRECONDITION_FAILED, "stale"),
            Self::InvalidIfMatch => (S::BAD_REQUEST, "invalid_if_match"),
            Self::InvalidIdempotencyKey => (S::BAD_REQUEST, "invalid_idempotency_key"),
            Self::IdempotencyKeyReused => (S::UNPROCESSABLE_ENTITY, "idempotency_key_reused"),
            Self::IdempotencyInProgress => (S::CONFLICT, "idempotency_in_progress"),
            Self::AppOutOfReach => (S::FORBIDDEN, "app_out_of_reach"),
            Self::MailNotFound => (S::NOT_FOUND, "mail_not_found"),
            Self::AppNotFound => (S::NOT_FOUND, "app_not_found"),
            Self::OriginNotAllowed => (S::FORBIDDEN, "origin_not_allowed"),
            Self::TooManyRequests(_) => (S::TOO_MANY_REQUESTS, "too_many_requests"),
            Self::TooManyFailures(_) => (S::TOO_MANY_REQUESTS, "too_many_failures"),
            Self::MailQuotaExceeded(_) => (S::TOO_MANY_REQUESTS, "mail_quota_exceeded"),
            Self::ReferralQuotaExceeded => (S::TOO_MANY_REQUESTS, "referral_quota_exceeded"),
            Self::ConfirmationQuotaExceeded => (S::TOO_MANY_REQUESTS, "confirmation_quota_exceeded"),
            Self::Overloaded => (S::SERVICE_UNAVAILABLE, "overloaded"),
            Self::Unavailable(_) => (S::SERVICE_UNAVAILABLE, "unavailable"),
            Self::TimedOut(_) => (S::SERVICE_UNAVAILABLE, "timed_out"),
            Self::Internal(_) => (S::INTERNAL_SERVER_ERROR, "internal_error"),
        }
    }

    /// Logs the error. Called once, when it becomes a response.
    pub(crate) fn log(&self) {
        match self {
            Self::Internal(source) => tracing::error!(error = chain(source.as_ref()), "internal error"),
            Self::Unavailable(Some(source)) | Self::TimedOut(Some(source)) => {
                tracing::error!(error = chain(source.as_ref()), "cannot answer now");
            }
            _ => tracing::debug!(code = self.status().1, "refused"),
        }
    }

    /// The sentence in the envelope.
    pub(crate) fn sentence(&self, request_id: &str) -> String {
        match self {
            Self::Internal(_) => format!("{self}; the log has the cause under the request id {request_id}"),
            _ => self.to_string(),
        }
    }

    /// Logs the error and builds its response.
    pub(crate) fn answer(&self, request_id: &HeaderValue) -> Response {
        self.log();
        let (status, code) = self.status();
        // A request id is plain ASCII.
        let sentence = self.sentence(request_id.to_str().unwrap_or_default());
        let mut response = envelope::failure(status, &sentence);
        let headers = response.headers_mut();
        headers.insert("x-error-code", HeaderValue::from_static(code));
        if let Some(seconds) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if let Some(challenge) = self.challenge() {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }

    /// `Retry-After`, seconds.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooManyRequests(wait) | Self::TooManyFailures(wait) | Self::MailQuotaExceeded(wait) => {
                Some(wait.as_secs() + 1)
            }
            Self::ReferralQuotaExceeded | Self::ConfirmationQuotaExceeded => {
                let second_of_day = crate::clock::now().as_second().rem_euclid(86_400);
                Some(86_400 - second_of_day.unsigned_abs())
            }
            Self::Unavailable(_) | Self::TimedOut(_) => Some(5),
            Self::IdempotencyInProgress | Self::Overloaded => Some(1),
            _ => None,
        }
    }

    /// `WWW-Authenticate`, which every 401 must have (RFC 9110, 11.6.1), in the form of RFC 6750, 3.
    pub(crate) fn challenge(&self) -> Option<&'static str> {
        match self {
            Self::MalformedToken(_) | Self::InvalidToken(_) => {
                Some(r#"Bearer realm="userdocks", error="invalid_token""#)
            }
            error if error.status().0 == StatusCode::UNAUTHORIZED => Some(r#"Bearer realm="userdocks""#),
            _ => None,
        }
    }
}

/// An error and its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}

impl IntoResponse for Error {
    /// Carries the error to the outermost layer, which knows the request id and writes the envelope.
    fn into_response(self) -> Response {
        let mut response = self.status().0.into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}
