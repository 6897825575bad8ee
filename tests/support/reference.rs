//! A JSON Schema as tables for people: one for each mapping, with key, type, default and meaning.

use serde_json::{Map, Value};

/// A mapping that the schema describes.
pub struct Level<'s> {
    /// Where it stands: `sources[].credentials`; `*` is any name. Empty for the top.
    pub path: String,
    /// What it is, where the schema says so at the mapping itself.
    pub about: Option<&'s str>,
    /// Its keys.
    pub fields: &'s Map<String, Value>,
    required: &'s Value,
}

/// Every mapping of `schema`, each before those in it.
pub fn levels(schema: &Value) -> Vec<Level<'_>> {
    let mut found = Vec::new();
    collect(schema, schema, String::new(), &mut found);
    found
}

fn collect<'s>(root: &'s Value, shape: &'s Value, path: String, found: &mut Vec<Level<'s>>) {
    for shape in alternatives(root, shape) {
        if let Some(fields) = shape["properties"].as_object() {
            let about = shape["description"].as_str();
            found.push(Level { path: path.clone(), about, fields, required: &shape["required"] });
            for (key, field) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                collect(root, field, format!("{path}{dot}{key}"), found);
            }
        }
        for (step, inner) in [("[]", &shape["items"]), (".*", &shape["additionalProperties"])] {
            if inner.is_object() {
                collect(root, inner, format!("{path}{step}"), found);
            }
        }
    }
}

/// The shape itself, or what it refers to or offers.
fn alternatives<'s>(root: &'s Value, shape: &'s Value) -> Vec<&'s Value> {
    if let Some(target) = referred(root, shape) {
        return alternatives(root, target);
    }
    match shape["anyOf"].as_array() {
        Some(offered) => offered.iter().flat_map(|shape| alternatives(root, shape)).collect(),
        None => vec![shape],
    }
}

fn referred<'s>(root: &'s Value, shape: &Value) -> Option<&'s Value> {
    root.pointer(shape["$ref"].as_str()?.strip_prefix('#')?)
}

/// What stands beside a key besides its meaning: whatever only one of the references has to say.
pub type Remark<'r> = &'r dyn Fn(&str) -> Option<String>;

/// The keys of `level` as a Markdown table; with `remark`, a last column that it fills for each path.
pub fn table(root: &Value, level: &Level<'_>, remark: Option<(&str, Remark<'_>)>) -> String {
    let mut text = "| key | type | default | meaning |".to_owned();
    if let Some((heading, _)) = remark {
        text += &format!(" {heading} |");
    }
    text += if remark.is_some() { "\n|---|---|---|---|---|\n" } else { "\n|---|---|---|---|\n" };
    for (key, field) in level.fields {
        let default = match level.required.as_array() {
            Some(needed) if needed.iter().any(|name| name == key) => "*needed*".to_owned(),
            Some(_) | None => default(field),
        };
        let row = [format!("`{key}`"), kind(root, field), default, meaning(root, field)];
        text += &format!("| {} |", row.map(|cell| escaped(&cell)).join(" | "));
        if let Some((_, remark)) = remark {
            let dot = if level.path.is_empty() { "" } else { "." };
            let told = remark(&format!("{}{dot}{key}", level.path)).unwrap_or_default();
            text += &format!(" {told} |");
        }
        text.push('\n');
    }
    text
}

fn escaped(cell: &str) -> String {
    cell.replace('\n', " ").replace('|', "\\|")
}

/// What the schema says that `field` means, and what each of its words means.
pub fn meaning(root: &Value, field: &Value) -> String {
    let mut text = field["description"].as_str().unwrap_or_default().to_owned();
    for shape in alternatives(root, field) {
        for word in shape["oneOf"].as_array().into_iter().flatten() {
            if let (Some(word), Some(about)) =
                (word["const"].as_str(), word["description"].as_str())
            {
                text += &format!(" `{word}`: {about}");
            }
        }
    }
    text
}

fn default(field: &Value) -> String {
    match &field["default"] {
        Value::Null => "–".to_owned(),
        Value::String(text) if text.is_empty() => "–".to_owned(),
        Value::String(text) => format!("`{text}`"),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            format!("`{}`", field["default"])
        }
    }
}

/// What may be written, in a word or a few.
fn kind(root: &Value, field: &Value) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in kinds(root, field) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    if words.is_empty() { "anything".to_owned() } else { words.join(" or ") }
}

fn kinds(root: &Value, shape: &Value) -> Vec<String> {
    if let Some(offered) = shape["anyOf"].as_array() {
        // A text in which a variable stands may be anywhere.
        let own = offered.iter().filter(|shape| shape["pattern"] != "[$]");
        return own.flat_map(|shape| kinds(root, shape)).collect();
    }
    if let Some(name) = shape["$ref"].as_str().and_then(|to| to.rsplit('/').next()) {
        if let Some(word) = named(name) {
            return vec![word.to_owned()];
        }
        return referred(root, shape).map(|shape| kinds(root, shape)).unwrap_or_default();
    }
    let constants = shape["oneOf"].as_array().into_iter().flatten().map(|word| &word["const"]);
    let words = shape["enum"].as_array().into_iter().flatten().chain(constants);
    let words = words.chain(shape.get("const")).filter(|word| !word.is_null());
    let words: Vec<String> = words.map(|word| format!("`{}`", plain(word))).collect();
    if !words.is_empty() {
        return vec![words.join(", ")];
    }
    let types = match &shape["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        Value::String(one) => vec![one.as_str()],
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    };
    // A number that has bounds on both sides may have quotes.
    let is_number = shape["maximum"].is_number();
    let is_text = types.contains(&"string") && !is_number;
    types.into_iter().filter_map(|one| of_type(root, shape, one, is_text)).collect()
}

fn of_type(root: &Value, shape: &Value, one: &str, is_text: bool) -> Option<String> {
    Some(match one {
        "string" if is_text => "text".to_owned(),
        "integer" | "number" if !is_text => "number".to_owned(),
        "boolean" if !is_text => "true, false".to_owned(),
        "object" => "mapping".to_owned(),
        "array" if is_text => "list".to_owned(),
        "array" => match kind(root, &shape["items"]).as_str() {
            "anything" => "list".to_owned(),
            kind => {
                let kinds: Vec<String> = kind.split(" or ").map(plural).collect();
                format!("list of {}", kinds.join(" or "))
            }
        },
        // `null` is "as if it were not written", a number beside a text the same without quotes.
        _ => return None,
    })
}

fn plural(kind: &str) -> String {
    match kind {
        "text" | "mapping" | "number" | "name" => format!("{kind}s"),
        other => other.to_owned(),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Shapes that have a word of their own.
fn named(name: &str) -> Option<&'static str> {
    Some(match name {
        "integer" | "count" | "cpus" => "number",
        "bytes" | "Size" => "size",
        "duration" | "Duration" => "duration",
        "mode" => "octal number",
        "text" | "filled" | "item" | "word" => "text",
        "project" | "project_item" => "name",
        "flag" => "true, false",
        "window" | "Window" => "hours",
        "command" => "text or list",
        "pairs" => "mapping or list",
        "Percent" => "share",
        "Share" => "share or number",
        _ => return None,
    })
}
