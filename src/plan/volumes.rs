//! Volumes that are not as the manifest has them. That is said and nothing is done: a volume cannot be
//! changed, and making it anew would cost its data.

use super::Difference;
use super::change::Judged;
use super::index::Survey;
use crate::model::observed::ObservedVolume;
use crate::model::spec::MountSource;
use crate::model::stack::Volume;

/// A sentence for each volume of the service that was made from another definition.
pub fn remarks(situation: &Survey<'_>, judged: &Judged<'_>) -> Vec<String> {
    let mounts = &judged.desired.service.settings.mounts;
    let named = mounts.iter().filter_map(|mount| match &mount.source {
        MountSource::Volume { name, .. } => Some(name),
        MountSource::Bind { .. } | MountSource::Anonymous | MountSource::Image { .. } => None,
    });
    let mut remarks = Vec::new();
    for name in named {
        let wanted = judged.deployment.stack.volumes.values().find(|volume| volume.name == *name);
        let Some(wanted) = wanted.filter(|volume| !volume.external) else { continue };
        let Some(has) = situation.observed.volumes.get(name) else { continue };
        let differences: Vec<String> =
            differences(wanted, has).iter().map(ToString::to_string).collect();
        if !differences.is_empty() {
            remarks.push(format!(
                "the volume {name} was made otherwise ({}) and stays as it is: for another one, give it a new name in the manifest and move the data",
                differences.join("; ")
            ));
        }
    }
    remarks
}

/// Options and labels by name alone: an option may be a password.
fn differences(wanted: &Volume, has: &ObservedVolume) -> Vec<Difference> {
    let mut differences = Vec::new();
    let driver = wanted.driver.as_deref().unwrap_or("local");
    if has.driver != driver {
        differences.push(Difference::shown("driver", &*has.driver, driver));
    }
    for (name, value) in &wanted.driver_opts {
        if has.driver_opts.get(name) != Some(value) {
            differences.push(Difference::hidden(format!("driver_opts.{name}")));
        }
    }
    // Other drivers may show options that nobody gave.
    let dropped = has.driver_opts.keys().filter(|name| !wanted.driver_opts.contains_key(*name));
    for name in dropped.filter(|_| driver == "local") {
        differences.push(Difference::hidden(format!("driver_opts.{name}")));
    }
    for (name, value) in &wanted.labels {
        if has.labels.get(name) != Some(value) {
            differences.push(Difference::hidden(format!("labels.{name}")));
        }
    }
    differences
}
