//! Scalars with a unit: durations, sizes, shares, days and hours.
//!
//! All are read inside a visitor, so that an error carries the place of the value itself.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};

use crate::model::Window;
use crate::model::window::WindowError;

/// Up to 100 percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(pub u8);

/// A share of a number, or a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// `50%`
    Percent(Percent),
    /// `3`
    Count(u32),
}

/// Bytes, in the file's words; only the schema needs it.
pub(super) struct Size;

/// A length of time, in the file's words; only the schema needs it.
pub(super) struct Length;

impl Share {
    /// How many of `total` that is, rounded down.
    pub fn of(self, total: usize) -> usize {
        match self {
            Self::Percent(Percent(percent)) => total.saturating_mul(percent.into()) / 100,
            Self::Count(count) => usize::try_from(count).unwrap_or(usize::MAX),
        }
    }
}

/// `30s`, `5m`, `1h 30m`, `1d`.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    scalar(deserializer, "a duration such as `30s`, `5m` or `1d`", |text| match text {
        "0" => Some(Duration::ZERO),
        text => humantime::parse_duration(text).ok(),
    })
}

/// A duration of at least a second: what is done over and over must leave time in between.
pub(super) fn interval<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    scalar(deserializer, "a duration of at least a second, such as `30s` or `5m`", |text| {
        humantime::parse_duration(text).ok().filter(|length| *length >= Duration::from_secs(1))
    })
}

/// As [`interval`], where the value may be left out or `null`.
pub(super) fn optional_interval<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    #[derive(serde::Deserialize)]
    struct Interval(#[serde(deserialize_with = "interval")] Duration);
    Ok(Option::<Interval>::deserialize(deserializer)?.map(|Interval(length)| length))
}

/// As [`duration`], where the value may be left out or `null`.
pub(super) fn optional_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    #[derive(serde::Deserialize)]
    struct Any(#[serde(deserialize_with = "duration")] Duration);
    Ok(Option::<Any>::deserialize(deserializer)?.map(|Any(length)| length))
}

/// Bytes: `1MiB`, `500KB` or a number.
pub(super) fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    scalar(deserializer, "a size such as `1MiB`, `512KiB` or a number of bytes", parse_size)
}

fn parse_size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor).filter(|bytes| *bytes > 0)
}

fn parse_percent(text: &str) -> Option<Percent> {
    let number: u8 = text.strip_suffix('%')?.trim_end().parse().ok()?;
    (number <= 100).then_some(Percent(number))
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar(deserializer, "a share such as `80%`", parse_percent)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar(deserializer, "a share such as `50%` or a number", |text| {
            let count = || text.parse().ok().map(Self::Count);
            parse_percent(text).map(Self::Percent).or_else(count)
        })
    }
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Hours)
    }
}

/// What the message about something that is no window begins with; the next move is its second line.
pub(super) const NO_WINDOW: &str = "no window: ";

struct Hours;

impl Visitor<'_> for Hours {
    type Value = Window;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("days and hours such as `Sat,Sun 02:00-05:00`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Window, E> {
        Window::parse(text).map_err(|WindowError { message, hint }| {
            E::custom(format!("{NO_WINDOW}{message}\n{hint}"))
        })
    }
}

/// Reads a scalar as text, a number included, and hands it to `parse`.
fn scalar<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    expected: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, D::Error> {
    deserializer.deserialize_any(Scalar { expected, parse })
}

struct Scalar<F> {
    expected: &'static str,
    parse: F,
}

impl<T, F: Fn(&str) -> Option<T>> Visitor<'_> for Scalar<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self.expected))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

macro_rules! text_schema {
    ($name:ident, $title:literal, $schema:tt) => {
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                $title.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

text_schema!(Percent, "Percent", { "type": "string", "pattern": "^[0-9]{1,3} *%$" });
text_schema!(Share, "Share", {
    "type": ["string", "integer"], "pattern": "^[0-9]+ *%?$", "minimum": 0
});
text_schema!(Window, "Window", {
    "type": "string",
    "pattern": "^(([A-Za-z, -]+ )?[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9] *; *)*([A-Za-z, -]+ )?[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]( [A-Za-z0-9_+/-]+)?$"
});
text_schema!(Length, "Duration", {
    "type": ["string", "integer"], "pattern": "^(0|([0-9]+ *[A-Za-zµ]+ *)+)$", "maximum": 0
});
text_schema!(Size, "Size", {
    "type": ["string", "integer"], "pattern": "^[0-9]+ *([KkMmGg]([Ii]?[Bb])?|[Bb])?$", "minimum": 1
});
