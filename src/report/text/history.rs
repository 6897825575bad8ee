//! `history` for people: a table, a generation a line, and below it what went wrong.

use std::io;

use super::lines::{INDENT, pad, short_commit, widest};
use crate::report::style::one_line;
use crate::report::wire::{HistoryGeneration, HistoryReport};
use crate::report::{Style, span};

const HEAD: [&str; 9] = [
    "GENERATION",
    "STARTED",
    "STACK",
    "COMMIT",
    "TRIGGER",
    "OUTCOME",
    "TOOK",
    "CHANGED",
    "COMMIT MESSAGE",
];

/// The most that is shown of a commit's subject, in characters.
const SUBJECT: usize = 60;

/// Writes `report` for people.
pub fn history(
    out: &mut (impl io::Write + ?Sized),
    report: &HistoryReport,
    style: Style,
) -> io::Result<()> {
    if report.generations.is_empty() {
        return writeln!(out, "no generations yet");
    }
    let rows: Vec<[String; 9]> = report.generations.iter().map(row).collect();
    let mut head = HEAD.map(str::to_owned);
    if rows.iter().all(|[.., words]| words.is_empty()) {
        head[HEAD.len() - 1].clear();
    }
    let widths = std::array::from_fn(|column| {
        widest(rows.iter().chain([&head]).map(|row| row[column].as_str()))
    });
    writeln!(out, "{}", style.strong(&style.fit(&line(&head, &widths))))?;
    for (generation, row) in report.generations.iter().zip(&rows) {
        writeln!(out, "{}", painted(generation, &style.fit(&line(row, &widths)), style))?;
        for service in &generation.services {
            if let Some(error) = &service.error {
                writeln!(out, "{INDENT}{}: {}", service.service, one_line(error))?;
            }
        }
    }
    Ok(())
}

fn row(generation: &HistoryGeneration) -> [String; 9] {
    [
        generation.generation.to_string(),
        span::at(generation.started_at),
        generation.stack.clone(),
        short_commit(&generation.commit).to_owned(),
        generation.trigger.to_owned(),
        generation.outcome.unwrap_or("running").to_owned(),
        generation.seconds.map(span::took_seconds).unwrap_or_default(),
        changed(generation),
        words(generation),
    ]
}

/// What the commit says of itself, and who made it.
fn words(generation: &HistoryGeneration) -> String {
    let (Some(author), Some(subject)) = (&generation.author, &generation.subject) else {
        return String::new();
    };
    let shown: String = subject.chars().take(SUBJECT).collect();
    let more = if shown.len() < subject.len() { "…" } else { "" };
    one_line(&format!("{shown}{more} ({author})"))
}

/// The services that were not left as they were.
fn changed(generation: &HistoryGeneration) -> String {
    let changed = generation.services.iter().filter(|service| service.outcome != Some("unchanged"));
    let names: Vec<&str> = changed.map(|service| service.service.as_str()).collect();
    match names.as_slice() {
        [first, second, third, _, ..] => {
            format!("{first}, {second}, {third} and {} more", names.len() - 3)
        }
        few => few.join(", "),
    }
}

fn line(row: &[String; 9], widths: &[usize; 9]) -> String {
    let cells: Vec<String> =
        row.iter().zip(widths).map(|(cell, width)| pad(cell, *width)).collect();
    cells.join("  ").trim_end().to_owned()
}

fn painted(generation: &HistoryGeneration, line: &str, style: Style) -> String {
    match generation.outcome {
        Some("failed" | "interrupted") => style.bad(line),
        Some("rolled-back") => style.warn(line),
        Some(_) | None => line.to_owned(),
    }
}
