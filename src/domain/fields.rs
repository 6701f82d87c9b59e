//! Reads the fields of a JSON object and reports all invalid fields at once. An error names the field and what was
//! expected; it never repeats the value that was sent.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value};

/// Errors listed in a message; further ones are only counted.
const MAX_FAULTS: usize = 20;
/// Characters of a field name that an error shows.
const MAX_NAME: usize = 64;

/// Why a value is invalid: the rest of a sentence that begins with the field's name, such as "must be true or false".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub &'static str);

/// One invalid field, named by its path in the body (`user.email`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {problem}")]
pub struct FieldError {
    field: String,
    problem: Invalid,
}

/// Every invalid field of a body, at least one. Displays as one sentence of bounded length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// The error of a single field.
    #[must_use]
    pub fn one(field: &str, problem: Invalid) -> Self {
        Self(vec![FieldError { field: shown(field), problem }])
    }

    /// Returns both values, or the errors of both.
    pub fn both<A, B>(first: Result<A, Self>, second: Result<B, Self>) -> Result<(A, B), Self> {
        match (first, second) {
            (Ok(first), Ok(second)) => Ok((first, second)),
            (Err(Self(mut faults)), Err(Self(more))) => {
                faults.extend(more);
                Err(Self(faults))
            }
            (Err(faults), Ok(_)) | (Ok(_), Err(faults)) => Err(faults),
        }
    }

    /// Renames the fields with `name`. A field for which it returns `None` keeps its name.
    #[must_use]
    pub fn renamed(self, name: impl Fn(&str) -> Option<String>) -> Self {
        let rename =
            |fault: FieldError| FieldError { field: name(&fault.field).unwrap_or(fault.field), ..fault };
        Self(self.0.into_iter().map(rename).collect())
    }
}

impl fmt::Display for FieldErrors {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for (index, error) in self.0.iter().take(MAX_FAULTS).enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{error}")?;
        }
        match self.0.len().saturating_sub(MAX_FAULTS) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl std::error::Error for FieldErrors {}

/// Makes a field name from a request safe to show in an error: printable, on one line, short.
#[must_use]
pub fn shown(name: &str) -> String {
    let mut escaped = name.escape_debug().map(|c| if c == '`' { '\'' } else { c });
    let mut shown: String = escaped.by_ref().take(MAX_NAME).collect();
    if escaped.next().is_some() {
        shown.push('…');
    }
    shown
}

/// The change that an update makes to a field that can be cleared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Patch<T> {
    /// Absent: keep the stored value.
    #[default]
    Keep,
    /// `null` or only white space: clear the stored value.
    Clear,
    Set(T),
}

impl<T: JsonSchema> JsonSchema for Patch<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("PatchOf{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [generator.subschema_for::<T>(), { "enum": ["", null] }],
            "description": "`null` or an empty string clears it.",
        })
    }
}

impl<T: AsRef<str>> Patch<T> {
    /// The parameter `$n` of `NULLIF(COALESCE($n, column), '')`: `None` keeps, an empty string clears. A value to set
    /// is never empty.
    pub fn to_sql(&self) -> Option<&str> {
        match self {
            Self::Keep => None,
            Self::Clear => Some(""),
            Self::Set(value) => Some(value.as_ref()),
        }
    }
}

/// Stands for a value that could not be read. The [`Fields`] that returned it holds the error.
#[derive(Debug, Clone, Copy)]
pub struct Refused(());

/// A JSON object being read. Each field is taken by name once; fields left at the end are unknown. Errors are
/// collected and returned by [`Fields::finish`].
#[derive(Debug)]
pub struct Fields {
    prefix: String,
    unknown: Invalid,
    map: Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Fields {
    /// Reads `map`; `unknown` is the error of a field that was not taken.
    #[must_use]
    pub fn of(map: Map<String, Value>, unknown: Invalid) -> Self {
        Self { prefix: String::new(), unknown, map, errors: Vec::new() }
    }

    /// Reads a required string.
    pub fn required<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Invalid>,
    ) -> Result<T, Refused> {
        match self.map.remove(name) {
            None => Err(self.refuse(name, Invalid("is required"))),
            Some(value) => self.string(name, &value, parse),
        }
    }

    /// Reads an optional string that cannot be cleared. Returns `None` also if it is invalid.
    pub fn optional<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, Invalid>) -> Option<T> {
        let value = self.map.remove(name)?;
        self.string(name, &value, parse).ok()
    }

    /// Reads an optional string that can be cleared. Returns [`Patch::Keep`] also if it is invalid.
    pub fn patch<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, Invalid>) -> Patch<T> {
        match self.map.remove(name) {
            None => Patch::Keep,
            Some(Value::Null) => Patch::Clear,
            Some(Value::String(text)) if text.trim().is_empty() => Patch::Clear,
            Some(value) => self.string(name, &value, parse).map_or(Patch::Keep, Patch::Set),
        }
    }

    /// Reads an optional boolean. Returns `None` also if it is invalid.
    pub fn boolean(&mut self, name: &str) -> Option<bool> {
        let value = self.map.remove(name)?;
        if !value.is_boolean() {
            self.refuse(name, Invalid("must be true or false"));
        }
        value.as_bool()
    }

    /// Reads an optional whole number in `range`; `60.0` is accepted too (JSON Schema). Returns `None` also if it is
    /// invalid, and records `problem`.
    pub fn integer(&mut self, name: &str, range: RangeInclusive<i32>, problem: Invalid) -> Option<i32> {
        let value = self.map.remove(name)?;
        let whole = value.as_f64().filter(|number| number.fract() == 0.0);
        let number = whole.and_then(|number| format!("{number:.0}").parse().ok());
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            self.refuse(name, problem);
        }
        number
    }

    /// Reads a required object with `read`. Errors name its fields `name.field`.
    pub fn object<T>(
        &mut self,
        name: &str,
        unknown: Invalid,
        read: impl FnOnce(&mut Fields) -> T,
    ) -> Result<T, Refused> {
        match self.map.remove(name) {
            None => Err(self.refuse(name, Invalid("is required and must be an object"))),
            Some(Value::Object(map)) => {
                let prefix = format!("{}{name}.", self.prefix);
                let mut fields = Fields { prefix, ..Fields::of(map, unknown) };
                let value = read(&mut fields);
                self.errors.append(&mut fields.into_errors());
                Ok(value)
            }
            Some(_) => Err(self.refuse(name, Invalid("must be an object"))),
        }
    }

    /// Drops these fields without checking their values.
    pub fn ignore(&mut self, names: &[&str]) {
        for name in names {
            self.map.remove(*name);
        }
    }

    /// Ends the reading and returns the result of `build`, or every error.
    pub fn finish<T>(self, build: impl FnOnce() -> Result<T, Refused>) -> Result<T, FieldErrors> {
        let errors = self.into_errors();
        match build() {
            Ok(value) if errors.is_empty() => Ok(value),
            _ => Err(FieldErrors(errors)),
        }
    }

    fn into_errors(mut self) -> Vec<FieldError> {
        for name in std::mem::take(&mut self.map).keys() {
            self.refuse(name, self.unknown);
        }
        self.errors
    }

    fn string<T>(
        &mut self,
        name: &str,
        value: &Value,
        parse: impl FnOnce(&str) -> Result<T, Invalid>,
    ) -> Result<T, Refused> {
        value
            .as_str()
            .ok_or(Invalid("must be a string"))
            .and_then(parse)
            .map_err(|problem| self.refuse(name, problem))
    }

    /// Records an error for a field.
    pub fn refuse(&mut self, name: &str, problem: Invalid) -> Refused {
        let field = format!("{}{}", self.prefix, shown(name));
        self.errors.push(FieldError { field, problem });
        Refused(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const UNKNOWN: Invalid = Invalid("is not a field");

    fn fields(value: Value) -> Fields {
        match value {
            Value::Object(map) => Fields::of(map, UNKNOWN),
            other => panic!("{other} is not an object"),
        }
    }

    fn lower(value: &str) -> Result<String, Invalid> {
        let lower = value.bytes().all(|b| b.is_ascii_lowercase());
        lower.then(|| value.to_owned()).ok_or(Invalid("must be lower case"))
    }

    #[test]
    fn valid_fields_are_returned_typed() {
        let mut body = fields(json!({"a": "x", "b": "y", "c": null, "d": " ", "e": "z", "f": true,
            "g": {"h": "i"}, "read_only": [1]}));
        let required = body.required("a", lower);
        assert_eq!(body.optional("b", lower), Some("y".to_owned()));
        assert_eq!(body.optional("absent", lower), None);
        assert_eq!(body.patch("c", lower), Patch::Clear);
        assert_eq!(body.patch("d", lower), Patch::Clear);
        assert_eq!(body.patch("e", lower), Patch::Set("z".to_owned()));
        assert_eq!(body.patch("absent", lower), Patch::Keep);
        assert_eq!(body.boolean("f"), Some(true));
        assert_eq!(body.boolean("absent"), None);
        let nested = body.object("g", UNKNOWN, |inner| inner.optional("h", lower));
        body.ignore(&["read_only", "absent"]);
        let built = body.finish(|| Ok((required?, nested?)));
        assert_eq!(built, Ok(("x".to_owned(), Some("i".to_owned()))));
    }

    #[test]
    fn all_invalid_fields_are_reported_without_their_values() {
        let mut body = fields(json!({"a": "SECRET", "b": null, "c": 5, "d": "true", "e": {"f": "G", "h": 1},
            "i": [], "typo": "SECRET"}));
        let required = body.required("absent", lower);
        body.optional("a", lower);
        body.optional("b", lower);
        body.patch("c", lower);
        body.boolean("d");
        let nested = body.object("e", Invalid("is not a field of an e"), |inner| inner.patch("f", lower));
        let wrong = body.object("i", UNKNOWN, |_| ());
        let missing = body.object("j", UNKNOWN, |_| ());
        let built = body.finish(|| Ok((required?, nested?, wrong?, missing?)));
        assert_eq!(
            built.unwrap_err().to_string(),
            "`absent` is required; `a` must be lower case; `b` must be a string; `c` must be a string; \
             `d` must be true or false; `e.f` must be lower case; `e.h` is not a field of an e; \
             `i` must be an object; `j` is required and must be an object; `typo` is not a field"
        );
    }

    #[test]
    fn unknown_field_is_refused_even_if_the_build_succeeds() {
        let error = fields(json!({"x": 1})).finish(|| Ok(())).unwrap_err();
        assert_eq!(error, FieldErrors::one("x", UNKNOWN));
    }

    #[test]
    fn hostile_field_names_are_escaped_and_truncated() {
        assert_eq!(shown("plain_name"), "plain_name");
        assert_eq!(shown("a\n`b`\u{0}\u{202e}é"), "a\\n'b'\\0\\u{202e}é");
        assert_eq!(shown(&"x".repeat(60_000)), format!("{}…", "x".repeat(64)));
        assert_eq!(shown(&"x".repeat(64)), "x".repeat(64));
    }

    #[test]
    fn errors_after_the_twentieth_are_counted() {
        let map = (0..23).map(|n| (format!("f{n:02}"), Value::Null)).collect();
        let sentence = fields(Value::Object(map)).finish(|| Ok(())).unwrap_err().to_string();
        assert!(sentence.starts_with("`f00` is not a field; `f01` is"), "{sentence}");
        assert!(sentence.ends_with("`f19` is not a field; and 3 more"), "{sentence}");
    }

    #[test]
    fn patch_keep_clear_and_set_map_to_sql_parameters() {
        assert_eq!(Patch::<String>::Keep.to_sql(), None);
        assert_eq!(Patch::<String>::Clear.to_sql(), Some(""));
        assert_eq!(Patch::Set("x").to_sql(), Some("x"));
    }

    proptest! {
        #[test]
        fn error_message_is_one_bounded_line(names in prop::collection::btree_set(any::<String>(), 1..60)) {
            let map = names.into_iter().map(|name| (name, Value::Null)).collect();
            let sentence = fields(Value::Object(map)).finish(|| Ok(())).unwrap_err().to_string();
            prop_assert!(sentence.chars().count() < 20 * 90);
            prop_assert!(!sentence.contains(char::is_control));
        }
    }
}
