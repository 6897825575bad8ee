//! What a container may use, and what it keeps.

use serde::Serialize;

/// Limits and reservations (`HostConfig`). 0 is "none".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct Resources {
    /// `Memory`, bytes.
    #[serde(skip_serializing_if = "is_zero")]
    pub memory: i64,
    /// `MemoryReservation`, bytes.
    #[serde(skip_serializing_if = "is_zero")]
    pub memory_reservation: i64,
    /// `NanoCpus`, billionths of a CPU.
    #[serde(skip_serializing_if = "is_zero")]
    pub nano_cpus: i64,
    /// `PidsLimit`, processes.
    #[serde(skip_serializing_if = "is_zero")]
    pub pids_limit: i64,
}

impl Resources {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}
