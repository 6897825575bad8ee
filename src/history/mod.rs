//! The seam to memory: what has happened on this host, in SQLite.
//!
//! Generations with the files they were made from, the journal of the running attempt, holds, pins,
//! rejected specs, accepted commits, what the last pass saw of sources and stacks, and messages to
//! be delivered. Nothing is decided here. No value of a
//! server's env file may ever get in: every text a caller hands over is masked already, and manifests are
//! kept as they are in git, before interpolation.
//!
//! All calls block on the disk for milliseconds. SQL does not leave this room.

mod accepted;
mod attempts;
mod images;
mod open;
mod outbox;
mod past;
mod places;
mod polls;
mod proofs;
mod remembered;
mod schema;
mod seen;
mod stored;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use accepted::Accepted;
pub use attempts::{NewGeneration, PlannedService, Reason, ServiceResult, StoredFile, Unfinished};
pub use images::{Pressure, Retained};
pub use open::Opened;
pub use outbox::{Letter, Waiting};
pub use past::{Filter, GenerationRow, GoodService, ServiceRow};
pub use seen::{RefusedCommit, SourceReport, SourceState, StackReport};

/// What this host remembers. Shared by reference; one call at a time reaches the database.
#[derive(Debug)]
pub struct History {
    connection: Mutex<Connection>,
}

/// Why the history could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The state directory can be neither made nor used.
    #[error(
        "the state directory {} cannot be used: {why}; run as the user that owns it, or name another \
         with --state-dir",
        path.display()
    )]
    StateDir {
        /// The directory.
        path: PathBuf,
        /// The system's own words.
        why: String,
    },
    /// A later version of evenkeel has written the database.
    #[error(
        "{} was written by a newer evenkeel (schema {found}, this one knows {known}); install that \
         version again, or move the file away to start with an empty history",
        path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema that this version knows.
        known: i64,
    },
    /// The database of an earlier version, opened only for reading.
    #[error(
        "{} was written by an older evenkeel and is brought up to date by the next pass; run \
         `evenkeel reconcile --once` or restart the daemon",
        path.display()
    )]
    Older {
        /// The database.
        path: PathBuf,
    },
    /// A damaged database, opened only for reading; the next pass moves it aside.
    #[error("{} is damaged ({why}); the next pass moves it aside and starts anew", path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// SQLite's own words.
        why: String,
    },
    /// No such generation.
    #[error("there is no generation {0}")]
    UnknownGeneration(crate::model::GenerationNumber),
    /// SQLite refused: a full disk, a write through a history opened for reading, a row it cannot make
    /// sense of.
    #[error("the state database: {0}")]
    Database(#[from] rusqlite::Error),
}

impl History {
    fn new(connection: Connection) -> Self {
        Self { connection: Mutex::new(connection) }
    }

    /// A call that panicked left no transaction behind: SQLite rolled it back when it was dropped.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` in one transaction, which is on the disk when this returns.
    fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, HistoryError>,
    ) -> Result<T, HistoryError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let result = work(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }

    /// As [`History::write`], without waiting for the disk: for reports that the next pass makes again.
    fn write_unsynced<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, HistoryError>,
    ) -> Result<T, HistoryError> {
        let mut connection = self.connection();
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let result = (|| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        })();
        connection.pragma_update(None, "synchronous", "FULL")?;
        result
    }

    /// Runs `work` on one consistent view.
    fn read<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, HistoryError>,
    ) -> Result<T, HistoryError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
        work(&transaction)
    }
}
