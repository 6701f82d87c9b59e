//! Forms and queries: `application/x-www-form-urlencoded` (WHATWG URL Standard, section 5), of limited size.
//! A [`Submitted`] form comes from a page of this console and of this session, by an operator who may write.

use std::collections::HashMap;

use axum::body::Body;
use axum::extract::multipart::MultipartError;
use axum::extract::{FromRequest, FromRequestParts, Multipart, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::error::Error;
use super::session::SignedIn;
use super::state::ConsoleState;
use crate::domain::fields::shown;

/// Maximum size of a form in bytes.
const MAX_FORM: usize = 256 * 1024;
/// Maximum size of an uploaded file in bytes.
pub const MAX_FILE: usize = 16 * 1024 * 1024;

/// The fields of a form or a query.
#[derive(Clone, Debug, Default)]
pub struct Fields(HashMap<String, Vec<String>>);

impl Fields {
    fn parse(bytes: &[u8]) -> Self {
        let mut fields: HashMap<String, Vec<String>> = HashMap::new();
        for (name, value) in form_urlencoded::parse(bytes) {
            fields.entry(name.into_owned()).or_default().push(value.into_owned());
        }
        Self(fields)
    }

    /// The first value of a field, without white space around it; `""` if there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    /// All values of a field.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.0.get(name).into_iter().flatten().map(|value| value.trim())
    }
}

impl FromRequestParts<ConsoleState> for Fields {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &ConsoleState) -> Result<Self, Error> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default().as_bytes()))
    }
}

/// A form of a signed-in operator who may write.
pub struct Submitted<P> {
    pub at: P,
    pub form: Fields,
}

impl<P: SignedIn> FromRequest<ConsoleState> for Submitted<P> {
    type Rejection = Error;

    async fn from_request(request: Request, console: &ConsoleState) -> Result<Self, Error> {
        let OwnForm { at, form } = OwnForm::<P>::from_request(request, console).await?;
        need_writer(&at)?;
        Ok(Self { at, form })
    }
}

/// A form of a signed-in operator about themselves, which a viewer may send too.
pub struct OwnForm<P> {
    pub at: P,
    pub form: Fields,
}

impl<P: SignedIn> FromRequest<ConsoleState> for OwnForm<P> {
    type Rejection = Error;

    async fn from_request(request: Request, console: &ConsoleState) -> Result<Self, Error> {
        let (mut parts, body) = request.into_parts();
        let at = signed_in::<P>(&mut parts, console).await?;
        let PublicForm(form) = PublicForm::from_request(Request::from_parts(parts, body), console).await?;
        need_form_token(&at, form.get("token"))?;
        Ok(Self { at, form })
    }
}

/// An uploaded file of an operator who may write: a form with the field `file` (RFC 7578).
pub struct Upload<P> {
    pub at: P,
    /// The file's name, without folders, shortened.
    pub name: String,
    pub file: Vec<u8>,
}

impl<P: SignedIn> FromRequest<ConsoleState> for Upload<P> {
    type Rejection = Error;

    async fn from_request(request: Request, console: &ConsoleState) -> Result<Self, Error> {
        let (mut parts, body) = request.into_parts();
        let at = signed_in::<P>(&mut parts, console).await?;
        need_same_origin(&parts.headers, console)?;
        need_writer(&at)?;
        let request = Request::from_parts(parts, Body::new(Limited::new(body, MAX_FILE + MAX_FORM)));
        let mut form = Multipart::from_request(request, &()).await.map_err(|_| Error::BadForm)?;
        let (mut token, mut upload) = (String::new(), None);
        while let Some(field) = form.next_field().await.map_err(unreadable)? {
            match field.name() {
                Some("token") => token = field.text().await.map_err(unreadable)?,
                Some("file") => {
                    let name = shown(field.file_name().unwrap_or_default());
                    upload = Some((name, field.bytes().await.map_err(unreadable)?.to_vec()));
                }
                _ => {}
            }
        }
        need_form_token(&at, &token)?;
        let (name, file) = upload.ok_or(Error::BadForm)?;
        if file.len() > MAX_FILE {
            return Err(Error::TooLong);
        }
        Ok(Self { at, name: if name.is_empty() { "File".to_owned() } else { name }, file })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err calls")]
fn unreadable(error: MultipartError) -> Error {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE { Error::TooLong } else { Error::BadForm }
}

/// The session of a form. If it has ended, the form is refused instead of being sent to the sign-in page.
async fn signed_in<P: SignedIn>(parts: &mut Parts, console: &ConsoleState) -> Result<P, Error> {
    P::from_request_parts(parts, console).await.map_err(|error| match error {
        Error::SignedOut => Error::Forbidden("You are signed out, so nothing was changed. Sign in again."),
        other => other,
    })
}

fn need_writer(at: &impl SignedIn) -> Result<(), Error> {
    if at.session().writes() {
        return Ok(());
    }
    Err(Error::Forbidden("Your role is viewer: you can look, and an admin can change."))
}

fn need_form_token(at: &impl SignedIn, token: &str) -> Result<(), Error> {
    if at.session().has_form_token(token) {
        return Ok(());
    }
    Err(Error::Forbidden("The form is not of this session: load its page again."))
}

fn need_same_origin(headers: &HeaderMap, console: &ConsoleState) -> Result<(), Error> {
    if is_same_origin(headers, &console.url.origin().ascii_serialization()) {
        return Ok(());
    }
    Err(Error::Forbidden("The form comes from another site."))
}

/// A form of a page that needs no session.
pub struct PublicForm(pub Fields);

impl FromRequest<ConsoleState> for PublicForm {
    type Rejection = Error;

    async fn from_request(request: Request, console: &ConsoleState) -> Result<Self, Error> {
        let (parts, body) = request.into_parts();
        need_same_origin(&parts.headers, console)?;
        let body = Limited::new(body, MAX_FORM)
            .collect()
            .await
            .map_err(|error| if error.is::<LengthLimitError>() { Error::TooLong } else { Error::BadForm })?;
        Ok(Self(Fields::parse(&body.to_bytes())))
    }
}

/// Whether the browser says that a form comes from a page of `origin`. A client that says nothing is no browser of the
/// last years; the token in the form remains.
fn is_same_origin(headers: &HeaderMap, origin: &str) -> bool {
    let of = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match (of("sec-fetch-site"), of(header::ORIGIN.as_str())) {
        (Some(site), _) => site == "same-origin",
        (None, Some(from)) => from == origin,
        (None, None) => true,
    }
}
