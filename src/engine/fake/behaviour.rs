//! What the program inside an image does once it runs. Docker's own rules are not here.

use std::time::Duration;

use crate::model::ContainerSpec;

/// How containers of an image behave, and what the image brings along.
#[derive(Clone, Debug)]
pub struct ImageBehaviour {
    /// How long its process lives.
    pub process: Process,
    /// What its health check answers, where the image or the container has one.
    pub health: HealthStory,
    /// Only `SIGKILL` ends it, after the grace period.
    pub ignores_sigterm: bool,
    /// Its ends are the kernel's doing, for want of memory.
    pub out_of_memory: bool,
    /// What the image declares: command, environment, health check, anonymous volumes, ….
    pub defaults: ContainerSpec,
    /// What it writes at every start.
    pub logs: Vec<String>,
    /// Bytes on disk.
    pub size: u64,
}

/// How long a process lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Process {
    /// Until it is stopped.
    Forever,
    /// It ends every time.
    Exits {
        /// Time from start to end.
        after: Duration,
        /// Its exit code.
        code: i64,
    },
    /// It ends so many times in a container's life, and then stays.
    ExitsThenRuns {
        /// How many times it ends.
        times: u32,
        /// Time from start to end.
        after: Duration,
        /// Its exit code.
        code: i64,
    },
    /// The engine cannot start it, and says this.
    CannotStart(String),
}

/// What a health check answers, by the time since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HealthStory {
    /// Healthy from then on.
    HealthyAfter(Duration),
    /// Never healthy: unhealthy once the start period and all retries are used up.
    Never,
    /// Healthy for a while.
    HealthyUntil {
        /// Time from start to healthy.
        healthy_after: Duration,
        /// Time from start to unhealthy.
        unhealthy_after: Duration,
    },
}

impl Default for ImageBehaviour {
    /// Runs for ever, has no health check, and is healthy after a second where a container adds one.
    fn default() -> Self {
        Self {
            process: Process::Forever,
            health: HealthStory::HealthyAfter(Duration::from_secs(1)),
            ignores_sigterm: false,
            out_of_memory: false,
            defaults: ContainerSpec::default(),
            logs: Vec::new(),
            size: 10_000_000,
        }
    }
}

impl ImageBehaviour {
    /// A process that lives as `process` says, and is otherwise like the default.
    pub fn process(process: Process) -> Self {
        Self { process, ..Self::default() }
    }

    /// A process that always ends with `code`.
    pub fn exits(after: Duration, code: i64) -> Self {
        Self::process(Process::Exits { after, code })
    }

    /// An image with a health check that answers as `health` says.
    pub fn health(health: HealthStory) -> Self {
        let check = crate::model::spec::Healthcheck {
            test: vec!["CMD".into(), "check".into()],
            ..Default::default()
        };
        let defaults = ContainerSpec { healthcheck: Some(check), ..ContainerSpec::default() };
        Self { health, defaults, ..Self::default() }
    }
}

impl Process {
    /// When and with which code a process ends that was started after `ends` earlier ends.
    pub(super) fn end(&self, ends: u32) -> Option<(Duration, i64)> {
        match self {
            Self::Forever | Self::CannotStart(_) => None,
            Self::Exits { after, code } => Some((*after, *code)),
            Self::ExitsThenRuns { times, after, code } => {
                (ends < *times).then_some((*after, *code))
            }
        }
    }
}
