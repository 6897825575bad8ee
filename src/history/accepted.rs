//! The commit of each source that was accepted last, where commits have to be vouched for. Kept for good: it is what
//! nobody may wind a host back behind.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::params;

use super::stored::{Stored as _, get};
use super::{History, HistoryError};
use crate::model::{CommitId, SourceName};

/// A commit that may be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The repository and what is followed in it; what was accepted of another says nothing.
    pub followed: String,
    /// The commit.
    pub commit: CommitId,
    /// Who has signed it, or that an operator has accepted it.
    pub by: String,
    /// When it was accepted.
    pub at: Timestamp,
}

impl History {
    /// What was accepted last, by source.
    pub fn accepted(&self) -> Result<BTreeMap<SourceName, Accepted>, HistoryError> {
        self.read(|transaction| {
            let mut statement = transaction.prepare("SELECT * FROM accepted")?;
            let rows = statement.query_map([], |row| {
                let accepted = Accepted {
                    followed: row.get("followed")?,
                    commit: get(row, "commit_id")?,
                    by: row.get("by_whom")?,
                    at: get(row, "at")?,
                };
                Ok((get(row, "source")?, accepted))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Records that `accepted` is what was accepted last of `source`; it is on the disk when this returns.
    pub fn record_accepted(
        &self,
        source: &SourceName,
        accepted: &Accepted,
    ) -> Result<(), HistoryError> {
        self.write(|transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO accepted (source, followed, commit_id, by_whom, at)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    source.as_str(),
                    accepted.followed,
                    accepted.commit.as_str(),
                    accepted.by,
                    accepted.at.to_text(),
                ],
            )?;
            Ok(())
        })
    }
}
