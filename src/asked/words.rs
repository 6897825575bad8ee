//! The words of questions and wishes, as they are written on the command line and in requests.

use std::time::Duration;

use jiff::Timestamp;

use crate::model::memory::HoldScope;
use crate::model::{CommitId, GenerationOutcome, ServiceId, ServiceName, StackName};

/// `STACK` or `STACK/SERVICE`.
pub fn scope(text: &str) -> Result<HoldScope, String> {
    let is_name = |name: &str| !name.is_empty() && !name.contains(char::is_whitespace);
    match text.split_once('/') {
        None if is_name(text) => Ok(HoldScope::Stack(StackName::new(text))),
        Some((stack, service)) if is_name(stack) && is_name(service) && !service.contains('/') => {
            Ok(HoldScope::Service(ServiceId::new(
                &StackName::new(stack),
                &ServiceName::new(service),
            )))
        }
        None | Some(_) => Err("expected STACK or STACK/SERVICE".to_owned()),
    }
}

/// A length of time, at least a second.
pub fn length(text: &str) -> Result<Duration, String> {
    let length = humantime::parse_duration(text).ok();
    let length = length.filter(|length| *length >= Duration::from_secs(1));
    length.ok_or_else(|| "expected a duration of a second or more: 30m, 2h, 1d".to_owned())
}

/// A point of time, or a span of time up to now.
#[derive(Clone, Copy)]
pub enum Since {
    /// This point of time.
    At(Timestamp),
    /// So long ago.
    Ago(Duration),
}

impl Since {
    /// The point of time. What is longer than a calendar reaches begins with it.
    pub fn time(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::Ago(span) => now.checked_sub(span).unwrap_or(Timestamp::MIN),
        }
    }
}

/// A span, a day or a time.
pub fn since(text: &str) -> Result<Since, String> {
    if let Ok(time) = text.parse() {
        return Ok(Since::At(time));
    }
    if let Ok(day) = text.parse::<jiff::civil::Date>() {
        let midnight = day.to_zoned(jiff::tz::TimeZone::UTC).map_err(|error| error.to_string())?;
        return Ok(Since::At(midnight.timestamp()));
    }
    let expected = || "expected a span (2h, 7d), a day (2026-11-21) or a time in UTC".to_owned();
    length(text).map(Since::Ago).map_err(|_| expected())
}

/// How a generation ended.
pub fn outcome(text: &str) -> Result<GenerationOutcome, String> {
    let found = GenerationOutcome::ALL.into_iter().find(|outcome| outcome.word() == text);
    found.ok_or_else(|| {
        format!("expected one of {}", GenerationOutcome::ALL.map(|one| one.word()).join(", "))
    })
}

/// The first digits of a commit's id, or all of them.
pub fn commit(text: &str) -> Result<String, String> {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match text.len() {
        4..=40 if is_hex => Ok(text.to_ascii_lowercase()),
        _ => Err("expected 4 to 40 hex digits".to_owned()),
    }
}

/// A commit that can be asked for at a repository.
pub fn full_commit(text: &str) -> Result<CommitId, String> {
    match commit(text) {
        Ok(text) if text.len() == 40 => Ok(CommitId::new(text)),
        Ok(_) | Err(_) => Err("expected all 40 hex digits of a commit".to_owned()),
    }
}

/// A text that says something, in one line.
pub fn one_line(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("expected a few words".to_owned()),
        text if text.contains(char::is_control) => Err("expected one line".to_owned()),
        text => Ok(text.to_owned()),
    }
}
