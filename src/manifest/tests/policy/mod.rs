//! What the operator's rules make of manifests, through the whole loader.

mod disk;
mod exceptions;
mod forms;
mod property;
mod rows;

use super::World;
use crate::config::{Ambient, Config};
use crate::model::Problem;
use crate::policy::Policy;

/// The policy that the lines below `policy:` say, each with its indent of two.
fn policy(lines: &str) -> Policy {
    let text = format!("sources: [{{repo: /srv/infra}}]\npolicy:\n{lines}\n");
    let ambient = Ambient { hostname: "web-1".into(), ..Ambient::default() };
    match Config::parse("config.yaml", &text, &ambient) {
        Ok(config) => config.policy,
        Err(problems) => panic!("{text}\n{problems:?}"),
    }
}

/// The manifest of `shop` with the service `web`: its keys from line 4 on; what stands behind `---` is put at the
/// top.
fn manifest(text: &str) -> String {
    let (keys, top) = text.split_once("---\n").unwrap_or((text, ""));
    let keys = keys.trim_end().replace('\n', "\n    ");
    format!("services:\n  web:\n    image: a:1\n    {keys}\n{top}")
}

/// A finding in one line: the rule, the path, and the line it stands on.
fn told(problem: &Problem) -> String {
    let rule = problem.code.strip_prefix("policy-").unwrap_or(problem.code);
    let line = problem.place.as_ref().map_or(0, |place| place.line);
    format!("{rule} {} {line}", problem.path.as_deref().unwrap_or("-"))
}

/// The line that a finding says would allow it.
fn line_of(problem: &Problem) -> String {
    let hint = problem.hint.as_deref().unwrap_or_default();
    let (_, line) = hint.split_once('`').unwrap_or_default();
    let line = line.split_once("server: `").map_or("", |(_, line)| line);
    line.strip_suffix('`').unwrap_or(line).to_owned()
}

/// What is found in `world` with the `rules` and the lines of `exceptions`.
fn findings(world: &mut World, rules: &str, exceptions: &[String]) -> Vec<Problem> {
    let list: String = exceptions.iter().map(|line| format!("    {line}\n")).collect();
    let list = if list.is_empty() { list } else { format!("  exceptions:\n{list}") };
    let rules = if rules.is_empty() { "  preset: standard" } else { rules };
    world.policy = Some(policy(&format!("{rules}\n{list}")));
    let loaded = world.load();
    assert_eq!(loaded.problems, [], "the source as a whole");
    loaded.stacks.into_iter().filter_map(|stack| stack.result.err()).flatten().collect()
}

/// Checks that exactly `expected` is refused, and that the lines it prints allow it: all of them all of it, and
/// all but one all but that one.
fn check(world: &mut World, rules: &str, expected: &[&str], about: &str) {
    let found = findings(world, rules, &[]);
    let all: Vec<String> = found.iter().map(told).collect();
    assert_eq!(all, expected, "{about}\n{found:#?}");
    let lines: Vec<String> = found.iter().map(line_of).collect();
    let left = findings(world, rules, &lines);
    assert_eq!(left, [], "{about}\n{lines:#?}");
    for (index, finding) in found.iter().enumerate() {
        let others: Vec<String> =
            lines.iter().filter(|line| **line != lines[index]).cloned().collect();
        let same = lines.iter().filter(|line| **line == lines[index]).count();
        let left: Vec<String> = findings(world, rules, &others).iter().map(told).collect();
        assert_eq!(left.len(), same, "{about}\n{others:#?}");
        assert!(left.contains(&told(finding)), "{about}\n{left:?}");
    }
}
