//! `hold` and `unhold`: an operator's word that something stays as it is, and its end.

use std::io::Write as _;
use std::time::Duration;

use jiff::Timestamp;

use super::arguments::{Global, Hold, Unhold};
use super::{Trouble, setting, sources, turn};
use crate::history::History;
use crate::model::StackName;
use crate::model::memory::{self, HeldBy, HoldScope};
use crate::reconcile::World;
use crate::reconcile::pass::{self, Request};
use crate::reconcile::sources::Freshness;
use crate::report::span;

/// Leaves a service, a stack or the host as it is, from the next pass on.
pub async fn hold(global: &Global, args: &Hold) -> Result<u8, Trouble> {
    let world = setting::world(global, &args.repo)?;
    let (scope, now) = (args.reach.scope(), Timestamp::now());
    let until = args.lasting.map(|lasting| end(now, lasting)).transpose()?;
    let state_dir = &world.config.state_dir;
    let _turn = turn::take(state_dir, "hold", now).await?;
    let history = History::open(state_dir, now)?.history;
    check(&world, &scope).await?;
    let (by, reason) = (HeldBy::Operator, args.reason.clone());
    let hold = memory::Hold { scope: scope.clone(), by, since: now, until, reason, image: None };
    history.hold(&hold)?;
    let mut out = std::io::stdout().lock();
    let until = until.map(|until| format!(" until {}", span::at(until))).unwrap_or_default();
    writeln!(out, "{scope} is held{until}: nothing of it is changed, a crash is mended")?;
    writeln!(out, "`evenkeel unhold {}` ends the hold", scope.argument())?;
    Ok(0)
}

/// Ends holds on a scope and on all below it, also those that a rollback left.
pub async fn unhold(global: &Global, args: &Unhold) -> Result<u8, Trouble> {
    let config = setting::config(global, &args.repo)?;
    let (scope, now) = (args.reach.scope(), Timestamp::now());
    let _turn = turn::take(&config.state_dir, "unhold", now).await?;
    let history = History::open(&config.state_dir, now)?.history;
    let ended = history.unhold(&scope, now)?;
    let mut out = std::io::stdout().lock();
    for hold in &ended {
        let since = span::at(hold.since);
        writeln!(out, "{}: the hold since {since} is ended; the next pass goes on", hold.scope)?;
    }
    if ended.is_empty() {
        writeln!(out, "nothing of {scope} was held by itself")?;
    }
    for wider in history.memory()?.holds.iter().filter(|hold| hold.is_in_force(now)) {
        if wider.by != HeldBy::Adoption && wider.scope.includes(&scope) {
            let (held, argument) = (&wider.scope, wider.scope.argument());
            writeln!(out, "{held} is still held; `evenkeel unhold {argument}` ends that")?;
        }
    }
    Ok(0)
}

fn end(now: Timestamp, lasting: Duration) -> Result<Timestamp, Trouble> {
    let end = jiff::SignedDuration::try_from(lasting).ok().and_then(|it| now.checked_add(it).ok());
    end.ok_or_else(|| Trouble::Message {
        text: "--for reaches beyond what a calendar holds".to_owned(),
        hint: Some("leave it out: a hold lasts until `evenkeel unhold`".to_owned()),
    })
}

/// What nothing is known of is most likely a slip of the pen. Where neither git nor the engine can be asked,
/// an operator's word counts.
async fn check(world: &World, scope: &HoldScope) -> Result<(), Trouble> {
    let request = Request { only: vec![scope.clone()], offline: true, ..Request::default() };
    match pass::preview(world, &request, Freshness::Recorded).await {
        Ok(preview) if preview.view.knows(scope) => Ok(()),
        Ok(preview) if preview.sources.iter().all(sources::SourceSeen::is_well) => {
            let stacks = preview.view.desired.stacks.keys().map(StackName::as_str);
            Err(sources::unknown(scope, stacks))
        }
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::warn!("whether there is a {scope} is not known: {error}");
            Ok(())
        }
    }
}
