//! What to do about a pass that could not be made.

use crate::engine::EngineError;
use crate::history::HistoryError;
use crate::reconcile::PassError;
use crate::reconcile::lock::LockError;

/// The next move, where there is one.
pub fn hint(error: &PassError) -> Option<String> {
    let text = match error {
        PassError::Engine(EngineError::Unreachable(_)) => {
            "start it (`systemctl start docker`), run evenkeel as root, or name it with --docker"
        }
        PassError::Engine(EngineError::Version(_)) => "upgrade the Docker Engine",
        PassError::Engine(_) => return None,
        PassError::Lock(LockError::Busy { .. }) => "run it again when that pass has ended",
        PassError::Lock(LockError::File { .. })
        | PassError::History(HistoryError::StateDir { .. }) => {
            "run evenkeel as root, or choose another --state-dir"
        }
        PassError::History(_) | PassError::Broken(_) => return None,
    };
    Some(text.to_owned())
}
