//! The unix socket: where it is, and who may have that place.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

/// Its owner and its group may open it.
const MODE: u32 = 0o660;
/// The group that it is given to, where this machine has one of that name.
const GROUP: &str = "evenkeel";

/// The path of a socket, which goes when this is dropped after the listener.
pub(super) struct Place {
    path: PathBuf,
}

/// Listens at `path`. A socket that nobody listens at any more is replaced; one of a daemon that lives is not.
pub(super) fn bind(path: &Path) -> io::Result<(UnixListener, Place)> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            make_way(path)?;
            UnixListener::bind(path)?
        }
        bound => bound?,
    };
    fs::set_permissions(path, Permissions::from_mode(MODE))?;
    give_to_group(path);
    Ok((listener, Place { path: path.to_owned() }))
}

/// Without such a group, or the right to give it away, it stays with the group of this process.
fn give_to_group(path: &Path) {
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    let given = gid_of(&groups, GROUP).map(|gid| std::os::unix::fs::chown(path, None, Some(gid)));
    if let Some(Err(error)) = given {
        tracing::warn!("{} is not given to the group {GROUP}: {error}", path.display());
    }
}

/// The number of the group `name` in a file as group(5) describes it.
fn gid_of(groups: &str, name: &str) -> Option<u32> {
    let mut fields = groups.lines().map(|line| line.split(':'));
    let mut group = fields.find_map(|mut fields| (fields.next()? == name).then_some(fields))?;
    group.nth(1)?.parse().ok()
}

/// Takes away what stands at `path`, where that is a socket without anybody behind it.
fn make_way(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt as _;
    let taken = |why: &str| Err(io::Error::new(ErrorKind::AddrInUse, why));
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return taken("something else is there");
    }
    match UnixStream::connect(path) {
        Ok(_) => taken("another daemon listens there"),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Another daemon may have made this place its own meanwhile.
        if is_stale(&self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether nobody listens at `path`.
fn is_stale(path: &Path) -> bool {
    UnixStream::connect(path).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_owner_and_group_may_open_it_and_it_goes_with_its_daemon() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run/evenkeel.sock");
        let (listener, place) = bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        drop((listener, place));
        assert!(!path.exists());
    }

    #[test]
    fn a_group_is_found_by_its_name() {
        let groups = "root:x:0:\nevenkeel-ci:x:998:\nevenkeel:x:997:ann,bob\nbroken\nodd:x:no:\n";
        let found = |name| gid_of(groups, name);
        assert_eq!([found("evenkeel"), found("root")], [Some(997), Some(0)]);
        assert_eq!([found("odd"), found("broken"), found("nobody")], [None; 3]);
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_or_a_file_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("evenkeel.sock");
        let (listener, place) = bind(&path).unwrap();
        let error = bind(&path).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "another daemon listens there");
        drop(listener);
        let (_new, _place) = bind(&path).unwrap();
        drop(place);
        assert!(path.exists(), "the one before does not take it away");
        let file = directory.path().join("file");
        fs::write(&file, "data").unwrap();
        assert_eq!(bind(&file).map(|_| ()).unwrap_err().to_string(), "something else is there");
        assert_eq!(fs::read_to_string(&file).unwrap(), "data");
    }
}
