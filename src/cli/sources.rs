//! What commands say about sources that could not be read, or that have something to remark.

use std::io::{self, Write as _};

use super::arguments::Global;
use super::{Trouble, style};
use crate::model::memory::HoldScope;
use crate::model::{Problem, StackName};
pub use crate::reconcile::sources::SourceSeen;
use crate::reconcile::view::View;
use crate::report::problems;

/// Logs what is worth a word about sources.
pub fn log_remarks(sources: &[SourceSeen]) {
    for seen in sources {
        for remark in &seen.remarks {
            tracing::info!("source {}: {}", seen.name, remark.text);
        }
    }
}

/// Tells on stderr what is wrong with sources, and logs what is worth a word.
pub fn tell(global: &Global, sources: &[SourceSeen]) {
    log_remarks(sources);
    for seen in sources {
        let found = problems_of(seen);
        if !found.is_empty() {
            // A message that cannot be printed changes nothing of the outcome.
            let _ =
                write!(io::stderr(), "{}", problems::render(&found, style(global, &io::stderr())));
        }
    }
}

/// A scope that nothing is known of is most likely a slip of the pen: doing nothing must not look like
/// success.
pub fn check_scopes(view: &View, only: &[HoldScope]) -> Result<(), Trouble> {
    match only.iter().find(|scope| !view.knows(scope)) {
        Some(scope) => Err(unknown(scope, view.desired.stacks.keys().map(StackName::as_str))),
        None => Ok(()),
    }
}

/// The trouble that neither git nor this host has anything of `scope`.
pub fn unknown<'a>(scope: &HoldScope, stacks: impl Iterator<Item = &'a str>) -> Trouble {
    let stacks: Vec<&str> = stacks.take(MOST_NAMED).collect();
    let hint = match stacks.as_slice() {
        [] => "there is no stack at all; `evenkeel doctor` looks for the reason".to_owned(),
        stacks => format!("the stacks are {}", stacks.join(", ")),
    };
    let text = format!("neither git nor this host has a `{scope}`");
    Trouble::Message { text, hint: Some(hint) }
}

/// More names than this help nobody who has mistyped one.
const MOST_NAMED: usize = 20;

/// All that is wrong with a source.
fn problems_of(seen: &SourceSeen) -> Vec<Problem> {
    let mut found = seen.problems.clone();
    if let Some(error) = &seen.report.error {
        let mut problem = Problem::new("source", format!("source {}: {error}", seen.name));
        problem.hint.clone_from(&seen.hint);
        found.push(problem);
    }
    found
}

/// The sources that failed, each with its reason in one line.
pub fn failed(sources: &[SourceSeen]) -> Vec<(crate::model::SourceName, String)> {
    let ill = sources.iter().filter(|seen| !seen.is_well());
    ill.map(|seen| {
        let problems = seen.problems.iter().map(ToString::to_string);
        let reasons: Vec<String> = problems.chain(seen.report.error.clone()).collect();
        (seen.name.clone(), reasons.join("; "))
    })
    .collect()
}
