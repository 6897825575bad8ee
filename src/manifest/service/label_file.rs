//! `label_file`: labels from files, below those of `labels`.

use super::Draft;
use super::environment::{EnvFile, read};
use crate::manifest::read::At;
use crate::manifest::scene::Scene;
use crate::model::labels::is_bookkeeping;

/// `label_file`
pub fn label_file<'a>(at: &At<'a>, draft: &mut Draft<'a>, _scene: &Scene<'_>) {
    draft.label_files = at.one_or_more().into_iter().map(EnvFile::of_labels).collect();
}

/// Adds the labels of the files; of two files the later one counts, and `labels` before both.
pub fn settle(draft: &mut Draft<'_>, scene: &Scene<'_>) {
    let mut labels = std::collections::BTreeMap::new();
    let mut hidden = std::collections::BTreeSet::new();
    for file in &draft.label_files {
        let (entries, is_secret) = read(file, draft, scene);
        for (name, value) in entries {
            match is_bookkeeping(&name) {
                true => {
                    let message = format!("the label `{name}` is evenkeel's own to set");
                    file.at().problem("reserved-label", message);
                }
                false => {
                    let value = value.map(|value| value.reveal().to_owned()).unwrap_or_default();
                    match is_secret {
                        true => drop(hidden.insert(name.clone())),
                        false => drop(hidden.remove(&name)),
                    }
                    labels.insert(name, value);
                }
            }
        }
    }
    for (name, value) in labels {
        if !draft.settings.labels.contains_key(&name) {
            if hidden.contains(&name) {
                draft.hidden.insert(format!("labels.{name}"));
            }
            draft.settings.labels.insert(name, value);
        }
    }
}
