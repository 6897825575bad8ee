//! What several reports have in common.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::stack::Remark;
use crate::model::{DesiredState, Masks, Place, Problem, Service, StackContent, StackName};
use crate::plan::Difference;

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WireReason {
    /// The field, in the manifest's words.
    pub field: String,
    /// What is there; null where it is nobody's business.
    pub from: Option<String>,
    /// What is wanted; null where it is nobody's business.
    pub to: Option<String>,
}

impl From<&Difference> for WireReason {
    fn from(difference: &Difference) -> Self {
        let Difference { field, from, to } = difference.clone();
        Self { field, from, to }
    }
}

impl From<&crate::history::Reason> for WireReason {
    fn from(reason: &crate::history::Reason) -> Self {
        let crate::history::Reason { field, from, to } = reason.clone();
        Self { field, from, to }
    }
}

impl WireReason {
    /// The reason as a difference, which knows how it is shown.
    pub fn difference(&self) -> Difference {
        let Self { field, from, to } = self.clone();
        Difference { field, from, to }
    }
}

/// Something wrong in what a person wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WireProblem {
    /// The file; null where the problem has no place.
    pub file: Option<String>,
    /// The line, from 1; null where the whole file is meant.
    pub line: Option<u32>,
    /// The column, from 1.
    pub column: Option<u32>,
    /// The path of the value.
    pub path: Option<String>,
    /// A stable word.
    pub code: String,
    /// The rule of `policy` that is against it; null where it is no matter of the policy.
    pub rule: Option<String>,
    /// What is wrong.
    pub message: String,
    /// The next move.
    pub hint: Option<String>,
    /// Further facts.
    pub notes: Vec<String>,
    /// The line of the file, for people only.
    #[serde(skip)]
    pub excerpt: Option<String>,
}

/// What the codes of problems begin with that a rule of the policy found.
const POLICY: &str = "policy-";

impl From<&Problem> for WireProblem {
    fn from(problem: &Problem) -> Self {
        let (file, line, column) = place(problem.place.as_ref());
        Self {
            file,
            line,
            column,
            path: problem.path.clone(),
            code: problem.code.to_owned(),
            rule: problem.code.strip_prefix(POLICY).map(str::to_owned),
            message: problem.message.clone(),
            hint: problem.hint.clone(),
            notes: problem.notes.clone(),
            excerpt: problem.excerpt.clone(),
        }
    }
}

/// Something worth saying that is no error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WireRemark {
    /// The file; null where the remark has no place.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<u32>,
    /// The column, from 1.
    pub column: Option<u32>,
    /// The service it is about.
    pub service: Option<String>,
    /// One sentence.
    pub text: String,
}

impl From<&Remark> for WireRemark {
    fn from(remark: &Remark) -> Self {
        let (file, line, column) = place(remark.place.as_ref());
        Self {
            file,
            line,
            column,
            service: remark.service.as_ref().map(ToString::to_string),
            text: remark.text.clone(),
        }
    }
}

impl WireRemark {
    /// A remark without a place.
    pub(super) fn of_service(service: &str, text: String) -> Self {
        Self { file: None, line: None, column: None, service: Some(service.to_owned()), text }
    }
}

fn place(place: Option<&Place>) -> (Option<String>, Option<u32>, Option<u32>) {
    match place {
        None => (None, None, None),
        Some(place) if place.line == 0 => (Some(place.file.to_string()), None, None),
        Some(place) => (Some(place.file.to_string()), Some(place.line), Some(place.column)),
    }
}

/// All problems in one line.
pub(super) fn joined(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("; ")
}

/// Why a stack cannot be used; `None` where it can.
pub(super) fn problems_of(content: &StackContent) -> Option<&[Problem]> {
    match content {
        StackContent::Usable(_) => None,
        StackContent::Invalid(problems) => Some(problems),
    }
}

/// Problems as they stand in JSON.
pub(super) fn wired(problems: Option<&[Problem]>) -> Vec<WireProblem> {
    problems.into_iter().flatten().map(WireProblem::from).collect()
}

/// The server's values that a stack uses; none where it cannot be used.
pub(super) fn masks_of(desired: &DesiredState, stack: &StackName) -> Masks {
    desired.deployment(stack).map(|deployment| deployment.stack.masks.clone()).unwrap_or_default()
}

/// `text` with the server's values masked, but for names made from the stack's own: a database is often
/// called like its stack, and its container would lose its name.
pub(super) fn name_masked(masks: &Masks, stack: &StackName, text: &str) -> String {
    let is_own = |word: &str| {
        word.strip_prefix(stack.as_str()).is_some_and(|rest| rest.starts_with(['-', '_']))
    };
    let words = text.split(' ').map(|word| match is_own(word) {
        true => word.to_owned(),
        false => masks.mask(word),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Seconds, to the millisecond.
pub(super) fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

impl From<&WireProblem> for WireProblem {
    fn from(problem: &WireProblem) -> Self {
        problem.clone()
    }
}

impl From<&WireRemark> for WireRemark {
    fn from(remark: &WireRemark) -> Self {
        remark.clone()
    }
}

/// What a service follows at its registry, as people may see it; `None` for one that does not.
pub fn followed_words(service: &Service) -> Option<String> {
    if !service.follows_its_registry() {
        return None;
    }
    let rule =
        service.update.as_ref().and_then(|update| Some((update.rule.as_ref()?, update.hidden)));
    let newer = rule.map(|(rule, hidden)| match hidden {
        true => "newer tags".to_owned(),
        false => format!("tags {rule}"),
    });
    let tag = service.shown_tag(service.image.tag_or_latest());
    Some(match (newer, service.pull_policy.follows_the_registry()) {
        (Some(newer), false) => newer,
        (Some(newer), true) => format!("{newer}, and what its tag is now"),
        (None, _) => format!("what {tag} is now"),
    })
}
