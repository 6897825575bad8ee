//! `validate` for people: problems first, then remarks, then one line.

use std::io;

use super::lines::count;
use crate::report::wire::{ValidateReport, ValidateStack, WireProblem};
use crate::report::{Style, problems};

/// Writes `report` for people.
pub fn validate(
    out: &mut (impl io::Write + ?Sized),
    report: &ValidateReport,
    style: Style,
) -> io::Result<()> {
    let of_stacks = report.stacks.iter().flat_map(|stack| &stack.problems);
    let all: Vec<WireProblem> = report.problems.iter().chain(of_stacks).cloned().collect();
    write!(out, "{}", problems::render(&all, style))?;
    for stack in &report.stacks {
        write!(out, "{}", problems::render_remarks(&stack.remarks, style))?;
    }
    if !all.is_empty() {
        writeln!(out)?;
    }
    writeln!(out, "{}", summary(report, all.len(), style))
}

fn summary(report: &ValidateReport, problems: usize, style: Style) -> String {
    let services = report.stacks.iter().map(|stack| stack.services.len()).sum();
    let stacks = count(report.stacks.len(), "stack");
    if report.valid {
        return format!("{}: {stacks}, {}", style.good("valid"), count(services, "service"));
    }
    let broken = report.stacks.iter().filter(|stack| is_broken(stack)).count();
    format!(
        "{}: {}, {broken} of {stacks} cannot be used",
        style.bad("invalid"),
        count(problems, "problem")
    )
}

fn is_broken(stack: &ValidateStack) -> bool {
    !stack.problems.is_empty()
}
