//! `evenkeel.history/v1`: the generations, newest first.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::WireReason;
use crate::history::{GenerationRow, ServiceRow};

/// Generations, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct HistoryReport {
    /// `evenkeel.history/v1`
    pub schema: &'static str,
    /// Newest first.
    pub generations: Vec<HistoryGeneration>,
}

/// One generation.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct HistoryGeneration {
    /// Its number.
    pub generation: u64,
    /// The stack it changed.
    pub stack: String,
    /// Where the stack came from.
    pub source: String,
    /// The revision.
    pub commit: String,
    /// The commit's author; null where that is not known.
    pub author: Option<String>,
    /// The first line of the commit's message.
    pub subject: Option<String>,
    /// Why it was made.
    pub trigger: &'static str,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took; null while it runs.
    pub seconds: Option<f64>,
    /// How it ended; null while it runs.
    pub outcome: Option<&'static str>,
    /// Its services.
    pub services: Vec<HistoryService>,
}

/// One service in a generation.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct HistoryService {
    /// Its name.
    pub service: String,
    /// What was to happen.
    pub verdict: String,
    /// What happened; null while it runs or where the process died.
    pub outcome: Option<&'static str>,
    /// The image as people may see it.
    pub image: Option<String>,
    /// What the image was pinned to.
    pub digest: Option<String>,
    /// What differed.
    pub reasons: Vec<WireReason>,
    /// What went wrong.
    pub error: Option<String>,
    /// The last lines of a failed container, masked.
    pub logs: Vec<String>,
}

/// `rows`, newest first whatever their order.
pub fn history(rows: &[GenerationRow]) -> HistoryReport {
    let mut generations: Vec<HistoryGeneration> = rows.iter().map(generation).collect();
    generations.sort_by_key(|generation| std::cmp::Reverse(generation.generation));
    HistoryReport { schema: "evenkeel.history/v1", generations }
}

fn generation(row: &GenerationRow) -> HistoryGeneration {
    HistoryGeneration {
        generation: row.number.0,
        stack: row.stack.to_string(),
        source: row.source.to_string(),
        commit: row.commit.to_string(),
        author: row.words.as_ref().map(|words| words.author.clone()),
        subject: row.words.as_ref().map(|words| words.subject.clone()),
        trigger: row.trigger.word(),
        started_at: row.started_at,
        seconds: row.seconds().map(|seconds| (seconds * 1000.0).round() / 1000.0),
        outcome: row.outcome.map(|outcome| outcome.word()),
        services: row.services.iter().map(service).collect(),
    }
}

fn service(row: &ServiceRow) -> HistoryService {
    HistoryService {
        service: row.service.to_string(),
        verdict: row.verdict.clone(),
        outcome: row.outcome.map(|outcome| outcome.word()),
        image: row.image.clone(),
        digest: row.digest.as_ref().map(ToString::to_string),
        reasons: row.reasons.iter().map(WireReason::from).collect(),
        error: row.error.clone(),
        logs: row.logs.clone(),
    }
}
