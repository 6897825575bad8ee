//! `blkio_config`: how fast block devices may be used.

use std::collections::BTreeMap;

use super::Draft;
use crate::manifest::read::At;
use crate::manifest::scene::Scene;

const KNOWN: [&str; 6] = [
    "weight",
    "weight_device",
    "device_read_bps",
    "device_write_bps",
    "device_read_iops",
    "device_write_iops",
];

/// `blkio_config`
pub fn blkio_config(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    if !at.is_mapping() {
        return at.expected("a mapping");
    }
    at.only(&KNOWN, &[]);
    let limits = &mut draft.settings.resources.block_io;
    let read = |key, what, amount: fn(&At<'_>) -> Option<i64>| match at.value(key) {
        Some(at) => devices(&at, what, amount),
        None => BTreeMap::new(),
    };
    limits.weight = at.value("weight").and_then(|at| weight(&at)).unwrap_or_default();
    limits.weight_device = read("weight_device", "weight", weight);
    limits.device_read_bps = read("device_read_bps", "rate", |at| at.bytes());
    limits.device_write_bps = read("device_write_bps", "rate", |at| at.bytes());
    limits.device_read_iops = read("device_read_iops", "rate", |at| at.between(0, i64::MAX));
    limits.device_write_iops = read("device_write_iops", "rate", |at| at.between(0, i64::MAX));
}

/// The kernel's bounds; 0 is "none".
fn weight(at: &At<'_>) -> Option<i64> {
    at.zero_or_between(10, 1000)
}

/// The amount for each device, by the device's path.
fn devices(at: &At<'_>, what: &str, amount: fn(&At<'_>) -> Option<i64>) -> BTreeMap<String, i64> {
    let entry = |item: At<'_>| {
        if !item.is_mapping() {
            item.expected("a mapping");
            return None;
        }
        item.only(&["path", what], &[]);
        let (Some(path), Some(limit)) = (item.value("path"), item.value(what)) else {
            item.problem("missing-key", format!("an entry needs a `path` and a `{what}`"));
            return None;
        };
        Some((path.filled()?.to_owned(), amount(&limit)?))
    };
    at.items().into_iter().filter_map(entry).collect()
}
