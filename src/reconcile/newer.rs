//! Follows the sources while a pass is carried out: what it waits for may be out of date before it is done.

use std::convert::Infallible;

use jiff::Timestamp;

use super::World;
use super::sources::{self, Freshness, Read};
use crate::apply::Superseded;
use crate::model::ServiceId;
use crate::resolve::Loaded;

/// Tells `superseded` which services a newer commit changes, as soon as there is one. Does not end.
pub async fn watch(world: &World, read: &Read, superseded: &Superseded) -> Infallible {
    loop {
        tokio::time::sleep(world.interval()).await;
        let fetched = sources::fetch(world, Freshness::Latest, Timestamp::now()).await;
        if fetched.iter().zip(&read.sources).all(|(newer, seen)| !newer.is_newer_than(seen)) {
            continue;
        }
        let newer = sources::read(world, fetched, read.places.clone()).await;
        superseded.extend(changed(&read.loaded, &newer.loaded));
    }
}

/// Services that are no longer wanted as they were. A stack that cannot be read changes nothing.
fn changed(before: &Loaded, newer: &Loaded) -> Vec<ServiceId> {
    let mut changed = Vec::new();
    for stack in &before.stacks {
        let again = newer.stacks.iter().find(|one| one.name == stack.name);
        let (Ok(old), Some(Ok(new))) = (&stack.content, again.map(|one| &one.content)) else {
            continue;
        };
        for service in old.services.values() {
            let is_same = new.services.get(&service.name).is_some_and(|newer| {
                newer.image == service.image && newer.settings == service.settings
            });
            if !is_same {
                changed.push(ServiceId::new(&stack.name, &service.name));
            }
        }
    }
    changed
}
