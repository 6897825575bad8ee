//! `mac_address`: the address on the network that comes first.

use super::Draft;
use super::networks;
use crate::manifest::read::At;
use crate::manifest::scene::Scene;
use crate::model::spec::Attachment;

/// `mac_address`
pub fn mac_address<'a>(at: &At<'a>, draft: &mut Draft<'a>, _scene: &Scene<'_>) {
    draft.mac_address = at.parse(networks::mac_address).map(|address| (address, at.clone()));
}

/// Gives the address to the first network, once it is known which that is.
pub fn settle(draft: &mut Draft<'_>) {
    let Some((address, at)) = draft.mac_address.take() else { return };
    let Attachment::Networks(endpoints) = &mut draft.settings.network else {
        return at.problem("contradiction", "`mac_address` and `network_mode` exclude each other");
    };
    let Some(first) = endpoints.first_mut() else { return };
    if first.mac_address.as_ref().is_some_and(|own| *own != address) {
        let message = "the first network has a `mac_address` of its own, and another one";
        at.problem("contradiction", message);
    }
    first.mac_address = Some(address);
}
