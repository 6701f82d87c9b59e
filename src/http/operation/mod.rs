//! What the `OpenAPI` document says of a route. A handler's extractors and result describe what they imply: credentials,
//! parameters, body, refusals and the schema of the response.

pub mod components;
pub mod schemas;

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use super::envelope::Success;
use super::error::Error;
use crate::domain::credentials::access_token::Invalid;
use crate::domain::json::JsonError;

/// The callers of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admits {
    /// Without credentials.
    Anyone,
    /// An API key of either type.
    AnyKey,
    /// An API key of the type `write`.
    WriteKey,
    /// An API key of either type, or an access token.
    AnyKeyOrToken,
    /// An API key of the type `write`, or an access token.
    WriteKeyOrToken,
}

/// Makes the schema of a type: a reference, or the schema itself if it is short.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// The schema of `T`.
#[must_use]
pub fn schema_of<T: JsonSchema>() -> SchemaOf {
    |generator| generator.subschema_for::<T>()
}

/// The body of a request.
#[derive(Clone, Copy)]
pub struct Body {
    pub schema: SchemaOf,
    pub required: bool,
}

/// A parameter in the path, the query or a header.
pub struct Parameter {
    /// `path`, `query` or `header`
    pub place: &'static str,
    pub name: &'static str,
    pub about: &'static str,
    pub schema: SchemaOf,
    pub example: Value,
}

impl Parameter {
    #[must_use]
    pub fn path<T: JsonSchema>(name: &'static str, about: &'static str, example: &str) -> Self {
        Self { place: "path", name, about, schema: schema_of::<T>(), example: example.into() }
    }

    /// An optional parameter of the query.
    #[must_use]
    pub fn query<T: JsonSchema>(name: &'static str, about: &'static str, example: impl Into<Value>) -> Self {
        Self { place: "query", name, about, schema: schema_of::<T>(), example: example.into() }
    }

    /// An optional header.
    #[must_use]
    pub fn header(name: &'static str, about: &'static str, schema: SchemaOf, example: &str) -> Self {
        Self { place: "header", name, about, schema, example: example.into() }
    }
}

/// Must be a boolean. It has no effect.
#[derive(JsonSchema)]
#[schemars(inline)]
#[expect(dead_code, reason = "only the schema of `test`, which the public clients send, is used")]
pub struct TestFlag(#[schemars(example = true)] bool);

/// Ids in examples.
pub mod example {
    pub const USER: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
    pub const INVITE: &str = "01890a5d-ac96-774b-bcce-b302099a8060";
    pub const APP: &str = "018f2f3e-6c1b-7d3a-9e4f-2a1b3c4d5e6f";
    /// A code in a mailed link.
    pub const CODE: &str = "AYkKXayWd0u8zrMCCZqAV9uGkd0Wt7m5r2bQK4yhXnZpE1c8oJfLsQ";
}

/// A successful response.
pub enum Answer {
    /// The envelope.
    Success {
        /// 200 or 201.
        status: u16,
        /// An example of `message`.
        message: &'static str,
        data: SchemaOf,
        etag: bool,
    },
    /// JSON in a format of its own.
    Bare { media: &'static str, data: SchemaOf },
    /// HTML with any of these statuses.
    Page(&'static [u16]),
}

pub struct Operation {
    /// `operationId`
    pub id: &'static str,
    pub tag: &'static str,
    pub summary: &'static str,
    pub about: &'static str,
    pub admits: Admits,
    pub parameters: Vec<Parameter>,
    pub body: Option<Body>,
    pub answer: Answer,
    pub refusals: Vec<Error>,
    /// Operations on the user in the response.
    pub links: &'static [&'static str],
}

impl Operation {
    /// An operation that anyone may call and that responds with `data: null`.
    #[must_use]
    pub fn new(id: &'static str, tag: &'static str, summary: &'static str) -> Self {
        Self {
            id,
            tag,
            summary,
            about: "",
            admits: Admits::Anyone,
            parameters: Vec::new(),
            body: None,
            answer: Answer::Success { status: 200, message: "", data: schema_of::<()>(), etag: false },
            refusals: Vec::new(),
            links: &[],
        }
    }

    #[must_use]
    pub fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }

    /// Sets the example of `message` in a response with the status 200.
    #[must_use]
    pub fn message(self, message: &'static str) -> Self {
        self.status(200, message)
    }

    /// Sets the status of a success, and the example of `message`.
    #[must_use]
    pub fn status(mut self, code: u16, text: &'static str) -> Self {
        if let Answer::Success { status, message, .. } = &mut self.answer {
            (*status, *message) = (code, text);
        }
        self
    }

    /// Sets an answer that is not the envelope.
    #[must_use]
    pub fn answer(self, answer: Answer) -> Self {
        Self { answer, ..self }
    }

    /// Adds parameters that no extractor describes.
    #[must_use]
    pub fn parameters(mut self, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// Adds what the handler itself refuses.
    #[must_use]
    pub fn refuses(mut self, errors: impl IntoIterator<Item = Error>) -> Self {
        self.refusals.extend(errors);
        self
    }

    #[must_use]
    pub fn links(self, links: &'static [&'static str]) -> Self {
        Self { links, ..self }
    }

    /// Adds the credentials of `admits`, and what every route with such credentials refuses.
    pub fn admit(&mut self, admits: Admits) {
        self.admits = admits;
        self.refusals.extend([
            Error::CredentialsMissing,
            Error::InvalidApiKey,
            Error::MalformedToken("Authorization"),
            Error::InvalidToken(Invalid::Expired),
            Error::AmbiguousCredentials,
            Error::DuplicateHeader("X-API-KEY"),
            Error::ApiKeyFromBrowser,
            Error::OriginNotAllowed,
            Error::TooManyRequests(Duration::ZERO),
            Error::TooManyFailures(Duration::ZERO),
            Error::Overloaded,
            Error::InvalidQuery("`test` in the query must be `true` or `false`"),
        ]);
        if matches!(admits, Admits::WriteKey | Admits::WriteKeyOrToken) {
            self.refusals.push(Error::WriteKeyRequired);
        }
        if matches!(admits, Admits::WriteKey | Admits::AnyKey) {
            self.refusals.push(Error::ApiKeyRequired);
        }
    }

    /// Adds a JSON body, and what every route with a body refuses. `invalid`: what this body refuses.
    pub fn body(&mut self, body: Body, invalid: Option<Error>) {
        self.body = Some(body);
        self.refusals.extend(invalid);
        self.refusals.extend([
            Error::InvalidJson(JsonError::Empty),
            Error::UnsupportedBody("`Content-Type` must be application/json in UTF-8"),
            Error::BodyIncomplete,
            Error::BodyTimeout,
            Error::BodyTooLarge,
        ]);
    }
}

/// An extractor that adds to the description of its route.
pub trait Describe {
    fn describe(operation: &mut Operation);
}

/// A result of a handler.
pub trait DescribeResponse {
    fn describe(operation: &mut Operation);
}

/// A handler whose extractors and result are described.
pub trait DescribeHandler<T> {
    fn describe(operation: &mut Operation);
}

macro_rules! describe_handler {
    ($($extractor:ident)*) => {
        impl<F, R, $($extractor),*> DescribeHandler<($($extractor,)*)> for F
        where
            F: FnOnce($($extractor),*) -> R,
            R: Future<Output: DescribeResponse>,
            $($extractor: Describe),*
        {
            fn describe(operation: &mut Operation) {
                $($extractor::describe(operation);)*
                R::Output::describe(operation);
            }
        }
    };
}
describe_handler!();
describe_handler!(A);
describe_handler!(A B);
describe_handler!(A B C);
describe_handler!(A B C D);
describe_handler!(A B C D E);

macro_rules! describe_nothing {
    ($($extractor:ty),*) => {
        $(impl Describe for $extractor {
            fn describe(_: &mut Operation) {}
        })*
    };
}
describe_nothing!(HeaderMap, Uri, Request);

impl<S> Describe for State<S> {
    fn describe(_: &mut Operation) {}
}

impl<T: JsonSchema> DescribeResponse for Success<T> {
    fn describe(operation: &mut Operation) {
        if let Answer::Success { data, .. } = &mut operation.answer {
            *data = schema_of::<T>();
        }
    }
}

/// With an `ETag`.
impl<T: DescribeResponse> DescribeResponse for (HeaderMap, T) {
    fn describe(operation: &mut Operation) {
        T::describe(operation);
        if let Answer::Success { etag, .. } = &mut operation.answer {
            *etag = true;
        }
    }
}

impl<T: DescribeResponse> DescribeResponse for Result<T, Error> {
    fn describe(operation: &mut Operation) {
        T::describe(operation);
    }
}

impl DescribeResponse for Response {
    fn describe(_: &mut Operation) {}
}
