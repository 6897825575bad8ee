//! Where the files of stacks lie that were taken over from Compose. Kept for good: the data stays there, even
//! while nothing of the stack runs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rusqlite::params;

use super::stored::get;
use super::{History, HistoryError};
use crate::model::StackName;

impl History {
    /// The directories that were recorded, by stack.
    pub fn places(&self) -> Result<BTreeMap<StackName, PathBuf>, HistoryError> {
        self.read(|transaction| {
            let mut statement = transaction.prepare("SELECT stack, directory FROM places")?;
            let rows = statement.query_map([], |row| {
                Ok((get(row, "stack")?, PathBuf::from(row.get::<_, String>("directory")?)))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Records the directories of stacks; one that is recorded already stays. Writes nothing where all are
    /// known.
    pub fn record_places(&self, places: &BTreeMap<StackName, PathBuf>) -> Result<(), HistoryError> {
        let known = self.places()?;
        let new: Vec<_> = places.iter().filter(|(stack, _)| !known.contains_key(*stack)).collect();
        if new.is_empty() {
            return Ok(());
        }
        self.write(|transaction| {
            for (stack, directory) in new {
                transaction.execute(
                    "INSERT INTO places (stack, directory) VALUES (?1, ?2)",
                    params![stack.as_str(), directory.to_string_lossy()],
                )?;
            }
            Ok(())
        })
    }
}
