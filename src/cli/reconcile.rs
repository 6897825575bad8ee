//! `reconcile`: one pass, or passes until stopped.

use std::io::IsTerminal as _;

use tokio_util::sync::CancellationToken;

use super::arguments::{Global, Output, Reconcile};
use super::{Trouble, failure, print, setting, sources, style};
use crate::reconcile::pass::{self, Pass, PassError, Request};
use crate::reconcile::{World, daemon};

use crate::report::progress::Progress;
use crate::report::{exit, text, wire};

/// Does one pass, or follows the sources.
pub async fn run(global: &Global, args: &Reconcile) -> Result<u8, Trouble> {
    let world = setting::world(global, &args.repo)?;
    let watcher = Progress::new(!global.quiet && std::io::stderr().is_terminal());
    if args.once {
        let stop = daemon::stop_on_signal()?;
        return once(global, args, &world, &watcher, &stop).await;
    }
    daemon::run(&world, &watcher, |result| tell(global, result)).await?;
    Ok(0)
}

async fn once(
    global: &Global,
    args: &Reconcile,
    world: &World,
    watcher: &Progress,
    stop: &CancellationToken,
) -> Result<u8, Trouble> {
    let request = Request {
        only: args.only.clone(),
        allow_removals: args.allow_removals,
        offline: args.offline,
    };
    let done = pass::pass(world, &request, watcher, stop).await;
    watcher.finish();
    let done = done?;
    let report = report(global, &done);
    let colors = style(global, &std::io::stdout());
    print(args.output == Output::Json, &report, |out| {
        text::pass(out, &report, colors, global.verbose > 0)
    })?;
    Ok(exit::of_pass(&report).code())
}

fn report(global: &Global, done: &Pass) -> wire::PassReport {
    sources::tell(global, &done.sources);
    for notice in &done.notices {
        tracing::warn!("{notice}");
    }
    wire::pass(&wire::Pass {
        desired: &done.view.desired,
        plan: &done.plan,
        outcome: &done.outcome,
        generations: &done.generations,
        failed_sources: &sources::failed(&done.sources),
        took: done.took,
    })
}

/// What the daemon says of a pass: nothing, when there was nothing to do and nothing is wrong.
fn tell(global: &Global, result: Result<Pass, PassError>) {
    let done = match result {
        Ok(done) => done,
        Err(error) => {
            match failure::hint(&error) {
                Some(hint) => tracing::error!("{error} ({hint})"),
                None => tracing::error!("{error}"),
            }
            return;
        }
    };
    let report = report(global, &done);
    let is_quiet = done.plan.steps.is_empty() && report.outcome == wire::PassOutcome::Converged;
    if is_quiet {
        tracing::debug!("everything is in sync");
        return;
    }
    let mut lines = Vec::new();
    if text::pass(&mut lines, &report, crate::report::Style { color: false }, global.verbose > 0)
        .is_ok()
    {
        for line in String::from_utf8_lossy(&lines).lines() {
            tracing::info!("{line}");
        }
    }
}
