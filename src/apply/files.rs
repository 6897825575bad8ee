//! Files that containers mount: exported from the repository, secrets and configs, directories.
//!
//! What is written is immutable and named by its content: what is there already is right and is left
//! alone. A file or directory appears under its name only when it is whole.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::model::stack::{Export, SecretFile, ServerDirectory};
use crate::model::tree::{EntryKind, TreeError};

/// The largest single file that is exported, in bytes.
const LARGEST_FILE: u64 = 256 << 20;

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The disk.
    #[error("{path} cannot be written: {source}", path = path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// The system's own words.
        source: io::Error,
    },
    /// The repository.
    #[error(transparent)]
    Read(#[from] TreeError),
    /// The revision no longer has it.
    #[error("the repository has no `{0}`")]
    Missing(String),
    /// A link where a directory was to be made or to be.
    #[error(
        "{path} is a link, and none is followed where containers could have put it: take it away, or make what it \
         leads to yourself",
        path = .0.display()
    )]
    Link(PathBuf),
    /// Something that is neither file nor directory.
    #[error("`{0}` is neither a file nor a directory")]
    Unsuitable(String),
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError::Write { path, source }
}

/// Makes a directory that a container mounts, with its parents, mode 0755. One that is there is left as it is.
pub fn make_directory(directory: &ServerDirectory) -> Result<(), FileError> {
    let ServerDirectory { path, below } = directory;
    if path.is_dir() { Ok(()) } else { make_below(below, path) }
}

/// Makes `path`, following no link below `trusted`: whoever may write there would choose what is made.
fn make_below(trusted: &Path, path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(trusted).map_err(at(trusted))?;
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let system = |path: &Path, error: Errno| at(path)(error.into());
    let mut above =
        rustix::fs::open(trusted, flags, Mode::empty()).map_err(|error| system(trusted, error))?;
    let mut made = trusted.to_owned();
    for part in path.strip_prefix(trusted).unwrap_or(Path::new("")) {
        made.push(part);
        match rustix::fs::mkdirat(&above, part, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(system(&made, error)),
        }
        above = match rustix::fs::openat(&above, part, flags | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(opened) => opened,
            Err(Errno::LOOP | Errno::NOTDIR) if made.is_symlink() => {
                return Err(FileError::Link(made));
            }
            Err(error) => return Err(system(&made, error)),
        };
    }
    Ok(())
}

/// Writes a file or a directory of the repository, modes 0444 and 0555.
pub fn export(export: &Export) -> Result<(), FileError> {
    if is_written(&export.target) {
        return Ok(());
    }
    let parent = export.target.parent().unwrap_or(Path::new("/"));
    // What is exported lies two levels below the directory that containers' data is in too.
    make_below(parent.ancestors().nth(2).unwrap_or(Path::new("/")), parent)?;
    let unfinished = unfinished(&export.target);
    remove_unfinished(&unfinished)?;
    write_entry(export, &export.path, &unfinished)?;
    take_its_place(&unfinished, &export.target)
}

/// Whether something is there that was written here: no link ever is.
fn is_written(target: &Path) -> bool {
    fs::symlink_metadata(target).is_ok_and(|found| !found.is_symlink())
}

fn take_its_place(unfinished: &Path, target: &Path) -> Result<(), FileError> {
    if target.is_symlink() {
        fs::remove_file(target).map_err(at(target))?;
    }
    fs::rename(unfinished, target).map_err(at(target))
}

fn write_entry(export: &Export, path: &str, target: &Path) -> Result<(), FileError> {
    match export.tree.kind(path)? {
        None => Err(FileError::Missing(path.to_owned())),
        Some(EntryKind::Symlink | EntryKind::Other) => Err(FileError::Unsuitable(path.to_owned())),
        Some(EntryKind::File { executable }) => {
            let content = export.tree.read(path, LARGEST_FILE)?;
            let content = content.ok_or_else(|| FileError::Missing(path.to_owned()))?;
            let mode = if executable { 0o555 } else { 0o444 };
            write_file(target, &content, mode, (None, None))
        }
        Some(EntryKind::Directory) => {
            fs::create_dir(target).map_err(at(target))?;
            for entry in export.tree.list(path)? {
                write_entry(export, &format!("{path}/{}", entry.name), &target.join(&entry.name))?;
            }
            fs::set_permissions(target, Permissions::from_mode(0o555)).map_err(at(target))
        }
    }
}

/// Writes a secret or config below its directory, which only evenkeel's user may enter.
pub fn write_secret(secret: &SecretFile) -> Result<(), FileError> {
    let parent = secret.target.parent().unwrap_or(Path::new("/"));
    make_private(parent)?;
    if is_written(&secret.target) {
        return Ok(());
    }
    let unfinished = unfinished(&secret.target);
    remove_unfinished(&unfinished)?;
    write_file(&unfinished, &secret.content.0, secret.mode, (secret.uid, secret.gid))?;
    take_its_place(&unfinished, &secret.target)
}

/// Makes a directory that only its owner may enter; one that others may is closed to them.
fn make_private(path: &Path) -> Result<(), FileError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at(path))?;
    let found = fs::symlink_metadata(path).map_err(at(path))?;
    if found.is_symlink() {
        return Err(FileError::Link(path.to_owned()));
    }
    if found.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(at(path))
}

/// A new file; who owns it and who may read it is settled on what was opened, before it has a name that counts.
fn write_file(
    path: &Path,
    content: &[u8],
    mode: u32,
    (uid, gid): (Option<u32>, Option<u32>),
) -> Result<(), FileError> {
    // Nobody else may read it before it has its own mode.
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(at(path))?;
    file.write_all(content).map_err(at(path))?;
    if uid.is_some() || gid.is_some() {
        // Before the mode: giving a file away takes bits of its mode.
        std::os::unix::fs::fchown(&file, uid, gid).map_err(at(path))?;
    }
    file.set_permissions(Permissions::from_mode(mode)).map_err(at(path))?;
    file.sync_all().map_err(at(path))
}

/// Removes a file or directory that was written here, which may be read-only.
pub fn remove(path: &Path) -> Result<(), FileError> {
    remove_unfinished(path)
}

fn unfinished(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".unfinished");
    target.with_file_name(name)
}

/// What a pass that died left: its directories are read-only, which root does not mind but others do.
fn remove_unfinished(path: &Path) -> Result<(), FileError> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
    // A link goes, and what it leads to stays as it is.
    if !metadata.is_dir() {
        return fs::remove_file(path).map_err(at(path));
    }
    make_writable(path).map_err(at(path))?;
    fs::remove_dir_all(path).map_err(at(path))
}

fn make_writable(directory: &Path) -> io::Result<()> {
    fs::set_permissions(directory, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            make_writable(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::sync::Arc;

    use super::*;
    use crate::model::memory_tree::MemoryTree;
    use crate::model::stack::SecretContent;
    use crate::model::tree::SharedTree;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
    }

    /// A directory for containers' data, and one beside it that is nobody's business.
    fn directories() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let (data, outside) = (root.path().join("data"), root.path().join("outside"));
        fs::create_dir(&outside).unwrap();
        fs::set_permissions(&outside, Permissions::from_mode(0o755)).unwrap();
        (root, data, outside)
    }

    #[test]
    fn a_directory_is_made_through_no_link_that_a_container_can_have_put_there() {
        let (_root, data, outside) = directories();
        let below = data.join("shop");
        let make = |path: &str| {
            make_directory(&ServerDirectory { path: below.join(path), below: below.clone() })
        };
        make("db/deep/er").unwrap();
        make("db/deep").unwrap();
        assert_eq!(mode(&below.join("db/deep/er")), 0o755);
        symlink(&outside, below.join("db/planted")).unwrap();
        let error = make("db/planted/new").unwrap_err();
        assert!(matches!(&error, FileError::Link(path) if path.ends_with("shop/db/planted")));
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        symlink(outside.join("missing"), below.join("dangling")).unwrap();
        assert!(make("dangling").is_err());
        assert!(!outside.join("missing").exists());
        // What an operator has put elsewhere is used, as long as nothing has to be made there.
        fs::create_dir(outside.join("there")).unwrap();
        make("db/planted/there").unwrap();
        fs::write(below.join("file"), "").unwrap();
        assert!(matches!(make("file/new").unwrap_err(), FileError::Write { .. }));
    }

    #[test]
    fn a_directory_is_exported_whole_and_nobody_may_write_to_it() {
        let (_root, data, outside) = directories();
        let mut tree = MemoryTree::new([("d/a.yml", "of git"), ("d/deep/b.yml", "deep")]);
        tree.insert_executable("d/run.sh", "#!/bin/sh\n");
        let of = |tree: &MemoryTree| SharedTree(Arc::new(tree.clone()));
        let target = data.join(".exported/f00/d");
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        symlink(&outside, &target).unwrap();
        let whole = Export { target: target.clone(), tree: of(&tree), path: "d".into() };
        export(&whole).unwrap();
        let modes =
            ["", "a.yml", "deep", "deep/b.yml", "run.sh"].map(|path| mode(&target.join(path)));
        assert_eq!(modes, [0o555, 0o444, 0o555, 0o444, 0o555]);
        assert_eq!(fs::read_to_string(target.join("deep/b.yml")).unwrap(), "deep");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);

        tree.insert_symlink("d/deep/elsewhere");
        let target = data.join(".exported/f11/d");
        let part = Export { target: target.clone(), tree: of(&tree), path: "d".into() };
        let error = export(&part).unwrap_err();
        assert!(
            matches!(&error, FileError::Unsuitable(path) if path == "d/deep/elsewhere"),
            "{error}"
        );
        assert!(!target.exists(), "what is not whole has no name");
        // What a pass that failed has left is in nobody's way.
        let whole = Export { target: target.clone(), ..whole };
        export(&whole).unwrap();
        remove(&target).unwrap();
        assert!(!target.exists());
    }

    fn exported(data: &Path) -> Export {
        let tree = SharedTree(Arc::new(MemoryTree::new([("a.yml", "of git")])));
        Export { target: data.join(".exported/f00/a.yml"), tree, path: "a.yml".into() }
    }

    #[test]
    fn an_export_takes_the_place_of_a_link_and_leaves_what_that_leads_to() {
        let (_root, data, outside) = directories();
        let wanted = exported(&data);
        fs::write(outside.join("a.yml"), "planted").unwrap();
        fs::create_dir_all(wanted.target.parent().unwrap()).unwrap();
        symlink(outside.join("a.yml"), &wanted.target).unwrap();
        symlink(&outside, unfinished(&wanted.target)).unwrap();
        export(&wanted).unwrap();
        assert_eq!(fs::read_to_string(&wanted.target).unwrap(), "of git");
        assert!(!wanted.target.is_symlink());
        assert_eq!(fs::read_to_string(outside.join("a.yml")).unwrap(), "planted");
        assert_eq!(mode(&outside), 0o755, "what a link leads to keeps its mode");

        fs::remove_dir_all(data.join(".exported")).unwrap();
        symlink(&outside, data.join(".exported")).unwrap();
        assert!(matches!(export(&wanted), Err(FileError::Link(_))));
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
        remove(&data.join(".exported")).unwrap();
        assert!(outside.join("a.yml").exists() && !data.join(".exported").is_symlink());
    }

    #[test]
    fn a_secret_is_behind_a_directory_that_only_its_owner_may_enter_whatever_it_was() {
        let (_root, data, outside) = directories();
        let secrets = data.join("secrets");
        fs::create_dir_all(&secrets).unwrap();
        fs::set_permissions(&secrets, Permissions::from_mode(0o777)).unwrap();
        let target = secrets.join("f00");
        fs::write(outside.join("bait"), "planted").unwrap();
        symlink(outside.join("bait"), &target).unwrap();
        let content = SecretContent(b"sesame".to_vec());
        let secret =
            SecretFile { target: target.clone(), content, uid: None, gid: None, mode: 0o440 };
        write_secret(&secret).unwrap();
        assert_eq!((mode(&secrets), mode(&target)), (0o700, 0o440));
        assert_eq!(fs::read_to_string(&target).unwrap(), "sesame");
        assert_eq!(fs::read_to_string(outside.join("bait")).unwrap(), "planted");
        fs::remove_dir_all(&secrets).unwrap();
        symlink(&outside, &secrets).unwrap();
        assert!(matches!(write_secret(&secret), Err(FileError::Link(_))));
    }
}
