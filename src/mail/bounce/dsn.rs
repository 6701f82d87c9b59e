//! Delivery status notifications (RFC 3464, RFC 6533).

use super::Outcome;
use super::fields::{addresses, groups, untyped, without_comments};
use super::mime::Part;
use crate::domain::mail::report::Kind;

pub(super) const KINDS: [&str; 2] = ["message/delivery-status", "message/global-delivery-status"];

/// Parses the status part: bounced if any recipient failed, otherwise delayed if any is delayed, otherwise `None`.
pub(super) fn read(status: &Part) -> Option<Outcome> {
    let recipients = groups(&status.text());
    let acted = |action: &str| -> Vec<_> {
        let is = |value: &str| without_comments(value).eq_ignore_ascii_case(action);
        let of = |fields: &&Vec<(String, String)>| {
            fields.iter().any(|(name, value)| name == "action" && is(value))
        };
        recipients.iter().filter(of).collect()
    };
    let (kind, acted) = match (acted("failed"), acted("delayed")) {
        (failed, _) if !failed.is_empty() => (Kind::Bounced, failed),
        (_, delayed) => (Kind::Delayed, delayed),
    };
    let first = acted.first()?;
    let named = acted.iter().flat_map(|fields| {
        let names = ["original-recipient", "final-recipient"];
        names.into_iter().filter_map(|name| field(fields, name)).flat_map(addresses)
    });
    Some(Outcome {
        kind,
        recipients: named.collect(),
        detail: format!(
            "{} {}",
            field(first, "status").unwrap_or_default(),
            untyped(field(first, "diagnostic-code").unwrap_or_default())
        ),
    })
}

/// The first field with this name.
pub(super) fn field<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(named, _)| named == name).map(|(_, value)| value.as_str())
}
