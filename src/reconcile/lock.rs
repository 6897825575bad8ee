//! The host's lock: one pass at a time, held for the pass, not for the daemon's life.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// How long a pass waits for another one to end.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Held for one pass; given back when dropped, and by the system when the process dies.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "closing the file gives the lock back")] File);

/// Why there is no turn to be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another pass runs.
    #[error("another pass is under way ({holder}); waited {} s for it", waited.as_secs())]
    Busy {
        /// What the lock file says of its holder.
        holder: String,
        /// For how long it was waited.
        waited: Duration,
    },
    /// The lock file.
    #[error("{path} cannot be used: {source}", path = path.display())]
    File {
        /// The lock file.
        path: PathBuf,
        /// The system's own words.
        source: io::Error,
    },
}

/// Waits for a turn. `purpose` is what others read who wait for this one.
pub async fn take(
    state_dir: &Path,
    purpose: &str,
    now: Timestamp,
    patience: Duration,
) -> Result<Turn, LockError> {
    let path = state_dir.join("lock");
    let failed = |source| LockError::File { path: path.clone(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(state_dir).map_err(failed)?;
    let mut options = OpenOptions::new();
    let mut file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    let begun = Instant::now();
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::Error(source)) => return Err(failed(source)),
            Err(TryLockError::WouldBlock) if begun.elapsed() >= patience => {
                return Err(LockError::Busy { holder: holder(&mut file), waited: patience });
            }
            Err(TryLockError::WouldBlock) => {
                if !told {
                    tracing::info!("waiting for another pass: {}", holder(&mut file));
                    told = true;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    let note = format!(
        "process {}: {purpose}, since {now:.0}\n",
        rustix::process::getpid().as_raw_nonzero()
    );
    // Only people read it; a full disk is no reason to give the turn up.
    let _ =
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(note.as_bytes()));
    Ok(Turn(file))
}

/// Who holds the lock in `state_dir`, without waiting; `None` where nobody does.
///
/// # Errors
/// The file cannot be opened or locked.
pub fn held_by(state_dir: &Path) -> io::Result<Option<String>> {
    let mut file = match File::open(state_dir.join("lock")) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(holder(&mut file))),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.read_to_string(&mut text));
    match (read, text.trim()) {
        (Ok(_), note) if !note.is_empty() => note.to_owned(),
        (Ok(_) | Err(_), _) => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_too_long_hears_who_has_the_turn() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        let (now, patience) = (Timestamp::UNIX_EPOCH, Duration::from_secs(30));
        let turn = take(&state, "reconcile", now, patience).await.unwrap();
        let error = take(&state, "retry", now, patience).await.unwrap_err().to_string();
        assert!(error.contains(": reconcile, since 1970-01-01T00:00:00Z"), "{error}");
        assert!(error.ends_with("waited 30 s for it"), "{error}");
        drop(turn);
        take(&state, "retry", now, patience).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_is_had_as_soon_as_the_other_ends() {
        let directory = tempfile::tempdir().unwrap();
        let (now, patience) = (Timestamp::UNIX_EPOCH, Duration::from_secs(30));
        let turn = take(directory.path(), "reconcile", now, patience).await.unwrap();
        let ending = async {
            tokio::time::sleep(Duration::from_secs(29)).await;
            drop(turn);
        };
        let waiting = take(directory.path(), "reconcile", now, patience);
        assert!(tokio::join!(ending, waiting).1.is_ok());
    }

    #[tokio::test]
    async fn a_state_directory_that_cannot_be_made_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let now = Timestamp::UNIX_EPOCH;
        let error = take(&file.join("state"), "reconcile", now, Duration::ZERO).await.unwrap_err();
        assert!(error.to_string().contains("file/state/lock cannot be used"), "{error}");
    }
}
