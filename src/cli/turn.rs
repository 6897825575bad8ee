//! The turn of a command that writes.

use std::path::Path;

use jiff::Timestamp;

use super::Trouble;
use crate::reconcile::PassError;
use crate::reconcile::lock::{self, PATIENCE, Turn};

/// Waits for a turn; `command` is what others read who wait for this one.
pub async fn take(state_dir: &Path, command: &str, now: Timestamp) -> Result<Turn, Trouble> {
    Ok(lock::take(state_dir, command, now, PATIENCE).await.map_err(PassError::from)?)
}
