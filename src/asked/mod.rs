//! What people and programs ask of this host, and what they are answered: one function each, called by the command
//! of that name and by the API.
//!
//! Nothing is printed here, no argument is parsed and no request; an answer is one of [`crate::report`]'s wire types.
//! What asks takes no turn; what changes something waits for one.

pub mod refusal;
pub mod words;
pub mod standing;
pub mod plan;
pub mod past;
pub mod holds;
pub mod release;
pub mod accept;
pub mod passes;

pub use refusal::{Kind, Refusal};

use std::path::Path;

use jiff::Timestamp;

use crate::reconcile::PassError;
use crate::reconcile::lock::{self, PATIENCE, Turn};

/// Waits for a turn; `purpose` is what others read who wait for this one.
pub async fn turn(state_dir: &Path, purpose: &str, now: Timestamp) -> Result<Turn, Refusal> {
    Ok(lock::take(state_dir, purpose, now, PATIENCE).await.map_err(PassError::from)?)
}
