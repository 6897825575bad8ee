//! The bodies of what changes something, and the queries of what asks: the commands' options in JSON.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::asked::{Kind, Refusal, holds, past, words};
use crate::history::Filter;
use crate::model::memory::HoldScope;
use crate::model::{CommitId, GenerationNumber, SourceName};
use crate::plan::Retries;
use crate::reconcile::pass::Request;
use crate::reconcile::rollback;

/// What is asked of a pass, as `reconcile --once` has it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Reconcile {
    /// Change only these stacks or services; all where it is empty.
    only: Vec<String>,
    /// Lift the removal guard for this pass.
    allow_removals: bool,
    /// Ignore windows.
    now: bool,
    /// Ask no registry.
    offline: bool,
}

/// What is to be held: `scope`, or `all`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Hold {
    /// `STACK` or `STACK/SERVICE`.
    scope: Option<String>,
    /// Everything on this host.
    all: bool,
    /// End it by itself after this time: `30m`, `2h`, `1d`.
    #[serde(rename = "for")]
    lasting: Option<String>,
    /// What others read in `status`.
    reason: Option<String>,
}

/// What is no longer to be held: `scope`, or `all`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Unhold {
    /// `STACK` or `STACK/SERVICE`.
    scope: Option<String>,
    /// Everything on this host.
    all: bool,
}

/// What is to be tried again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Retry {
    /// `STACK` or `STACK/SERVICE`.
    scope: String,
}

/// What goes back.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rollback {
    /// `STACK` or `STACK/SERVICE`.
    scope: String,
    /// To what this generation ran, in place of the newest good one that differs from what runs.
    #[serde(default)]
    to: Option<u64>,
}

/// The query of `plan`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PlanQuery {
    only: Option<String>,
    allow_removals: bool,
    now: bool,
    offline: bool,
    #[serde(rename = "ref")]
    commit: Option<String>,
    pub source: Option<String>,
    pub exit_code: bool,
}

/// The query of `status`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct StatusQuery {
    scope: Option<String>,
}

/// The query of `history`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HistoryQuery {
    scope: Option<String>,
    limit: Option<u32>,
    since: Option<String>,
    outcome: Option<String>,
    source: Option<String>,
    commit: Option<String>,
}

/// No query at all.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct NoQuery {}

impl Reconcile {
    pub fn request(&self) -> Result<Request, Refusal> {
        Ok(Request {
            only: self.only.iter().map(|text| scope("only", text)).collect::<Result<_, _>>()?,
            allow_removals: self.allow_removals,
            offline: self.offline,
            now: self.now,
            retries: Retries::AtOnce,
            unhurried: false,
        })
    }
}

impl Hold {
    pub fn wish(&self) -> Result<holds::Wish, Refusal> {
        let lasting = self.lasting.as_deref().map(|text| said("for", text, words::length));
        let reason = self.reason.as_deref().map(|text| said("reason", text, words::one_line));
        Ok(holds::Wish {
            scope: reach(self.scope.as_deref(), self.all)?,
            lasting: lasting.transpose()?,
            reason: reason.transpose()?,
        })
    }
}

impl Unhold {
    pub fn scope(&self) -> Result<HoldScope, Refusal> {
        reach(self.scope.as_deref(), self.all)
    }
}

impl Retry {
    pub fn scope(&self) -> Result<HoldScope, Refusal> {
        scope("scope", &self.scope)
    }
}

impl Rollback {
    pub fn wish(&self) -> Result<rollback::Wish, Refusal> {
        let (scope, to) = (scope("scope", &self.scope)?, self.to.map(GenerationNumber));
        Ok(rollback::Wish { scope, to })
    }
}

impl PlanQuery {
    pub fn request(&self) -> Result<Request, Refusal> {
        Ok(Request {
            only: listed("only", self.only.as_deref(), words::scope)?,
            allow_removals: self.allow_removals,
            offline: self.offline,
            now: self.now,
            retries: Retries::AtOnce,
            unhurried: false,
        })
    }

    /// The commit that is taken as if it were accepted.
    pub fn commit(&self) -> Result<Option<CommitId>, Refusal> {
        let Some(text) = &self.commit else { return Ok(None) };
        said("ref", text, words::full_commit).map(Some)
    }
}

impl StatusQuery {
    pub fn scope(&self) -> Result<Option<HoldScope>, Refusal> {
        self.scope.as_deref().map(|text| scope("scope", text)).transpose()
    }
}

impl HistoryQuery {
    pub fn scope(&self) -> Result<Option<HoldScope>, Refusal> {
        self.scope.as_deref().map(|text| scope("scope", text)).transpose()
    }

    pub fn filter(&self, now: Timestamp) -> Result<Filter, Refusal> {
        let commit = self.commit.as_deref().map(|text| said("commit", text, words::commit));
        let since = self.since.as_deref().map(|text| said("since", text, words::since));
        Ok(Filter {
            source: self.source.as_deref().map(SourceName::new),
            commit: commit.transpose()?,
            since: since.transpose()?.map(|since| since.time(now)),
            outcomes: listed("outcome", self.outcome.as_deref(), words::outcome)?,
            limit: self.limit,
            ..past::of_scope(self.scope()?.as_ref())
        })
    }
}

/// A scope that stands at `key`.
pub(super) fn scope(key: &str, text: &str) -> Result<HoldScope, Refusal> {
    said(key, text, words::scope)
}

fn reach(written: Option<&str>, all: bool) -> Result<HoldScope, Refusal> {
    match (written, all) {
        (Some(text), false) => scope("scope", text),
        (None, true) => Ok(HoldScope::Host),
        (Some(_), true) | (None, false) => {
            Err(Refusal::new(Kind::Question, "either `scope` or `all` has to be given"))
        }
    }
}

fn listed<T>(
    key: &str,
    text: Option<&str>,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, Refusal> {
    let parts = text.unwrap_or_default().split(',').filter(|part| !part.is_empty());
    parts.map(|part| said(key, part, &read)).collect()
}

fn said<T>(key: &str, text: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<T, Refusal> {
    read(text).map_err(|why| Refusal::new(Kind::Question, format!("`{key}`: {why}")))
}
