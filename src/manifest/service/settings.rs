//! `labels`, `logging`, `restart`.

use std::collections::BTreeMap;

use super::Draft;
use crate::manifest::read::At;
use crate::manifest::scene::Scene;
use crate::model::labels::is_bookkeeping;
use crate::model::spec::{Logging, RestartPolicy};

/// `labels`
pub fn labels(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.labels = label_map(at);
}

/// Labels as a mapping or as a list of `K=V`; one without a value is empty.
pub fn label_map(at: &At<'_>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for pair in at.pairs() {
        if is_bookkeeping(&pair.key) {
            let message = format!("the label `{}` is evenkeel's own to set", pair.key);
            pair.at.problem("reserved-label", message);
        } else {
            labels.insert(pair.key, pair.value.unwrap_or_default());
        }
    }
    labels
}

/// Options of a driver: a mapping of single values.
pub fn options(at: &At<'_>) -> BTreeMap<String, String> {
    let option = |(key, at): (&str, At<'_>)| {
        let text = if at.is_null() { String::new() } else { at.plain_text()? };
        Some((key.to_owned(), text))
    };
    at.fields().into_iter().filter_map(option).collect()
}

/// `logging`
pub fn logging(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    at.only(&["driver", "options"], &[]);
    let driver = at.value("driver").and_then(|at| at.text().map(str::to_owned));
    let options = at.value("options").map(|at| options(&at)).unwrap_or_default();
    if !at.is_mapping() {
        at.expected("a mapping");
    } else if driver.is_some() || !options.is_empty() {
        draft.settings.logging = Some(Logging { driver: driver.unwrap_or_default(), options });
    }
}

/// `restart`; `deploy.restart_policy` goes before it.
pub fn restart(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    let Some(text) = at.text() else { return };
    let policy = match text.split_once(':') {
        Some(("on-failure", times)) => times.parse().ok().map(RestartPolicy::OnFailure),
        Some(_) => None,
        None => named_policy(text),
    };
    match policy {
        Some(policy) if !draft.restart_is_final => draft.settings.restart = policy,
        Some(_) => {}
        None => {
            let words = ["no", "always", "unless-stopped", "on-failure", "on-failure:5"];
            at.other_than(&words, "is no restart policy");
        }
    }
}

fn named_policy(text: &str) -> Option<RestartPolicy> {
    Some(match text {
        // YAML of old reads an unquoted `no` as false, and some tools write it back so.
        "no" | "false" => RestartPolicy::No,
        "always" => RestartPolicy::Always,
        "unless-stopped" => RestartPolicy::UnlessStopped,
        "on-failure" => RestartPolicy::OnFailure(0),
        "" => RestartPolicy::Unset,
        _ => return None,
    })
}
