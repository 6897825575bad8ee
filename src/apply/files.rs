//! Files that containers mount: exported from the repository, secrets and configs, directories.
//!
//! What is written is immutable and named by its content: what is there already is right and is left
//! alone. A file or directory appears under its name only when it is whole.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::model::stack::{Export, SecretFile};
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
    /// Something that is neither file nor directory.
    #[error("`{0}` is neither a file nor a directory")]
    Unsuitable(String),
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError::Write { path, source }
}

/// Makes a directory that a container mounts, with its parents, mode 0755.
pub fn make_directory(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).map_err(at(path))
}

/// Writes a file or a directory of the repository, modes 0444 and 0555.
pub fn export(export: &Export) -> Result<(), FileError> {
    if export.target.exists() {
        return Ok(());
    }
    let parent = export.target.parent().unwrap_or(Path::new("/"));
    make_directory(parent)?;
    let unfinished = unfinished(&export.target);
    remove_unfinished(&unfinished)?;
    write_entry(export, &export.path, &unfinished)?;
    fs::rename(&unfinished, &export.target).map_err(at(&export.target))
}

fn write_entry(export: &Export, path: &str, target: &Path) -> Result<(), FileError> {
    match export.tree.kind(path)? {
        None => Err(FileError::Missing(path.to_owned())),
        Some(EntryKind::Symlink | EntryKind::Other) => Err(FileError::Unsuitable(path.to_owned())),
        Some(EntryKind::File { executable }) => {
            let content = export.tree.read(path, LARGEST_FILE)?;
            let content = content.ok_or_else(|| FileError::Missing(path.to_owned()))?;
            write_file(target, &content, if executable { 0o555 } else { 0o444 })
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
    if secret.target.exists() {
        return Ok(());
    }
    let parent = secret.target.parent().unwrap_or(Path::new("/"));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(at(parent))?;
    let unfinished = unfinished(&secret.target);
    remove_unfinished(&unfinished)?;
    write_file(&unfinished, &secret.content.0, secret.mode)?;
    if secret.uid.is_some() || secret.gid.is_some() {
        std::os::unix::fs::chown(&unfinished, secret.uid, secret.gid).map_err(at(&unfinished))?;
    }
    fs::rename(&unfinished, &secret.target).map_err(at(&secret.target))
}

fn write_file(path: &Path, content: &[u8], mode: u32) -> Result<(), FileError> {
    // Nobody else may read it before it has its own mode.
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(at(path))?;
    file.write_all(content).map_err(at(path))?;
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
    if metadata.is_file() {
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
