//! `prune`: images that nothing needs are let go of now; with --dry-run it is only told. What it does at a registry is
//! in [`super::registry_prune`].

use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::arguments::{Global, Output, Prune};
use super::{Trouble, print, registry_prune, setting, style};
use crate::asked;
use crate::history::History;
use crate::model::{ImageId, Masks};
use crate::reconcile::World;
use crate::reconcile::daemon;
use crate::reconcile::pass::{self, Preview, Request};
use crate::reconcile::retention::{Foreign, Freed, Keeper, Look};
use crate::reconcile::sources::Freshness;
use crate::report::{text, wire};

/// Prints what becomes of every image, and lets those go that nothing needs.
pub async fn run(global: &Global, args: &Prune) -> Result<u8, Trouble> {
    if let Some(image) = &args.cleanup.registry {
        return registry_prune::run(global, args, image).await;
    }
    let world = setting::world(global, &args.repo)?;
    let foreign_go = args.include_foreign;
    // What evenkeel did not pull goes only where somebody has said so twice.
    let dry_run = args.dry_run || foreign_go && !args.yes;
    let report = match dry_run {
        true => told(&world, foreign_go).await?,
        false => done(&world, foreign_go).await?,
    };
    let colors = style(global, &std::io::stdout());
    print(args.output == Output::Json, &report, |out| {
        text::prune(out, &report, colors, global.verbose > 0)
    })?;
    if dry_run && !args.dry_run && args.output == Output::Text {
        tracing::info!("nothing was removed: `--yes` lets the images go that others pulled");
    }
    let is_well = report.images.iter().all(|image| image.error.is_none());
    Ok(u8::from(!is_well || report.pressure.is_some()))
}

async fn told(world: &World, foreign_go: bool) -> Result<wire::PruneReport, Trouble> {
    let history = History::read_only(&world.config.state_dir)?;
    let (preview, stop) = (preview(world).await?, CancellationToken::new());
    let keeper = keeper(world, &history, &preview, &stop);
    let look = keeper.look().await?;
    let masks = &preview.view.masks;
    Ok(report(world, &look, foreign_go, None, masks))
}

async fn done(world: &World, foreign_go: bool) -> Result<wire::PruneReport, Trouble> {
    let (now, state_dir) = (Timestamp::now(), &world.config.state_dir);
    let stop = daemon::stop_on_signal()?;
    let _turn = asked::turn(state_dir, "prune", now).await?;
    let history = History::open(state_dir, now)?.history;
    let preview = preview(world).await?;
    let keeper = keeper(world, &history, &preview, &stop);
    let look = keeper.look().await?;
    let foreign = if foreign_go { Foreign::Go } else { Foreign::Stay };
    let freed = keeper.free(foreign).await?;
    Ok(report(world, &look, foreign_go, Some(&freed), &preview.view.masks))
}

/// What git asks for, as it was read last; neither git nor a registry is asked.
pub(super) async fn preview(world: &World) -> Result<Preview, Trouble> {
    let request = Request { offline: true, ..Request::default() };
    Ok(pass::preview(world, &request, Freshness::Recorded).await?)
}

pub(super) fn keeper<'a>(
    world: &'a World,
    history: &'a History,
    preview: &'a Preview,
    stop: &'a CancellationToken,
) -> Keeper<'a> {
    Keeper { world, history, desired: &preview.view.desired, stop, now: Timestamp::now() }
}

fn report(
    world: &World,
    look: &Look,
    foreign_go: bool,
    freed: Option<&Freed>,
    masks: &Masks,
) -> wire::PruneReport {
    let gone = freed.map(|freed| -> BTreeMap<ImageId, Option<String>> {
        freed.gone.iter().map(|gone| (gone.image.clone(), gone.error.clone())).collect()
    });
    wire::prune(&wire::Pruned {
        host: &world.config.host,
        judged: &look.judged,
        spare: &look.spare,
        foreign_go,
        gone: gone.as_ref(),
        disk: freed.map_or(look.disk.as_ref(), |freed| freed.disk.as_ref()),
        pressure: freed.and_then(|freed| freed.pressure.as_deref()),
        files: freed.map_or(0, |freed| freed.files),
        build_cache: freed.map_or(0, |freed| freed.build_cache),
        masks,
    })
}
