//! `reconcile`: one pass, or passes until stopped.

use std::io::IsTerminal as _;

use tokio_util::sync::CancellationToken;

use super::arguments::{Global, Output, Reconcile};
use super::{Trouble, print, setting, sources, style};
use crate::asked::{passes, refusal};
use crate::plan::Retries;
use crate::reconcile::pass::{self, Pass, Request};
use crate::reconcile::telling::post::{self, Post};
use crate::reconcile::{World, daemon};
use crate::report::progress::Progress;
use crate::report::{exit, text, wire};

/// Does one pass, asks the daemon for one, or follows the sources.
pub async fn run(global: &Global, args: &Reconcile) -> Result<u8, Trouble> {
    if args.wait {
        return super::daemon::wait(global, args).await;
    }
    if !args.once {
        return super::daemon::run(global, args).await;
    }
    let world = setting::world(global, &args.repo)?;
    let watcher = Progress::new(!global.quiet && std::io::stderr().is_terminal());
    let stop = daemon::stop_on_signal()?;
    once(global, args, &world, &watcher, &stop).await
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
        now: args.now,
        retries: Retries::AtOnce,
        unhurried: false,
    };
    let done = pass::pass(world, &request, watcher, stop).await;
    watcher.finish();
    let done = done?;
    sources::tell(global, &done.sources);
    let report = report(&done);
    let colors = style(global, &std::io::stdout());
    print(args.output == Output::Json, &report, |out| {
        text::pass(out, &report, colors, global.verbose > 0)
    })?;
    Post::of(world).once(post::AT_THE_END).await;
    refusal::check_scopes(&done.view, &args.only)?;
    Ok(exit::of_pass(&report).code())
}

/// What a pass did; its notices go to the log.
pub(super) fn report(done: &Pass) -> wire::PassReport {
    for notice in &done.notices {
        tracing::warn!("{notice}");
    }
    passes::report(done)
}
