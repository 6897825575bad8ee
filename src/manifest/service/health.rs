//! `healthcheck`

use std::time::Duration;

use super::Draft;
use super::process::texts;
use crate::manifest::read::At;
use crate::manifest::scene::Scene;
use crate::model::spec::Healthcheck;

const KNOWN: [&str; 7] =
    ["test", "interval", "timeout", "retries", "start_period", "start_interval", "disable"];

/// `healthcheck`; empty, it is the image's own.
pub fn healthcheck(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    at.only(&KNOWN, &[]);
    if !at.is_mapping() {
        return at.expected("a mapping");
    }
    let test = at.value("test");
    let mut check = Healthcheck {
        test: test.as_ref().map(command).unwrap_or_default(),
        interval: at.value("interval").and_then(|at| at.duration()),
        timeout: at.value("timeout").and_then(|at| at.duration()),
        start_period: at.value("start_period").and_then(|at| at.duration()),
        start_interval: at.value("start_interval").and_then(|at| at.duration()),
        retries: at.value("retries").and_then(|at| at.integer()),
    };
    if at.value("disable").and_then(|at| at.boolean()) == Some(true) {
        if test.is_some() && !check.is_none() {
            at.problem("contradiction", "`disable: true` and `test` contradict each other");
        }
        check = Healthcheck { test: vec!["NONE".to_owned()], ..Healthcheck::default() };
    }
    if let Some(at) = at.value("start_interval")
        && check.start_interval.is_some()
        && check.start_period.is_none_or(|period| period.is_zero())
    {
        let text = "`start_interval` has no effect without a `start_period`";
        at.remark(Some(&draft.name), text);
    }
    draft.settings.healthcheck = (check != Healthcheck::default()).then_some(check);
}

fn command(at: &At<'_>) -> Vec<String> {
    if at.is_scalar() {
        return at
            .text()
            .map(|text| vec!["CMD-SHELL".to_owned(), text.to_owned()])
            .unwrap_or_default();
    }
    let words = texts(at);
    if words.len() > 2 && words.first().is_some_and(|word| word == "CMD-SHELL") {
        at.remark(
            None,
            "only the first text after `CMD-SHELL` is the command; the rest is its arguments",
        );
    }
    match words.first().map(String::as_str) {
        Some("NONE") => vec!["NONE".to_owned()],
        Some("CMD") if words.len() > 1 => words,
        Some("CMD-SHELL") if words.len() > 1 => words,
        Some("CMD") => complain(at, "names no command after `CMD`"),
        Some("CMD-SHELL") => complain(at, "names no command after `CMD-SHELL`"),
        Some(_) => complain(at, "has to start with `CMD`, `CMD-SHELL` or `NONE`"),
        None => words,
    }
}

fn complain(at: &At<'_>, why: &str) -> Vec<String> {
    at.problem("wrong-value", format!("a health check given as a list {why}"));
    Vec::new()
}

/// How long a container may take until its check has failed for good; the engine's defaults are 30 s and
/// 3 retries.
pub fn time_to_fail(check: &Healthcheck) -> Duration {
    let usual = Duration::from_secs(30);
    let once = check.interval.unwrap_or(usual).saturating_add(check.timeout.unwrap_or(usual));
    let checks = once.saturating_mul(check.retries.unwrap_or(3).saturating_add(1));
    check.start_period.unwrap_or_default().saturating_add(checks)
}
