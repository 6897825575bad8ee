//! What commands say about sources that could not be read, or that have something to remark.

use std::io::{self, Write as _};

use super::arguments::Global;
use super::style;
use crate::model::Problem;
pub use crate::reconcile::sources::SourceSeen;
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
