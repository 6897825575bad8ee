//! What is set once for the whole process before libgit2 does anything.

use std::sync::OnceLock;

use git2::{ConfigLevel, opts};

use super::transport;

/// Bytes of a pack that are mapped at once, and the most that is mapped at a time.
const WINDOW: usize = 1 << 20;
const WINDOWS_MAPPED: usize = 8 << 20;
/// Packs kept open at a time.
const PACKS_OPEN: usize = 32;
/// Bytes of parsed objects that are kept.
const OBJECT_CACHE: isize = 2 << 20;

static PREPARED: OnceLock<Result<(), String>> = OnceLock::new();

/// Whose git configuration counts.
#[derive(Clone, Copy, PartialEq)]
enum Whose {
    /// A repository's own only: what the operator has in `~/.gitconfig` says nothing about this server.
    Nobodys,
    /// That of the user, too.
    Users,
}

/// Prepares libgit2; cheap from the second call on.
pub fn prepare() -> Result<(), git2::Error> {
    prepare_for(Whose::Nobodys)
}

/// Prepares libgit2 for work in somebody's checkout, where the user's own git configuration counts. It is a
/// process's first call that decides.
pub fn prepare_for_a_person() -> Result<(), git2::Error> {
    prepare_for(Whose::Users)
}

fn prepare_for(whose: Whose) -> Result<(), git2::Error> {
    let set_up = || set_up(whose).map_err(|error| error.message().to_owned());
    let prepared = PREPARED.get_or_init(set_up);
    prepared.clone().map_err(|why| git2::Error::from_str(&why))
}

#[expect(unsafe_code, reason = "libgit2's options are globals, set here before any other use")]
fn set_up(whose: Whose) -> Result<(), git2::Error> {
    // SAFETY: `prepare` runs this once, and every other use of libgit2 in this program comes after it.
    unsafe {
        opts::set_mwindow_size(WINDOW)?;
        opts::set_mwindow_mapped_limit(WINDOWS_MAPPED)?;
        opts::set_mwindow_file_limit(PACKS_OPEN)?;
        opts::set_cache_max_size(OBJECT_CACHE)?;
        let levels =
            [ConfigLevel::System, ConfigLevel::Global, ConfigLevel::XDG, ConfigLevel::ProgramData];
        for level in levels.into_iter().filter(|_| whose == Whose::Nobodys) {
            opts::set_search_path(level, "")?;
        }
        // The check guards against running what a foreign repository's configuration names: hooks, filters,
        // pagers. Nothing of that is ever run here, and a local repository, named by whoever configures this
        // server, usually belongs to somebody else than root.
        opts::set_verify_owner_validation(false)?;
        transport::register()
    }
}
