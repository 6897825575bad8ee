//! `reconcile`: one pass, or passes until stopped.

use std::io::IsTerminal as _;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::arguments::{Global, Output, Reconcile};
use super::telling::Telling;
use super::{Trouble, print, setting, sources, style};
use crate::config::Config;
use crate::plan::Retries;
use crate::reconcile::pass::{self, Pass, Request};
use crate::reconcile::post::{self, Post};
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
    let manager = setting::manager();
    let mut telling = Telling::new(&manager, global.verbose > 0);
    let metrics = Arc::clone(&world.metrics);
    let reload = |known: &Config| {
        setting::world_anew(global, &args.repo, known, &metrics)
            .map_err(|trouble| trouble.to_string())
    };
    let company = daemon::Company {
        watcher: &watcher,
        manager: &manager,
        reload: &reload,
        config_file: args.repo.repo.is_none().then_some(global.config.as_path()),
    };
    daemon::run(world, &company, |news| telling.tell(news)).await?;
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
    sources::check_scopes(&done.view, &args.only)?;
    Ok(exit::of_pass(&report).code())
}

/// What a pass did; its notices go to the log.
pub(super) fn report(done: &Pass) -> wire::PassReport {
    for notice in &done.notices {
        tracing::warn!("{notice}");
    }
    wire::pass(&wire::Pass {
        desired: &done.view.desired,
        observed: &done.view.observed,
        plan: &done.plan,
        outcome: &done.outcome,
        generations: &done.generations,
        failed_sources: &sources::failed(&done.sources),
        took: done.took,
    })
}
