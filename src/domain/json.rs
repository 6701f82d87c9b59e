//! Strict JSON (RFC 8259, restricted as by I-JSON, RFC 7493): one UTF-8 object without a byte order mark, duplicate
//! keys at any depth, lone surrogates or trailing data. A body that two parsers could understand differently is
//! refused.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::fields::shown;

/// Why a body is refused. Displays as a sentence of bounded length for a developer.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// Only white space.
    #[error("the body must be a JSON object, but it is empty")]
    Empty,
    /// Starts with U+FEFF, which RFC 8259, 8.1 forbids to send.
    #[error("the body must be a JSON object without a byte order mark before it")]
    ByteOrderMark,
    /// Not UTF-8; the offset of the first invalid byte.
    #[error("the body must be UTF-8, but byte {0} is not")]
    NotUtf8(usize),
    /// Valid JSON of another type.
    #[error("the body must be a JSON object, not {0}")]
    NotAnObject(&'static str),
    /// A duplicate key, a lone surrogate, too deep nesting, or a syntax error.
    #[error("the body must be a JSON object: {0}")]
    Syntax(#[from] serde_json::Error),
}

/// Parses a body as one JSON object, at most 127 levels deep.
pub fn parse_object(body: &[u8]) -> Result<Map<String, Value>, JsonError> {
    let text = std::str::from_utf8(body).map_err(|error| JsonError::NotUtf8(error.valid_up_to()))?;
    if text.starts_with('\u{feff}') {
        return Err(JsonError::ByteOrderMark);
    }
    if text.trim_ascii().is_empty() {
        return Err(JsonError::Empty);
    }
    match serde_json::from_str::<Strict>(text)?.0 {
        Value::Object(map) => Ok(map),
        Value::Array(_) => Err(JsonError::NotAnObject("an array")),
        Value::String(_) => Err(JsonError::NotAnObject("a string")),
        Value::Number(_) => Err(JsonError::NotAnObject("a number")),
        Value::Bool(_) => Err(JsonError::NotAnObject("a boolean")),
        Value::Null => Err(JsonError::NotAnObject("null")),
    }
}

/// A [`Value`] without duplicate keys. `Value` itself would keep the last one.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(format_args!("`{}` is there twice", shown(&key))));
            }
            let Strict(value) = entries.next_value()?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn refusal(body: &[u8]) -> String {
        parse_object(body).unwrap_err().to_string()
    }

    #[test]
    fn valid_object_is_parsed() {
        let body = r#" {"a": [1, -2, 0.5, true, null, "\u00e9\ud83d\ude00"], "b": {"a": {}}} "#;
        let expected = json!({"a": [1, -2, 0.5, true, null, "é😀"], "b": {"a": {}}});
        assert_eq!(Value::Object(parse_object(body.as_bytes()).unwrap()), expected);
    }

    #[test]
    fn invalid_json_or_non_object_is_refused_with_a_reason() {
        for (body, sentence) in [
            (&b""[..], "the body must be a JSON object, but it is empty"),
            (b" \r\n\t", "the body must be a JSON object, but it is empty"),
            (b"\xef\xbb\xbf{}", "the body must be a JSON object without a byte order mark before it"),
            (b"\xff\xfe{\0}\0", "the body must be UTF-8, but byte 0 is not"),
            (b"{\"a\": \"\xe4\"}", "the body must be UTF-8, but byte 7 is not"),
            (b"{\"a\": \"\xed\xa0\x80\"}", "the body must be UTF-8, but byte 7 is not"),
            (b"[{}]", "the body must be a JSON object, not an array"),
            (b"\"{}\"", "the body must be a JSON object, not a string"),
            (b"7", "the body must be a JSON object, not a number"),
            (b"true", "the body must be a JSON object, not a boolean"),
            (b"null", "the body must be a JSON object, not null"),
            (b"{} {}", "the body must be a JSON object: trailing characters at line 1 column 4"),
            (
                b"{\"a\": {\"b\": 1,\n\"b\": 2}}",
                "the body must be a JSON object: `b` is there twice at line 2 column 3",
            ),
            (
                br#"{"b": 1, "\u0062": 2}"#,
                "the body must be a JSON object: `b` is there twice at line 1 column 17",
            ),
        ] {
            assert_eq!(refusal(body), sentence, "{body:?}");
        }
        for body in [
            r#"{"a": "\ud800"}"#,
            r#"{"a": "\udc00"}"#,
            r#"{"a": "\ud800\ud800"}"#,
            r#"{"\ud800": 1}"#,
            r#"{"a": 1,}"#,
            "{'a': 1}",
            r#"{"a": NaN}"#,
            r#"{"a": 1e999}"#,
            r#"{"a": 01}"#,
            "{\"a\": \"\n\"}",
            r#"{"a": 1"#,
            "{}\0",
            "{\"a\": /* b */ 1}",
        ] {
            let sentence = refusal(body.as_bytes());
            assert!(sentence.starts_with("the body must be a JSON object: "), "{body}: {sentence}");
        }
    }

    #[test]
    fn nesting_depth_and_error_length_are_bounded() {
        let bomb = format!("{{\"a\":{}", "[".repeat(60_000));
        assert_eq!(
            refusal(bomb.as_bytes()),
            "the body must be a JSON object: recursion limit exceeded at line 1 column 132"
        );
        let key = "k\\u0007".repeat(9_000);
        let sentence = refusal(format!(r#"{{"{key}":1,"{key}":2}}"#).as_bytes());
        assert!(sentence.len() < 200 && sentence.contains("…` is there twice"), "{sentence}");
        assert!(!sentence.contains(char::is_control));
        let sentence = refusal(format!("\"{}\"", "x".repeat(60_000)).as_bytes());
        assert_eq!(sentence, "the body must be a JSON object, not a string");
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(body in any::<Vec<u8>>()) {
            let _ = parse_object(&body);
        }

        #[test]
        fn any_object_parses_as_in_serde_json(value in any_json()) {
            let body = json!({ "v": value });
            prop_assert_eq!(Value::Object(parse_object(body.to_string().as_bytes()).unwrap()), body);
        }

        #[test]
        fn duplicate_key_is_refused_at_any_depth(
            key in any::<String>(),
            first in any_json(),
            second in any_json(),
            path in prop::collection::vec(any::<bool>(), 0..20),
        ) {
            let key = Value::from(key);
            let mut body = format!("{{{key}:{first},{key}:{second}}}");
            for in_array in path {
                body = if in_array { format!("[0,{body}]") } else { format!("{{\"a\":{body}}}") };
            }
            let sentence = refusal(format!("{{\"top\":{body}}}").as_bytes());
            prop_assert!(sentence.contains("` is there twice at line 1"), "{}", sentence);
        }
    }
}
