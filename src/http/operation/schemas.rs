//! The schemas of the `OpenAPI` document (JSON Schema 2020-12), from the types of requests and responses, and examples
//! of them.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{SchemaOf, example};

/// Where the document has its named schemas.
const DEFINITIONS: &str = "/components/schemas";

/// Collects the named schemas of types. A type can look different in a request, where a field can be absent, and in a
/// response, where every field is there.
pub struct Schemas {
    requests: SchemaGenerator,
    responses: SchemaGenerator,
}

/// A schema, and an example of a value.
pub struct SchemaWithExample {
    pub schema: Value,
    pub example: Value,
}

impl Default for Schemas {
    fn default() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = DEFINITIONS.into();
        });
        Self {
            requests: settings.clone().for_deserialize().into_generator(),
            responses: settings.for_serialize().into_generator(),
        }
    }
}

impl Schemas {
    /// A type in a request.
    pub fn request(&mut self, schema: SchemaOf) -> SchemaWithExample {
        describe(&mut self.requests, schema)
    }

    /// A type in a response.
    pub fn response(&mut self, schema: SchemaOf) -> SchemaWithExample {
        describe(&mut self.responses, schema)
    }

    /// Every named schema.
    #[must_use]
    pub fn named(mut self) -> Map<String, Value> {
        let mut named = self.requests.take_definitions(false);
        named.extend(self.responses.take_definitions(false));
        named.values_mut().for_each(tidy);
        named
    }
}

fn describe(generator: &mut SchemaGenerator, schema: SchemaOf) -> SchemaWithExample {
    let mut schema = schema(generator).to_value();
    let example = example_of(&schema, generator.definitions());
    tidy(&mut schema);
    SchemaWithExample { schema, example }
}

/// Removes the line breaks of a comment and the width of an integer. Makes an object accept no other fields than its
/// properties, and an optional field accept no null.
fn tidy(schema: &mut Value) {
    let Value::Object(schema) = schema else { return };
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = description.split('\n').collect::<Vec<_>>().join(" ");
    }
    if schema.get("type").is_some_and(is_integer) {
        schema.remove("format");
    }
    if schema.get("default") == Some(&Value::Null) {
        schema.remove("default");
    }
    let required: Vec<Value> = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        for (name, property) in properties {
            if !required.contains(&json!(name)) {
                forbid_null(property);
            }
            tidy(property);
        }
        schema.remove("unevaluatedProperties");
        schema.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    if let Some((values, about)) = schema.get("oneOf").and_then(enum_values) {
        let about = [schema.get("description").and_then(Value::as_str), about.as_deref()];
        let about: Vec<&str> = about.into_iter().flatten().collect();
        let about = about.join(" ");
        schema.remove("oneOf");
        schema.insert("type".to_owned(), json!("string"));
        schema.insert("enum".to_owned(), Value::Array(values));
        schema.insert("description".to_owned(), json!(about));
    }
    schema.get_mut("items").into_iter().for_each(tidy);
    for key in ["anyOf", "oneOf"] {
        schema.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().for_each(tidy);
    }
}

/// The values of an enumeration and their descriptions in one text; `None` if a variant is not a string. Client generators
/// understand an `enum` better than a `oneOf` of constants.
fn enum_values(variants: &Value) -> Option<(Vec<Value>, Option<String>)> {
    let (mut values, mut meanings) = (Vec::new(), Vec::new());
    for variant in variants.as_array()? {
        match (&variant["const"], &variant["enum"]) {
            (Value::String(word), _) => {
                values.push(json!(word));
                let about = variant["description"].as_str()?.replace('\n', " ");
                meanings.push(format!("`{word}`: {about}"));
            }
            (_, Value::Array(more)) => values.extend(more.iter().cloned()),
            _ => return None,
        }
    }
    Some((values, (!meanings.is_empty()).then(|| meanings.join(" "))))
}

fn is_integer(kind: &Value) -> bool {
    kind == "integer" || kind.as_array().is_some_and(|kinds| kinds.contains(&json!("integer")))
}

/// Turns the schema of an `Option` into that of its value.
fn forbid_null(schema: &mut Value) {
    let Value::Object(schema) = schema else { return };
    let null = json!({ "type": "null" });
    match schema.get("anyOf").and_then(Value::as_array).map(Vec::as_slice) {
        Some([Value::Object(value), other]) if *other == null => {
            let value = value.clone();
            schema.remove("anyOf");
            for (key, value) in value {
                schema.entry(key).or_insert(value);
            }
        }
        _ => {
            if let Some([value, other]) = schema.get("type").and_then(Value::as_array).map(Vec::as_slice)
                && *other == "null"
            {
                let value = value.clone();
                schema.insert("type".to_owned(), value);
            }
        }
    }
}

/// An example of a value: the one that the schema gives, else one made from the examples of its parts.
fn example_of(schema: &Value, named: &Map<String, Value>) -> Value {
    let part = |part: &Value| example_of(part, named);
    let first = |key: &str| schema[key].as_array().and_then(|list| list.first());
    if let Some(given) = first("examples").or_else(|| schema.get("const")).or_else(|| first("enum")) {
        return given.clone();
    }
    let reference =
        schema["$ref"].as_str().and_then(|name| name.strip_prefix("#")?.strip_prefix(DEFINITIONS));
    if let Some(name) = reference {
        return named.get(&name[1..]).map(part).unwrap_or_default();
    }
    if let Some(variant) = first("anyOf").or_else(|| first("oneOf")) {
        return part(variant);
    }
    if let Some(properties) = schema["properties"].as_object() {
        // A read-only field of a request has a description only.
        let has_type = |schema: &Value| {
            schema.as_object().is_some_and(|keys| keys.keys().any(|key| key != "description"))
        };
        let shown = properties.iter().filter(|(_, schema)| has_type(schema));
        return shown.map(|(name, schema)| (name.clone(), part(schema))).collect::<Map<_, _>>().into();
    }
    match (schema["type"].as_str(), schema["format"].as_str()) {
        (Some("array"), _) => json!([part(&schema["items"])]),
        (Some("boolean"), _) => json!(false),
        (Some("integer"), _) => schema.get("minimum").cloned().unwrap_or_else(|| json!(0)),
        (_, Some("uuid")) if schema["type"] == "string" => json!(example::USER),
        (_, Some("date-time")) if schema["type"] == "string" => json!("2026-11-22T09:30:00Z"),
        _ => Value::Null,
    }
}
