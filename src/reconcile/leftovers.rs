//! Files that evenkeel wrote for containers and that no container mounts any more.
//!
//! They are written again from git, from the record of a generation or from the server's files whenever a container
//! needs them, going back included.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::apply::files;
use crate::config::Config;
use crate::model::spec::MountSource;
use crate::model::{DesiredState, ObservedState};

/// Removes what neither a container in whatever state mounts nor git asks for; gives how many. What cannot be
/// removed stays for the next time.
pub async fn remove(config: &Config, observed: &ObservedState, desired: &DesiredState) -> usize {
    let places = [config.data_dir.join(".exported"), config.state_dir.join("secrets")];
    let needed: Vec<PathBuf> = mounted(observed).into_iter().chain(wanted(desired)).collect();
    let removing = tokio::task::spawn_blocking(move || remove_unneeded(&places, &needed));
    removing.await.unwrap_or(0)
}

fn remove_unneeded(places: &[PathBuf], needed: &[PathBuf]) -> usize {
    let needed: BTreeSet<Inode> =
        needed.iter().flat_map(|path| path.ancestors()).filter_map(inode).collect();
    let mut removed = 0;
    for entry in places.iter().flat_map(|place| entries(place)) {
        match inode(&entry) {
            Some(inode) if !needed.contains(&inode) => {}
            Some(_) | None => continue,
        }
        match files::remove(&entry) {
            Ok(()) => removed += 1,
            Err(error) => tracing::warn!("a file that no container mounts stays: {error}"),
        }
    }
    removed
}

/// A file by what it is, so that it is the same on every path that leads to it.
type Inode = (u64, u64);

fn inode(path: &(impl AsRef<Path> + ?Sized)) -> Option<Inode> {
    fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(directory).into_iter().flatten().flatten();
    found.map(|entry| entry.path()).collect()
}

/// What containers mount from the host.
fn mounted(observed: &ObservedState) -> Vec<PathBuf> {
    let own = observed.containers.iter().flat_map(|container| &container.settings.mounts);
    let own = own.filter_map(|mount| match &mount.source {
        MountSource::Bind { path, .. } => Some(path.clone()),
        MountSource::Volume { .. } | MountSource::Anonymous | MountSource::Image { .. } => None,
    });
    let foreign = observed.foreign.iter().flat_map(|container| &container.mounts);
    let foreign = foreign.map(PathBuf::from).filter(|path| path.is_absolute());
    own.chain(foreign).collect()
}

fn wanted(desired: &DesiredState) -> Vec<PathBuf> {
    let services = desired.deployments().flat_map(|deployment| deployment.stack.services.values());
    services
        .flat_map(|service| {
            let exports = service.exports.iter().map(|export| export.target.clone());
            exports.chain(service.secret_files.iter().map(|file| file.target.clone()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_no_path_leads_to_goes() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for name in ["data/.exported/used/conf", "data/.exported/old/conf", "secrets/linked"] {
            fs::create_dir_all(at(name).parent().unwrap()).unwrap();
            fs::write(at(name), "x").unwrap();
        }
        std::os::unix::fs::symlink(at("secrets"), at("elsewhere")).unwrap();
        let places = [at("data/.exported"), at("secrets"), at("absent")];
        // A container that mounts all of the data directory needs none of the files by name.
        let needed = [at("data"), at("data/.exported/used/conf"), at("elsewhere/linked")];
        assert_eq!(remove_unneeded(&places, &needed), 1);
        assert!(at("data/.exported/used/conf").exists() && at("secrets/linked").exists());
        assert!(!at("data/.exported/old").exists());
        assert_eq!(remove_unneeded(&places, &needed), 0);
    }
}
