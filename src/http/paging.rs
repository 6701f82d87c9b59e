//! Paging by id: `limit` and `after` in the query, `nextCursor` in the response.

use schemars::json_schema;
use uuid::Uuid;

use super::error::Error;
use super::extract::Query;
use super::operation::{Parameter, example};
use crate::domain::id;

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 100;

/// The parameter `limit`.
#[must_use]
pub fn limit() -> Parameter {
    Parameter {
        place: "query",
        name: "limit",
        about: "The maximum number of items in a page.",
        schema: |_| json_schema!({ "type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT }),
        example: DEFAULT_LIMIT.into(),
    }
}

/// The parameters `limit` and `after`.
#[must_use]
pub fn parameters() -> [Parameter; 2] {
    let about = "The `nextCursor` of the previous page.";
    [limit(), Parameter::query::<Uuid>("after", about, example::USER)]
}

/// Reads `after` and `limit` from the query.
pub fn of(query: &Query) -> Result<(Uuid, usize), Error> {
    const LIMIT: Error = Error::InvalidQuery("`limit` in the query must be a number from 1 to 100");
    const AFTER: Error = Error::InvalidQuery("`after` in the query must be the `nextCursor` of a page");
    let limit = query.get("limit").map_or(Some(DEFAULT_LIMIT), |text| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|limit| digits && (1..=MAX_LIMIT).contains(limit))
    });
    let limit = limit.ok_or(LIMIT)?;
    Ok((query.get("after").map_or(Some(Uuid::nil()), id::parse).ok_or(AFTER)?, limit))
}

/// Rows to fetch for a page. One more than `limit` shows whether there is another page.
#[must_use]
pub fn fetch_limit(limit: usize) -> i64 {
    i64::try_from(limit).map_or(i64::MAX, |limit| limit.saturating_add(1))
}

/// Removes the items beyond the page, and returns the cursor of the next page.
pub fn truncate<T>(items: &mut Vec<T>, limit: usize, id: impl Fn(&T) -> Uuid) -> Option<Uuid> {
    let more = items.len() > limit;
    items.truncate(limit);
    items.last().filter(|_| more).map(id)
}
