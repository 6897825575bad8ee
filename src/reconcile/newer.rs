//! What a newer commit wants otherwise than the one that a pass is at work for.

use crate::model::ServiceId;
use crate::resolve::Loaded;

/// Services that are no longer wanted as they were. A stack that cannot be read changes nothing.
pub fn changed(before: &Loaded, newer: &Loaded) -> Vec<ServiceId> {
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
