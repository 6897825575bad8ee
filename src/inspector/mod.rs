//! **Edge**: programs of the operator's that look at images (`policy.images`), run without a shell, heard within bounds
//! and ended with all that they have started.
//!
//! What they are asked, and what follows from their word, is the business of [`crate::resolve`].

mod kept;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

use crate::model::proofs::ProofKey;
pub use watch::{Failure, Heard};

/// Programs at a time.
const AT_ONCE: usize = 4;

type Ended = Result<Heard, Failure>;

/// Programs that look at images, at work from one pass to the next: a daemon waits a little for each and goes on with
/// the rest of the host, a command waits for its end. They end with this value.
pub struct Programs {
    places: Arc<Semaphore>,
    patience: Option<Duration>,
    at_work: Mutex<BTreeMap<ProofKey, AbortOnDropHandle<Ended>>>,
}

impl Programs {
    /// None at work yet; each is waited for so long, or to its end.
    pub fn new(patience: Option<Duration>) -> Self {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        Self { places, patience, at_work: Mutex::default() }
    }

    /// How `command` ended on the image of `key`; `None` while it is at work, which the next call for the same finds
    /// out. Its time begins when there is a place for it.
    pub async fn run(
        &self,
        key: &ProofKey,
        command: Vec<String>,
        input: String,
        deadline: Duration,
    ) -> Option<Ended> {
        let mut work = self.lock().remove(key).unwrap_or_else(|| {
            let places = Arc::clone(&self.places);
            AbortOnDropHandle::new(tokio::spawn(async move {
                let _place = places.acquire().await;
                watch::watch(&command, &input, deadline).await
            }))
        });
        let ended = match self.patience {
            Some(patience) => tokio::time::timeout(patience, &mut work).await,
            None => Ok((&mut work).await),
        };
        match ended {
            Ok(Ok(ended)) => Some(ended),
            Ok(Err(broken)) => Some(Err(Failure::NotRun(std::io::Error::other(broken)))),
            Err(_) => {
                self.lock().insert(key.clone(), work);
                None
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<ProofKey, AbortOnDropHandle<Ended>>> {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
