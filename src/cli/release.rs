//! `retry` and `adopt`: an operator's word on what evenkeel would otherwise leave alone.

use std::io::Write as _;

use jiff::Timestamp;

use super::arguments::{Global, Scope};
use super::{Trouble, daemon, setting};
use crate::asked;
use crate::history::History;
use crate::model::memory::HeldBy;
use crate::model::{ServiceId, SpecHash};
use crate::plan::Verdict;
use crate::reconcile::pass::{self, Preview, Request};
use crate::reconcile::sources::Freshness;
use crate::report::wire::DoneReport;

/// Forgets that specs were rejected.
pub async fn retry(global: &Global, args: &Scope) -> Result<u8, Trouble> {
    if daemon::is_to_be_asked(global, &args.repo) {
        return daemon::order(global, "/api/v1/retry", &daemon::scope_of(&args.scope)).await;
    }
    let config = setting::config(global, &args.repo)?;
    say(&asked::release::retry(&config.state_dir, &args.scope, Timestamp::now()).await?)
}

/// Prints what became of an operator's word.
pub(super) fn say(done: &DoneReport) -> Result<u8, Trouble> {
    let mut out = std::io::stdout().lock();
    for line in &done.says {
        writeln!(out, "{line}")?;
    }
    Ok(0)
}

/// Confirms takeovers of data.
pub async fn adopt(global: &Global, args: &Scope) -> Result<u8, Trouble> {
    let world = setting::world(global, &args.repo)?;
    let now = Timestamp::now();
    let state_dir = &world.config.state_dir;
    let _turn = asked::turn(state_dir, "adopt", now).await?;
    let history = History::open(state_dir, now)?.history;
    let request = Request { only: vec![args.scope.clone()], offline: true, ..Request::default() };
    let preview = pass::preview(&world, &request, Freshness::Recorded).await?;
    let mut out = std::io::stdout().lock();
    let held = held_for_data(&preview);
    if held.is_empty() {
        writeln!(out, "nothing of {} waits for a word on its data", args.scope)?;
    }
    for (service, spec, why) in held {
        history.adopt(service, spec)?;
        writeln!(out, "{service}: confirmed; the next pass goes on ({why})")?;
    }
    Ok(0)
}

fn held_for_data(preview: &Preview) -> Vec<(&ServiceId, &SpecHash, &str)> {
    let mut found = Vec::new();
    for change in &preview.plan.changes {
        if let (Verdict::Held(held), Some(spec)) = (&change.verdict, &change.spec)
            && held.by == HeldBy::Adoption
        {
            found.push((&change.service, spec, held.why.as_str()));
        }
    }
    found
}
