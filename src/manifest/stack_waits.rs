//! Which stacks can never have what `x-evenkeel.after` asks for: those that wait for each other in a circle,
//! and those that wait for a stack there is none of.
//!
//! A stack that waits for itself is told where its manifest is read. In which order sound stacks are deployed is
//! decided in [`crate::plan`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::excerpt::SourceText;
use crate::model::stack::Stack;
use crate::model::{Place, Problem, StackName};

/// A stack, or all that is wrong with it.
type Read = Result<Stack, Vec<Problem>>;

/// Refuses every stack that is part of a circle. Those that merely wait for one of them are left as they are.
pub fn refuse_circles<'a>(stacks: impl Iterator<Item = &'a mut Read>) {
    let mut stacks: Vec<&mut Read> = stacks.collect();
    let sound = stacks.iter().filter_map(|stack| stack.as_ref().ok());
    let after: BTreeMap<StackName, Vec<StackName>> =
        sound.map(|stack| (stack.name.clone(), stack.after.clone())).collect();
    for read in &mut stacks {
        let Ok(stack) = &**read else { continue };
        let Some(circle) = circle(&stack.name, &after) else { continue };
        let names: Vec<&str> = circle.iter().map(|name| name.as_str()).collect();
        let message = format!("stacks wait for each other: {}", names.join(" → "));
        let problem = problem("stack-cycle", message, stack, circle.get(1).copied())
            .hint("take one of them out of the other's `x-evenkeel.after`");
        **read = Err(vec![problem]);
    }
}

/// Refuses every stack that waits for one that is not among `known`.
pub fn refuse_unknown<'a>(stacks: impl Iterator<Item = &'a mut Read>, known: &BTreeSet<StackName>) {
    for read in stacks {
        let Ok(stack) = &*read else { continue };
        let unknown = stack.after.iter().filter(|other| !known.contains(other));
        let problems: Vec<Problem> = unknown.map(|other| no_such_stack(stack, other)).collect();
        if !problems.is_empty() {
            *read = Err(problems);
        }
    }
}

fn no_such_stack(stack: &Stack, other: &StackName) -> Problem {
    let message =
        format!("the stack `{}` waits for `{other}`, which this host does not have", stack.name);
    let hint = "correct the name in `x-evenkeel.after`, or take it out; a stack with `x-evenkeel.hosts` may be meant for other hosts";
    problem("unknown-stack", message, stack, Some(other)).hint(hint)
}

/// A problem where `stack` says that it waits for `other`.
fn problem(
    code: &'static str,
    message: String,
    stack: &Stack,
    other: Option<&StackName>,
) -> Problem {
    let file = || Place::file(stack.files.first().map_or("", String::as_str));
    let place = other.and_then(|other| stack.after_at.get(other)).cloned().unwrap_or_else(file);
    let text = stack.record.manifest.get(&*place.file).map(|text| String::from_utf8_lossy(text));
    let text = SourceText::new(Arc::clone(&place.file), &text.unwrap_or_default());
    text.problem_at(code, message, &place).path("x-evenkeel.after")
}

/// The shortest way from `start` over what each stack waits for back to `start`, both ends included.
fn circle<'a>(
    start: &'a StackName,
    after: &'a BTreeMap<StackName, Vec<StackName>>,
) -> Option<Vec<&'a StackName>> {
    let mut waits_for_it: BTreeMap<&StackName, &StackName> = BTreeMap::new();
    let mut next = VecDeque::from([start]);
    while let Some(here) = next.pop_front() {
        for other in after.get(here).into_iter().flatten() {
            if other == start {
                let back = std::iter::successors(Some(here), |at| waits_for_it.get(at).copied());
                let mut way: Vec<&StackName> = std::iter::once(start).chain(back).collect();
                way.reverse();
                return Some(way);
            }
            if !waits_for_it.contains_key(other) {
                waits_for_it.insert(other, here);
                next.push_back(other);
            }
        }
    }
    None
}
