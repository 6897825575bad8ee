//! Looking back: generations, what was good, and the files a generation was made from.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Row, Transaction, params};

use super::stored::{self, Stored as _, get, get_optional};
use super::{History, HistoryError, Reason, StoredFile};
use crate::model::{
    CommitId, CommitWords, Digest, GenerationNumber, GenerationOutcome, ServiceId, ServiceName,
    ServiceOutcome, SourceName, SpecHash, StackName, Trigger,
};

/// Which generations to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those of this stack.
    pub stack: Option<StackName>,
    /// Only those in which this service was not left as it was.
    pub service: Option<ServiceName>,
    /// Only those of this source.
    pub source: Option<SourceName>,
    /// Only those of commits that begin with this.
    pub commit: Option<String>,
    /// Only those that began then or later.
    pub since: Option<Timestamp>,
    /// Only those that ended in one of these ways; empty for all, those under way among them.
    pub outcomes: Vec<GenerationOutcome>,
    /// At most this many.
    pub limit: Option<u32>,
}

/// One generation.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerationRow {
    /// Its number.
    pub number: GenerationNumber,
    /// The stack it changed.
    pub stack: StackName,
    /// The source the stack came from.
    pub source: SourceName,
    /// The revision.
    pub commit: CommitId,
    /// What the commit says of itself, where that is known.
    pub words: Option<CommitWords>,
    /// The stack's directory in the repository.
    pub directory: String,
    /// Why it was made.
    pub trigger: Trigger,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; `None` while it runs.
    pub ended_at: Option<Timestamp>,
    /// How it ended; `None` while it runs.
    pub outcome: Option<GenerationOutcome>,
    /// Its services, in the plan's order.
    pub services: Vec<ServiceRow>,
}

impl GenerationRow {
    /// How long it took, in seconds.
    pub fn seconds(&self) -> Option<f64> {
        let end = self.ended_at?;
        Some(end.duration_since(self.started_at).as_secs_f64().max(0.0))
    }
}

/// One service in a generation.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceRow {
    /// The service.
    pub service: ServiceName,
    /// The plan's word.
    pub verdict: String,
    /// How it ended; `None` while it runs or where the process died.
    pub outcome: Option<ServiceOutcome>,
    /// The image as people may see it.
    pub image: Option<String>,
    /// What the image was pinned to.
    pub digest: Option<Digest>,
    /// The spec that was tried.
    pub spec: Option<SpecHash>,
    /// Why it was changed.
    pub reasons: Vec<Reason>,
    /// What went wrong.
    pub error: Option<String>,
    /// The last lines of a failed container, masked.
    pub logs: Vec<String>,
    /// How long it took, in seconds.
    pub seconds: Option<f64>,
}

/// What a service once ran and was well with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoodService {
    /// The generation that says so; its files describe the service.
    pub generation: GenerationNumber,
    /// The image's digest.
    pub digest: Digest,
    /// Image and settings.
    pub spec: SpecHash,
    /// The image as people may see it.
    pub image: Option<String>,
}

impl History {
    /// The generations that `filter` lets through, newest first.
    pub fn generations(&self, filter: &Filter) -> Result<Vec<GenerationRow>, HistoryError> {
        self.read(|transaction| {
            let mut statement = transaction.prepare(
                "SELECT * FROM generations AS g
                 WHERE (?1 IS NULL OR g.stack = ?1)
                   AND (?2 IS NULL OR EXISTS (
                       SELECT 1 FROM generation_services AS s
                       WHERE s.generation = g.number AND s.service = ?2
                         AND (s.outcome IS NULL OR s.outcome <> 'unchanged')))
                   AND (?4 IS NULL OR g.source = ?4)
                   AND (?5 IS NULL OR substr(g.commit_id, 1, length(?5)) = ?5)
                   AND (?6 IS NULL OR julianday(g.started_at) >= julianday(?6))
                   AND (?7 IS NULL OR instr(?7, ',' || g.outcome || ',') > 0)
                 ORDER BY g.number DESC LIMIT ?3",
            )?;
            let stack = filter.stack.as_ref().map(StackName::as_str);
            let service = filter.service.as_ref().map(ServiceName::as_str);
            // SQLite reads a negative limit as none.
            let limit = filter.limit.map_or(-1, i64::from);
            let source = filter.source.as_ref().map(SourceName::as_str);
            let since = filter.since.map(|since| since.to_text());
            let outcomes: Vec<&str> = filter.outcomes.iter().map(|one| one.word()).collect();
            let outcomes = (!outcomes.is_empty()).then(|| format!(",{},", outcomes.join(",")));
            let rows = statement.query_map(
                params![stack, service, limit, source, filter.commit, since, outcomes],
                generation_row,
            )?;
            let mut rows: Vec<GenerationRow> = rows.collect::<Result<_, _>>()?;
            for row in &mut rows {
                row.services = services_of(transaction, row.number)?;
            }
            Ok(rows)
        })
    }

    /// The generation of this number.
    pub fn generation(
        &self,
        number: GenerationNumber,
    ) -> Result<Option<GenerationRow>, HistoryError> {
        self.read(|transaction| {
            let mut statement =
                transaction.prepare("SELECT * FROM generations WHERE number = ?1")?;
            let mut rows = statement.query_map([stored::number(number)], generation_row)?;
            let Some(row) = rows.next().transpose()? else { return Ok(None) };
            Ok(Some(GenerationRow { services: services_of(transaction, number)?, ..row }))
        })
    }

    /// What `service` was last well with.
    pub fn last_good(&self, service: &ServiceId) -> Result<Option<GoodService>, HistoryError> {
        Ok(self.good(service)?.into_iter().next())
    }

    /// All that `service` was ever well with, newest first; the same spec only once, by its newest
    /// generation.
    pub fn good(&self, service: &ServiceId) -> Result<Vec<GoodService>, HistoryError> {
        self.read(|transaction| {
            let mut statement = transaction.prepare(
                "SELECT max(s.generation) AS generation, s.digest, s.spec, s.image
                 FROM generation_services AS s JOIN generations AS g ON g.number = s.generation
                 WHERE g.stack = ?1 AND s.service = ?2 AND s.outcome IN ('done', 'unchanged')
                   AND s.digest IS NOT NULL AND s.spec IS NOT NULL
                 GROUP BY s.spec ORDER BY 1 DESC",
            )?;
            let names = [service.stack.as_str(), service.service.as_str()];
            let rows = statement.query_map(names, |row| {
                Ok(GoodService {
                    generation: stored::generation(row, "generation")?,
                    digest: get(row, "digest")?,
                    spec: get(row, "spec")?,
                    image: row.get("image")?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The files that a generation was made from, by path in the repository.
    pub fn files(
        &self,
        number: GenerationNumber,
    ) -> Result<BTreeMap<String, StoredFile>, HistoryError> {
        self.read(|transaction| {
            let mut statement = transaction.prepare(
                "SELECT f.path, f.executable, b.bytes FROM generation_files AS f
                 JOIN blobs AS b ON b.hash = f.blob WHERE f.generation = ?1",
            )?;
            let rows = statement.query_map([stored::number(number)], |row| {
                let file =
                    StoredFile { bytes: row.get("bytes")?, executable: row.get("executable")? };
                Ok((row.get("path")?, file))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

fn generation_row(row: &Row<'_>) -> rusqlite::Result<GenerationRow> {
    Ok(GenerationRow {
        number: stored::generation(row, "number")?,
        stack: get(row, "stack")?,
        source: get(row, "source")?,
        commit: get(row, "commit_id")?,
        words: words(row)?,
        directory: row.get("directory")?,
        trigger: get(row, "trigger")?,
        started_at: get(row, "started_at")?,
        ended_at: get_optional(row, "ended_at")?,
        outcome: get_optional(row, "outcome")?,
        services: Vec::new(),
    })
}

fn words(row: &Row<'_>) -> rusqlite::Result<Option<CommitWords>> {
    let (author, subject) = (row.get("author")?, row.get("subject")?);
    Ok(Option::zip(author, subject).map(|(author, subject)| CommitWords { author, subject }))
}

fn services_of(
    transaction: &Transaction<'_>,
    number: GenerationNumber,
) -> Result<Vec<ServiceRow>, HistoryError> {
    let mut statement = transaction
        .prepare("SELECT * FROM generation_services WHERE generation = ?1 ORDER BY position")?;
    let rows = statement.query_map([stored::number(number)], |row| {
        Ok(ServiceRow {
            service: get(row, "service")?,
            verdict: row.get("verdict")?,
            outcome: get_optional(row, "outcome")?,
            image: row.get("image")?,
            digest: get_optional(row, "digest")?,
            spec: get_optional(row, "spec")?,
            reasons: list(row, "reasons")?,
            error: row.get("error")?,
            logs: list(row, "logs")?,
            seconds: row.get("seconds")?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn list<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<Vec<T>> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))
}
