//! `history`: what was changed, when, why, and how it ended.

use std::path::Path;

use super::refusal::Refusal;
use crate::history::{Filter, History};
use crate::model::memory::HoldScope;
use crate::report::wire::{self, HistoryReport};

/// The generations that `filter` lets through, newest first.
pub fn history(state_dir: &Path, filter: &Filter) -> Result<HistoryReport, Refusal> {
    let rows = History::read_only(state_dir)?.generations(filter)?;
    Ok(wire::history(&rows))
}

/// A filter that keeps `scope` alone.
pub fn of_scope(scope: Option<&HoldScope>) -> Filter {
    let (stack, service) = match scope {
        None | Some(HoldScope::Host) => (None, None),
        Some(HoldScope::Stack(stack)) => (Some(stack.clone()), None),
        Some(HoldScope::Service(id)) => (Some(id.stack.clone()), Some(id.service.clone())),
    };
    Filter { stack, service, ..Filter::default() }
}

/// What is said in place of an empty table.
pub fn nothing(scope: Option<&HoldScope>, filter: &Filter) -> String {
    let is_narrowed = filter.since.is_some()
        || filter.source.is_some()
        || filter.commit.is_some()
        || !filter.outcomes.is_empty();
    let of = scope.map(|scope| format!(" of {scope}")).unwrap_or_default();
    match is_narrowed {
        true => format!("no generations{of} like that; leave a filter out to see more"),
        false => format!("no generations{of} yet"),
    }
}
