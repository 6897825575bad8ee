//! Whether evenkeel's directories can be written, and whether there is room.

use std::path::Path;

use super::Finding;
use crate::config::Config;

/// Less free space than this on a disk that a pass writes to is worth a word.
const ROOM_WANTED: u64 = 2 << 30;

/// The directories of the configuration.
pub(super) fn look(config: &Config) -> Vec<Finding> {
    [("state_dir", &config.state_dir), ("data_dir", &config.data_dir)]
        .into_iter()
        .map(|(what, path)| directory(what, path))
        .collect()
}

fn directory(what: &str, path: &Path) -> Finding {
    // What is not there yet is made by the first pass, in its nearest parent that is there.
    let existing = path.ancestors().find(|parent| parent.exists()).unwrap_or(Path::new("/"));
    if !existing.is_dir() {
        let remedy = "name another directory in the configuration, or remove what is there";
        return Finding::failed(what, format!("{} is no directory", existing.display()), remedy);
    }
    if rustix::fs::access(existing, rustix::fs::Access::WRITE_OK).is_err() {
        let remedy = "run evenkeel as root, or give its user the directory";
        return Finding::failed(what, format!("{} cannot be written", path.display()), remedy);
    }
    let shown = path.display();
    room(what, existing, &format!("{shown} can be written"))
}

/// How much room there is on the disk of `path`; `says` is what is well besides.
pub(super) fn room(what: &str, path: &Path, says: &str) -> Finding {
    match rustix::fs::statvfs(path) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let has_names = disk.f_files == 0 || disk.f_favail > 0;
            judged(what, path, says, free, has_names)
        }
        Err(error) => Finding::warning(
            what,
            format!("{}: {error}", path.display()),
            "see that the disk is mounted",
        ),
    }
}

fn judged(what: &str, path: &Path, says: &str, free: u64, has_names: bool) -> Finding {
    let shown = path.display();
    let remedy = "make room before the next image is pulled";
    match free {
        0 => Finding::failed(what, format!("the disk of {shown} is full"), remedy),
        _ if !has_names => {
            let says = format!("the disk of {shown} can hold no more files (no inode is free)");
            Finding::failed(what, says, "remove small files that nobody needs")
        }
        _ if free < ROOM_WANTED => {
            let says = format!("only {} MiB are free on the disk of {shown}", free >> 20);
            Finding::warning(what, says, remedy)
        }
        _ => Finding::ok(what, format!("{says}, {} GiB are free", free >> 30)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn little_room_is_a_warning_and_none_a_failure() {
        let check = |free, has_names, expected, part: &str| {
            let found =
                judged("state_dir", Path::new("/state"), "/state can be written", free, has_names);
            assert_eq!(found.state, expected, "{}", found.says);
            assert!(found.says.contains(part), "{}", found.says);
        };
        check(5 << 30, true, State::Ok, "/state can be written, 5 GiB are free");
        check(300 << 20, true, State::Warning, "only 300 MiB are free");
        check(0, true, State::Failed, "is full");
        check(5 << 30, false, State::Failed, "no inode");
    }

    #[test]
    fn a_directory_to_come_is_looked_for_in_its_nearest_parent() {
        let root = tempfile::tempdir().unwrap();
        assert_ne!(directory("data_dir", &root.path().join("a/b")).state, State::Failed);
        std::fs::write(root.path().join("file"), "").unwrap();
        let found = directory("data_dir", &root.path().join("file/b"));
        assert!(found.state == State::Failed && found.says.contains("is no directory"));
    }
}
