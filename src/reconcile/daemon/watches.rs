//! Watches over files on the server, so that a change is seen at once and not at the next look.
//!
//! Directories are watched, never files: an editor writes a new file and renames it, and the old one's watch would
//! see nothing more. What cannot be watched is still looked at in every pass.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify_debouncer_full::notify::{RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{
    DebounceEventResult, DebouncedEvent, Debouncer, RecommendedCache, new_debouncer,
};
use tokio::sync::Notify;

use crate::reconcile::World;

/// How long it has to be quiet after a change: whoever copies a directory is not done with its first file.
const QUIET: Duration = Duration::from_millis(400);
/// How often it is looked whether it was quiet for long enough.
const TICK: Duration = Duration::from_millis(200);

/// What is watched, by directory.
pub type Places = BTreeMap<PathBuf, Reach>;

/// How much of a directory matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Files of these names, in the directory itself.
    Files(BTreeSet<OsString>),
    /// Everything in it, at any depth.
    Everything,
}

/// The server's files that the world depends on: env files, the configuration, Docker's logins, and sources that are
/// plain directories.
pub async fn places(world: &World, config_file: Option<&Path>) -> Places {
    let mut places = Places::new();
    let logins = world.config.registry.docker_config.as_deref();
    for file in config_file.into_iter().chain(logins) {
        add_file(&mut places, file);
        // A link's target can change as well as the link.
        if let Ok(target) = file.canonicalize() {
            add_file(&mut places, &target);
        }
    }
    places.insert(world.config.env_dir.clone(), Reach::Everything);
    for source in &world.sources {
        if let Some(directory) = source.plain_directory().await {
            places.insert(directory, Reach::Everything);
        }
    }
    places
}

fn add_file(places: &mut Places, file: &Path) {
    let (Some(directory), Some(name)) = (file.parent(), file.file_name()) else { return };
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let files = Reach::Files(BTreeSet::new());
    match places.entry(directory.to_owned()).or_insert(files) {
        Reach::Files(names) => _ = names.insert(name.to_owned()),
        Reach::Everything => {}
    }
}

/// Watches that are set. They end with this value.
pub struct Watches {
    /// `None` where this machine lets nobody watch.
    debouncer: Option<Debouncer<RecommendedWatcher, RecommendedCache>>,
    places: Arc<Mutex<Places>>,
    set: BTreeMap<PathBuf, Identity>,
}

/// Which directory stood at a path: one that was made anew has to be watched anew.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    is_deep: bool,
}

impl Watches {
    /// No watches yet; those to come call `wake`.
    pub fn new(wake: Arc<Notify>) -> Self {
        let places = Arc::new(Mutex::new(Places::new()));
        let known = Arc::clone(&places);
        let handler = move |result: DebounceEventResult| match result {
            Ok(events) => {
                let places = known.lock().unwrap_or_else(PoisonError::into_inner);
                if events.iter().any(|event| matters(event, &places)) {
                    wake.notify_one();
                }
            }
            Err(errors) => {
                for error in errors {
                    tracing::debug!("a watch failed: {error}");
                }
            }
        };
        let debouncer = new_debouncer(QUIET, Some(TICK), handler);
        let debouncer = debouncer.inspect_err(|error| {
            tracing::warn!("files are not watched, and looked at in every pass only: {error}");
        });
        Self { debouncer: debouncer.ok(), places, set: BTreeMap::new() }
    }

    /// Watches `wanted` and nothing else. A directory that is not there is watched once it is, at the next call.
    pub fn set(&mut self, wanted: Places) {
        let Some(debouncer) = &mut self.debouncer else { return };
        let mut set = BTreeMap::new();
        for (directory, reach) in &wanted {
            let Some(identity) = identify(directory, reach) else { continue };
            if self.set.get(directory) == Some(&identity) {
                set.insert(directory.clone(), identity);
                continue;
            }
            // One that was set on a directory of that name that has gone.
            let _ = debouncer.unwatch(directory);
            let mode = if identity.is_deep {
                RecursiveMode::Recursive
            } else {
                RecursiveMode::NonRecursive
            };
            match debouncer.watch(directory, mode) {
                Ok(()) => _ = set.insert(directory.clone(), identity),
                Err(error) => {
                    tracing::debug!("{} is not watched: {error}", directory.display());
                }
            }
        }
        for gone in self.set.keys().filter(|directory| !set.contains_key(*directory)) {
            let _ = debouncer.unwatch(gone);
        }
        self.set = set;
        *self.places.lock().unwrap_or_else(PoisonError::into_inner) = wanted;
    }
}

fn identify(directory: &Path, reach: &Reach) -> Option<Identity> {
    let found = std::fs::metadata(directory).ok().filter(std::fs::Metadata::is_dir)?;
    Some(Identity { device: found.dev(), inode: found.ino(), is_deep: *reach == Reach::Everything })
}

/// Whether something changed in a place that matters; to read a file changes nothing.
fn matters(event: &DebouncedEvent, places: &Places) -> bool {
    let concerns = |path: &PathBuf| {
        places.iter().any(|(directory, reach)| match reach {
            Reach::Everything => path.starts_with(directory),
            Reach::Files(names) => {
                path.parent() == Some(directory.as_path())
                    && path.file_name().is_some_and(|name| names.contains(name))
            }
        })
    };
    event.need_rescan() || (!event.kind.is_access() && event.paths.iter().any(concerns))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    struct Server {
        directory: tempfile::TempDir,
        wake: Arc<Notify>,
        watches: Watches,
    }

    impl Server {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            fs::create_dir_all(directory.path().join("env/shop")).unwrap();
            fs::write(directory.path().join("config.yaml"), "a").unwrap();
            let wake = Arc::new(Notify::new());
            let watches = Watches::new(Arc::clone(&wake));
            let mut server = Self { directory, wake, watches };
            server.set();
            server
        }

        fn set(&mut self) {
            let mut places = Places::from([(self.path("env"), Reach::Everything)]);
            add_file(&mut places, &self.path("config.yaml"));
            self.watches.set(places);
        }

        fn path(&self, name: &str) -> PathBuf {
            self.directory.path().join(name)
        }

        fn write(&self, name: &str) {
            fs::write(self.path(name), "changed").unwrap();
        }

        async fn wakes(&self, what: &str) {
            let woken = tokio::time::timeout(LONG, self.wake.notified()).await;
            assert!(woken.is_ok(), "nobody was woken by {what}");
        }

        /// Nothing woke anybody before a change that does.
        async fn was_quiet(&self) {
            let early = tokio::time::timeout(4 * QUIET, self.wake.notified()).await;
            assert!(early.is_err(), "somebody was woken");
        }
    }

    #[tokio::test]
    async fn a_change_of_an_env_file_at_any_depth_wakes_also_by_an_editor_s_rename() {
        let server = Server::new();
        server.write("env/shop.env");
        server.wakes("a new file").await;
        fs::create_dir(server.path("env/blog")).unwrap();
        server.write("env/blog/tls.key");
        server.wakes("a file in a new directory").await;
        server.write("env/.shop.env.swp");
        fs::rename(server.path("env/.shop.env.swp"), server.path("env/shop.env")).unwrap();
        server.wakes("a rename").await;
        server.write("env/shop.env");
        server.wakes("a write after a rename").await;
        fs::remove_file(server.path("env/shop.env")).unwrap();
        server.wakes("a removal").await;
    }

    #[tokio::test]
    async fn of_the_configuration_s_directory_only_that_file_matters() {
        let server = Server::new();
        server.write("notes.txt");
        fs::read(server.path("config.yaml")).unwrap();
        server.was_quiet().await;
        server.write("config.yaml.new");
        fs::rename(server.path("config.yaml.new"), server.path("config.yaml")).unwrap();
        server.wakes("a rename onto the file").await;
        server.write("config.yaml");
        server.wakes("a write after that").await;
    }

    #[tokio::test]
    async fn many_changes_at_once_wake_seldom() {
        let server = Server::new();
        for number in 0..50 {
            server.write(&format!("env/shop/{number}.env"));
        }
        let mut count = 0;
        while tokio::time::timeout(4 * QUIET, server.wake.notified()).await.is_ok() {
            count += 1;
        }
        // It has to be quiet around each file, and the last ones may come after the first ones were told.
        assert!((1..=5).contains(&count), "{count}");
    }

    #[tokio::test]
    async fn a_directory_that_was_made_anew_is_watched_again() {
        let mut server = Server::new();
        fs::rename(server.path("env"), server.path("old")).unwrap();
        server.wakes("a directory that went away").await;
        server.set();
        fs::create_dir(server.path("env")).unwrap();
        server.set();
        server.write("env/shop.env");
        server.wakes("a file in the new directory").await;
    }
}
