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
    Volume {
        name: VolumeName::new(name.unwrap_or_else(|| format!("{stack}_{key}"))),
        external,
        driver: at.value("driver").and_then(|at| at.filled()).map(str::to_owned),
        driver_opts: at.value("driver_opts").map(|at| options(&at)).unwrap_or_default(),
        labels: at.value("labels").map(|at| label_map(&at)).unwrap_or_default(),
    }
}
