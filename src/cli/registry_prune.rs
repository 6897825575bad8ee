//! `prune --registry`: a repository at its registry is cleaned up, or it is told what would go; without an engine or
//! a state database, and where there is none without a configuration.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::arguments::{Global, Output, Prune};
use super::{Trouble, complain, print, setting, style};
use crate::model::{ImageRef, Needed};
use crate::plan::registry_retention::Policy;
use crate::reconcile::daemon;
use crate::reconcile::registry_cleanup::{self, Look};
use crate::registry::{RegistryError, Repository, RepositoryError};
use crate::report::wire::{RegistryPruneReport, RegistryPruned};
use crate::report::{text, wire};

/// What is younger stays where nothing is said: somebody may be about to deploy it.
const MIN_AGE: Duration = Duration::from_secs(24 * 3600);

/// Prints what becomes of every manifest, and with --yes deletes what nothing needs.
pub async fn run(global: &Global, args: &Prune, image: &ImageRef) -> Result<u8, Trouble> {
    let policy = policy(args)?;
    let registry = setting::registries(global)?;
    let mut repository = Repository::new(&registry, image);
    let now = Timestamp::now();
    let (report, ended_by) = match args.yes {
        false => {
            let look = registry_cleanup::look(&mut repository, &policy, now).await?;
            warn(&policy, &look);
            (wire::registry_prune(&told(image, &look)), None)
        }
        true => {
            let stop = daemon::stop_on_signal()?;
            let cleaned = registry_cleanup::clean(&mut repository, &policy, now, &stop).await?;
            let stopped = "it was stopped before anything was deleted";
            let cleaned = cleaned.ok_or_else(|| Trouble::message(stopped))?;
            warn(&policy, &cleaned.look);
            let error = cleaned.ended_by.as_ref().map(ToString::to_string);
            let report = wire::registry_prune(&RegistryPruned {
                deleted: Some(&cleaned.deleted),
                error: error.as_deref(),
                ..told(image, &cleaned.look)
            });
            (report, cleaned.ended_by)
        }
    };
    let colors = style(global, &std::io::stdout());
    print(args.output == Output::Json, &report, |out| {
        text::registry_prune(out, &report, colors, global.verbose > 0)
    })?;
    if !args.yes && !args.dry_run && args.output == Output::Text {
        tracing::info!("nothing was deleted: `--yes` does it");
    }
    if let Some(error) = ended_by {
        complain(global, &error.to_string(), hint(&error));
    }
    Ok(u8::from(!is_well(&report)))
}

fn policy(args: &Prune) -> Result<Policy, Trouble> {
    let cleanup = &args.cleanup;
    Ok(Policy {
        // The command line has no `--registry` without it.
        keep: cleanup.keep.map_or(usize::MAX, std::num::NonZeroUsize::get),
        protect: cleanup.protect.clone(),
        min_age: cleanup.min_age.unwrap_or(MIN_AGE),
        needed: needed(&cleanup.needed)?,
    })
}

/// All lists, or none: half of what hosts need would cost somebody the other half.
fn needed(files: &[PathBuf]) -> Result<Option<Needed>, Trouble> {
    if files.is_empty() {
        return Ok(None);
    }
    let mut needed = Needed::default();
    for file in files {
        read(file, &mut needed).map_err(|why| Trouble::Message {
            text: format!("what hosts need is not known: {}: {why}", file.display()),
            hint: Some("write it with `evenkeel images`, or with `--output json`".to_owned()),
        })?;
    }
    Ok(Some(needed))
}

fn read(file: &Path, needed: &mut Needed) -> Result<(), String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let name = file.file_name().unwrap_or(file.as_os_str());
    needed.read(&name.to_string_lossy(), &text)
}

fn told<'a>(image: &'a ImageRef, look: &'a Look) -> RegistryPruned<'a> {
    let Look { contents, judged } = look;
    RegistryPruned { image, contents, judged, deleted: None, error: None }
}

/// Says what may have been meant in another way.
fn warn(policy: &Policy, look: &Look) {
    if policy.needed.is_none() {
        tracing::warn!("what hosts need is not known: name it with `--needed FILE`");
    }
    let tags = || look.contents.manifests.values().flat_map(|stored| &stored.tags);
    for pattern in &policy.protect {
        if !tags().any(|tag| pattern.covers(tag)) {
            tracing::warn!("`--protect {pattern}` covers no tag");
        }
    }
}

fn is_well(report: &RegistryPruneReport) -> bool {
    report.error.is_none() && report.manifests.iter().all(|manifest| manifest.error.is_none())
}

impl From<RepositoryError> for Trouble {
    fn from(error: RepositoryError) -> Self {
        Self::Message { text: error.to_string(), hint: hint(&error).map(str::to_owned) }
    }
}

/// The next move.
fn hint(error: &RepositoryError) -> Option<&'static str> {
    match error {
        RepositoryError::NotDeletable { .. } => Some(
            "docker-registry has to run with REGISTRY_STORAGE_DELETE_ENABLED=true, and \
             `garbage-collect` frees the room afterwards; ask others for their own way to delete",
        ),
        RepositoryError::Registry(RegistryError::Denied { .. }) => {
            Some("log in as somebody who may read and delete there (docs/registry-cleanup.md)")
        }
        RepositoryError::Registry(
            RegistryError::Unknown { .. } | RegistryError::NotAsked { .. },
        ) => Some("run it again later: what is gone by then is no trouble"),
        RepositoryError::Registry(
            RegistryError::NoSuchImage { .. }
            | RegistryError::NotForPlatform { .. }
            | RegistryError::Credentials { .. },
        )
        | RepositoryError::Refused { .. } => None,
    }
}
