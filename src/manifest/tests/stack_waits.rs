//! `x-evenkeel.after` across the stacks of a revision: what can never be had is refused.

use std::collections::BTreeSet;

use super::{World, told};
use crate::manifest::stack_waits::refuse_unknown;
use crate::model::StackName;

/// One stack for each name, which waits for the others named.
fn world(stacks: &[(&str, &str)]) -> World {
    stacks.iter().fold(World::new(&[]), |world, (name, after)| {
        let text = format!("services: {{web: {{image: a}}}}\nx-evenkeel: {{after: [{after}]}}\n");
        world.with_file(&format!("{name}/compose.yaml"), &text)
    })
}

/// The stacks that are sound.
fn sound(world: &World) -> Vec<String> {
    let stacks = world.load().stacks;
    let sound = stacks.into_iter().filter(|stack| stack.result.is_ok());
    sound.map(|stack| stack.name.to_string()).collect()
}

#[test]
fn stacks_that_wait_for_each_other_are_refused_naming_the_whole_circle() {
    let world = world(&[("a", "b"), ("b", "c"), ("c", "a")]);
    assert_eq!(
        world.problems(),
        "a/compose.yaml:2:22: stacks wait for each other: a → b → c → a
  at x-evenkeel.after
  | x-evenkeel: {after: [b]}
  hint: take one of them out of the other's `x-evenkeel.after`
b/compose.yaml:2:22: stacks wait for each other: b → c → a → b
  at x-evenkeel.after
  | x-evenkeel: {after: [c]}
  hint: take one of them out of the other's `x-evenkeel.after`
c/compose.yaml:2:22: stacks wait for each other: c → a → b → c
  at x-evenkeel.after
  | x-evenkeel: {after: [a]}
  hint: take one of them out of the other's `x-evenkeel.after`"
    );
    assert!(world.load().complete, "their names are known");
}

#[test]
fn a_circle_leaves_those_beside_and_behind_it_sound() {
    let world = world(&[("a", "b"), ("b", "a, dns"), ("dns", "net"), ("web", "a")]);
    assert_eq!(sound(&world), ["dns", "web"]);
}

#[test]
fn two_ways_to_one_stack_are_no_circle() {
    let world = world(&[("a", "b, c"), ("b", "d"), ("c", "d"), ("d", "e"), ("e", "f")]);
    assert_eq!(world.problems(), "");
}

#[test]
fn a_stack_that_waits_for_an_unknown_one_is_refused_naming_it() {
    let mut loaded = world(&[("app", "base, bse"), ("base", "dns")]).load();
    let known: BTreeSet<StackName> = ["app".into(), "base".into(), "dns".into()].into();
    refuse_unknown(loaded.stacks.iter_mut().map(|stack| &mut stack.result), &known);
    let [app, base] = &loaded.stacks[..] else { panic!("{:?}", loaded.stacks) };
    let problems: Vec<String> = app.result.as_ref().unwrap_err().iter().map(told).collect();
    assert_eq!(
        problems.join("\n"),
        "app/compose.yaml:2:28: the stack `app` waits for `bse`, which this host does not have
  at x-evenkeel.after
  | x-evenkeel: {after: [base, bse]}
  hint: correct the name in `x-evenkeel.after`, or take it out; a stack with `x-evenkeel.hosts` may be meant for other hosts"
    );
    assert!(base.result.is_ok());
}
