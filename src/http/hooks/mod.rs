//! **Pure**: what a forge or a registry tells by webhook, checked and read.
//!
//! A webhook wakes and carries no data: which commit or image there is now is asked of the repository or the registry
//! itself. So one that is sent twice, or again by somebody who overheard it, costs one look and changes nothing.

pub mod git;
pub mod registry;
mod proof;

use http::HeaderMap;
use serde_json::Value;

/// The largest body that is looked at, bytes.
pub const LARGEST: usize = 1024 * 1024;

/// Why a webhook is not heeded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nothing shows that the sender knows the secret.
    #[error("the request is not signed with the secret of `http.webhook_secret_file`")]
    Unproven,
    /// A header or parameter that may stand there once stands there more often.
    #[error("`{0}` is there more than once")]
    Twice(&'static str),
    /// More than [`LARGEST`].
    #[error("the body has more than {LARGEST} bytes")]
    TooLarge,
    /// The body is not what such a webhook sends.
    #[error("{0}")]
    Malformed(&'static str),
}

impl Refused {
    /// The status of the answer (RFC 9110).
    pub fn status(&self) -> u16 {
        match self {
            Self::Unproven => 401,
            Self::Twice(_) | Self::Malformed(_) => 400,
            Self::TooLarge => 413,
        }
    }
}

/// The value of `name`, if it is there, and once.
fn once<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a [u8]>, Refused> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(_), Some(_)) => Err(Refused::Twice(name)),
        (value, _) => Ok(value.map(|value| value.as_bytes())),
    }
}

/// The same as text; what is none is taken for absent.
fn word<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, Refused> {
    Ok(once(headers, name)?.and_then(|value| std::str::from_utf8(value).ok()))
}

/// Refuses a body that is too large to be signed or read.
fn sized(body: &[u8]) -> Result<(), Refused> {
    if body.len() > LARGEST { Err(Refused::TooLarge) } else { Ok(()) }
}

/// The JSON in `body`: as it is, or as the field `payload` of a form, which GitHub and Gitea send if told to.
fn json(headers: &HeaderMap, body: &[u8]) -> Result<Value, Refused> {
    let kind = word(headers, "content-type")?.unwrap_or_default();
    let is_form = kind.trim().to_ascii_lowercase().starts_with("application/x-www-form-urlencoded");
    let parsed = match is_form {
        true => {
            let mut fields = url::form_urlencoded::parse(body);
            let payload = fields.find(|(name, _)| name == "payload");
            let (_, text) = payload.ok_or(Refused::Malformed("the form has no field `payload`"))?;
            serde_json::from_str(&text)
        }
        false => serde_json::from_slice(body),
    };
    let value: Value = parsed.map_err(|_| Refused::Malformed("the body is not JSON"))?;
    let is_object = value.is_object();
    is_object.then_some(value).ok_or(Refused::Malformed("the body is no JSON object"))
}

/// The text at `pointer` (RFC 6901), where there is some.
fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str().filter(|text| !text.is_empty())
}
