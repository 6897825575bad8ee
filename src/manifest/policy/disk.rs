//! Where paths lead: on this host, or on one that is not at hand.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use crate::policy::{Disk, clean};

/// As many symbolic links as the kernel follows (`path_resolution(7)`).
const MOST_LINKS: usize = 40;

/// The disk of this host; what was found out is not asked for again.
#[derive(Debug, Default)]
pub struct ThisHost {
    known: RefCell<BTreeMap<PathBuf, Option<PathBuf>>>,
}

/// A host that is not at hand: only the links are known that every one has.
#[derive(Debug)]
pub struct Elsewhere;

impl Disk for ThisHost {
    fn real(&self, path: &Path) -> Option<PathBuf> {
        self.once(path, || match (path.parent(), path.file_name()) {
            // What lies side by side has its way in common.
            (Some(above), Some(name)) => {
                let above = self.once(above, || follow(PathBuf::from("/"), parts(above)))?;
                follow(above, vec![name.into()])
            }
            _ => follow(PathBuf::from("/"), parts(path)),
        })
    }
}

impl ThisHost {
    fn once(&self, path: &Path, find_out: impl FnOnce() -> Option<PathBuf>) -> Option<PathBuf> {
        if let Some(known) = self.known.borrow().get(path) {
            return known.clone();
        }
        let real = find_out();
        self.known.borrow_mut().insert(path.to_owned(), real.clone());
        real
    }
}

impl Disk for Elsewhere {
    fn real(&self, path: &Path) -> Option<PathBuf> {
        let path = clean(path);
        match path.strip_prefix("/var/run") {
            Ok(rest) => Some(clean(&Path::new("/run").join(rest))),
            Err(_) => Some(path),
        }
    }
}

/// Follows every link on the way from `real` through the parts `ahead`, the first one last; those links too that lead to
/// nothing yet: it may be there tomorrow.
fn follow(mut real: PathBuf, mut ahead: Vec<PathBuf>) -> Option<PathBuf> {
    let mut links = 0;
    while let Some(part) = ahead.pop() {
        if part == Path::new("..") {
            real.pop();
            continue;
        }
        let next = real.join(part);
        match std::fs::symlink_metadata(&next) {
            Ok(about) if about.is_symlink() => {
                links += 1;
                if links > MOST_LINKS {
                    return None;
                }
                let target = std::fs::read_link(&next).ok()?;
                if target.is_absolute() {
                    real = PathBuf::from("/");
                }
                ahead.extend(parts(&target));
            }
            Ok(_) => real = next,
            Err(error) if is_absent(error.kind()) => real = next,
            // Whoever can lay links there may have hidden them.
            Err(_) => return None,
        }
    }
    Some(real)
}

fn is_absent(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// The parts of a path, the first one last.
fn parts(path: &Path) -> Vec<PathBuf> {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(PathBuf::from(name)),
        Component::ParentDir => Some(PathBuf::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    let mut parts: Vec<PathBuf> = parts.collect();
    parts.reverse();
    parts
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_link_is_followed_also_to_what_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().canonicalize().unwrap();
        let at = |path: &str| home.join(path);
        std::fs::create_dir_all(at("a/b")).unwrap();
        symlink("/", at("a/root")).unwrap();
        symlink("../a/b", at("a/beside")).unwrap();
        symlink("/nowhere/yet", at("a/later")).unwrap();
        symlink("loop", at("a/loop")).unwrap();
        std::fs::write(at("a/file"), "").unwrap();
        let disk = ThisHost::default();
        let real = |path: &str| disk.real(&at(path));
        assert_eq!(real("a/b/c/d"), Some(at("a/b/c/d")));
        assert_eq!(real("a/root"), Some("/".into()));
        assert_eq!(real("a/root/etc/x"), Some("/etc/x".into()));
        assert_eq!(real("a/beside/x"), Some(at("a/b/x")));
        assert_eq!(real("a/later/x"), Some("/nowhere/yet/x".into()));
        assert_eq!(real("a/loop"), None);
        assert_eq!(real("a/file/x"), Some(at("a/file/x")));
        assert_eq!(real("a/beside/../.."), Some(home.clone()));
        assert_eq!(real("a/b"), disk.real(&at("a/b")));
    }

    #[test]
    fn of_a_host_that_is_not_at_hand_only_what_all_have_is_known() {
        let real = |path: &str| Elsewhere.real(Path::new(path));
        assert_eq!(real("/var/run/docker.sock"), Some("/run/docker.sock".into()));
        assert_eq!(real("/var/running/../x"), Some("/var/x".into()));
    }
}
