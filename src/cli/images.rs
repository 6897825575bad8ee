//! `images`: the digests that this host needs, so that a registry is cleaned up without taking them away.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use super::arguments::{Global, Images, Output};
use super::sources::SourceSeen;
use super::{Trouble, print, prune, setting};
use crate::history::{Filter, History};
use crate::model::{Digest, StackContent};
use crate::reconcile::pass::Preview;
use crate::report::{text, wire};

/// Prints the images. Half a list would cost somebody the other half: where something cannot be read, there is
/// none.
pub async fn run(global: &Global, args: &Images) -> Result<u8, Trouble> {
    let world = setting::world(global, &args.repo)?;
    let history = History::read_only(&world.config.state_dir)?;
    let (preview, stop) = (prune::preview(&world).await?, CancellationToken::new());
    must_be_whole(&preview)?;
    let look = prune::keeper(&world, &history, &preview, &stop).look().await?;
    let shown = shown(&history, &preview)?;
    let masks = &preview.view.masks;
    let report = wire::images(&world.config.host, &look.needed, &look.judged, &shown, masks)
        .with_children(&history.polls()?.children());
    print(args.output == Output::Json, &report, |out| text::images(out, &report))?;
    Ok(0)
}

fn must_be_whole(preview: &Preview) -> Result<(), Trouble> {
    let unread = preview.sources.iter().filter(|seen| !SourceSeen::is_well(seen));
    let unread = unread.map(|seen| format!("the source {}", seen.name));
    let stacks = preview.view.desired.stacks.values();
    let invalid = stacks.filter(|stack| matches!(stack.content, StackContent::Invalid(_)));
    let invalid = invalid.map(|stack| format!("the stack {}", stack.name));
    match unread.chain(invalid).next() {
        None => Ok(()),
        Some(what) => Err(Trouble::Message {
            text: format!("{what} cannot be read, so the list would not be complete"),
            hint: Some("`evenkeel status` says why".to_owned()),
        }),
    }
}

/// Images as people may see them, by digest: those that are not on the host have no other name.
fn shown(history: &History, preview: &Preview) -> Result<BTreeMap<Digest, String>, Trouble> {
    let mut shown = BTreeMap::new();
    for row in history.generations(&Filter::default())? {
        for service in row.services {
            if let (Some(digest), Some(image)) = (service.digest, service.image) {
                shown.entry(digest).or_insert(image);
            }
        }
    }
    for deployment in preview.view.desired.deployments() {
        for service in deployment.services.values() {
            if let Ok(pinned) = &service.image {
                let image = service.service.image_shown.clone();
                shown.entry(pinned.image.digest().clone()).or_insert(image);
            }
        }
    }
    Ok(shown)
}
