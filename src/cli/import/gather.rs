//! What is read from the disk for an import: the files, the `.env` beside them, and the directory they are in.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::cli::{Trouble, setting};
use crate::import::{Advice, File, Input, Weight};
use crate::model::{HostName, StackName};
use crate::source::tree::DirectoryTree;

/// The largest file that is read, in bytes; the loader takes no larger one.
const LARGEST: u64 = 1024 * 1024;

/// Files that Compose lays over the one it finds by itself.
const OVERRIDES: [&str; 4] = [
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yaml",
    "docker-compose.override.yml",
];

/// All that an import is made from.
pub struct Gathered {
    /// The Compose files, in the order they are merged.
    pub files: Vec<File>,
    /// The project, where it is known.
    pub project: Option<StackName>,
    /// The directory that relative paths are seen from.
    pub directory: PathBuf,
    /// The `.env`.
    pub env: Option<File>,
    /// Whether containers have their data below `directory`.
    pub is_running: bool,
    /// What is worth a word before the files are looked at.
    pub remarks: Vec<Advice>,
    beside: DirectoryTree,
    host: HostName,
}

impl Gathered {
    /// Reads `paths`, the `.env` at `env`, and opens `directory`.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn read(paths: &[PathBuf], env: &Path, directory: &Path) -> Result<Self, Trouble> {
        let files = paths.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
        let env = if env.is_file() { Some(read(env)?) } else { None };
        let beside = DirectoryTree::open(directory).map_err(|error| Trouble::Message {
            text: format!("{} cannot be read: {error}", directory.display()),
            hint: None,
        })?;
        Ok(Self {
            files,
            project: None,
            directory: directory.to_owned(),
            env,
            is_running: false,
            remarks: Vec::new(),
            beside,
            host: HostName::new(setting::ambient().hostname),
        })
    }

    /// Hands all of it on.
    pub fn with_input<T>(&self, use_it: impl FnOnce(&Input<'_>) -> T) -> T {
        let name = self.directory.file_name().unwrap_or_default().to_string_lossy();
        use_it(&Input {
            files: &self.files,
            project: self.project.as_ref(),
            directory: &name,
            env: self.env.as_ref(),
            beside: &self.beside,
            working_dir: self.is_running.then_some(self.directory.as_path()),
            host: &self.host,
        })
    }
}

/// Reads the Compose files `paths`. Relative paths in them are seen from the first one's directory, as Compose
/// has it.
///
/// # Errors
/// One of them cannot be read.
pub fn from_files(paths: &[PathBuf]) -> Result<Gathered, Trouble> {
    let Some(first) = paths.first() else {
        return Err(Trouble::message("no file is named"));
    };
    let full = std::path::absolute(first).map_err(Trouble::message)?;
    let directory = full.parent().unwrap_or(Path::new("/"));
    // `..` and links have to be gone before the directory can give a name.
    let directory = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    let mut gathered = Gathered::read(paths, &directory.join(".env"), &directory)?;
    if let [path] = paths {
        gathered.remarks.extend(forgotten_override(path, &directory));
    }
    Ok(gathered)
}

/// An override that Compose would have read too.
fn forgotten_override(path: &Path, directory: &Path) -> Option<Advice> {
    let name = OVERRIDES.into_iter().find(|name| directory.join(name).is_file())?;
    let is_itself = path.file_name().is_some_and(|file| file == name);
    (!is_itself).then(|| Advice {
        weight: Weight::First,
        place: None,
        service: None,
        text: format!("`{name}` lies beside the file, and was not asked for"),
        next: Some(format!("name both files, if `{name}` belongs to it")),
    })
}

fn read(path: &Path) -> Result<File, Trouble> {
    let name = path.display().to_string();
    let trouble = |why: String, hint: &str| Trouble::Message {
        text: format!("{name} cannot be read: {why}"),
        hint: Some(hint.to_owned()),
    };
    let about = std::fs::metadata(path)
        .map_err(|error| trouble(error.to_string(), "name a Compose file"))?;
    if !about.is_file() {
        return Err(trouble("it is not a file".to_owned(), "name the Compose file itself"));
    }
    let mut bytes = Vec::new();
    let read =
        std::fs::File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
    read.map_err(|error| trouble(error.to_string(), "run it as a user who may read the file"))?;
    if bytes.len() as u64 > LARGEST {
        let why = format!("it has more than {LARGEST} bytes");
        return Err(trouble(why, "no manifest may be so large"));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(File { name, text }),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            Err(trouble(format!("it is not UTF-8 (byte {at})"), "save the file as UTF-8"))
        }
    }
}
