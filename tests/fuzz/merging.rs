//! Files laid over each other.

use evenkeel::manifest::merge;
use evenkeel::manifest::node::Node;
use proptest::prelude::*;
use proptest::sample::select;

use super::trees::{file, parsed, same};
use super::{config, quick};

/// A service in which everything is of the right shape.
fn service() -> impl Strategy<Value = String> {
    let field = select(
        &[
            "command: [a, b]",
            "command: x",
            "environment: {A: 1, B: }",
            "environment: [A=1, B, A=2]",
            "ports: [\"80:80\", {target: 80, published: \"81\"}]",
            "ports: !override [\"1:1\"]",
            "ports: !reset []",
            "volumes: [a:/b, {type: bind, source: /c, target: /b}]",
            "labels: {x: y}",
            "labels: [x=z, w]",
            "depends_on: [a, b]",
            "depends_on: {a: {condition: service_healthy}}",
            "networks: [n, m]",
            "networks: {n: {aliases: [x, x]}}",
            "extra_hosts: [\"a:1.1.1.1\"]",
            "extra_hosts: {a: [1.1.1.1, 2.2.2.2]}",
            "logging: {driver: x, options: {a: b}}",
            "logging: {options: {c: d}}",
            "ulimits: {nofile: 1}",
            "ulimits: {nofile: {soft: 1, hard: 2}}",
            "tmpfs: /run",
            "tmpfs: [/run:size=1, /tmp]",
            "dns: 1.1.1.1",
            "env_file: [a.env, {path: a.env, required: false}]",
            "secrets: [s, {source: t, target: s}]",
            "image: x",
            "image: !reset null",
            "ports:",
            "healthcheck: {test: [CMD, x]}",
            "x-a: z",
            "x-a: {b: c}",
        ][..],
    );
    proptest::collection::vec(field, 0..8).prop_map(|mut fields| {
        fields.sort_by_key(|field| field.split(':').next());
        fields.dedup_by_key(|field| field.split(':').next());
        let fields: String = fields.iter().map(|field| format!("    {field}\n")).collect();
        format!("services:\n  s:\n    init: true\n{fields}")
    })
}

fn tree(text: &str) -> Option<Node> {
    parsed(text).ok()?.into_iter().next()
}

/// A tree whose own tags are obeyed.
fn settle(tree: Node) -> Option<Node> {
    let mut problems = Vec::new();
    merge::all([tree], &mut problems).filter(|_| problems.is_empty())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_two_trees_are_merged_or_refused(base in file(), over in file()) {
        let (Some(base), Some(over)) = (tree(&base), tree(&over)) else { return Ok(()) };
        if let Err(problems) = quick(|| merge::merge(base, over)) {
            prop_assert!(!problems.is_empty());
        }
    }

    #[test]
    fn a_tree_that_is_settled_stays_as_it_is(text in prop_oneof![file(), service()]) {
        let Some(settled) = tree(&text).and_then(settle) else { return Ok(()) };
        let again = settle(settled.clone()).unwrap();
        prop_assert!(same(&again, &settled));
    }

    #[test]
    fn nothing_laid_over_a_service_leaves_it_alone(text in service()) {
        let settled = tree(&text).and_then(settle).unwrap();
        let merged = merge::merge(settled.clone(), tree("services: {s: {}}").unwrap()).unwrap();
        prop_assert!(same(&merged, &settled));
    }

    #[test]
    fn a_service_laid_over_what_came_of_it_changes_nothing(base in service(), over in service()) {
        let lay = |base: Node| merge::merge(base, tree(&over).unwrap());
        let Ok(once) = lay(tree(&base).unwrap()) else { return Ok(()) };
        // The first time a list may become a mapping.
        let twice = lay(once).unwrap();
        let thrice = lay(twice.clone()).unwrap();
        prop_assert!(same(&thrice, &twice), "{:?}\n{:?}", twice, thrice);
    }
}
