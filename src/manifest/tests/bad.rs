//! Bad manifests and what people are told about them: the table in `bad_manifests.txt`.
//!
//! A block begins with `===` and a name; below `---` stands what is told: code, line and column, path, and
//! on a line of its own the next move. A case is read as a user would: is it clear what to do?

use std::fmt::Write as _;

use super::World;
use crate::model::Problem;

const TABLE: &str = include_str!("bad_manifests.txt");

/// Problems whose whole text is looked at in a snapshot.
const SHOWN: [&str; 12] = [
    "an unknown key",
    "a key of deploy on the service",
    "a port that is none",
    "a list in place of a mapping",
    "a duration without a unit",
    "a word that does not exist",
    "a volume that is not declared",
    "a service that is not there",
    "services depend on each other",
    "no image",
    "a quote that is not closed",
    "a key that stands twice",
];

#[test]
fn every_bad_manifest_tells_what_where_and_what_to_do() {
    let mut found = String::new();
    for (name, manifest, _) in cases() {
        let told: String = problems(manifest).iter().map(line).collect();
        writeln!(found, "=== {name}\n{manifest}---\n{told}").unwrap();
    }
    let different = found.lines().zip(TABLE.lines()).find(|(found, table)| found != table);
    assert!(found.trim_end() == TABLE.trim_end(), "{different:?}; all of it:\n{found}");
}

#[test]
fn everything_told_has_a_place_and_a_next_move() {
    assert!(cases().len() >= 60, "{}", cases().len());
    for (name, manifest, _) in cases() {
        let problems = problems(manifest);
        assert!(!problems.is_empty(), "{name}");
        for problem in problems {
            assert!(problem.place.is_some(), "{name}: {problem}");
            assert!(problem.hint.is_some(), "{name}: {problem}");
        }
    }
}

#[test]
fn what_people_read_of_a_dozen_of_them() {
    let shown: Vec<Problem> = SHOWN
        .iter()
        .flat_map(|wanted| {
            let (_, manifest, _) = cases().into_iter().find(|(name, ..)| name == wanted).unwrap();
            problems(manifest)
        })
        .collect();
    insta::with_settings!({snapshot_path => "../snapshots", prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!(
            "bad_manifests",
            crate::report::problems::render(&shown, crate::report::Style::PLAIN)
        );
    });
}

/// Name, manifest, and what is told.
fn cases() -> Vec<(&'static str, &'static str, &'static str)> {
    let blocks = TABLE.split("=== ").skip(1);
    let case = |block: &'static str| {
        let (name, rest) = block.split_once('\n').unwrap();
        let (manifest, told) = rest.split_once("---\n").unwrap();
        (name, manifest, told)
    };
    blocks.map(case).collect()
}

fn problems(manifest: &str) -> Vec<Problem> {
    let world = World::shop(manifest);
    let loaded = world.load();
    let of_stacks = loaded.stacks.into_iter().filter_map(|stack| stack.result.err());
    let mut problems: Vec<Problem> =
        loaded.problems.into_iter().chain(of_stacks.flatten()).collect();
    // This test's directory changes with every run.
    let directory = world.env_dir.path().display().to_string();
    let hints = problems.iter_mut().filter_map(|problem| problem.hint.as_mut());
    hints.for_each(|hint| *hint = hint.replace(&directory, "/env"));
    problems
}

fn line(problem: &Problem) -> String {
    let place = problem.place.as_ref();
    let place = place.map(|place| format!("{}:{}", place.line, place.column)).unwrap_or_default();
    let path = problem.path.as_deref().unwrap_or("-");
    let hint = problem.hint.as_deref().unwrap_or("-");
    format!("{} {place} {path}\n    {}\n    → {hint}\n", problem.code, problem.message)
}
