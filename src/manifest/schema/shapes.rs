//! What values look like, and how keys are put together.
//!
//! Nothing here knows a key of Compose.

use serde_json::{Map, Value, json};

/// A key with what it takes.
pub type Field = (&'static str, Value);

/// The key `name`: what it means, and what it takes.
pub fn key(name: &'static str, meaning: &str, shape: Value) -> Field {
    let mut described = Map::from_iter([("description".to_owned(), meaning.into())]);
    match shape {
        Value::Object(keywords) => described.extend(keywords),
        // Anything goes.
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {}
    }
    (name, described.into())
}

/// As [`key`], with what holds where it is not written.
pub fn key_or(name: &'static str, default: Value, meaning: &str, shape: Value) -> Field {
    let (name, mut described) = key(name, meaning, shape);
    described["default"] = default;
    (name, described)
}

/// A mapping with these keys; `x-…` belongs to others.
pub fn closed(fields: Vec<Field>) -> Value {
    let mut shape = strict(fields);
    shape["patternProperties"] = json!({"^x-": {}});
    shape
}

/// A mapping with these keys and no others.
pub fn strict(fields: Vec<Field>) -> Value {
    let fields = fields.into_iter().map(|(name, shape)| (name.to_owned(), shape));
    json!({
        "type": ["object", "null"],
        "properties": Map::from_iter(fields),
        "additionalProperties": false,
    })
}

/// A single value, or the same written out as the mapping `long`, which needs the keys `required`.
pub fn short_or(short: &str, mut long: Value, required: &[&str]) -> Value {
    long["type"] = json!(["string", "number", "object"]);
    long["required"] = json!(required);
    long["pattern"] = short.into();
    long
}

/// A mapping from names that people choose.
pub fn named(shape: Value) -> Value {
    json!({
        "type": ["object", "null"],
        "propertyNames": {"pattern": "^[A-Za-z0-9._-]+$"},
        "additionalProperties": shape,
    })
}

/// A mapping from any text.
pub fn mapping(shape: Value) -> Value {
    json!({"type": ["object", "null"], "additionalProperties": shape})
}

/// A list.
pub fn list(items: Value) -> Value {
    json!({"type": ["array", "null"], "items": items})
}

/// A list, or its only entry if that is a single value.
pub fn one_or_more(items: Value) -> Value {
    let mut shape = json!({"type": ["array", "string", "number", "boolean", "null"]});
    if let Some(pattern) = items.get("pattern") {
        shape["pattern"] = pattern.clone();
    }
    shape["items"] = items;
    shape
}

/// A list, or a mapping by name.
pub fn list_or_named(items: Value, shape: Value) -> Value {
    json!({"type": ["array", "object", "null"], "items": items, "additionalProperties": shape})
}

/// One of a few words.
pub fn words(words: &[&str]) -> Value {
    json!({"anyOf": [{"enum": words}, {"type": "string", "pattern": "[$]"}, {"type": "null"}]})
}

/// One of a few words, or another service or container.
pub fn or_anothers(words: &[&str]) -> Value {
    let another = json!({"type": "string", "pattern": "^(service|container):.|[$]"});
    json!({"anyOf": [{"enum": words}, another, {"type": "null"}]})
}

/// One of the shapes in [`definitions`].
pub fn shape(name: &str) -> Value {
    json!({"$ref": format!("#/$defs/{name}")})
}

/// Protocols of a port, in either case.
pub const PROTOCOL: &str = "([tT][cC][pP]|[uU][dD][pP]|[sS][cC][tT][pP])";

/// A single value that is not empty.
pub const FILLED: &str = ".";

/// What is used in many places.
pub fn definitions() -> Value {
    let mut definitions = numbers();
    definitions.extend(texts());
    Map::from_iter(definitions.into_iter().map(|(name, shape)| (name.to_owned(), shape))).into()
}

fn texts() -> Vec<Field> {
    let project = "^[a-z0-9][a-z0-9_-]*$|[$]";
    let flag = "^([tT]([rR][uU][eE])?|[fF]([aA][lL][sS][eE])?|[yY]([eE][sS])?|[nN][oO]?\
                |[oO]([nN]|[fF][fF])|[01])$|[$]";
    let span = "([A-Za-z, -]+ )?[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]";
    let single = json!(["string", "number", "boolean"]);
    let or_none = json!(["string", "number", "boolean", "null"]);
    vec![
        ("text", json!({"type": or_none})),
        ("filled", json!({"type": or_none, "minLength": 1})),
        ("item", json!({"type": single, "minLength": 1})),
        ("word", json!({"type": single})),
        ("project", json!({"type": ["string", "integer", "null"], "pattern": project})),
        ("project_item", json!({"type": ["string", "integer"], "pattern": project})),
        (
            "flag",
            json!({
                "examples": [true],
                "type": ["boolean", "string", "integer", "null"],
                "pattern": flag,
                "minimum": 0,
                "maximum": 1,
            }),
        ),
        (
            "window",
            json!({
                "examples": ["Mon-Fri 02:00-05:00 Europe/Berlin"],
                "type": ["string", "null"],
                "pattern": format!("^({span} *; *)*{span}( [A-Za-z0-9_+/-]+)?$|[$]"),
            }),
        ),
        (
            "command",
            json!({
                "examples": [["./serve", "--port", "8000"]],
                "type": ["array", "string", "number", "boolean", "null"],
                "items": shape("word"),
            }),
        ),
        (
            "pairs",
            json!({
                "examples": [{"NAME": "value"}],
                "type": ["object", "array", "null"],
                "additionalProperties": shape("text"),
                "items": {"type": single, "pattern": "^[^=]"},
            }),
        ),
    ]
}

fn numbers() -> Vec<Field> {
    let digits = "0[xX][0-9a-fA-F_]+|0[oO]?[0-7_]+|0[bB][01_]+|0|[1-9][0-9_]*";
    let decimal = "([0-9]+[.]?[0-9]*|[.][0-9]+)";
    let units = "(ns|us|µs|μs|ms|s|m|h|d|w)";
    vec![
        (
            "integer",
            json!({
                "examples": [3],
                "type": ["integer", "string", "null"],
                "pattern": format!("^[+-]?({digits})$|[$]"),
            }),
        ),
        (
            "count",
            json!({
                "examples": [3],
                "type": ["integer", "string", "null"],
                "pattern": format!("^[+]?({digits})$|[$]"),
                "minimum": 0,
            }),
        ),
        (
            "cpus",
            json!({
                "examples": [0.5],
                "type": ["number", "string", "null"],
                "pattern": format!("^{decimal}$|[$]"),
                "minimum": 0,
            }),
        ),
        (
            "bytes",
            json!({
                "examples": ["512m"],
                "type": ["number", "string", "null"],
                "pattern": format!("^{decimal} ?([bB]|[kKmMgGtTpP]([iI]?[bB])?)?$|[$]"),
                "minimum": 0,
            }),
        ),
        (
            "duration",
            json!({
                "examples": ["30s"],
                "type": ["string", "integer", "null"],
                "pattern": format!("^[+]?(0|({decimal}{units})+)$|[$]"),
                // The only number that needs no unit.
                "minimum": 0,
                "maximum": 0,
            }),
        ),
        (
            "mode",
            json!({
                "examples": ["0440"],
                "type": ["integer", "string", "null"],
                "pattern": "^(0[oO]?)?[0-7]{1,4}$|[$]",
                "minimum": 0,
            }),
        ),
    ]
}
