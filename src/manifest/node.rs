//! A YAML value that knows where it stands, what was written, and whether a server value went into it.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Number, Value as Json};

use super::origin::Origin;
use super::units;
use crate::model::Place;

/// One value of a parsed manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it starts.
    pub place: Place,
    /// What it is.
    pub value: Value,
    /// A local tag such as `!reset`, without the exclamation mark.
    pub tag: Option<String>,
    /// Whether interpolation put a value of the server's env files into it. Never its children's doing.
    pub sensitive: bool,
    /// What is written where a value of the server now stands; this may be shown.
    pub written: Option<Box<str>>,
    /// The project it was loaded with; `None` for the stack's own.
    pub origin: Option<Arc<Origin>>,
}

/// The shape of a value.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// Nothing written, `~` or `null`.
    Null,
    /// A scalar as text; what it means is up to whoever reads it.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Node>),
    /// A mapping, in the order it was written. Keys are unique.
    Mapping(IndexMap<String, Field>),
}

/// A scalar.
#[derive(Clone, PartialEq)]
pub struct Scalar {
    /// Its text, unquoted and unfolded.
    pub text: String,
    /// Written without quotes, so that `yes`, `08` or `1.0` may mean something else than text.
    pub plain: bool,
}

/// An entry of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Where the key stands.
    pub key_place: Place,
    /// Its value.
    pub node: Node,
}

impl Scalar {
    /// As JSON has it, where it is a number or a boolean; `None` for a text.
    pub fn typed(&self) -> Option<Json> {
        if !self.plain {
            return None;
        }
        match self.text.as_str() {
            "true" | "True" | "TRUE" => Some(Json::Bool(true)),
            "false" | "False" | "FALSE" => Some(Json::Bool(false)),
            text => number(text).map(Json::Number),
        }
    }
}

/// A number of YAML's; a word such as `inf` is none here.
fn number(text: &str) -> Option<Number> {
    let first = text.trim_start_matches(['-', '+']).chars().next()?;
    if !first.is_ascii_digit() && first != '.' {
        return None;
    }
    if let Ok(whole) = units::integer(text) {
        return Some(Number::from(whole));
    }
    units::float(text).ok().and_then(Number::from_f64)
}

/// A long text counts as several values.
pub fn text_weight(text: &str) -> usize {
    text.len() / 256
}

impl Value {
    /// A text that means nothing but itself, as if it were written in quotes.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Scalar(Scalar { text: text.into(), plain: false })
    }
}

impl std::fmt::Debug for Scalar {
    /// Texts are not shown: they may be interpolated.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scalar({} bytes)", self.text.len())
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Scalar(scalar) => scalar.fmt(f),
            Self::Sequence(items) => f.debug_list().entries(items).finish(),
            Self::Mapping(fields) => {
                f.debug_map().entries(fields.iter().map(|(k, v)| (k, &v.node))).finish()
            }
        }
    }
}

impl Node {
    /// A value without a tag, into which no server value went.
    pub fn new(place: Place, value: Value) -> Self {
        Self { place, value, tag: None, sensitive: false, written: None, origin: None }
    }

    /// The field `key` of a mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Mapping(fields) => fields.get(key).map(|field| &field.node),
            Value::Null | Value::Scalar(_) | Value::Sequence(_) => None,
        }
    }

    /// The values in it, itself included, and what its texts take up: the measure of
    /// [`super::Limits::expansion`].
    pub fn weight(&self) -> usize {
        let inside = match &self.value {
            Value::Null => 0,
            Value::Scalar(scalar) => text_weight(&scalar.text),
            Value::Sequence(items) => items.iter().map(Self::weight).sum(),
            Value::Mapping(fields) => fields.values().map(|field| field.node.weight()).sum(),
        };
        1 + inside
    }

    /// What people call this kind of value, for "expected …, found …".
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Scalar(_) => "a single value",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }
}
