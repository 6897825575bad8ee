//! What goes wrong on purpose, and the log of what was asked. What Docker refuses by its own rules is not
//! here.

use crate::engine::EngineError;

/// One call to the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What was asked.
    pub verb: Verb,
    /// The thing's name: a container's even where the call named its id.
    pub subject: String,
    /// Whether it changes the host.
    pub mutating: bool,
}

/// The engine's verbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is the method of that name")]
pub enum Verb {
    Info,
    Observe,
    ImageDefaults,
    Distribution,
    Inspect,
    Logs,
    Watch,
    Disk,
    Pull,
    NameImage,
    DropImageName,
    PruneBuildCache,
    CreateNetwork,
    RemoveNetwork,
    Connect,
    Disconnect,
    CreateVolume,
    CreateContainer,
    Start,
    Stop,
    Unpause,
    Rename,
    RemoveContainer,
    Update,
    Exec,
}

impl Verb {
    /// Whether it changes the host.
    pub fn mutates(self) -> bool {
        match self {
            Self::Info
            | Self::Observe
            | Self::ImageDefaults
            | Self::Distribution
            | Self::Inspect
            | Self::Logs
            | Self::Watch
            | Self::Disk => false,
            Self::Pull
            | Self::NameImage
            | Self::DropImageName
            | Self::PruneBuildCache
            | Self::CreateNetwork
            | Self::RemoveNetwork
            | Self::Connect
            | Self::Disconnect
            | Self::CreateVolume
            | Self::CreateContainer
            | Self::Start
            | Self::Stop
            | Self::Unpause
            | Self::Rename
            | Self::RemoveContainer
            | Self::Update
            | Self::Exec => true,
        }
    }
}

/// Which call goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matcher {
    verb: Verb,
    subject: Option<String>,
}

impl Matcher {
    /// The next call of `verb`.
    pub fn any(verb: Verb) -> Self {
        Self { verb, subject: None }
    }

    /// The next call of `verb` on `subject`.
    pub fn on(verb: Verb, subject: &str) -> Self {
        Self { verb, subject: Some(subject.to_owned()) }
    }

    fn matches(&self, call: &Call) -> bool {
        self.verb == call.verb && self.subject.as_ref().is_none_or(|wanted| *wanted == call.subject)
    }
}

/// How a call goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing happened, and the engine says so.
    Refused(EngineError),
    /// It happened, and yet an error came back.
    DoneButError(EngineError),
    /// Nothing happened, and nobody answered.
    TimesOutBefore,
}

/// Faults to come, and calls so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    pub(super) calls: Vec<Call>,
    pub(super) waiting: Vec<(Matcher, Fault)>,
    /// The death of the caller: the mutating call it comes at, counted from here, and whether that call
    /// still happens.
    pub(super) death: Option<Death>,
    pub(super) dead: bool,
}

/// When the caller dies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Death {
    /// Mutating calls until then, that one included.
    pub(super) calls_left: usize,
    /// Whether that call still has its effect.
    pub(super) after: bool,
}

/// What comes back in place of the answer of a call that did happen.
pub(super) struct Aftermath(Option<EngineError>);

impl Aftermath {
    pub(super) fn of<T>(self, result: Result<T, EngineError>) -> Result<T, EngineError> {
        match self.0 {
            None => result,
            Some(error) => Err(error),
        }
    }
}

impl Faults {
    /// Lets a call in, or says why not.
    pub(super) fn admit(&mut self, call: Call) -> Result<Aftermath, EngineError> {
        if self.dead {
            return Err(crashed());
        }
        let dies = call.mutating && self.count_down();
        if dies && !self.death.take().is_some_and(|death| death.after) {
            self.dead = true;
            return Err(crashed());
        }
        let fault = self.take_fault(&call);
        self.calls.push(call);
        if dies {
            self.dead = true;
        }
        match fault {
            Some(Fault::Refused(error)) => Err(error),
            Some(Fault::TimesOutBefore) => {
                Err(EngineError::Unreachable("no answer in time".into()))
            }
            Some(Fault::DoneButError(error)) => Ok(Aftermath(Some(error))),
            None => Ok(Aftermath(dies.then(crashed))),
        }
    }

    /// Whether this mutating call is the last.
    fn count_down(&mut self) -> bool {
        let Some(death) = &mut self.death else { return false };
        death.calls_left = death.calls_left.saturating_sub(1);
        death.calls_left == 0
    }

    fn take_fault(&mut self, call: &Call) -> Option<Fault> {
        let position = self.waiting.iter().position(|(matcher, _)| matcher.matches(call))?;
        Some(self.waiting.remove(position).1)
    }
}

fn crashed() -> EngineError {
    EngineError::Unreachable("crashed".into())
}
