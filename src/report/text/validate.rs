//! `validate` for people: a stack, how its services are rolled out, what is wrong, what is worth saying.

use std::io;

use super::lines::{count, heading, pad, widest};
use crate::report::span::took_seconds;
use crate::report::style::one_line;
use crate::report::wire::{ValidateReport, ValidateRollout, ValidateStack};
use crate::report::{Style, problems};

/// Writes `report` for people.
pub fn validate(
    out: &mut (impl io::Write + ?Sized),
    report: &ValidateReport,
    style: Style,
) -> io::Result<()> {
    for found in &report.stacks {
        stack(out, found, style)?;
        writeln!(out)?;
    }
    if !report.problems.is_empty() {
        writeln!(out, "{}", problems::render(&report.problems, style))?;
    }
    writeln!(out, "{}", summary(report, style))
}

fn stack(
    out: &mut (impl io::Write + ?Sized),
    stack: &ValidateStack,
    style: Style,
) -> io::Result<()> {
    let verdict = match stack.problems.len() {
        0 => String::new(),
        number => style.bad(&count(number, "problem")),
    };
    let files = style.faint(&one_line(&stack.files.join(" + ")));
    writeln!(out, "{}", heading(&stack.stack, &[files, verdict], style))?;
    let width = widest(stack.rollouts.iter().map(|rollout| rollout.service.as_str()));
    for rollout in &stack.rollouts {
        writeln!(out, "  {}  {}", pad(&rollout.service, width), one_line(&told(rollout)))?;
    }
    write!(out, "{}", problems::render(&stack.problems, style))?;
    write!(out, "{}", problems::render_remarks(&stack.remarks, style))
}

/// How a change is rolled out: `stop-first (host port 8080), healthy within 5m, then watched 10s`.
fn told(rollout: &ValidateRollout) -> String {
    let mut parts = Vec::new();
    if rollout.replicas != 1 {
        parts.push(match rollout.parallelism {
            0 => format!("{} replicas at once", rollout.replicas),
            number => format!("{} replicas, {number} at a time", rollout.replicas),
        });
    }
    parts.extend(order(rollout));
    parts.push(gate(rollout));
    if let Some(monitor) = rollout.monitor_seconds.filter(|seconds| *seconds > 0.0) {
        parts.push(format!("then watched {}", took_seconds(monitor)));
    }
    match rollout.failure_action {
        "pause" => parts.push("a failure leaves it half-way".to_owned()),
        "continue" => parts.push("a failure is passed over".to_owned()),
        _ => {}
    }
    parts.extend(rollout.follows.as_ref().map(|follows| format!("follows {follows}")));
    parts.join(", ")
}

/// Of a job it does not matter: it does not run for long.
fn order(rollout: &ValidateRollout) -> Option<String> {
    let why = match (&rollout.because, rollout.order) {
        _ if rollout.until == "completed" => return None,
        (_, "start-first") => return Some(rollout.order.to_owned()),
        (Some(because), _) => because,
        (None, _) => "the default",
    };
    Some(format!("{} ({why})", rollout.order))
}

fn gate(rollout: &ValidateRollout) -> String {
    let stable = rollout.stable_seconds.filter(|seconds| *seconds > 0.0);
    let running = match stable {
        Some(seconds) => format!("running {}", took_seconds(seconds)),
        None => "running".to_owned(),
    };
    let until = match rollout.until {
        "completed" => "a job: has to end with 0".to_owned(),
        "stable" => running,
        "healthy-or-stable" => {
            format!("healthy (without a health check: {running})")
        }
        _ => "healthy".to_owned(),
    };
    match rollout.deadline_seconds {
        Some(deadline) => format!("{until} within {}", took_seconds(deadline)),
        None => until,
    }
}

fn summary(report: &ValidateReport, style: Style) -> String {
    let services = report.stacks.iter().map(|stack| stack.services.len()).sum();
    let stacks = count(report.stacks.len(), "stack");
    let remarks = match report.stacks.iter().map(|stack| stack.remarks.len()).sum() {
        0 => String::new(),
        number => format!(", {}", count(number, "note")),
    };
    if report.valid {
        let services = count(services, "service");
        return format!("{}: {stacks}, {services}{remarks}", style.good("valid"));
    }
    let of_stacks: usize = report.stacks.iter().map(|stack| stack.problems.len()).sum();
    let broken = report.stacks.iter().filter(|stack| !stack.problems.is_empty()).count();
    let problems = count(of_stacks + report.problems.len(), "problem");
    let which = match report.stacks.len() {
        0 => String::new(),
        _ => format!(", {broken} of {stacks} cannot be used"),
    };
    format!("{}: {problems}{which}{remarks}", style.bad("invalid"))
}
