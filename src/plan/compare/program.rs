//! What a container runs: program, health check, environment, labels.

use std::collections::{BTreeMap, BTreeSet};

use super::Found;
use crate::model::spec::Healthcheck;
use crate::model::{ContainerSpec, labels};

pub(super) fn compare_program(
    wanted: &ContainerSpec,
    has: &ContainerSpec,
    image: &ContainerSpec,
    found: &mut Found<'_>,
) {
    // Setting the entrypoint clears the image's command (Docker Engine API, `Entrypoint`).
    let command_of_image = if wanted.entrypoint.is_some() { &None } else { &image.command };
    let empty = Vec::new();
    let differs =
        |wanted: &Option<Vec<String>>, image: &Option<Vec<String>>, has: &Option<Vec<String>>| {
            wanted.as_ref().or(image.as_ref()).unwrap_or(&empty) != has.as_ref().unwrap_or(&empty)
        };
    found.hidden("command", differs(&wanted.command, command_of_image, &has.command));
    found.hidden("entrypoint", differs(&wanted.entrypoint, &image.entrypoint, &has.entrypoint));

    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let or_image = |wanted: &Option<String>, image: &Option<String>| {
        text(if wanted.is_some() { wanted } else { image })
    };
    found.shown("user", &text(&has.user), &or_image(&wanted.user, &image.user));
    found.shown(
        "working_dir",
        &text(&has.working_dir),
        &or_image(&wanted.working_dir, &image.working_dir),
    );
    found.shown(
        "stop_signal",
        &text(&has.stop_signal),
        &or_image(&wanted.stop_signal, &image.stop_signal),
    );
    let seconds = |spec: &ContainerSpec| {
        spec.stop_grace_period.map_or(String::new(), |d| format!("{}s", d.as_secs()))
    };
    found.shown("stop_grace_period", &seconds(has), &seconds(wanted));
    found.hidden("domainname", wanted.domainname != has.domainname);
    found.shown("stdin_open", &has.stdin_open.to_string(), &wanted.stdin_open.to_string());
    found.shown("tty", &has.tty.to_string(), &wanted.tty.to_string());
    found.hidden(
        "healthcheck",
        effective_check(wanted.healthcheck.as_ref(), image.healthcheck.as_ref())
            != effective_check(has.healthcheck.as_ref(), None),
    );
}

/// The health check that results from what is written and what the image has; `None` where there is none.
fn effective_check(
    written: Option<&Healthcheck>,
    image: Option<&Healthcheck>,
) -> Option<Healthcheck> {
    let mut check = written.or(image)?.clone();
    // A written check without a test takes the image's, field by field (Docker Engine, health check merge).
    if let Some(image) = image {
        if check.test.is_empty() {
            check.test.clone_from(&image.test);
        }
        check.interval = check.interval.or(image.interval);
        check.timeout = check.timeout.or(image.timeout);
        check.start_period = check.start_period.or(image.start_period);
        check.start_interval = check.start_interval.or(image.start_interval);
        check.retries = check.retries.or(image.retries);
    }
    for time in [
        &mut check.interval,
        &mut check.timeout,
        &mut check.start_period,
        &mut check.start_interval,
    ] {
        *time = time.filter(|time| !time.is_zero());
    }
    check.retries = check.retries.filter(|retries| *retries != 0);
    if check.is_none() || check.test.is_empty() {
        return check.is_none().then(|| Healthcheck { test: check.test, ..Healthcheck::default() });
    }
    Some(check)
}

/// The variables, but for those in `stamped`.
pub(super) fn compare_environment(
    wanted: &ContainerSpec,
    has: &ContainerSpec,
    image: &ContainerSpec,
    stamped: &BTreeSet<&str>,
    found: &mut Found<'_>,
) {
    let mut environment = image.environment.clone();
    environment.extend(wanted.environment.clone());
    let mut has = has.environment.clone();
    environment.retain(|name, _| !stamped.contains(name.as_str()));
    has.retain(|name, _| !stamped.contains(name.as_str()));
    found.entries("env", &environment, &has);
}

pub(super) fn compare_labels(
    wanted: &ContainerSpec,
    has: &ContainerSpec,
    image: &ContainerSpec,
    found: &mut Found<'_>,
) {
    let mut all_labels = image.labels.clone();
    all_labels.extend(wanted.labels.clone());
    all_labels.retain(|name, _| !labels::is_bookkeeping(name));
    let has_labels: BTreeMap<_, _> = has
        .labels
        .iter()
        .filter(|(name, _)| !labels::is_bookkeeping(name))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect();
    found.entries("labels", &all_labels, &has_labels);
}
