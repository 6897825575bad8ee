//! `evenkeel.validate/v1`: what is wrong in a source tree.

use std::time::Duration;

use serde::Serialize;

use super::rollout::{ValidateRollout, rollout};
use super::{WireProblem, WireRemark};
use crate::model::{Problem, Stack};

/// A stack that was read, or could not be.
#[derive(Clone, Copy, Debug)]
pub struct Validated<'a> {
    /// Its name, or its directory where the name cannot be told.
    pub name: &'a str,
    /// The manifest's files.
    pub files: &'a [String],
    /// What it says, or what is wrong with it.
    pub result: Result<&'a Stack, &'a [Problem]>,
}

/// What is wrong in a source tree.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ValidateReport {
    /// `evenkeel.validate/v1`
    pub schema: &'static str,
    /// Whether everything can be used.
    pub valid: bool,
    /// Every stack that was found.
    pub stacks: Vec<ValidateStack>,
    /// What is wrong with no stack in particular.
    pub problems: Vec<WireProblem>,
}

/// One stack.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ValidateStack {
    /// Its name.
    pub stack: String,
    /// The manifest's files.
    pub files: Vec<String>,
    /// Its services' names; empty where it cannot be used.
    pub services: Vec<String>,
    /// How a change of each of them would be rolled out.
    pub rollouts: Vec<ValidateRollout>,
    /// What is wrong.
    pub problems: Vec<WireProblem>,
    /// Things worth saying.
    pub remarks: Vec<WireRemark>,
}

/// What is wrong with `stacks`, and with the tree as a whole. `deadline` is how long a container may take
/// where the manifest says nothing.
pub fn validate(
    stacks: &[Validated<'_>],
    problems: &[Problem],
    deadline: Duration,
) -> ValidateReport {
    let is_sound = |validated: &Validated<'_>| validated.result.is_ok();
    ValidateReport {
        schema: "evenkeel.validate/v1",
        valid: problems.is_empty() && stacks.iter().all(is_sound),
        stacks: stacks.iter().map(|validated| stack(validated, deadline)).collect(),
        problems: problems.iter().map(WireProblem::from).collect(),
    }
}

fn stack(validated: &Validated<'_>, deadline: Duration) -> ValidateStack {
    let found = validated.result.ok();
    let rollouts = |stack: &Stack| -> Vec<ValidateRollout> {
        stack.services.values().map(|service| rollout(stack, service, deadline)).collect()
    };
    let problems = validated.result.err().unwrap_or_default();
    ValidateStack {
        stack: validated.name.to_owned(),
        files: validated.files.to_vec(),
        services: found
            .into_iter()
            .flat_map(|stack| stack.services.keys().map(ToString::to_string))
            .collect(),
        rollouts: found.map(rollouts).unwrap_or_default(),
        problems: problems.iter().map(WireProblem::from).collect(),
        remarks: found
            .into_iter()
            .flat_map(|stack| stack.remarks.iter().map(WireRemark::from))
            .collect(),
    }
}
