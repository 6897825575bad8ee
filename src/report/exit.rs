//! Exit codes, all in one place (`interface`: exit codes).

use super::state::State;
use super::wire::{
    ImportReport, PassOutcome, PassReport, PlanReport, PlanStack, StatusReport, ValidateReport,
};

/// How the program ends. There are no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitCode {
    /// Converged, in sync, valid.
    Good,
    /// Something failed, is rejected, degraded or invalid, or a source could not be read.
    Failed,
    /// `plan --exit-code`: there are steps to do.
    Pending,
    /// A rollout failed in this pass and was rolled back; nothing else is wrong.
    RolledBack,
    /// The command line makes no sense.
    Usage,
}

impl ExitCode {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Failed => 1,
            Self::Pending => 3,
            Self::RolledBack => 4,
            Self::Usage => 64,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.code())
    }
}

/// Of `reconcile --once`.
pub fn of_pass(report: &PassReport) -> ExitCode {
    match report.outcome {
        PassOutcome::Converged => ExitCode::Good,
        PassOutcome::Failed => ExitCode::Failed,
        PassOutcome::RolledBack => ExitCode::RolledBack,
    }
}

/// Of `plan`. What is wrong wins over what is to be done; that there is something to do counts only where
/// `--exit-code` asks for it.
pub fn of_plan(report: &PlanReport, tells_pending: bool) -> ExitCode {
    // Steps of no service count too: a network that no stack wants any more.
    let is_pending = report.changes > 0 || report.steps() > 0;
    match in_need(report) {
        1.. => ExitCode::Failed,
        0 if tells_pending && is_pending => ExitCode::Pending,
        0 => ExitCode::Good,
    }
}

/// How many stacks and services of a plan wait for a person.
pub fn in_need(report: &PlanReport) -> usize {
    let of_stack = |stack: &PlanStack| match stack.state == State::Invalid {
        true => 1,
        false => stack.services.iter().filter(|it| is_bad(it.state, it.desired)).count(),
    };
    report.stacks.iter().map(of_stack).sum()
}

/// Of `status`.
pub fn of_status(report: &StatusReport) -> ExitCode {
    let is_blind = report.engine.error.is_some()
        || report.disk.is_some()
        || report.sources.iter().any(|source| source.state != "ok");
    // Whether a hold counts as desired only its service knows.
    let is_bad = report.stacks.iter().any(|stack| {
        is_bad(stack.state, true)
            || stack.services.iter().any(|service| is_bad(service.state, service.desired))
    });
    if is_blind || is_bad { ExitCode::Failed } else { ExitCode::Good }
}

/// Of `validate`.
pub fn of_validate(report: &ValidateReport) -> ExitCode {
    if report.valid { ExitCode::Good } else { ExitCode::Failed }
}

/// Of `import`.
pub fn of_import(report: &ImportReport) -> ExitCode {
    if report.valid { ExitCode::Good } else { ExitCode::Failed }
}

/// Whether a state ends the program with 1. `desired` tells an operator's hold from a question to them.
fn is_bad(state: State, desired: bool) -> bool {
    match state {
        State::InSync | State::Progressing | State::Pending | State::Orphaned => false,
        State::Held => !desired,
        State::Degraded | State::Failed | State::Rejected | State::Invalid => true,
    }
}
