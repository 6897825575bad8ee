//! The result on disk: what goes to git in a directory called like the stack, what goes to the server in `_server`.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::cli::Trouble;
use crate::import::Imported;
use crate::report::text::WrittenFile;

/// Where the server's files are. No stack can be called so.
const SERVER: &str = "_server";

/// Keeps the server's files out of a repository, should the directory be in one.
const IGNORE: &str = "*\n";

/// A file to be written.
struct Wanted {
    path: PathBuf,
    content: Vec<u8>,
    mode: u32,
    told: Option<(&'static str, String)>,
}

/// Writes the result below `out`, and nothing where one of its files is there with another content.
///
/// # Errors
/// A file is in the way, or cannot be written.
pub fn below(out: &Path, imported: &Imported, page: &str) -> Result<Vec<WrittenFile>, Trouble> {
    let wanted = wanted(out, imported, page);
    for file in &wanted {
        if std::fs::read(&file.path).is_ok_and(|there| there != file.content) {
            return Err(Trouble::Message {
                text: format!("{} is there already, and says something else", file.path.display()),
                hint: Some("remove it, or name another directory with --out".to_owned()),
            });
        }
    }
    let mut written = Vec::new();
    for file in wanted {
        write(&file).map_err(|error| Trouble::Message {
            text: format!("{} cannot be written: {error}", file.path.display()),
            hint: None,
        })?;
        let path = file.path.display().to_string();
        let told = file.told.map(|(goes_to, then)| WrittenFile { goes_to, path, then });
        written.extend(told);
    }
    Ok(written)
}

fn wanted(out: &Path, imported: &Imported, page: &str) -> Vec<Wanted> {
    let stack = &imported.stack;
    let mut wanted: Vec<Wanted> = Vec::new();
    for file in &imported.manifests {
        let then = format!("commit it as {} below the source's path", file.name);
        wanted.push(Wanted {
            path: out.join(&file.name),
            content: file.text.clone().into_bytes(),
            mode: 0o644,
            told: Some(("git", then)),
        });
    }
    if !imported.server.is_empty() {
        let path = out.join(SERVER).join(".gitignore");
        wanted.push(Wanted { path, content: IGNORE.into(), mode: 0o644, told: None });
    }
    for file in &imported.server {
        let then = format!("copy it to /etc/evenkeel/env/{} (mode 0600), never to git", file.path);
        wanted.push(Wanted {
            path: out.join(SERVER).join(&file.path),
            content: file.content.reveal().into(),
            mode: 0o600,
            told: Some(("server", then)),
        });
    }
    wanted.push(Wanted {
        path: out.join(format!("REMARKS-{stack}.md")),
        content: page.into(),
        mode: 0o644,
        told: Some(("you", "read it; it holds no values".to_owned())),
    });
    wanted
}

fn write(file: &Wanted) -> std::io::Result<()> {
    if let Some(directory) = file.path.parent() {
        let is_secret = file.mode == 0o600 || file.path.ends_with(".gitignore");
        let mode = if is_secret { 0o700 } else { 0o755 };
        std::fs::DirBuilder::new().recursive(true).mode(mode).create(directory)?;
    }
    if file.path.exists() {
        return Ok(());
    }
    let mut options = std::fs::OpenOptions::new();
    let mut to = options.write(true).create_new(true).mode(file.mode).open(&file.path)?;
    to.write_all(&file.content)
}

/// What to do with the result.
pub fn next(out: &Path, imported: &Imported) -> String {
    let out = out.display();
    match imported.server.iter().find(|file| file.path == format!("{}.env", imported.stack)) {
        Some(file) => format!("evenkeel validate {out} --env {out}/{SERVER}/{}", file.path),
        None => format!("evenkeel validate {out}"),
    }
}
