//! `history`: what was changed, when, why, and how it ended.

use std::io::Write as _;

use super::arguments::{Global, History, Output};
use super::{Trouble, print, setting, style};
use crate::history::Filter;
use crate::model::memory::HoldScope;
use crate::report::{text, wire};

/// Generations in a text that nobody limited.
const SHOWN: u32 = 30;

/// Prints the generations, newest first.
pub fn run(global: &Global, args: &History) -> Result<u8, Trouble> {
    let config = setting::config(global, &args.repo)?;
    let as_json = args.output == Output::Json;
    let (stack, service) = match &args.scope {
        None | Some(HoldScope::Host) => (None, None),
        Some(HoldScope::Stack(stack)) => (Some(stack.clone()), None),
        Some(HoldScope::Service(id)) => (Some(id.stack.clone()), Some(id.service.clone())),
    };
    let limit = args.limit.or((!as_json).then_some(SHOWN));
    let history = crate::history::History::read_only(&config.state_dir)?;
    let rows = history.generations(&Filter { stack, service, limit })?;
    let report = wire::history(&rows);
    if let Some(scope) = args.scope.as_ref().filter(|_| rows.is_empty() && !as_json) {
        writeln!(std::io::stdout(), "no generations of {scope} yet")?;
        return Ok(0);
    }
    let colors = style(global, &std::io::stdout());
    print(as_json, &report, |out| text::history(out, &report, colors))?;
    Ok(0)
}
