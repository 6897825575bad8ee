//! How rules are written: a word, a list of what is allowed, or both.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::policy::{Level, Setting};

/// `deny`, `warn` or `allow`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct Word(pub(super) Level);

/// The same, or `required`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct Demand(pub(super) Level);

/// The same as [`Word`], a list of what is allowed, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct Listed(pub(super) Setting);

/// A text; a number counts as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct Text(pub(super) String);

/// A list and a level.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Both {
    level: Option<Level>,
    #[serde(default)]
    allow: Vec<Text>,
}

fn level(text: &str) -> Option<Level> {
    match text {
        "deny" => Some(Level::Deny),
        "warn" => Some(Level::Warn),
        "allow" => Some(Level::Allow),
        _ => None,
    }
}

struct Words<T>(&'static str, fn(&str) -> Option<T>);

impl<T> Visitor<'_> for Words<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.1)(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Words("`deny`, `warn` or `allow`", level)).map(Self)
    }
}

impl<'de> Deserialize<'de> for Demand {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = |text: &str| if text == "required" { Some(Level::Deny) } else { level(text) };
        let words = Words("`required`, `deny`, `warn` or `allow`", word);
        deserializer.deserialize_any(words).map(Self)
    }
}

struct Rules;

impl<'de> Visitor<'de> for Rules {
    type Value = Setting;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "`deny`, `warn`, `allow`, a list of what is allowed, or `{level: …, allow: […]}`",
        )
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Setting, E> {
        match level(text) {
            Some(level) => Ok(Setting { level: Some(level), allow: Vec::new() }),
            None => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Setting, A::Error> {
        let mut allow = Vec::new();
        while let Some(Text(value)) = list.next_element()? {
            allow.push(value);
        }
        Ok(Setting { level: None, allow })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Setting, A::Error> {
        let both = Both::deserialize(de::value::MapAccessDeserializer::new(map))?;
        let allow = both.allow.into_iter().map(|Text(value)| value).collect();
        Ok(Setting { level: both.level, allow })
    }
}

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Rules).map(Self)
    }
}

struct Scalars;

impl Visitor<'_> for Scalars {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text(text.to_owned()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Text, E> {
        Ok(Text(number.to_string()))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Scalars)
    }
}

macro_rules! schemas {
    ($($name:ident, $title:literal, $schema:tt;)+) => {
        $(impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                $title.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        })+
    };
}

schemas! {
    Word, "Level", { "type": "string", "enum": ["deny", "warn", "allow"] };
    Demand, "Demand", { "type": "string", "enum": ["required", "deny", "warn", "allow"] };
    Text, "Text", { "type": ["string", "integer"] };
    Listed, "Listed", {
        "anyOf": [
            { "type": "string", "enum": ["deny", "warn", "allow"] },
            { "type": "array", "items": { "type": ["string", "integer"] } },
            {
                "type": "object",
                "additionalProperties": false,
                "patternProperties": {
                    "^level$": { "type": "string", "enum": ["deny", "warn", "allow"] },
                    "^allow$": { "type": "array", "items": { "type": ["string", "integer"] } }
                }
            }
        ]
    };
}
