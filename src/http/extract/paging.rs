//! Paging by id: `limit` and `after` in the query, `nextCursor` in the response.

use schemars::json_schema;
use uuid::Uuid;

use super::query::Query;
use crate::domain::id;
use crate::http::error::Error;
use crate::http::operation::{Parameter, example};

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 100;

/// A page of a list that is ordered by id.
#[derive(Clone, Copy)]
pub struct Page {
    /// The page has ids greater than this one.
    pub after: Uuid,
    /// The maximum number of items.
    pub limit: usize,
}

impl Page {
    /// The parameters in the query.
    pub const NAMES: [&'static str; 2] = ["limit", "after"];

    /// Reads the page from the query.
    pub fn of(query: &Query) -> Result<Self, Error> {
        const LIMIT: Error = Error::InvalidQuery("`limit` in the query must be a number from 1 to 100");
        const AFTER: Error = Error::InvalidQuery("`after` in the query must be the `nextCursor` of a page");
        let limit = query.get("limit").map_or(Some(DEFAULT_LIMIT), |text| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|limit| digits && (1..=MAX_LIMIT).contains(limit))
        });
        let limit = limit.ok_or(LIMIT)?;
        Ok(Self { after: query.get("after").map_or(Some(Uuid::nil()), id::parse).ok_or(AFTER)?, limit })
    }

    /// Describes `limit`.
    #[must_use]
    pub fn limit_parameter() -> Parameter {
        Parameter {
            place: "query",
            name: "limit",
            about: "The maximum number of items in a page.",
            schema: |_| json_schema!({ "type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT }),
            example: DEFAULT_LIMIT.into(),
        }
    }

    /// Describes `limit` and `after`.
    #[must_use]
    pub fn parameters() -> [Parameter; 2] {
        let about = "The `nextCursor` of the previous page.";
        [Self::limit_parameter(), Parameter::query::<Uuid>("after", about, example::USER)]
    }

    /// Rows to fetch for the page. One more than `limit` shows whether there is another page.
    #[must_use]
    pub fn rows(self) -> i64 {
        i64::try_from(self.limit).map_or(i64::MAX, |limit| limit.saturating_add(1))
    }

    /// Removes the items beyond the page, and returns the cursor of the next page.
    pub fn truncate<T>(self, items: &mut Vec<T>, id: impl Fn(&T) -> Uuid) -> Option<Uuid> {
        let more = items.len() > self.limit;
        items.truncate(self.limit);
        items.last().filter(|_| more).map(id)
    }
}
