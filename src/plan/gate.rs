//! When a container counts as good: what a gate waits for, and how long.

use std::time::Duration;

use crate::model::probe::Probe;
use crate::model::spec::Healthcheck;

/// When a container counts as good (`architecture`: health gate).
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// What is waited for.
    pub until: Until,
    /// From here to there at most; `None` takes the larger of `fallback` and what the health check needs.
    pub deadline: Option<Duration>,
    /// The host's default deadline.
    pub fallback: Duration,
    /// Whether it follows a start of ours, so that `post_start` is run first.
    pub started: bool,
    /// Restarts by the restart policy that are borne.
    pub restarts: u32,
    /// What it has to answer once it is good otherwise.
    pub probe: Option<Probe>,
}

/// What a gate waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Healthy by its health check; without one, running without a restart for this long.
    Good {
        /// How long.
        stable: Duration,
        /// Ending with exit code 0 is good too: nothing restarts it.
        may_complete: bool,
    },
    /// Ended with exit code 0: a job.
    Completed,
    /// Healthy by its health check; without one it cannot pass (`depends_on: service_healthy`).
    Healthy,
}

impl Gate {
    /// The deadline for a container with this health check: the written one, else the larger of the
    /// fallback and `start_period + (interval + timeout) × (retries + 1)`. `None` is no deadline: a job
    /// has one only if one is written.
    pub fn deadline_with(&self, healthcheck: Option<&Healthcheck>) -> Option<Duration> {
        if self.deadline.is_some() || self.until == Until::Completed {
            return self.deadline;
        }
        let engine_default = Duration::from_secs(30);
        let needed = healthcheck.map_or(Duration::ZERO, |check| {
            let round =
                check.interval.unwrap_or(engine_default) + check.timeout.unwrap_or(engine_default);
            check.start_period.unwrap_or_default() + round * (check.retries.unwrap_or(3) + 1)
        });
        Some(self.fallback.max(needed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_deadline_is_the_written_one_or_leaves_time_for_every_round_of_the_health_check() {
        let good = Until::Good { stable: SECOND, may_complete: false };
        let check = Healthcheck {
            interval: Some(SECOND * 10),
            timeout: Some(SECOND * 5),
            start_period: Some(SECOND * 20),
            retries: Some(2),
            ..Healthcheck::default()
        };
        let plain = Healthcheck::default();
        for (until, written, check, expected) in [
            (good, None, Some(&check), Some(20 + 15 * 3)),
            (good, None, Some(&plain), Some(60 * 4)),
            (good, None, None, Some(30)),
            (good, Some(7), Some(&check), Some(7)),
            (Until::Completed, None, Some(&check), None),
            (Until::Completed, Some(7), None, Some(7)),
        ] {
            let gate = Gate {
                until,
                deadline: written.map(Duration::from_secs),
                fallback: SECOND * 30,
                started: true,
                restarts: 0,
                probe: None,
            };
            let expected = expected.map(Duration::from_secs);
            assert_eq!(gate.deadline_with(check), expected, "{until:?} {written:?}");
        }
    }
}
