//! `plan` for people: a line per service with its sign, reasons below, steps only when asked for.

use std::io;

use super::lines::{self, INDENT, count, pad, short_commit, widest};
use crate::report::state::State;
use crate::report::style::one_line;
use crate::report::wire::{PlanReport, PlanService, PlanStack, PlanStep};
use crate::report::{Style, exit, problems};

/// Writes `report` for people. `verbose` adds the steps, and names what is in sync in place of counting it.
pub fn plan(
    out: &mut (impl io::Write + ?Sized),
    report: &PlanReport,
    style: Style,
    verbose: bool,
) -> io::Result<()> {
    for found in &report.stacks {
        stack(out, found, style, verbose)?;
    }
    if !report.stacks.is_empty() {
        writeln!(out)?;
    }
    let what = match (report.changes, report.steps()) {
        (0, 0) => "nothing to do".to_owned(),
        (0, steps) => format!("{} to do", count(steps, "step")),
        (changes, _) => format!("{} to change", count(changes, "service")),
    };
    let in_need = match exit::in_need(report) {
        0 => String::new(),
        1 => ", 1 needs a look".to_owned(),
        many => format!(", {many} need a look"),
    };
    writeln!(out, "{}: {what}{in_need}", report.host)
}

fn stack(
    out: &mut (impl io::Write + ?Sized),
    stack: &PlanStack,
    style: Style,
    verbose: bool,
) -> io::Result<()> {
    writeln!(out, "{}", lines::heading(&stack.stack, &facts(stack, style), style))?;
    write!(out, "{}", problems::render(&stack.problems, style))?;
    let width = widest(stack.services.iter().map(|service| service.service.as_str()));
    for found in stack.services.iter().filter(|service| verbose || !is_in_sync(service)) {
        service(out, found, width, style)?;
    }
    let in_sync = stack.services.iter().filter(|service| is_in_sync(service)).count();
    if !verbose && in_sync > 0 && in_sync < stack.services.len() {
        writeln!(out, "  {} {in_sync} in sync", lines::sign("in-sync", style))?;
    }
    write!(out, "{}", problems::render_remarks(&stack.remarks, style))?;
    if verbose { steps(out, &stack.steps, style) } else { Ok(()) }
}

fn facts(stack: &PlanStack, style: Style) -> Vec<String> {
    let verdict = if stack.state == State::Invalid {
        style.bad("invalid, left as it is")
    } else if stack.commit.is_none() {
        style.warn("gone from git")
    } else if stack.services.iter().all(is_in_sync) {
        style.good(&format!("in sync ({})", count(stack.services.len(), "service")))
    } else {
        String::new()
    };
    vec![style.faint(short_commit(stack.commit.as_deref().unwrap_or_default())), verdict]
}

fn is_in_sync(service: &PlanService) -> bool {
    service.verdict == "in-sync"
}

fn service(
    out: &mut (impl io::Write + ?Sized),
    service: &PlanService,
    width: usize,
    style: Style,
) -> io::Result<()> {
    let sign = lines::sign(service.verdict, style);
    let name = pad(&service.service, width);
    writeln!(out, "  {sign} {name}  {}", what(service))?;
    // That it comes or goes is said already.
    if !matches!(service.verdict, "create" | "remove") {
        lines::reasons(out, &service.reasons)?;
    }
    lines::detail(out, "hint:", service.hint.as_deref())
}

/// What happens, in a few words.
fn what(service: &PlanService) -> String {
    let word = match (service.held_by, service.state) {
        (Some(by), _) => format!("held by {by}"),
        (None, State::Rejected) => "rejected".to_owned(),
        (None, _) => service.verdict.to_owned(),
    };
    match (&service.note, service.order) {
        (Some(note), _) => format!("{word}: {}", one_line(note)),
        (None, Some(order)) => format!("{word}, {order}"),
        (None, None) => word,
    }
}

fn steps(out: &mut (impl io::Write + ?Sized), steps: &[PlanStep], style: Style) -> io::Result<()> {
    let does = widest(steps.iter().map(|step| step.does));
    let ids: Vec<String> = steps.iter().map(|step| step.id.to_string()).collect();
    let id_width = widest(ids.iter().map(String::as_str));
    for (step, id) in steps.iter().zip(&ids) {
        let line = format!(
            "{id:>id_width$}. {}  {}{}",
            pad(step.does, does),
            one_line(&step.subject),
            after(step)
        );
        let because = style.faint(&format!("# {}", one_line(&step.because)));
        writeln!(out, "{INDENT}{line}  {because}")?;
    }
    Ok(())
}

fn after(step: &PlanStep) -> String {
    if step.after.is_empty() {
        return String::new();
    }
    let ids: Vec<String> = step.after.iter().map(ToString::to_string).collect();
    format!(", after {}", ids.join(", "))
}
