//! The policy as a table: a rule, the tag in git, the tag last applied, all tags of the repository, and which
//! follow, the newest first, or why none does.

use super::{Choice, choose};
use crate::model::update::{Allow, Pattern, Range, TagRule};
use crate::model::version::VersionOrder;

/// `rule | written | applied | tags | expected`. `-` for applied is the written one. A rule is `~1.4`, or
/// `order:pattern`, each with `+patch`, `+minor` or `+major` behind a blank. What begins with `!` is part of a reason.
const TABLE: &str = include_str!("table.txt");

fn rule(text: &str) -> TagRule {
    let (text, allow) = match text.rsplit_once(" +") {
        Some((text, "patch")) => (text, Some(Allow::Patch)),
        Some((text, "minor")) => (text, Some(Allow::Minor)),
        Some((text, "major")) => (text, Some(Allow::Major)),
        Some((_, other)) => panic!("{other}"),
        None => (text, None),
    };
    let order = match text.split_once(':') {
        Some(("semver", pattern)) => Some((VersionOrder::Semver, pattern)),
        Some(("numeric", pattern)) => Some((VersionOrder::Numeric, pattern)),
        Some(("alphabetical", pattern)) => Some((VersionOrder::Alphabetical, pattern)),
        Some(_) | None => None,
    };
    match order {
        Some((order, pattern)) => {
            TagRule::Match { pattern: Pattern::parse(pattern).unwrap(), order, allow }
        }
        None => TagRule::Semver { range: Range::parse(text).unwrap(), allow },
    }
}

fn rows() -> Vec<[&'static str; 5]> {
    let lines = TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    // A pattern may hold a `|` of its own, without blanks around it.
    let cells = lines.map(|line| line.split(" | ").map(str::trim).collect::<Vec<_>>());
    cells.map(|cells| cells.try_into().unwrap_or_else(|cells| panic!("{cells:?}"))).collect()
}

#[test]
fn every_row_of_the_table_comes_out_as_it_says() {
    let rows = rows();
    assert!(rows.len() >= 120, "{} rows", rows.len());
    let mut wrong = Vec::new();
    for [of, written, applied, tags, expected] in rows {
        let tags: Vec<&str> = tags.split_whitespace().collect();
        let applied = if applied == "-" { written } else { applied };
        let told = match choose(&rule(of), written, applied, tags.iter().copied()) {
            Choice::Newer(newer) => newer.join(" "),
            Choice::Nothing(nothing) => format!("! {nothing}"),
        };
        let is_right = match expected.strip_prefix('!') {
            Some(part) => told.starts_with('!') && told.contains(part.trim()),
            None => told == expected,
        };
        if !is_right {
            wrong.push(format!("{of} | {written} | {applied} | {tags:?}: {expected}, not {told}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whatever order a registry lists its tags in, and however often.
#[test]
fn the_order_of_the_list_changes_nothing() {
    for [of, written, applied, tags, _] in rows() {
        let applied = if applied == "-" { written } else { applied };
        let tags: Vec<&str> = tags.split_whitespace().collect();
        let again: Vec<&str> = tags.iter().rev().chain(&tags).copied().collect();
        let (one, other) = (
            choose(&rule(of), written, applied, tags.iter().copied()),
            choose(&rule(of), written, applied, again.iter().copied()),
        );
        assert_eq!(one, other, "{of} | {written}");
    }
}

/// The least that has to hold whatever people name their tags.
#[test]
fn nothing_at_or_below_what_was_applied_is_ever_newer() {
    for [of, written, applied, tags, _] in rows() {
        let (of, applied) = (rule(of), if applied == "-" { written } else { applied });
        let tags: Vec<&str> = tags.split_whitespace().collect();
        let Choice::Newer(newer) = choose(&of, written, applied, tags.iter().copied()) else {
            continue;
        };
        for tag in newer {
            assert_ne!(tag, applied);
            // Once it is applied itself, neither it nor the one before comes again.
            let next = choose(&of, written, tag, tags.iter().copied());
            let back = matches!(&next, Choice::Newer(next) if next.contains(&tag) || next.contains(&applied));
            assert!(!back, "{tag}: {next:?}");
        }
    }
}
