//! Whether the state directory can be worked with: the lock, and the database.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::Finding;
use crate::history::{History, HistoryError};
use crate::reconcile::lock;

/// Lock and database.
pub(super) fn look(state_dir: &Path) -> Vec<Finding> {
    let mut findings = vec![held(state_dir), database(state_dir)];
    findings.extend(privacy(state_dir));
    findings
}

/// Manifests, keys of mirrors and secrets lie below it, whose own permissions say that nobody else comes so far.
fn privacy(state_dir: &Path) -> Option<Finding> {
    let about = std::fs::metadata(state_dir).ok()?;
    let (what, shown) = ("state_dir", state_dir.display());
    let me = rustix::process::geteuid().as_raw();
    if about.uid() != me {
        let says = format!("{shown} belongs to another user (uid {}) than evenkeel's", about.uid());
        return Some(Finding::warning(what, says, format!("`chown {me} {shown}`")));
    }
    let mode = about.mode() & 0o777;
    let says = || format!("{shown} can be entered by others than its owner (mode {mode:04o})");
    (mode & 0o077 != 0).then(|| Finding::warning(what, says(), format!("`chmod 0700 {shown}`")))
}

fn held(state_dir: &Path) -> Finding {
    let what = "lock";
    match lock::held_by(state_dir) {
        Ok(None) => Finding::ok(what, "free"),
        Ok(Some(holder)) => Finding::ok(what, format!("a pass is under way ({holder})")),
        Err(error) => Finding::failed(
            what,
            format!("{}: {error}", state_dir.join("lock").display()),
            "run evenkeel as root, or as the user that owns the state directory",
        ),
    }
}

fn database(state_dir: &Path) -> Finding {
    let what = "database";
    match History::is_sound(state_dir) {
        Ok(true) => Finding::ok(what, "sound"),
        Ok(false) => Finding::ok(what, "not there yet; the first pass makes it"),
        Err(error @ HistoryError::Older { .. }) => Finding::warning(
            what,
            error.to_string(),
            "do a pass: `evenkeel reconcile --once`, or restart the daemon",
        ),
        Err(error @ HistoryError::Damaged { .. }) => Finding::failed(
            what,
            error.to_string(),
            "put back a copy if there is one; else nothing: history and holds start anew, and no container is touched",
        ),
        Err(error @ (HistoryError::StateDir { .. } | HistoryError::Newer { .. })) => {
            Finding::failed(what, error.to_string(), "see there")
        }
        Err(error @ (HistoryError::UnknownGeneration(_) | HistoryError::Database(_))) => {
            Finding::failed(what, error.to_string(), "see whether its disk is full or failing")
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::State;
    use super::*;

    #[test]
    fn a_damaged_database_is_a_failure_and_a_sound_or_missing_one_is_none() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(database(root.path()).state, State::Ok);
        drop(History::open(root.path(), Timestamp::UNIX_EPOCH).unwrap());
        assert_eq!(database(root.path()).says, "sound");
        std::fs::write(root.path().join("evenkeel.db"), "this is no database at all, is it")
            .unwrap();
        let _ = std::fs::remove_file(root.path().join("evenkeel.db-wal"));
        assert_eq!(database(root.path()).state, State::Failed);
    }

    #[test]
    fn a_state_directory_that_others_may_enter_is_told() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        let state = root.path().join("state");
        drop(History::open(&state, Timestamp::UNIX_EPOCH).unwrap());
        assert!(privacy(&state).is_none(), "as evenkeel makes it");
        std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o750)).unwrap();
        let found = privacy(&state).unwrap();
        assert_eq!(found.state, State::Warning);
        assert!(found.says.ends_with("by others than its owner (mode 0750)"), "{}", found.says);
        assert!(privacy(&root.path().join("none")).is_none());
    }

    #[tokio::test]
    async fn a_pass_under_way_is_told_and_not_waited_for() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(held(root.path()).says, "free");
        let patience = std::time::Duration::ZERO;
        let turn = lock::take(root.path(), "a long pass", Timestamp::UNIX_EPOCH, patience).await;
        let turn = turn.unwrap();
        assert!(held(root.path()).says.contains("a long pass"), "{}", held(root.path()).says);
        drop(turn);
        assert_eq!(held(root.path()).says, "free");
        let file = root.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(held(&file).state, State::Failed);
    }
}
