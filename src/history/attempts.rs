//! Attempts to change a stack: written down before their first effect, closed after the last.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Transaction, params};
use sha2::{Digest as _, Sha256};

use super::stored::{self, Stored, get};
use super::{History, HistoryError};
use crate::model::fingerprint::hex;
use crate::model::spec::RestartPolicy;
use crate::model::stack::StackRecord;
use crate::model::{
    CommitId, CommitWords, ContainerId, Digest, GenerationNumber, GenerationOutcome, ServiceName,
    ServiceOutcome, SourceName, SpecHash, StackName, Trigger,
};

/// An attempt about to be made.
#[derive(Clone, Debug)]
pub struct NewGeneration<'a> {
    /// The stack it changes.
    pub stack: &'a StackName,
    /// The source the stack comes from.
    pub source: &'a SourceName,
    /// The revision it brings about.
    pub commit: &'a CommitId,
    /// What the commit says of itself; `None` for a source without commits.
    pub words: Option<&'a CommitWords>,
    /// The stack's directory in the repository; empty for the root.
    pub directory: &'a str,
    /// Why it is made.
    pub trigger: Trigger,
    /// When it began.
    pub started_at: Timestamp,
    /// What the plan says of each service, in its order.
    pub services: Vec<PlannedService>,
    /// The manifest as it is in git.
    pub record: &'a StackRecord,
    /// The files of the repository that services mount, by path.
    pub mounted: &'a BTreeMap<String, StoredFile>,
}

/// What a plan says of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedService {
    /// The service.
    pub service: ServiceName,
    /// The plan's word: `update`, `in-sync`, ….
    pub verdict: String,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// One field that differs, as people may see it: masked, or without values.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Reason {
    /// The field: `image`, `env.LOG_LEVEL`.
    pub field: String,
    /// What it was.
    pub from: Option<String>,
    /// What it is to be.
    pub to: Option<String>,
}

/// A file's content and its executable bit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// The content.
    pub bytes: Vec<u8>,
    /// Whether it may be executed.
    pub executable: bool,
}

/// How one service came out of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceResult {
    /// The service.
    pub service: ServiceName,
    /// The plan's word.
    pub verdict: String,
    /// How it ended.
    pub outcome: ServiceOutcome,
    /// The image as people may see it.
    pub image_shown: Option<String>,
    /// What the image was pinned to.
    pub digest: Option<Digest>,
    /// Why it was changed.
    pub reasons: Vec<Reason>,
    /// What went wrong, masked.
    pub error: Option<String>,
    /// The last lines of a failed container, masked.
    pub logs: Vec<String>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// The spec that was tried; with outcome `done` or `unchanged` it is one to go back to, so leave it out
    /// for a service that is not well.
    pub spec: Option<SpecHash>,
}

/// An attempt that was begun and not finished: it is running, or the process that made it has died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Its number.
    pub number: GenerationNumber,
    /// The stack it changes.
    pub stack: StackName,
    /// The source the stack comes from.
    pub source: SourceName,
    /// The revision it was to bring about.
    pub commit: CommitId,
    /// Why it was made.
    pub trigger: Trigger,
    /// When it began.
    pub started_at: Timestamp,
}

impl History {
    /// Writes an attempt down and gives it its number. It is on the disk when this returns.
    pub fn begin(&self, new: &NewGeneration<'_>) -> Result<GenerationNumber, HistoryError> {
        self.write(|transaction| {
            transaction.execute(
                "INSERT INTO generations
                     (stack, source, commit_id, directory, trigger, started_at, author, subject)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    new.stack.as_str(),
                    new.source.as_str(),
                    new.commit.as_str(),
                    new.directory,
                    new.trigger.word(),
                    new.started_at.to_text(),
                    new.words.map(|words| &words.author),
                    new.words.map(|words| &words.subject),
                ],
            )?;
            let number = transaction.last_insert_rowid();
            write_planned(transaction, number, &new.services)?;
            for (path, bytes) in &new.record.manifest {
                write_file(transaction, number, path, bytes, false)?;
            }
            for (path, file) in new.mounted {
                write_file(transaction, number, path, &file.bytes, file.executable)?;
            }
            Ok(GenerationNumber(number.unsigned_abs()))
        })
    }

    /// Makes the next number larger than `seen`: a number that a container carries is not given out again
    /// after the database was lost.
    pub fn continue_after(&self, seen: GenerationNumber) -> Result<(), HistoryError> {
        let last: i64 = self.read(|transaction| {
            let sql =
                "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'generations'";
            Ok(transaction.query_row(sql, [], |row| row.get(0))?)
        })?;
        // The largest number that SQLite counts to would leave none; a label that says so is not ours.
        let seen = stored::number(seen);
        if seen <= last || seen == i64::MAX {
            return Ok(());
        }
        self.write(|transaction| {
            transaction.execute("DELETE FROM sqlite_sequence WHERE name = 'generations'", [])?;
            transaction.execute(
                "INSERT INTO sqlite_sequence (name, seq) VALUES ('generations', ?1)",
                [seen],
            )?;
            Ok(())
        })
    }

    /// Closes an attempt. Services that the plan did not name are added.
    pub fn finish(
        &self,
        number: GenerationNumber,
        outcome: GenerationOutcome,
        at: Timestamp,
        results: &[ServiceResult],
    ) -> Result<(), HistoryError> {
        self.write(|transaction| {
            end(transaction, number, outcome, at)?;
            for result in results {
                write_result(transaction, number, result)?;
            }
            Ok(())
        })
    }

    /// The attempts without an end, oldest first.
    pub fn unfinished(&self) -> Result<Vec<Unfinished>, HistoryError> {
        self.read(|transaction| {
            let mut statement = transaction
                .prepare("SELECT * FROM generations WHERE outcome IS NULL ORDER BY number")?;
            let rows = statement.query_map([], |row| {
                Ok(Unfinished {
                    number: stored::generation(row, "number")?,
                    stack: get(row, "stack")?,
                    source: get(row, "source")?,
                    commit: get(row, "commit_id")?,
                    trigger: get(row, "trigger")?,
                    started_at: get(row, "started_at")?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Closes an attempt that a dead process left; what became of its services is not known. One that has
    /// ended after all stays as it is.
    pub fn interrupt(&self, number: GenerationNumber, at: Timestamp) -> Result<(), HistoryError> {
        if self.generation(number)?.is_some_and(|known| known.outcome.is_some()) {
            return Ok(());
        }
        self.write(|transaction| end(transaction, number, GenerationOutcome::Interrupted, at))
    }

    /// Notes the restart policy of a container that is about to be set aside. On the disk when this returns.
    ///
    /// A container set aside twice keeps the first policy: by the second time it is `no`.
    pub fn set_aside(
        &self,
        generation: GenerationNumber,
        container: &ContainerId,
        restart: RestartPolicy,
    ) -> Result<(), HistoryError> {
        self.write(|transaction| {
            transaction.execute(
                "INSERT INTO set_aside (container, generation, restart) VALUES (?1, ?2, ?3)
                 ON CONFLICT (container) DO UPDATE SET generation = excluded.generation",
                params![container.as_str(), stored::number(generation), restart.to_text()],
            )?;
            Ok(())
        })
    }

    /// Forgets that a container was set aside: it is back in its place, or gone.
    pub fn restored(&self, container: &ContainerId) -> Result<(), HistoryError> {
        self.write(|transaction| {
            transaction
                .execute("DELETE FROM set_aside WHERE container = ?1", [container.as_str()])?;
            Ok(())
        })
    }
}

fn write_planned(
    transaction: &Transaction<'_>,
    number: i64,
    services: &[PlannedService],
) -> Result<(), HistoryError> {
    let mut statement = transaction.prepare(
        "INSERT INTO generation_services (generation, position, service, verdict, reasons)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for (position, planned) in (0_i64..).zip(services) {
        let reasons = json_text(&planned.reasons);
        let service = planned.service.as_str();
        statement.execute(params![number, position, service, planned.verdict, reasons])?;
    }
    Ok(())
}

fn write_file(
    transaction: &Transaction<'_>,
    number: i64,
    path: &str,
    bytes: &[u8],
    executable: bool,
) -> Result<(), HistoryError> {
    let hash = hex(&Sha256::digest(bytes));
    transaction.execute(
        "INSERT INTO blobs (hash, bytes) VALUES (?1, ?2) ON CONFLICT (hash) DO NOTHING",
        params![hash, bytes],
    )?;
    // A file may be read for the manifest and mounted too; the mount knows the executable bit.
    transaction.execute(
        "INSERT INTO generation_files (generation, path, executable, blob) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (generation, path) DO UPDATE
         SET executable = excluded.executable, blob = excluded.blob",
        params![number, path, executable, hash],
    )?;
    Ok(())
}

fn end(
    transaction: &Transaction<'_>,
    number: GenerationNumber,
    outcome: GenerationOutcome,
    at: Timestamp,
) -> Result<(), HistoryError> {
    let changed = transaction.execute(
        "UPDATE generations SET outcome = ?2, ended_at = ?3 WHERE number = ?1",
        params![stored::number(number), outcome.word(), at.to_text()],
    )?;
    if changed == 0 {
        return Err(HistoryError::UnknownGeneration(number));
    }
    Ok(())
}

fn write_result(
    transaction: &Transaction<'_>,
    number: GenerationNumber,
    result: &ServiceResult,
) -> Result<(), HistoryError> {
    transaction.execute(
        "INSERT INTO generation_services
             (generation, position, service, verdict, outcome, image, digest, spec, reasons, error,
              seconds, logs)
         VALUES (?1, (SELECT count(*) FROM generation_services WHERE generation = ?1),
                 ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT (generation, service) DO UPDATE SET
             verdict = excluded.verdict, outcome = excluded.outcome, image = excluded.image,
             digest = excluded.digest, spec = excluded.spec, reasons = excluded.reasons,
             error = excluded.error, seconds = excluded.seconds, logs = excluded.logs",
        params![
            stored::number(number),
            result.service.as_str(),
            result.verdict,
            result.outcome.word(),
            result.image_shown,
            result.digest.as_ref().map(Digest::as_str),
            result.spec.as_ref().map(SpecHash::as_str),
            json_text(&result.reasons),
            result.error,
            result.seconds,
            json_text(&result.logs),
        ],
    )?;
    Ok(())
}

fn json_text(list: &[impl serde::Serialize]) -> String {
    // Serialising texts and plain structs of texts into memory cannot fail.
    serde_json::to_string(list).unwrap_or_default()
}
