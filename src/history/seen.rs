//! What the last pass saw of sources and stacks, for `status`. Written only where it tells something new.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Row, params};

use super::stored::{self, Stored, get, get_optional};
use super::{History, HistoryError};
use crate::model::{CommitId, GenerationNumber, SourceName, StackName};

/// How old the time of the last fetch on the disk may become before it is written again.
const FETCHED_AT_LAG: SignedDuration = SignedDuration::from_secs(60);

/// How a source stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceState {
    /// It was read.
    Ok,
    /// It could not be read.
    Failing,
}

impl SourceState {
    /// The word in JSON, in the database and on the screen.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failing => "failing",
        }
    }
}

impl Stored for SourceState {
    fn to_text(&self) -> String {
        self.word().to_owned()
    }

    fn from_text(text: &str) -> Option<Self> {
        [Self::Ok, Self::Failing].into_iter().find(|state| state.word() == text)
    }
}

/// What a pass saw of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceReport {
    /// Where the repository is, without credentials.
    pub repo: String,
    /// What is followed: a branch, tag or commit.
    pub branch: String,
    /// The newest commit that was read.
    pub commit: Option<CommitId>,
    /// When it was last read.
    pub fetched_at: Option<Timestamp>,
    /// How it stands.
    pub state: SourceState,
    /// What went wrong, without credentials.
    pub error: Option<String>,
    /// By whose word the commit is followed; `None` where nobody's is asked for.
    pub signed_by: Option<String>,
    /// A newer commit that is not followed.
    pub refused: Option<RefusedCommit>,
    /// What somebody should look at, though nothing has failed.
    pub alarm: Option<String>,
}

/// A commit that is not followed, because nobody who may has vouched for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedCommit {
    /// Which.
    pub commit: CommitId,
    /// Why, in a few words.
    pub reason: String,
}

impl SourceReport {
    /// Whether `self` says nothing worth a write after `old`: only the time of the fetch moved on a little.
    fn repeats(&self, old: &Self) -> bool {
        let recent = match (self.fetched_at, old.fetched_at) {
            (Some(new), Some(old)) => new.duration_since(old).abs() < FETCHED_AT_LAG,
            (new, old) => new == old,
        };
        recent && *self == Self { fetched_at: self.fetched_at, ..old.clone() }
    }
}

/// What a pass saw of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackReport {
    /// Its name.
    pub stack: StackName,
    /// The source it comes from.
    pub source: SourceName,
    /// The revision it was read from.
    pub commit: CommitId,
    /// The state's word, as `status` shows it.
    pub state: String,
    /// Why it is in that state, masked.
    pub error: Option<String>,
    /// The last attempt to change it.
    pub generation: Option<GenerationNumber>,
}

impl History {
    /// Records how a source stands. The time of the fetch alone is written at most once a minute.
    pub fn record_source(
        &self,
        name: &SourceName,
        report: &SourceReport,
    ) -> Result<(), HistoryError> {
        if self.sources()?.iter().any(|(known, old)| known == name && report.repeats(old)) {
            return Ok(());
        }
        self.write_unsynced(|transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO sources
                     (name, repo, branch, commit_id, fetched_at, state, error, signed_by, refused,
                      refused_why, alarm)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                params![
                    name.as_str(),
                    report.repo,
                    report.branch,
                    report.commit.as_ref().map(CommitId::as_str),
                    report.fetched_at.map(|at| at.to_text()),
                    report.state.word(),
                    report.error,
                    report.signed_by,
                    report.refused.as_ref().map(|refused| refused.commit.as_str()),
                    report.refused.as_ref().map(|refused| refused.reason.as_str()),
                    report.alarm,
                ],
            )?;
            Ok(())
        })
    }

    /// How the sources stood when they were last read, by name.
    pub fn sources(&self) -> Result<Vec<(SourceName, SourceReport)>, HistoryError> {
        self.read(|transaction| {
            let mut statement = transaction.prepare("SELECT * FROM sources ORDER BY name")?;
            let rows = statement.query_map([], source)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Records how a stack stands; writes nothing where that is known.
    pub fn record_stack(&self, report: &StackReport) -> Result<(), HistoryError> {
        if self.stacks()?.contains(report) {
            return Ok(());
        }
        self.write_unsynced(|transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO stacks (stack, source, commit_id, state, error, generation)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    report.stack.as_str(),
                    report.source.as_str(),
                    report.commit.as_str(),
                    report.state,
                    report.error,
                    report.generation.map(stored::number),
                ],
            )?;
            Ok(())
        })
    }

    /// How the stacks stood at the last pass, by name.
    pub fn stacks(&self) -> Result<Vec<StackReport>, HistoryError> {
        self.read(|transaction| {
            let mut statement = transaction.prepare("SELECT * FROM stacks ORDER BY stack")?;
            let rows = statement.query_map([], stack)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Forgets reports of sources that are not among these; writes nothing where that is nothing.
    pub fn forget_sources(&self, kept: &BTreeSet<SourceName>) -> Result<(), HistoryError> {
        let known = self.sources()?.into_iter().map(|(name, _)| name);
        let old: Vec<SourceName> = known.filter(|name| !kept.contains(name)).collect();
        self.delete("DELETE FROM sources WHERE name = ?1", &old)
    }

    /// The same for stacks.
    pub fn forget_stacks(&self, kept: &BTreeSet<StackName>) -> Result<(), HistoryError> {
        let known = self.stacks()?.into_iter().map(|report| report.stack);
        let old: Vec<StackName> = known.filter(|stack| !kept.contains(stack)).collect();
        self.delete("DELETE FROM stacks WHERE stack = ?1", &old)
    }

    fn delete<T: AsRef<str>>(&self, sql: &str, names: &[T]) -> Result<(), HistoryError> {
        if names.is_empty() {
            return Ok(());
        }
        self.write_unsynced(|transaction| {
            for name in names {
                transaction.execute(sql, [name.as_ref()])?;
            }
            Ok(())
        })
    }
}

fn source(row: &Row<'_>) -> rusqlite::Result<(SourceName, SourceReport)> {
    let report = SourceReport {
        repo: row.get("repo")?,
        branch: row.get("branch")?,
        commit: get_optional(row, "commit_id")?,
        fetched_at: get_optional(row, "fetched_at")?,
        state: get(row, "state")?,
        error: row.get("error")?,
        signed_by: row.get("signed_by")?,
        refused: match (get_optional(row, "refused")?, row.get("refused_why")?) {
            (Some(commit), Some(reason)) => Some(RefusedCommit { commit, reason }),
            (_, _) => None,
        },
        alarm: row.get("alarm")?,
    };
    Ok((get(row, "name")?, report))
}

fn stack(row: &Row<'_>) -> rusqlite::Result<StackReport> {
    let generation: Option<i64> = row.get("generation")?;
    Ok(StackReport {
        stack: get(row, "stack")?,
        source: get(row, "source")?,
        commit: get(row, "commit_id")?,
        state: row.get("state")?,
        error: row.get("error")?,
        generation: generation.map(|number| GenerationNumber(number.unsigned_abs())),
    })
}
