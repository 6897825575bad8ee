//! `hold` and `unhold`: an operator's word that something stays as it is, and its end.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::refusal::{Kind, Refusal, unknown};
use super::turn;
use crate::history::History;
use crate::model::StackName;
use crate::model::memory::{self, HeldBy, HoldScope};
use crate::reconcile::World;
use crate::reconcile::pass::{self, Request};
use crate::reconcile::sources::{Freshness, SourceSeen};
use crate::report::span;
use crate::report::wire::DoneReport;

/// What is to be held.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The service, the stack or the host.
    pub scope: HoldScope,
    /// It ends by itself after this time.
    pub lasting: Option<Duration>,
    /// What others read in `status`.
    pub reason: Option<String>,
}

/// Leaves a service, a stack or the host as it is, from the next pass on.
pub async fn hold(world: &World, wish: &Wish, now: Timestamp) -> Result<DoneReport, Refusal> {
    let scope = &wish.scope;
    let until = wish.lasting.map(|lasting| end(now, lasting)).transpose()?;
    let state_dir = &world.config.state_dir;
    let _turn = turn(state_dir, "hold", now).await?;
    let history = History::open(state_dir, now)?.history;
    check(world, scope).await?;
    history.hold(&memory::Hold {
        scope: scope.clone(),
        by: HeldBy::Operator,
        since: now,
        until,
        reason: wish.reason.clone(),
        image: None,
        going_to: None,
    })?;
    let until = until.map(|until| format!(" until {}", span::at(until))).unwrap_or_default();
    let says = vec![
        format!("{scope} is held{until}: nothing of it is changed, a crash is mended"),
        format!("`evenkeel unhold {}` ends the hold", scope.argument()),
    ];
    Ok(DoneReport::new(scope, 1, says))
}

/// Ends holds on a scope and on all below it, also those that a rollback left.
pub async fn unhold(
    state_dir: &Path,
    scope: &HoldScope,
    now: Timestamp,
) -> Result<DoneReport, Refusal> {
    let _turn = turn(state_dir, "unhold", now).await?;
    let history = History::open(state_dir, now)?.history;
    let ended = history.unhold(scope, now)?;
    let told = ended.iter().map(|hold| {
        let since = span::at(hold.since);
        format!("{}: the hold since {since} is ended; the next pass goes on", hold.scope)
    });
    let mut says: Vec<String> = told.collect();
    if ended.is_empty() {
        says.push(format!("nothing of {scope} was held by itself"));
    }
    for wider in history.memory()?.holds.iter().filter(|hold| hold.is_in_force(now)) {
        if wider.by != HeldBy::Adoption && wider.scope.includes(scope) {
            let (held, argument) = (&wider.scope, wider.scope.argument());
            says.push(format!("{held} is still held; `evenkeel unhold {argument}` ends that"));
        }
    }
    Ok(DoneReport::new(scope, ended.len(), says))
}

fn end(now: Timestamp, lasting: Duration) -> Result<Timestamp, Refusal> {
    let end = jiff::SignedDuration::try_from(lasting).ok().and_then(|it| now.checked_add(it).ok());
    end.ok_or_else(|| {
        Refusal::new(Kind::Question, "--for reaches beyond what a calendar holds")
            .hint("leave it out: a hold lasts until `evenkeel unhold`")
    })
}

/// What nothing is known of is most likely a slip of the pen. Where neither git nor the engine can be asked,
/// an operator's word counts.
async fn check(world: &World, scope: &HoldScope) -> Result<(), Refusal> {
    let request = Request { only: vec![scope.clone()], offline: true, ..Request::default() };
    match pass::preview(world, &request, Freshness::Recorded).await {
        Ok(preview) if preview.view.knows(scope) => Ok(()),
        Ok(preview) if preview.sources.iter().all(SourceSeen::is_well) => {
            let stacks = preview.view.desired.stacks.keys().map(StackName::as_str);
            Err(unknown(scope, stacks))
        }
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::warn!("whether there is a {scope} is not known: {error}");
            Ok(())
        }
    }
}
