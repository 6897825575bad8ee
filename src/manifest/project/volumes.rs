//! Top-level `volumes`.

use indexmap::IndexMap;

use crate::manifest::read::At;
use crate::manifest::service::{label_map, options};
use crate::model::stack::Volume;
use crate::model::{StackName, VolumeName};

/// Every declared volume.
pub fn read(top: &At<'_>, stack: &StackName) -> IndexMap<String, Volume> {
    let Some(at) = top.value("volumes") else { return IndexMap::new() };
    let fields = at.fields().into_iter();
    fields.map(|(key, at)| (key.to_owned(), volume(&at, key, stack))).collect()
}

fn volume(at: &At<'_>, key: &str, stack: &StackName) -> Volume {
    super::check_key(at, key);
    if !at.is_null() && !at.is_mapping() {
        at.expected("a mapping");
    }
    at.only(&["name", "external", "driver", "driver_opts", "labels"], &[]);
    let (external, name) = super::name_of(at, key);
    if external {
        super::only_external(at);
    }
    check_device(at);
    Volume {
        name: VolumeName::new(name.unwrap_or_else(|| format!("{stack}_{key}"))),
        external,
        driver: at.value("driver").and_then(|at| at.filled()).map(str::to_owned),
        driver_opts: at.value("driver_opts").map(|at| options(&at)).unwrap_or_default(),
        labels: at.value("labels").map(|at| label_map(&at)).unwrap_or_default(),
    }
}

/// A directory of the host under a volume's name has to be absolute: no volume is made from files of the
/// repository, and one that was made keeps the path it was made with.
fn check_device(at: &At<'_>) {
    let is_local = single(at, "driver").is_none_or(|name| name == "local");
    let Some(options) = at.value("driver_opts").filter(|at| is_local && at.is_mapping()) else {
        return;
    };
    let is_bind = single(&options, "o")
        .is_some_and(|o| o.split(',').any(|word| ["bind", "rbind"].contains(&word.trim())));
    let Some(device) = options.value("device").filter(|at| is_bind && at.is_scalar()) else {
        return;
    };
    if device.text().is_none_or(|path| path.starts_with('/')) {
        return;
    }
    let message = format!(
        "{} is no absolute path, as the `device` of a bound volume has to be",
        device.shown()
    );
    let problem = device.trouble("wrong-path", message);
    device.report(problem.hint(
        "write the path of a directory of the server, or mount `./…` in the service without a volume",
    ));
}

fn single<'a>(at: &At<'a>, key: &str) -> Option<&'a str> {
    at.value(key).filter(At::is_scalar)?.text()
}
