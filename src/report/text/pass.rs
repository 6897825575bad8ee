//! `reconcile --once` for people: what was done, and for what failed why, with the container's last words.

use std::io;

use super::lines::{self, INDENT, count, pad, short_commit, widest};
use crate::report::style::one_line;
use crate::report::wire::{PassOutcome, PassReport, PassService, PassStack};
use crate::report::{Style, problems, span};

/// Writes `report` for people. `verbose` names what was unchanged in place of counting it.
pub fn pass(
    out: &mut (impl io::Write + ?Sized),
    report: &PassReport,
    style: Style,
    verbose: bool,
) -> io::Result<()> {
    for found in &report.stacks {
        pass_of_stack(out, found, style, verbose)?;
    }
    for source in &report.failed_sources {
        let message = one_line(&source.error);
        writeln!(out, "{} source {}: {message}", style.bad("error:"), source.source)?;
    }
    for failure in &report.failures {
        writeln!(out, "{} {}", style.bad("error:"), one_line(&failure.error))?;
        if let Some(hint) = &failure.hint {
            writeln!(out, "{} {}", style.good("hint:"), one_line(hint))?;
        }
    }
    if report.stopped {
        writeln!(out, "{} the pass was stopped before everything was done", style.warn("note:"))?;
    }
    let took = span::took_seconds(report.seconds);
    writeln!(out, "{}: {} in {took}", report.host, outcome(report.outcome, style))
}

fn outcome(outcome: PassOutcome, style: Style) -> String {
    match outcome {
        PassOutcome::Converged => style.good("converged"),
        PassOutcome::RolledBack => style.warn("rolled back"),
        PassOutcome::Failed => style.bad("failed"),
    }
}

/// Writes what a pass did to one stack, as part of [`pass`].
pub fn pass_of_stack(
    out: &mut (impl io::Write + ?Sized),
    stack: &PassStack,
    style: Style,
    verbose: bool,
) -> io::Result<()> {
    let generation = stack.generation.map(|number| format!("generation {number}"));
    let unchanged = stack.services.iter().filter(|service| is_unchanged(service)).count();
    let is_quiet = unchanged == stack.services.len() && stack.outcome == PassOutcome::Converged;
    let end = if is_quiet {
        style.good(&format!("unchanged ({})", count(unchanged, "service")))
    } else {
        outcome(stack.outcome, style)
    };
    let commit = style.faint(short_commit(stack.commit.as_deref().unwrap_or_default()));
    let facts = [commit, generation.unwrap_or_default(), end];
    writeln!(out, "{}", lines::heading(&stack.stack, &facts, style))?;
    write!(out, "{}", problems::render(&stack.problems, style))?;
    let width = widest(stack.services.iter().map(|service| service.service.as_str()));
    for found in stack.services.iter().filter(|service| verbose || !is_unchanged(service)) {
        service(out, found, width, style)?;
    }
    if !verbose && unchanged > 0 && !is_quiet {
        writeln!(out, "  {} {unchanged} unchanged", lines::sign("in-sync", style))?;
    }
    Ok(())
}

fn is_unchanged(service: &PassService) -> bool {
    service.outcome == "unchanged" && service.error.is_none()
}

fn service(
    out: &mut (impl io::Write + ?Sized),
    service: &PassService,
    width: usize,
    style: Style,
) -> io::Result<()> {
    let is_well = matches!(service.outcome, "done" | "unchanged");
    let sign = lines::sign(if is_well { service.verdict } else { service.outcome }, style);
    writeln!(out, "  {sign} {}  {}", pad(&service.service, width), what(service, style))?;
    // That it comes or goes is said already.
    if !matches!(service.verdict, "create" | "remove") {
        lines::reasons(out, &service.reasons)?;
    }
    lines::detail(out, &style.bad("error:"), service.error.as_deref())?;
    for line in &service.logs {
        writeln!(out, "{INDENT}{} {}", style.faint("|"), one_line(line))?;
    }
    lines::detail(out, &style.good("hint:"), service.hint.as_deref())
}

fn what(service: &PassService, style: Style) -> String {
    let took = service.seconds.map(|seconds| format!(" in {}", span::took_seconds(seconds)));
    let took = took.unwrap_or_default();
    match service.outcome {
        "done" => format!("{}{took}", done(service.verdict)),
        "failed" => format!("{}: {}{took}", service.verdict, style.bad("failed")),
        "rolled-back" => format!("{}: {}{took}", service.verdict, style.warn("rolled back")),
        "held" => {
            let by = service.held_by.unwrap_or("operator");
            format!("held by {by}: {}", one_line(service.note.as_deref().unwrap_or_default()))
        }
        // The reason stands below it, as its error, unless there is nothing wrong.
        "blocked" => match (&service.error, &service.note) {
            (None, Some(note)) => one_line(note),
            (Some(_), _) | (None, None) => "left as it is".to_owned(),
        },
        word => word.to_owned(),
    }
}

fn done(verdict: &str) -> &'static str {
    match verdict {
        "create" => "created",
        "start" => "started",
        "recreate" => "recreated",
        "remove" => "removed",
        _ => "updated",
    }
}
