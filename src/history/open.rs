//! Opening the database: for the daemon and commands that write, and for those that only look.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::schema::{self, MIGRATIONS, Version};
use super::{History, HistoryError};

/// The database's name in the state directory.
const FILE: &str = "evenkeel.db";

/// How long a call waits while another process writes. Writes take milliseconds.
const BUSY: Duration = Duration::from_secs(10);

/// An opened history, and what should be said about it.
#[derive(Debug)]
pub struct Opened {
    /// The history.
    pub history: History,
    /// One sentence for the operator, when the database was damaged and a new one was begun.
    pub notice: Option<String>,
}

impl History {
    /// Opens the history in `state_dir` for writing; directory (mode 0700) and database are made where they
    /// are missing, and an older database is brought up to date.
    ///
    /// A damaged database is moved aside as `evenkeel.db.corrupt-<now>`. Call it with the host's lock held:
    /// another process may otherwise go on writing into the file that was moved.
    pub fn open(state_dir: &Path, now: Timestamp) -> Result<Opened, HistoryError> {
        make_directory(state_dir)?;
        let path = state_dir.join(FILE);
        match open_for_writing(&path) {
            Ok(connection) => Ok(Opened { history: Self::new(connection), notice: None }),
            Err(HistoryError::Damaged { why, .. }) => {
                let aside = move_aside(&path, now)?;
                let connection = open_for_writing(&path)?;
                let notice = format!(
                    "the state database was damaged ({why}) and is kept as {}; history, holds and \
                     pins start anew, and nothing is restarted for that",
                    aside.display()
                );
                Ok(Opened { history: Self::new(connection), notice: Some(notice) })
            }
            Err(error) => Err(error),
        }
    }

    /// Opens the history in `state_dir` for reading, beside a process that writes. Where there is no
    /// database, the history is empty. Every call that would write fails.
    pub fn read_only(state_dir: &Path) -> Result<Self, HistoryError> {
        let path = state_dir.join(FILE);
        match fs::metadata(&path) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Self::empty(),
            Err(error) => return Err(unusable(state_dir, &error)),
        }
        let connection = open_for_reading(&path)?;
        match schema::version(&connection, MIGRATIONS)? {
            Version::Current => Ok(Self::new(connection)),
            Version::Older => Err(HistoryError::Older { path }),
            Version::Newer(found) => Err(newer(&path, found)),
        }
    }

    /// Opens the history in `state_dir` for writing, beside a process that may be in the middle of a pass: it is
    /// neither made nor checked, moved or brought up to date. `None` where there is none.
    pub fn beside(state_dir: &Path) -> Result<Option<Self>, HistoryError> {
        let path = state_dir.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let open = || {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(&path, flags)?;
            connection.busy_timeout(BUSY)?;
            schema::version(&connection, MIGRATIONS).map(|version| (connection, version))
        };
        match open().map_err(|error| explain(&path, error))? {
            (connection, Version::Current) => Ok(Some(Self::new(connection))),
            (_, Version::Older) => Err(HistoryError::Older { path }),
            (_, Version::Newer(found)) => Err(newer(&path, found)),
        }
    }

    /// Looks whether the database in `state_dir` is sound, without changing anything; `false` where there is none.
    ///
    /// # Errors
    /// It is damaged, cannot be read, or is of another version.
    pub fn is_sound(state_dir: &Path) -> Result<bool, HistoryError> {
        let path = state_dir.join(FILE);
        if !path.exists() {
            return Ok(false);
        }
        let history = Self::read_only(state_dir)?;
        check(&history.connection()).map_err(|error| explain(&path, error))?;
        Ok(true)
    }

    fn empty() -> Result<Self, HistoryError> {
        let history = Self::in_memory()?;
        history.connection().pragma_update(None, "query_only", true)?;
        Ok(history)
    }

    /// A history that lasts as long as this value: for a dry run and for tests.
    pub fn in_memory() -> Result<Self, HistoryError> {
        let mut connection = Connection::open_in_memory()?;
        connection.pragma_update(None, "foreign_keys", true)?;
        schema::migrate(&mut connection, MIGRATIONS)?;
        Ok(Self::new(connection))
    }
}

/// Parents get the usual mode: the data directory may be a sibling, and belongs to others too.
fn make_directory(state_dir: &Path) -> Result<(), HistoryError> {
    let made = state_dir
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::DirBuilder::new().mode(0o700).create(state_dir));
    match made {
        Ok(()) => Ok(()),
        Err(_) if state_dir.is_dir() => Ok(()),
        Err(error) => Err(unusable(state_dir, &error)),
    }
}

fn open_for_writing(path: &Path) -> Result<Connection, HistoryError> {
    make_private(path).map_err(|error| unusable(&directory(path), &error))?;
    let open = || {
        let mut connection = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE
                | OpenFlags::SQLITE_OPEN_CREATE
                | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        connection.busy_timeout(BUSY)?;
        if let Version::Newer(found) = schema::version(&connection, MIGRATIONS)? {
            return Ok(Err(newer(path, found)));
        }
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        // An attempt must be on the disk before its first effect.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        schema::migrate(&mut connection, MIGRATIONS)?;
        check(&connection)?;
        Ok(Ok(connection))
    };
    open().map_err(|error| explain(path, error))?
}

/// SQLite makes files for everybody to read, and its log with the mode of the database.
fn make_private(path: &Path) -> std::io::Result<()> {
    let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn open_for_reading(path: &Path) -> Result<Connection, HistoryError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = |name: &Path, flags| {
        let connection = Connection::open_with_flags(name, flags)?;
        connection.busy_timeout(BUSY)?;
        schema::version(&connection, MIGRATIONS).map(|_| connection)
    };
    open(path, flags)
        .or_else(|error| {
            // Where no daemon has it open and this user cannot write beside it, SQLite can make no shared
            // memory file; without a log there is nothing in flight that the file itself does not hold.
            if beside(path, "-wal").exists() {
                return Err(error);
            }
            open(&immutable(path), flags | OpenFlags::SQLITE_OPEN_URI).map_err(|_| error)
        })
        .map_err(|error| explain(path, error))
}

fn immutable(path: &Path) -> PathBuf {
    let escaped =
        path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    PathBuf::from(format!("file:{escaped}?immutable=1"))
}

fn check(connection: &Connection) -> rusqlite::Result<()> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" {
        return Ok(());
    }
    let corrupt = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    Err(rusqlite::Error::SqliteFailure(corrupt, Some(verdict)))
}

fn explain(path: &Path, error: rusqlite::Error) -> HistoryError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            HistoryError::Damaged { path: path.to_owned(), why: error.to_string() }
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            HistoryError::StateDir { path: directory(path), why: error.to_string() }
        }
        Some(_) | None => HistoryError::Database(error),
    }
}

/// The log and the shared memory go along: a new database must not find them.
fn move_aside(path: &Path, now: Timestamp) -> Result<PathBuf, HistoryError> {
    let suffix = format!(".corrupt-{}", now.strftime("%Y%m%dT%H%M%SZ"));
    for part in ["", "-wal", "-shm"] {
        let from = beside(path, part);
        match fs::rename(&from, beside(path, &format!("{suffix}{part}"))) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(unusable(&directory(path), &error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(beside(path, &suffix))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn directory(path: &Path) -> PathBuf {
    path.parent().unwrap_or(path).to_owned()
}

fn newer(path: &Path, found: i64) -> HistoryError {
    HistoryError::Newer { path: path.to_owned(), found, known: schema::count(MIGRATIONS) }
}

fn unusable(path: &Path, error: &std::io::Error) -> HistoryError {
    HistoryError::StateDir { path: path.to_owned(), why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_nobody_elses_to_read_though_its_directory_is() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let opened = History::open(dir.path(), Timestamp::UNIX_EPOCH).unwrap();
        for part in ["", "-wal"] {
            let file = beside(&dir.path().join(FILE), part);
            assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        drop(opened);
    }

    #[test]
    fn a_database_that_nobody_may_write_beside_is_read_whatever_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("a b#c?d%20e");
        let now = Timestamp::UNIX_EPOCH;
        drop(History::open(&state, now).unwrap());
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags(immutable(&state.join(FILE)), flags).unwrap();
        assert_eq!(schema::version(&connection, MIGRATIONS).unwrap(), Version::Current);
        assert_eq!(fs::read_dir(&state).unwrap().count(), 1, "no file was made beside it");
    }
}
