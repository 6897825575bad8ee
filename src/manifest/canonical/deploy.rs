//! How many and how much: `deploy`, `gpus`, `blkio_config`, the scheduler's times.

use super::around::Around;
use super::form::{self, Form};
use super::make;
use crate::manifest::node::Node;
use crate::manifest::read::At;
use crate::manifest::service::{how_many, microseconds};

const DEPLOY: &[(&str, Form)] = {
    use Form::{Count, Fields, Items, Pairs, Text, Texts, Time, Whole};
    &[
        ("endpoint_mode", Text),
        ("labels", Pairs),
        ("mode", Text),
        (
            "placement",
            Fields(&[
                ("constraints", Texts),
                ("max_replicas_per_node", Whole),
                ("preferences", Items(&Fields(&[("spread", Text)]))),
            ]),
        ),
        ("replicas", Count),
        (
            "resources",
            Fields(&[("limits", Fields(RESOURCES)), ("reservations", Fields(RESOURCES))]),
        ),
        (
            "restart_policy",
            Fields(&[
                ("condition", Text),
                ("delay", Time),
                ("max_attempts", Count),
                ("window", Time),
            ]),
        ),
        ("rollback_config", Fields(UPDATE)),
        ("update_config", Fields(UPDATE)),
    ]
};

const UPDATE: &[(&str, Form)] = &[
    ("delay", Form::Time),
    ("failure_action", Form::Text),
    ("max_failure_ratio", Form::Number),
    ("monitor", Form::Time),
    ("order", Form::Text),
    ("parallelism", Form::Count),
];

const RESOURCES: &[(&str, Form)] = {
    use Form::{Bytes, Fields, Items, Number, Read, Text, Whole};
    &[
        ("cpus", Number),
        ("devices", Read(requests)),
        (
            "generic_resources",
            Items(&Fields(&[(
                "discrete_resource_spec",
                Fields(&[("kind", Text), ("value", Whole)]),
            )])),
        ),
        ("memory", Bytes),
        ("pids", Whole),
    ]
};

/// `deploy`; Compose always prints `placement` and `resources`.
pub fn deploy(at: &At<'_>, around: &Around<'_>) -> Option<Node> {
    let mut node = form::fields(DEPLOY, at, around);
    for key in ["placement", "resources"] {
        make::put_missing(&mut node, key, make::mapping::<String>(at, []));
    }
    Some(node)
}

/// `gpus`: `all`, or a list of requests.
pub fn gpus(at: &At<'_>, around: &Around<'_>) -> Option<Node> {
    if !at.is_scalar() {
        return requests(at, around);
    }
    let request = make::mapping(at, [("count", count(at, around)?)]);
    Some(make::list(at, vec![request]))
}

const REQUEST: &[(&str, Form)] = &[
    ("capabilities", Form::Texts),
    ("driver", Form::Text),
    ("count", Form::Read(count)),
    ("device_ids", Form::Texts),
    ("options", Form::Pairs),
];

/// Requests for devices; without a number or names, all there are.
fn requests(at: &At<'_>, around: &Around<'_>) -> Option<Node> {
    let request = |item: &At<'_>| {
        let mut node = form::fields(REQUEST, item, around);
        if node.get("device_ids").is_none() {
            make::put_missing(&mut node, "count", make::plain(item, -1));
        }
        node
    };
    let requests: Vec<Node> = at.items().iter().map(request).collect();
    (!requests.is_empty()).then(|| make::list(at, requests))
}

fn count(at: &At<'_>, _around: &Around<'_>) -> Option<Node> {
    at.parse(how_many).map(|count| make::plain(at, count))
}

/// `blkio_config`
pub const BLOCK_IO: &[(&str, Form)] = {
    use Form::{Fields, Items, Text, Whole};
    const RATES: Form = Items(&Fields(&[("path", Text), ("rate", Form::Bytes)]));
    &[
        ("device_read_bps", RATES),
        ("device_read_iops", RATES),
        ("device_write_bps", RATES),
        ("device_write_iops", RATES),
        ("weight", Whole),
        ("weight_device", Items(&Fields(&[("path", Text), ("weight", Whole)]))),
    ]
};

/// `cpu_period` and its kin: microseconds, or a duration.
pub fn scheduler_time(at: &At<'_>, _around: &Around<'_>) -> Option<Node> {
    let time = microseconds(at);
    (time != 0).then(|| make::plain(at, time))
}
