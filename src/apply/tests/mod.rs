//! What must hold while plans are made and carried out, pass after pass, on a strict host in memory.

mod atomic;
pub(crate) mod bench;
mod crash_matrix;
mod crashes;
mod deploy;
mod drift;
mod failures;
mod guards;
mod jobs;
mod keys;
mod mounts;
mod moved;
mod plans;
mod probe;
mod properties;
mod relations;
mod removal;
mod repairs;
mod simulation;
mod stamps;
mod start_first;
mod waiting;
mod windows;
