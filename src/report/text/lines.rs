//! Lines that several reports share.

use std::io;

use unicode_width::UnicodeWidthStr;

use crate::report::Style;
use crate::report::state::State;
use crate::report::style::one_line;
use crate::report::wire::WireReason;

/// How far what belongs to a service is indented.
pub const INDENT: &str = "      ";

/// `text`, filled up with blanks to `width` columns.
pub fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

/// The widest of `texts`, in columns: some characters take two.
pub fn widest<'a>(texts: impl IntoIterator<Item = &'a str>) -> usize {
    texts.into_iter().map(UnicodeWidthStr::width).max().unwrap_or(0)
}

/// `1 service`, `2 services`.
pub fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// A commit as git shows it to people; what stands for one elsewhere is not cut.
pub fn short_commit(commit: &str) -> &str {
    let is_hash = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash { &commit[..7] } else { commit }
}

/// A stack's first line: its name, and what there is to say about it.
pub fn heading(name: &str, facts: &[String], style: Style) -> String {
    let mut line = style.strong(name);
    for fact in facts.iter().filter(|fact| !fact.is_empty()) {
        line += "  ";
        line += fact;
    }
    line
}

/// The sign before a service, in its colour.
pub fn sign(verdict: &str, style: Style) -> String {
    match verdict {
        "in-sync" => style.faint("="),
        "create" => style.good("+"),
        "start" | "update" | "recreate" => style.warn("~"),
        "remove" => style.bad("-"),
        _ => style.warn("!"),
    }
}

/// A state in its colour, filled up to `width`.
pub fn state(state: State, width: usize, style: Style) -> String {
    let word = pad(state.word(), width);
    match state {
        State::InSync => style.good(&word),
        State::Progressing | State::Pending | State::Held | State::Orphaned => style.warn(&word),
        State::Degraded | State::Failed | State::Rejected | State::Invalid => style.bad(&word),
    }
}

/// What differs, a line each.
pub fn reasons(out: &mut (impl io::Write + ?Sized), reasons: &[WireReason]) -> io::Result<()> {
    for reason in reasons {
        writeln!(out, "{INDENT}{}", one_line(&reason.difference().to_string()))?;
    }
    Ok(())
}

/// A further line below a service, with a word in front; nothing where there is nothing to say.
pub fn detail(
    out: &mut (impl io::Write + ?Sized),
    word: &str,
    text: Option<&str>,
) -> io::Result<()> {
    match text {
        Some(text) => writeln!(out, "{INDENT}{word} {}", one_line(text)),
        None => Ok(()),
    }
}
