//! What a service may use: memory, processors, processes, block devices.

use serde_json::{Value, json};

use super::shapes::{Field, closed, key, list, shape};

/// `mem_limit`, `cpus`, `blkio_config` and their like.
pub fn fields() -> Vec<Field> {
    let mut fields = memory();
    fields.extend(processors());
    fields.push(key(
        "pids_limit",
        "At most this many processes; 0 and -1 are without limit.",
        shape("integer"),
    ));
    fields.push(key("blkio_config", "How fast it may use block devices.", block_io()));
    fields
}

fn memory() -> Vec<Field> {
    let swap =
        json!({"anyOf": [shape("bytes"), {"const": -1}, {"type": "string", "pattern": "^-1$"}]});
    vec![
        key("mem_limit", "At most this much memory, such as `512m`.", shape("bytes")),
        key("mem_reservation", "Memory it keeps when the host runs short.", shape("bytes")),
        key(
            "memswap_limit",
            "At most this much memory and swap together; -1 is without limit. Without it, twice \
             `mem_limit`.",
            swap,
        ),
        key(
            "mem_swappiness",
            "How readily its memory is swapped out, from 0 to 100; on hosts with cgroup v1 only.",
            within(0, 100),
        ),
    ]
}

fn processors() -> Vec<Field> {
    let time = json!({"anyOf": [shape("count"), shape("duration")]});
    vec![
        key("cpus", "At most this much processor time: `0.5` is half of one.", shape("cpus")),
        key("cpu_shares", "Its weight beside other containers; 1024 is usual.", shape("count")),
        key("cpu_period", "The period of `cpu_quota`, in microseconds.", shape("count")),
        key(
            "cpu_quota",
            "At most this much processor time in each period, in microseconds; -1 is without limit.",
            shape("integer"),
        ),
        key("cpu_rt_period", "The period of `cpu_rt_runtime`, in microseconds.", time.clone()),
        key("cpu_rt_runtime", "Real-time processor time in each period, in microseconds.", time),
        key(
            "cpuset",
            "The processors it may run on, such as `0-2,4`.",
            json!({
                "type": ["string", "integer", "null"],
                "pattern": "^([0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*)?$|[$]",
                "minimum": 0,
            }),
        ),
    ]
}

fn block_io() -> Value {
    let path = || key("path", "The device's path on the host.", shape("filled"));
    let weights = || {
        let weight = "Its share beside others, from 10 to 1000; 0 is none.";
        list(closed(vec![path(), key("weight", weight, shape("count"))]))
    };
    let rates =
        |rate: &str, amount: &str| list(closed(vec![path(), key("rate", rate, shape(amount))]));
    closed(vec![
        key("weight", "Its share beside others, from 10 to 1000; 0 is none.", shape("count")),
        key("weight_device", "Its share of single devices.", weights()),
        key(
            "device_read_bps",
            "How fast it may read from single devices.",
            rates("Bytes per second, such as `10mb`.", "bytes"),
        ),
        key(
            "device_write_bps",
            "How fast it may write to single devices.",
            rates("Bytes per second, such as `10mb`.", "bytes"),
        ),
        key(
            "device_read_iops",
            "How often it may read from single devices.",
            rates("Operations per second.", "count"),
        ),
        key(
            "device_write_iops",
            "How often it may write to single devices.",
            rates("Operations per second.", "count"),
        ),
    ])
}

/// A whole number within bounds.
pub fn within(least: i64, most: i64) -> Value {
    json!({
        "type": ["integer", "string", "null"],
        "pattern": "^[+-]?[0-9]|[$]",
        "minimum": least,
        "maximum": most,
    })
}
