//! `import` for people: the remarks, what goes where, and a page of it to keep.

use std::io;

use super::lines::{count, pad, widest};
use crate::report::style::one_line;
use crate::report::wire::{ImportRemark, ImportReport};
use crate::report::{Style, problems};

const GROUPS: [(&str, &str); 3] = [
    ("first", "Before evenkeel can use it"),
    ("server", "To put on the server"),
    ("worth-knowing", "Worth knowing"),
];

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenFile {
    /// `git`, `server` or `you`.
    pub goes_to: &'static str,
    /// Where it is now.
    pub path: String,
    /// What to do with it.
    pub then: String,
}

/// What is wrong with the result, all remarks, and the names that belong on the server.
pub fn import_remarks(
    out: &mut (impl io::Write + ?Sized),
    report: &ImportReport,
    style: Style,
) -> io::Result<()> {
    write!(out, "{}", problems::render(&report.problems, style))?;
    for (weight, _) in GROUPS {
        for remark in report.remarks.iter().filter(|remark| remark.weight == weight) {
            one(out, remark, style)?;
        }
    }
    if !report.variables.is_empty() {
        writeln!(out, "\n{}", style.strong(&format!("{}.env, on the server", report.stack)))?;
    }
    for variable in &report.variables {
        let value = variable.value.as_deref().map(|value| format!("={}", one_line(value)));
        writeln!(out, "  {}{}", variable.name, value.unwrap_or_default())?;
    }
    writeln!(out, "\n{}", summary(report, style))
}

/// What was written, what is wrong with it, and what to do next.
pub fn import_written(
    out: &mut (impl io::Write + ?Sized),
    report: &ImportReport,
    written: &[WrittenFile],
    next: &str,
    style: Style,
) -> io::Result<()> {
    write!(out, "{}", problems::render(&report.problems, style))?;
    let width = widest(written.iter().map(|file| file.path.as_str()));
    for file in written {
        let (to, path) = (style.strong(&pad(file.goes_to, 6)), pad(&file.path, width));
        writeln!(out, "{to}  {path}  {}", style.faint(&file.then))?;
    }
    writeln!(out, "\n{}", summary(report, style))?;
    writeln!(out, "{} {next}", style.good("next:"))
}

/// The same as a page of Markdown, without any value.
pub fn import_page(report: &ImportReport) -> String {
    let mut page = format!("# Importing {}\n", report.stack);
    if !report.problems.is_empty() {
        page += "\n## What evenkeel refuses\n\n";
        for problem in &report.problems {
            let place = place(problem.file.as_deref(), problem.line);
            page += &item(&place, None, &problem.message, problem.hint.as_deref());
        }
    }
    for (weight, title) in GROUPS {
        let remarks = || report.remarks.iter().filter(|remark| remark.weight == weight);
        if remarks().next().is_some() {
            page += &format!("\n## {title}\n\n");
        }
        for remark in remarks() {
            let place = place(remark.file.as_deref(), remark.line);
            page += &item(&place, remark.service.as_deref(), &remark.text, remark.next.as_deref());
        }
    }
    if !report.variables.is_empty() {
        page += &format!("\n## Variables in {}.env\n\n", report.stack);
    }
    for variable in &report.variables {
        let from = if variable.moved { "moved out of the Compose file" } else { "from its `.env`" };
        page += &format!("- `{}`: {from}\n", variable.name);
    }
    page
}

fn item(place: &str, service: Option<&str>, text: &str, next: Option<&str>) -> String {
    let service = service.map(|service| format!("{service}: ")).unwrap_or_default();
    let next = next.map(|next| format!("\n  - {}", one_line(next))).unwrap_or_default();
    format!("- {place}{service}{}{next}\n", one_line(text))
}

fn place(file: Option<&str>, line: Option<u32>) -> String {
    match (file, line) {
        (Some(file), Some(line)) => format!("`{file}:{line}` "),
        (Some(file), None) => format!("`{file}` "),
        (None, _) => String::new(),
    }
}

fn one(out: &mut (impl io::Write + ?Sized), remark: &ImportRemark, style: Style) -> io::Result<()> {
    let service = remark.service.as_ref().map(|service| format!("{service}: ")).unwrap_or_default();
    let word = if remark.weight == "first" { style.bad("first:") } else { style.warn("note:") };
    writeln!(out, "{word} {service}{}", one_line(&remark.text))?;
    if let (Some(file), Some(line), Some(column)) = (&remark.file, remark.line, remark.column) {
        writeln!(out, "  {} {file}:{line}:{column}", style.faint("-->"))?;
    }
    match &remark.next {
        Some(next) => writeln!(out, "{} {}", style.good("hint:"), one_line(next)),
        None => Ok(()),
    }
}

fn summary(report: &ImportReport, style: Style) -> String {
    let moved = report.variables.iter().filter(|variable| variable.moved).count();
    let (moved, remarks) = (count(moved, "secret"), count(report.remarks.len(), "remark"));
    match report.problems.len() {
        0 => format!("{}: {moved} moved out, {remarks}", style.good("can be used")),
        many => format!(
            "{}: {} to solve first, {moved} moved out, {remarks}",
            style.bad("cannot be used yet"),
            count(many, "problem")
        ),
    }
}
