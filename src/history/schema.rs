//! The tables, and how an older database becomes a newer one.

use rusqlite::{Connection, TransactionBehavior};

/// One entry per schema version, never changed once released. `PRAGMA user_version` counts those applied.
pub(super) const MIGRATIONS: &[&str] = &[
    FIRST, PAUSED, PLACES, LOGS, WORDS, LINES, TROUBLES, DEPLOYED, IMAGES, POLLS, OUTBOX, ACCEPTED,
    PROOFS, WAYS,
];

/// Times are RFC 3339 text, enums the words that people see, so that the `sqlite3` shell is enough to read it.
const FIRST: &str = "
CREATE TABLE generations (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    stack TEXT NOT NULL,
    source TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    directory TEXT NOT NULL,
    trigger TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    outcome TEXT
) STRICT;
CREATE INDEX generations_by_stack ON generations (stack, number);
CREATE INDEX generations_running ON generations (number) WHERE outcome IS NULL;

CREATE TABLE generation_services (
    generation INTEGER NOT NULL REFERENCES generations (number),
    position INTEGER NOT NULL,
    service TEXT NOT NULL,
    verdict TEXT NOT NULL,
    outcome TEXT,
    image TEXT,
    digest TEXT,
    spec TEXT,
    reasons TEXT NOT NULL,
    error TEXT,
    seconds REAL,
    PRIMARY KEY (generation, service)
) STRICT, WITHOUT ROWID;
CREATE INDEX generation_services_by_name ON generation_services (service, generation);

CREATE TABLE blobs (hash TEXT PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
CREATE TABLE generation_files (
    generation INTEGER NOT NULL REFERENCES generations (number),
    path TEXT NOT NULL,
    executable INTEGER NOT NULL,
    blob TEXT NOT NULL REFERENCES blobs (hash),
    PRIMARY KEY (generation, path)
) STRICT, WITHOUT ROWID;

CREATE TABLE set_aside (
    container TEXT PRIMARY KEY,
    generation INTEGER NOT NULL REFERENCES generations (number),
    restart TEXT NOT NULL
) STRICT;

-- An empty stack or service stands for all of them.
CREATE TABLE holds (
    stack TEXT NOT NULL,
    service TEXT NOT NULL,
    held_by TEXT NOT NULL,
    since TEXT NOT NULL,
    until TEXT,
    reason TEXT,
    PRIMARY KEY (stack, service, held_by)
) STRICT;
CREATE TABLE rejected (
    stack TEXT NOT NULL,
    service TEXT NOT NULL,
    spec TEXT NOT NULL,
    since TEXT NOT NULL,
    error TEXT NOT NULL,
    PRIMARY KEY (stack, service, spec)
) STRICT;
CREATE TABLE completed_jobs (
    stack TEXT NOT NULL, service TEXT NOT NULL, spec TEXT NOT NULL, PRIMARY KEY (stack, service, spec)
) STRICT;
CREATE TABLE adopted (
    stack TEXT NOT NULL, service TEXT NOT NULL, spec TEXT NOT NULL, PRIMARY KEY (stack, service, spec)
) STRICT;
CREATE TABLE matched (
    container TEXT NOT NULL, spec TEXT NOT NULL, PRIMARY KEY (container, spec)
) STRICT;
CREATE TABLE known_services (
    stack TEXT NOT NULL, service TEXT NOT NULL, PRIMARY KEY (stack, service)
) STRICT;
CREATE TABLE pins (
    stack TEXT NOT NULL,
    service TEXT NOT NULL,
    reference TEXT NOT NULL,
    digest TEXT NOT NULL,
    recorded_at TEXT NOT NULL,
    PRIMARY KEY (stack, service, reference)
) STRICT;

CREATE TABLE sources (
    name TEXT PRIMARY KEY,
    repo TEXT NOT NULL,
    branch TEXT NOT NULL,
    commit_id TEXT,
    fetched_at TEXT,
    state TEXT NOT NULL,
    error TEXT
) STRICT;
CREATE TABLE stacks (
    stack TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    state TEXT NOT NULL,
    error TEXT,
    generation INTEGER
) STRICT;
";

const PAUSED: &str = "ALTER TABLE rejected ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;";

const PLACES: &str =
    "CREATE TABLE places (stack TEXT PRIMARY KEY, directory TEXT NOT NULL) STRICT;";

/// A JSON list of lines.
const LOGS: &str = "ALTER TABLE generation_services ADD COLUMN logs TEXT NOT NULL DEFAULT '[]';";

/// What a commit says of itself.
const WORDS: &str = "
ALTER TABLE generations ADD COLUMN author TEXT;
ALTER TABLE generations ADD COLUMN subject TEXT;
";

/// The image line in git when a rollback held a service.
const LINES: &str = "ALTER TABLE holds ADD COLUMN image TEXT;";

/// The generation that a rollback is on its way back to.
const WAYS: &str = "ALTER TABLE holds ADD COLUMN going_to INTEGER;";

/// At most one for each service: what it was about last.
const TROUBLES: &str = "CREATE TABLE troubles (
    stack TEXT NOT NULL,
    service TEXT NOT NULL,
    about TEXT NOT NULL,
    since TEXT NOT NULL,
    times INTEGER NOT NULL,
    next_try TEXT NOT NULL,
    error TEXT NOT NULL,
    PRIMARY KEY (stack, service)
) STRICT;";

/// At most one for each service: what it was last deployed as.
const DEPLOYED: &str = "CREATE TABLE deployed (
    stack TEXT NOT NULL,
    service TEXT NOT NULL,
    spec TEXT NOT NULL,
    replicas INTEGER NOT NULL,
    container_name TEXT,
    PRIMARY KEY (stack, service)
) STRICT;";

/// What evenkeel pulled and named, so that nothing else is ever taken away. `pulled.image` is a hash of repository and
/// digest: a server's value may be part of the repository.
const IMAGES: &str = "
CREATE TABLE pulled (
    image TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    shown TEXT NOT NULL,
    at TEXT NOT NULL,
    last_used TEXT NOT NULL
) STRICT;
CREATE TABLE given_names (name TEXT PRIMARY KEY, image TEXT NOT NULL) STRICT;
-- One row: the last time that images were looked through, and since when the disk is too full for what reason.
CREATE TABLE retained (
    row INTEGER PRIMARY KEY CHECK (row = 1),
    at TEXT NOT NULL,
    since TEXT,
    says TEXT
) STRICT;
";

/// What registries said, as JSON; `repository` is a hash, and `name` is the hash of a tag, or a digest. How a pin came
/// to be, where it was chosen from that: a `tag` is one that git does not have.
const POLLS: &str = "
CREATE TABLE polls (
    kind TEXT NOT NULL,
    repository TEXT NOT NULL,
    name TEXT NOT NULL,
    heard TEXT NOT NULL,
    heard_at TEXT NOT NULL,
    PRIMARY KEY (kind, repository, name)
) STRICT, WITHOUT ROWID;
ALTER TABLE pins ADD COLUMN tag TEXT;
ALTER TABLE pins ADD COLUMN why TEXT;
";

/// What people were told to be wrong, and messages that are still to be delivered (JSON).
const OUTBOX: &str = "
CREATE TABLE told (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    part TEXT NOT NULL,
    event TEXT NOT NULL,
    about TEXT NOT NULL,
    PRIMARY KEY (kind, name, part)
) STRICT, WITHOUT ROWID;
CREATE TABLE outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    recipient TEXT NOT NULL,
    message TEXT NOT NULL,
    made_at TEXT NOT NULL,
    tries INTEGER NOT NULL,
    next_try TEXT NOT NULL,
    error TEXT
) STRICT;
";

/// The commit of each source that was accepted last, by whose word, and of what repository and branch; and what became
/// of the newest one.
const ACCEPTED: &str = "
CREATE TABLE accepted (
    source TEXT PRIMARY KEY,
    followed TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    by_whom TEXT NOT NULL,
    at TEXT NOT NULL
) STRICT;
ALTER TABLE sources ADD COLUMN signed_by TEXT;
ALTER TABLE sources ADD COLUMN refused TEXT;
ALTER TABLE sources ADD COLUMN refused_why TEXT;
ALTER TABLE sources ADD COLUMN alarm TEXT;
";

/// What was found out about images that the operator asks something of; `repository` and `about` are hashes.
const PROOFS: &str = "
CREATE TABLE proofs (
    repository TEXT NOT NULL,
    digest TEXT NOT NULL,
    about TEXT NOT NULL,
    found TEXT NOT NULL,
    says TEXT NOT NULL,
    since TEXT NOT NULL,
    at TEXT NOT NULL,
    times INTEGER NOT NULL,
    again TEXT,
    PRIMARY KEY (repository, digest, about)
) STRICT, WITHOUT ROWID;
";

/// How a database stands to a list of migrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// Some are still to be applied.
    Older,
    /// All are applied, and no more.
    Current,
    /// More are applied than we know.
    Newer(i64),
}

/// Compares the database with `migrations`.
pub(super) fn version(
    connection: &Connection,
    migrations: &[&str],
) -> Result<Version, rusqlite::Error> {
    let applied = applied(connection)?;
    Ok(match applied.cmp(&count(migrations)) {
        std::cmp::Ordering::Less => Version::Older,
        std::cmp::Ordering::Equal => Version::Current,
        std::cmp::Ordering::Greater => Version::Newer(applied),
    })
}

/// Applies what is missing of `migrations`, all or nothing. A database newer than they are stays as it is.
pub(super) fn migrate(
    connection: &mut Connection,
    migrations: &[&str],
) -> Result<(), rusqlite::Error> {
    // Counted once the write lock is held: another process may be doing the same.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let applied = usize::try_from(applied(&transaction)?).unwrap_or(0);
    for migration in migrations.iter().skip(applied) {
        transaction.execute_batch(migration)?;
    }
    if applied < migrations.len() {
        transaction.pragma_update(None, "user_version", count(migrations))?;
    }
    transaction.commit()
}

/// The schema that `migrations` lead to.
pub(super) fn count(migrations: &[&str]) -> i64 {
    i64::try_from(migrations.len()).unwrap_or(i64::MAX)
}

fn applied(connection: &Connection) -> Result<i64, rusqlite::Error> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}
