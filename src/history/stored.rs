//! How our types are written as text, and strictly read back.

use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::Type;

use crate::model::memory::HeldBy;
use crate::model::proofs::Found;
use crate::model::spec::RestartPolicy;
use crate::model::{
    CommitId, ContainerId, ContainerName, Digest, Event, GenerationNumber, GenerationOutcome,
    ImageName, ServiceId, ServiceName, ServiceOutcome, SourceName, SpecHash, StackName, Trigger,
};

/// A type with a text form in the database.
pub(super) trait Stored: Sized {
    /// The text.
    fn to_text(&self) -> String;

    /// What the text means; `None` for anything [`Stored::to_text`] does not write.
    fn from_text(text: &str) -> Option<Self>;
}

/// A column's value.
pub(super) fn get<T: Stored>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    parse(row, column, &text)
}

/// A column's value, `None` for NULL.
pub(super) fn get_optional<T: Stored>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| parse(row, column, &text)).transpose()
}

/// The service that columns `stack` and `service` name.
pub(super) fn service_id(row: &Row<'_>) -> rusqlite::Result<ServiceId> {
    Ok(ServiceId { stack: get(row, "stack")?, service: get(row, "service")? })
}

/// A generation's number.
pub(super) fn generation(row: &Row<'_>, column: &str) -> rusqlite::Result<GenerationNumber> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map(GenerationNumber).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, Type::Integer, Box::new(error))
    })
}

/// A generation's number, `None` for NULL.
pub(super) fn optional_generation(
    row: &Row<'_>,
    column: &str,
) -> rusqlite::Result<Option<GenerationNumber>> {
    let number: Option<i64> = row.get(column)?;
    number.map(|_| generation(row, column)).transpose()
}

/// A generation's number as SQLite counts. One beyond what it can count is none that it has given out.
pub(super) fn number(generation: GenerationNumber) -> i64 {
    i64::try_from(generation.0).unwrap_or(i64::MAX)
}

fn parse<T: Stored>(row: &Row<'_>, column: &str, text: &str) -> rusqlite::Result<T> {
    T::from_text(text).ok_or_else(|| {
        let index = row.as_ref().column_index(column).unwrap_or(0);
        let why = format!("column `{column}` holds `{text}`, which this version does not know");
        rusqlite::Error::FromSqlConversionFailure(index, Type::Text, why.into())
    })
}

macro_rules! stored_names {
    ($($name:ident),*) => {$(
        impl Stored for $name {
            fn to_text(&self) -> String {
                self.as_str().to_owned()
            }

            fn from_text(text: &str) -> Option<Self> {
                Some(Self::new(text))
            }
        }
    )*};
}

stored_names!(StackName, ServiceName, SourceName, CommitId, ContainerId, ContainerName, SpecHash);

macro_rules! stored_words {
    ($($word:ident),*) => {$(
        impl Stored for $word {
            fn to_text(&self) -> String {
                self.word().to_owned()
            }

            fn from_text(text: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|word| word.word() == text)
            }
        }
    )*};
}

stored_words!(Trigger, GenerationOutcome, ServiceOutcome, Event);

impl Stored for Timestamp {
    fn to_text(&self) -> String {
        self.to_string()
    }

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Stored for Digest {
    fn to_text(&self) -> String {
        self.as_str().to_owned()
    }

    fn from_text(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

impl Stored for ImageName {
    fn to_text(&self) -> String {
        self.to_string()
    }

    fn from_text(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

impl Stored for Found {
    fn to_text(&self) -> String {
        match self {
            Self::Good => "good",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
        .to_owned()
    }

    fn from_text(text: &str) -> Option<Self> {
        [Self::Good, Self::Refused, Self::Unknown].into_iter().find(|found| found.to_text() == text)
    }
}

impl Stored for HeldBy {
    fn to_text(&self) -> String {
        match self {
            Self::Operator => "operator",
            Self::Rollback => "rollback",
            Self::Adoption => "adoption",
        }
        .to_owned()
    }

    fn from_text(text: &str) -> Option<Self> {
        [Self::Operator, Self::Rollback, Self::Adoption].into_iter().find(|by| by.to_text() == text)
    }
}

/// In the words of the engine; only here `unset` is told from `no`.
impl Stored for RestartPolicy {
    fn to_text(&self) -> String {
        match self {
            Self::Unset => "unset".to_owned(),
            Self::No | Self::Always | Self::UnlessStopped | Self::OnFailure(_) => self.to_string(),
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        let policy = match text.split_once(':') {
            Some(("on-failure", times)) => Self::OnFailure(times.parse().ok()?),
            Some(_) => return None,
            None => [Self::Unset, Self::No, Self::Always, Self::UnlessStopped, Self::OnFailure(0)]
                .into_iter()
                .find(|policy| policy.to_text() == text)?,
        };
        (policy.to_text() == text).then_some(policy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Stored + PartialEq + std::fmt::Debug>(values: impl IntoIterator<Item = T>) {
        for value in values {
            assert_eq!(T::from_text(&value.to_text()), Some(value));
        }
        assert_eq!(T::from_text("Something else"), None);
        assert_eq!(T::from_text(""), None);
    }

    #[test]
    fn every_word_is_read_back_and_no_other() {
        check(Trigger::ALL);
        check(GenerationOutcome::ALL);
        check(ServiceOutcome::ALL);
        check([HeldBy::Operator, HeldBy::Rollback, HeldBy::Adoption]);
        check([RestartPolicy::Unset, RestartPolicy::No, RestartPolicy::Always]);
        check([RestartPolicy::UnlessStopped, RestartPolicy::OnFailure(0)]);
        check([RestartPolicy::OnFailure(3)]);
        check(["2026-01-02T03:04:05.123456789Z".parse::<Timestamp>().unwrap()]);
    }

    #[test]
    fn a_restart_policy_that_nobody_wrote_is_refused() {
        for text in ["on-failure:", "on-failure:-1", "on-failure:03", "always:1", "no "] {
            assert_eq!(RestartPolicy::from_text(text), None, "{text}");
        }
    }
}
