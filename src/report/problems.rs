//! How a problem looks: what is wrong, where, the line itself with a caret, facts, the next move.

use super::Style;
use super::style::one_line;
use super::wire::{WireProblem, WireRemark};

/// All `problems`, an empty line between two; ends with a line break unless there are none.
pub fn render<'a, P>(problems: &'a [P], style: Style) -> String
where
    WireProblem: From<&'a P>,
{
    let blocks: Vec<String> =
        problems.iter().map(|problem| one(&WireProblem::from(problem), style)).collect();
    blocks.join("\n")
}

/// All `remarks`, two lines each.
pub fn render_remarks<'a, R>(remarks: &'a [R], style: Style) -> String
where
    WireRemark: From<&'a R>,
{
    remarks.iter().map(|remark| note(&WireRemark::from(remark), style)).collect()
}

fn one(problem: &WireProblem, style: Style) -> String {
    let mut text =
        format!("{} {}\n", style.bad("error:"), style.strong(&one_line(&problem.message)));
    if let Some(place) = place(problem.file.as_deref(), problem.line, problem.column) {
        let path =
            problem.path.as_deref().map(|path| style.faint(&format!(" ({})", one_line(path))));
        text += &format!("  {} {place}{}\n", style.faint("-->"), path.unwrap_or_default());
    }
    if let Some(excerpt) = excerpt(problem, style) {
        text += &excerpt;
    }
    for fact in &problem.notes {
        text += &format!("   {}\n", one_line(fact));
    }
    if let Some(hint) = &problem.hint {
        text += &format!("{} {}\n", style.good("hint:"), one_line(hint));
    }
    text
}

fn note(remark: &WireRemark, style: Style) -> String {
    let service = remark.service.as_ref().map(|service| format!("{service}: ")).unwrap_or_default();
    let mut text = format!("{} {service}{}\n", style.warn("note:"), one_line(&remark.text));
    if let Some(place) = place(remark.file.as_deref(), remark.line, remark.column) {
        text += &format!("  {} {place}\n", style.faint("-->"));
    }
    text
}

fn place(file: Option<&str>, line: Option<u32>, column: Option<u32>) -> Option<String> {
    let file = file?;
    Some(match (line, column) {
        (Some(line), Some(column)) => format!("{file}:{line}:{column}"),
        (Some(line), None) => format!("{file}:{line}"),
        (None, _) => file.to_owned(),
    })
}

/// The line with a caret below the column. A column beyond the line's end gets no caret.
fn excerpt(problem: &WireProblem, style: Style) -> Option<String> {
    let line = problem.line?.to_string();
    let code = problem.excerpt.as_deref().filter(|code| !code.trim().is_empty())?;
    let margin = " ".repeat(line.len());
    let bar = style.faint("|");
    let mut text = format!("{margin} {bar}\n{} {bar} {}\n", style.faint(&line), one_line(code));
    let before = usize::try_from(problem.column?).ok()?.checked_sub(1);
    if let Some(before) = before.filter(|before| *before <= code.chars().count()) {
        text += &format!("{margin} {bar} {}{}\n", " ".repeat(before), style.bad("^"));
    }
    Some(text)
}
