//! `history`: what was changed, when, why, and how it ended.

use std::io::Write as _;

use jiff::Timestamp;

use super::arguments::{Global, History, Output};
use super::{Trouble, daemon, print, setting, style};
use crate::asked::past;
use crate::history::Filter;
use crate::model::SourceName;
use crate::report::text;

/// Generations in a text that nobody limited.
const SHOWN: u32 = 30;

/// Prints the generations, newest first.
pub async fn run(global: &Global, args: &History) -> Result<u8, Trouble> {
    let as_json = args.output == Output::Json;
    let filter = filter(args, as_json, Timestamp::now());
    if daemon::is_to_be_asked(global, &args.repo) {
        return daemon::ask(global, args.output, &path(args, &filter)).await;
    }
    let config = setting::config(global, &args.repo)?;
    let report = past::history(&config.state_dir, &filter)?;
    if report.generations.is_empty() && !as_json {
        writeln!(std::io::stdout(), "{}", past::nothing(args.scope.as_ref(), &filter))?;
        return Ok(0);
    }
    let colors = style(global, &std::io::stdout());
    print(as_json, &report, |out| text::history(out, &report, colors))?;
    Ok(0)
}

fn filter(args: &History, as_json: bool, now: Timestamp) -> Filter {
    Filter {
        source: args.source.as_deref().map(SourceName::new),
        commit: args.commit.clone(),
        since: args.since.map(|since| since.time(now)),
        outcomes: args.outcome.clone(),
        limit: args.limit.or((!as_json).then_some(SHOWN)),
        ..past::of_scope(args.scope.as_ref())
    }
}

/// The same question to a daemon.
fn path(args: &History, filter: &Filter) -> String {
    let outcomes: Vec<&str> = filter.outcomes.iter().map(|outcome| outcome.word()).collect();
    let pairs = [
        ("scope", args.scope.as_ref().map(ToString::to_string)),
        ("limit", filter.limit.map(|limit| limit.to_string())),
        ("since", filter.since.map(|since| since.to_string())),
        ("outcome", (!outcomes.is_empty()).then(|| outcomes.join(","))),
        ("source", args.source.clone()),
        ("commit", args.commit.clone()),
    ];
    daemon::with_query("/api/v1/history", &pairs)
}
