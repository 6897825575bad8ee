//! The files of a local directory that is not a git repository.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::parts;
use crate::model::fingerprint;
use crate::model::tree::{Entry, EntryKind, Tree, TreeError};

/// A directory on disk, read at the moment of each call.
///
/// No path leaves it: each part is opened below the one before, and never through a link. Names of `.git` are
/// left out.
pub struct DirectoryTree {
    root: OwnedFd,
}

/// A name in an opened directory.
struct Spot<'a> {
    directory: OwnedFd,
    name: &'a str,
}

const HIDDEN_NAME: &str = ".git";

impl DirectoryTree {
    /// Opens the directory `root`, following links to it.
    pub fn open(root: &Path) -> std::io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(Self { root: rustix::fs::open(root, flags, Mode::empty())? })
    }

    /// Opens the directories above the last part of `path`; `None` if there is nothing of that name. The
    /// root is `.` within itself.
    fn above<'a>(&self, path: &'a str) -> Result<Option<Spot<'a>>, Errno> {
        let Some(parts) = parts(path) else { return Ok(None) };
        if parts.contains(&HIDDEN_NAME) {
            return Ok(None);
        }
        let (name, above) =
            parts.split_last().map_or((".", &[][..]), |(name, above)| (*name, above));
        let mut directory = rustix::io::fcntl_dupfd_cloexec(&self.root, 0)?;
        for part in above {
            match open_directory(&directory, part) {
                Ok(below) => directory = below,
                Err(error) if is_absence(error) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(Spot { directory, name }))
    }

    fn stat(&self, path: &str) -> Result<Option<Stat>, Errno> {
        let Some(spot) = self.above(path)? else { return Ok(None) };
        spot.stat()
    }

    fn names(&self, path: &str) -> Result<Vec<Entry>, Errno> {
        let Some(spot) = self.above(path)? else { return Ok(Vec::new()) };
        let directory = match open_directory(&spot.directory, spot.name) {
            Ok(directory) => directory,
            Err(error) if is_absence(error) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut entries = Vec::new();
        for found in Dir::read_from(&directory)? {
            let found = found?;
            let name = found.file_name();
            if matches!(name.to_bytes(), b"." | b"..") || name.to_bytes() == HIDDEN_NAME.as_bytes()
            {
                continue;
            }
            let stat = rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW);
            // A name may vanish between listing and looking.
            let Ok(stat) = stat else { continue };
            entries.push(Entry { name: name.to_string_lossy().into_owned(), kind: kind_of(&stat) });
        }
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    /// Opens the regular file at `path`, and its size.
    fn open_file(&self, path: &str) -> Result<Option<(File, u64)>, Errno> {
        let Some(spot) = self.above(path)? else { return Ok(None) };
        // Without NONBLOCK, opening a named pipe would wait for its other end.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&spot.directory, spot.name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(error) if is_absence(error) || error == Errno::NXIO => return Ok(None),
            Err(error) => return Err(error),
        };
        let stat = rustix::fs::fstat(&file)?;
        let is_file = matches!(kind_of(&stat), EntryKind::File { .. });
        Ok(is_file.then(|| (File::from(file), u64::try_from(stat.st_size).unwrap_or(0))))
    }

    /// A text that stands for the content of the file, or the target of the link, at `path`.
    fn content(&self, path: &str) -> Result<String, std::io::Error> {
        if let Some((mut file, _)) = self.open_file(path)? {
            let mut hash = Sha256::new();
            let mut buffer = [0; 16 * 1024];
            loop {
                match file.read(&mut buffer)? {
                    0 => return Ok(fingerprint::hex(&hash.finalize())),
                    count => hash.update(&buffer[..count]),
                }
            }
        }
        let Some(spot) = self.above(path)? else { return Ok(String::new()) };
        let target = rustix::fs::readlinkat(&spot.directory, spot.name, Vec::new());
        Ok(target.map(|target| fingerprint::sha256_hex(target.as_bytes())).unwrap_or_default())
    }
}

impl Spot<'_> {
    fn stat(&self) -> Result<Option<Stat>, Errno> {
        match rustix::fs::statat(&self.directory, self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(error) if is_absence(error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Tree for DirectoryTree {
    fn kind(&self, path: &str) -> Result<Option<EntryKind>, TreeError> {
        let stat = self.stat(path).map_err(|error| unreadable(path, &error.into()))?;
        Ok(stat.map(|stat| kind_of(&stat)))
    }

    fn list(&self, path: &str) -> Result<Vec<Entry>, TreeError> {
        self.names(path).map_err(|error| unreadable(path, &error.into()))
    }

    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, TreeError> {
        let opened = self.open_file(path).map_err(|error| unreadable(path, &error.into()))?;
        let Some((file, size)) = opened else { return Ok(None) };
        let too_large = |size| TreeError::TooLarge { path: path.to_owned(), size, limit };
        if size > limit {
            return Err(too_large(size));
        }
        // One byte more than allowed: the file may be growing.
        let mut content = Vec::new();
        let read = file.take(limit.saturating_add(1)).read_to_end(&mut content);
        let count = read.map_err(|error| unreadable(path, &error))? as u64;
        if count > limit { Err(too_large(count)) } else { Ok(Some(content)) }
    }

    fn fingerprint(&self, path: &str) -> Result<Option<String>, TreeError> {
        fingerprint::of_tree(self, path, &|below| {
            self.content(below).map_err(|error| unreadable(below, &error))
        })
    }
}

fn open_directory(above: &OwnedFd, name: impl AsRef<OsStr>) -> Result<OwnedFd, Errno> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(above, name.as_ref(), flags, Mode::empty())
}

/// Nothing there, or something else than what was wanted: a file in place of a directory, a link.
fn is_absence(error: Errno) -> bool {
    matches!(error, Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG)
}

fn kind_of(stat: &Stat) -> EntryKind {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => EntryKind::File { executable: stat.st_mode & 0o100 != 0 },
        FileType::Directory => EntryKind::Directory,
        FileType::Symlink => EntryKind::Symlink,
        FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => EntryKind::Other,
    }
}

fn unreadable(path: &str, error: &std::io::Error) -> TreeError {
    TreeError::Unreadable { path: path.to_owned(), why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn directory() -> (tempfile::TempDir, DirectoryTree) {
        let outside = tempfile::tempdir().unwrap();
        let root = outside.path().join("root");
        std::fs::create_dir_all(root.join("shop/.git")).unwrap();
        std::fs::write(outside.path().join("secret"), "s").unwrap();
        std::fs::write(root.join("shop/compose.yaml"), "services: {}").unwrap();
        std::fs::write(root.join("shop/.git/config"), "x").unwrap();
        symlink("../secret", root.join("up")).unwrap();
        symlink("shop", root.join("alias")).unwrap();
        let tree = DirectoryTree::open(&root).unwrap();
        (outside, tree)
    }

    #[test]
    fn links_and_dots_lead_nowhere() {
        let (_outside, tree) = directory();
        for path in
            ["../secret", "up", "shop/../../secret", "/etc/passwd", "alias/compose.yaml", "."]
        {
            assert_eq!(tree.read(path, 100).unwrap(), None, "{path}");
        }
        assert_eq!(tree.kind("up").unwrap(), Some(EntryKind::Symlink));
        assert_eq!(tree.kind("alias").unwrap(), Some(EntryKind::Symlink));
        assert_eq!(tree.list("alias").unwrap(), []);
        assert_eq!(tree.kind("../secret").unwrap(), None);
        assert_eq!(tree.kind("").unwrap(), Some(EntryKind::Directory));
    }

    #[test]
    fn what_git_keeps_for_itself_is_not_there() {
        let (_outside, tree) = directory();
        let names: Vec<String> =
            tree.list("shop").unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["compose.yaml"]);
        assert_eq!(tree.read("shop/.git/config", 100).unwrap(), None);
    }

    #[test]
    fn a_fingerprint_follows_contents_modes_and_link_targets() {
        let (outside, tree) = directory();
        let root = outside.path().join("root");
        let mut seen = vec![tree.fingerprint("").unwrap().unwrap()];
        let mut expect_another = || {
            let now = tree.fingerprint("").unwrap().unwrap();
            assert!(!seen.contains(&now));
            seen.push(now);
        };
        std::fs::write(root.join("shop/compose.yaml"), "services: {a: {}}").unwrap();
        expect_another();
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(root.join("shop/compose.yaml"), executable).unwrap();
        expect_another();
        std::fs::remove_file(root.join("up")).unwrap();
        symlink("elsewhere", root.join("up")).unwrap();
        expect_another();
        std::fs::write(root.join("shop/.git/config"), "y").unwrap();
        assert_eq!(tree.fingerprint("").unwrap().as_ref(), seen.last());
    }

    #[test]
    fn a_file_over_the_limit_is_refused_with_its_size() {
        let (_outside, tree) = directory();
        let refused = tree.read("shop/compose.yaml", 3).unwrap_err();
        assert!(matches!(refused, TreeError::TooLarge { size: 12, limit: 3, .. }));
    }

    #[test]
    fn a_named_pipe_does_not_block() {
        let (outside, tree) = directory();
        let pipe = outside.path().join("root/pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert_eq!(tree.read("pipe", 9).unwrap(), None);
        assert_eq!(tree.kind("pipe").unwrap(), Some(EntryKind::Other));
    }
}
