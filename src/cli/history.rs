//! `history`: what was changed, when, why, and how it ended.

use std::io::Write as _;

use jiff::Timestamp;

use super::arguments::{Global, History, Output, Since};
use super::{Trouble, print, setting, style};
use crate::history::Filter;
use crate::model::SourceName;
use crate::model::memory::HoldScope;
use crate::report::{text, wire};

/// Generations in a text that nobody limited.
const SHOWN: u32 = 30;

/// Prints the generations, newest first.
pub fn run(global: &Global, args: &History) -> Result<u8, Trouble> {
    let config = setting::config(global, &args.repo)?;
    let as_json = args.output == Output::Json;
    let history = crate::history::History::read_only(&config.state_dir)?;
    let rows = history.generations(&filter(args, as_json, Timestamp::now()))?;
    let report = wire::history(&rows);
    if rows.is_empty() && !as_json {
        writeln!(std::io::stdout(), "{}", nothing(args))?;
        return Ok(0);
    }
    let colors = style(global, &std::io::stdout());
    print(as_json, &report, |out| text::history(out, &report, colors))?;
    Ok(0)
}

fn filter(args: &History, as_json: bool, now: Timestamp) -> Filter {
    let (stack, service) = match &args.scope {
        None | Some(HoldScope::Host) => (None, None),
        Some(HoldScope::Stack(stack)) => (Some(stack.clone()), None),
        Some(HoldScope::Service(id)) => (Some(id.stack.clone()), Some(id.service.clone())),
    };
    Filter {
        stack,
        service,
        source: args.source.as_deref().map(SourceName::new),
        commit: args.commit.clone(),
        since: args.since.map(|since| match since {
            Since::At(time) => time,
            // What is longer than a calendar reaches begins with it.
            Since::Ago(span) => now.checked_sub(span).unwrap_or(Timestamp::MIN),
        }),
        outcomes: args.outcome.clone(),
        limit: args.limit.or((!as_json).then_some(SHOWN)),
    }
}

/// What is said in place of an empty table.
fn nothing(args: &History) -> String {
    let is_narrowed = args.since.is_some()
        || args.source.is_some()
        || args.commit.is_some()
        || !args.outcome.is_empty();
    let of = args.scope.as_ref().map(|scope| format!(" of {scope}")).unwrap_or_default();
    match is_narrowed {
        true => format!("no generations{of} like that; leave a filter out to see more"),
        false => format!("no generations{of} yet"),
    }
}
