//! Why something could not be done, and what to do about it.

use crate::engine::EngineError;
use crate::history::HistoryError;
use crate::model::memory::HoldScope;
use crate::model::{Problem, StackName};
use crate::reconcile::PassError;
use crate::reconcile::lock::LockError;
use crate::reconcile::rollback::RollbackError;
use crate::reconcile::view::View;
use crate::report::{Style, problems};

/// More names than this help nobody who has mistyped one.
const MOST_NAMED: usize = 20;

/// Why something was not done.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Whose trouble it is.
    pub kind: Kind,
    /// What happened, in one line.
    pub text: String,
    /// The next move.
    pub hint: Option<String>,
    /// What is wrong with the configuration or a manifest, where that is it; `text` is then one of them.
    pub problems: Vec<Problem>,
}

/// Whose trouble a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The question makes no sense.
    Question,
    /// There is no such stack, service or pass.
    Unknown,
    /// Something else is under way.
    Busy,
    /// The world's: the engine, a repository.
    World,
    /// The host is not in a state for it: nothing to go back to, a damaged database.
    Host,
}

impl Refusal {
    /// Without a next move.
    pub fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), hint: None, problems: Vec::new() }
    }

    /// With the next move.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Why there was no pass.
    pub fn of_pass(error: &PassError) -> Self {
        let refusal = Self::new(kind(error), error.to_string());
        Self { hint: hint(error).map(str::to_owned), ..refusal }
    }

    /// Problems of the configuration or of a manifest; at least one.
    pub fn problems(problems: Vec<Problem>) -> Self {
        let text = problems::render(&problems, Style::PLAIN);
        Self { kind: Kind::Host, text: text.trim_end().to_owned(), hint: None, problems }
    }
}

impl std::fmt::Display for Refusal {
    /// In one line, for a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.hint {
            Some(hint) => write!(f, "{} ({hint})", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// The next move after a pass that could not be made, where there is one.
pub fn hint(error: &PassError) -> Option<&'static str> {
    match error {
        PassError::Engine(EngineError::Unreachable(_)) => Some(
            "start it (`systemctl start docker`), run evenkeel as root, or name it with --docker",
        ),
        PassError::Engine(EngineError::Version(_)) => Some("upgrade the Docker Engine"),
        PassError::Engine(_) => None,
        PassError::Lock(LockError::Busy { .. }) => Some("run it again when that pass has ended"),
        PassError::Lock(LockError::File { .. })
        | PassError::History(HistoryError::StateDir { .. }) => {
            Some("run evenkeel as root, or choose another --state-dir")
        }
        PassError::History(_) | PassError::Broken(_) => None,
    }
}

fn kind(error: &PassError) -> Kind {
    match error {
        PassError::Lock(LockError::Busy { .. }) => Kind::Busy,
        PassError::Engine(_) => Kind::World,
        PassError::Lock(LockError::File { .. }) | PassError::History(_) | PassError::Broken(_) => {
            Kind::Host
        }
    }
}

impl From<PassError> for Refusal {
    fn from(error: PassError) -> Self {
        Self::of_pass(&error)
    }
}

impl From<HistoryError> for Refusal {
    fn from(error: HistoryError) -> Self {
        PassError::from(error).into()
    }
}

impl From<RollbackError> for Refusal {
    fn from(error: RollbackError) -> Self {
        let text = error.to_string();
        match error {
            RollbackError::Pass(error) => error.into(),
            RollbackError::Target(error) => {
                Self { hint: error.hint(), ..Self::new(Kind::Host, text) }
            }
            RollbackError::Record(number, problems) => {
                let is_refused = problems.iter().any(|it| it.code.starts_with("policy-"));
                let what = match is_refused {
                    true => Problem::new(
                        "failed",
                        format!("generation {number} asks for what the policy of this host does not allow today"),
                    )
                    .hint("allow it as told below, or choose another with `--to`"),
                    false => Problem::new("failed", text).hint(
                        "mend the server's files as told below, or choose another with `--to`",
                    ),
                };
                Self::problems([vec![what], problems].concat())
            }
            RollbackError::NotInManifest(..) => Self::new(Kind::Host, text)
                .hint("activate its profile again, or choose another with `--to`"),
        }
    }
}

/// A scope that nothing is known of is most likely a slip of the pen: doing nothing must not look like
/// success.
pub fn check_scopes(view: &View, only: &[HoldScope]) -> Result<(), Refusal> {
    match only.iter().find(|scope| !view.knows(scope)) {
        Some(scope) => Err(unknown(scope, view.desired.stacks.keys().map(StackName::as_str))),
        None => Ok(()),
    }
}

/// The trouble that neither git nor this host has anything of `scope`.
pub fn unknown<'a>(scope: &HoldScope, stacks: impl Iterator<Item = &'a str>) -> Refusal {
    let stacks: Vec<&str> = stacks.take(MOST_NAMED).collect();
    let hint = match stacks.as_slice() {
        [] => "there is no stack at all; `evenkeel doctor` looks for the reason".to_owned(),
        stacks => format!("the stacks are {}", stacks.join(", ")),
    };
    Refusal::new(Kind::Unknown, format!("neither git nor this host has a `{scope}`")).hint(hint)
}
