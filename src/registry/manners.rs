//! How often one registry may be asked: a budget, a circuit that opens where asking is in vain, and rest where the
//! registry wants it.
//!
//! Pure: time and luck are arguments. What an answer was is told by [`super::exchange`].

use std::time::Duration;

use tokio::time::Instant;

/// Requests that may go out at once.
const BURST: f64 = 100.0;
/// Requests a second in the long run.
const PER_SECOND: f64 = 5.0;
/// How long one waits for the budget rather than giving up.
const PATIENCE: Duration = Duration::from_secs(10);
/// Failures in a row that open the circuit.
const FAILURES: u32 = 3;
/// The longest first rest, doubled with each further failure …
const BASE: Duration = Duration::from_secs(10);
/// … up to this.
const LONGEST: Duration = Duration::from_secs(300);
/// The shortest rest.
const SHORTEST: Duration = Duration::from_secs(1);
/// The longest rest that a registry can ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(6 * 3600);
/// The longest pause between two questions at the low-water mark.
const LONGEST_PACE: Duration = Duration::from_secs(15 * 60);
/// The low-water mark, requests, where the registry does not say how many it allows; else a tenth of these.
const LOW_WATER: u64 = 10;
/// How long the one question after a rest has for its answer, before another may try.
const TRIAL: Duration = Duration::from_secs(30);

/// What is known of one registry's patience.
#[derive(Debug)]
pub(super) struct Manners {
    /// Requests left; below nothing are those that wait.
    budget: f64,
    counted: Instant,
    failures: u32,
    rest: Option<Rest>,
    /// Until when the question that found the rest over is waited for.
    trial: Option<Instant>,
    /// What it said last of what is left.
    level: Option<Level>,
}

#[derive(Debug)]
struct Rest {
    until: Instant,
    why: &'static str,
}

/// Why nothing is asked now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotNow {
    pub why: &'static str,
    pub wait: Duration,
}

/// What was wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// None came, or a server's error.
    Failed,
    /// 429.
    TooMany,
}

/// What a registry says is left of what it allows (`ratelimit-limit`, `-remaining`, `-reset`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    pub remaining: u64,
    pub limit: Option<u64>,
    /// The time in which `limit` is allowed.
    pub window: Option<Duration>,
    /// The time until all of it is allowed again.
    pub reset: Option<Duration>,
}

impl Manners {
    /// Of a registry that nothing is known of.
    pub fn new(now: Instant) -> Self {
        Self { budget: BURST, counted: now, failures: 0, rest: None, trial: None, level: None }
    }

    /// How long the next request has to wait, or why it is not to be made at all.
    pub fn admit(&mut self, now: Instant) -> Result<Duration, NotNow> {
        if let Some(rest) = &self.rest {
            let until = self.trial.map_or(rest.until, |trial| trial.max(rest.until));
            if now < until {
                return Err(NotNow { why: rest.why, wait: until - now });
            }
        }
        let earned = now.saturating_duration_since(self.counted).as_secs_f64() * PER_SECOND;
        self.budget = (self.budget + earned).min(BURST);
        self.counted = now;
        let wait = Duration::from_secs_f64((1.0 - self.budget).max(0.0) / PER_SECOND);
        if wait > PATIENCE {
            return Err(NotNow { why: "more was asked of it than is polite", wait });
        }
        self.budget -= 1.0;
        // One finds out whether the rest was long enough; the others wait for what it is told.
        self.trial = self.rest.as_ref().map(|_| now + TRIAL);
        Ok(wait)
    }

    /// What it said last of what is left.
    pub fn level(&self) -> Option<Level> {
        self.level
    }

    /// An answer came. Those that were under way when the registry asked for rest do not end it.
    pub fn answered(&mut self, now: Instant, level: Option<Level>) {
        self.failures = 0;
        self.level = level.or(self.level);
        if self.rest.as_ref().is_some_and(|rest| now < rest.until) {
            return;
        }
        self.trial = None;
        let pace = level.and_then(Level::pace);
        self.rest = pace.map(|pace| Rest {
            until: now + pace,
            why: "little is left of what it allows, and that is kept for pulls",
        });
    }

    /// None came, or one that says that more would be too much. `luck` is between 0 and 1.
    pub fn troubled(&mut self, now: Instant, trouble: Trouble, asked: Option<Duration>, luck: f64) {
        let rests_until = self.rest.as_ref().map(|rest| rest.until).filter(|until| now < *until);
        if rests_until.is_none() {
            self.failures = self.failures.saturating_add(1);
            self.trial = None;
        }
        let (free, why) = match trouble {
            Trouble::Failed => (FAILURES - 1, "it failed several times in a row"),
            Trouble::TooMany => (0, "it was asked too often"),
        };
        let wait = match asked {
            // All hosts that heard the same must not come back at the same moment.
            Some(asked) => {
                let asked = asked.min(LONGEST_ASKED);
                Some(asked + (asked / 10).mul_f64(luck))
            }
            None => self.failures.checked_sub(free + 1).map(|times| back_off(times, luck)),
        };
        let until = wait.map(|wait| now + wait.max(SHORTEST));
        if let Some(until) = until.filter(|until| rests_until.is_none_or(|rests| rests < *until)) {
            self.rest = Some(Rest { until, why });
        }
    }
}

/// Full jitter: anything up to the longest, which doubles.
fn back_off(times: u32, luck: f64) -> Duration {
    BASE.saturating_mul(1 << times.min(16)).min(LONGEST).mul_f64(luck)
}

impl Level {
    /// The pause after which the next question is no more than the registry gives back; `None` while there is
    /// plenty.
    fn pace(self) -> Option<Duration> {
        if self.remaining > self.limit.map_or(LOW_WATER, |limit| limit / 10) {
            return None;
        }
        let parts = |number: u64| u32::try_from(number).unwrap_or(u32::MAX).max(1);
        let pace = match (self.reset, self.window) {
            (Some(reset), _) => reset / parts(self.remaining.saturating_add(1)),
            (None, Some(window)) => window / parts(self.limit.unwrap_or(1)),
            (None, None) => Duration::from_secs(60),
        };
        Some(pace.clamp(SHORTEST, LONGEST_PACE))
    }

    /// Reads the headers' values: `76;w=21600`, or a bare number.
    pub fn read(remaining: Option<&str>, limit: Option<&str>, reset: Option<&str>) -> Option<Self> {
        let number = |text: &str| text.split([';', ',']).next()?.trim().parse::<u64>().ok();
        let window = |text: &str| {
            let (_, seconds) = text.split_once("w=")?;
            number(seconds).map(Duration::from_secs)
        };
        Some(Self {
            remaining: number(remaining?)?,
            limit: limit.and_then(number),
            window: limit.and_then(window).or(remaining.and_then(window)),
            reset: reset.and_then(number).map(Duration::from_secs),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    fn wait(manners: &mut Manners, now: Instant) -> Option<u64> {
        manners.admit(now).err().map(|not_now| not_now.wait.as_secs())
    }

    #[test]
    fn a_burst_is_let_through_then_only_as_much_as_is_polite() {
        let start = Instant::now();
        let mut manners = Manners::new(start);
        let waits: Vec<Duration> = (0..150).map(|_| manners.admit(start).unwrap()).collect();
        assert!(waits[..100].iter().all(Duration::is_zero), "the burst");
        assert_eq!(waits[100], Duration::from_millis(200));
        assert_eq!(waits[149], seconds(10));
        let refused = manners.admit(start).unwrap_err();
        assert!(refused.wait > PATIENCE && refused.why.contains("polite"), "{refused:?}");
        assert_eq!(manners.admit(start + seconds(60)).unwrap(), Duration::ZERO);
    }

    #[test]
    fn the_circuit_opens_after_three_failures_and_one_question_tries_it() {
        let mut now = Instant::now();
        let mut manners = Manners::new(now);
        for _ in 0..2 {
            manners.troubled(now, Trouble::Failed, None, 1.0);
            assert_eq!(wait(&mut manners, now), None);
        }
        manners.troubled(now, Trouble::Failed, None, 1.0);
        assert_eq!(wait(&mut manners, now), Some(10));
        // Those that were under way count once.
        manners.troubled(now, Trouble::Failed, None, 1.0);
        assert_eq!(wait(&mut manners, now), Some(10));

        now += seconds(10);
        assert_eq!(wait(&mut manners, now), None);
        assert_eq!(wait(&mut manners, now), Some(30), "one at a time");
        manners.troubled(now, Trouble::Failed, None, 1.0);
        assert_eq!(wait(&mut manners, now), Some(20), "twice as long");

        now += seconds(20);
        assert_eq!(wait(&mut manners, now), None);
        manners.answered(now, None);
        assert_eq!(wait(&mut manners, now), None);
        manners.troubled(now, Trouble::Failed, None, 1.0);
        assert_eq!(wait(&mut manners, now), None, "it counts from the start again");
    }

    #[test]
    fn a_try_that_is_given_up_does_not_keep_the_others_out_for_ever() {
        let now = Instant::now();
        let mut manners = Manners::new(now);
        manners.troubled(now, Trouble::TooMany, Some(seconds(60)), 0.0);
        assert_eq!(wait(&mut manners, now + seconds(60)), None);
        assert_eq!(wait(&mut manners, now + seconds(61)), Some(29));
        assert_eq!(wait(&mut manners, now + seconds(90)), None);
    }

    #[test]
    fn a_rest_that_is_asked_for_is_kept_and_a_bit_longer() {
        let now = Instant::now();
        let mut manners = Manners::new(now);
        manners.troubled(now, Trouble::TooMany, Some(seconds(100)), 0.5);
        assert_eq!(wait(&mut manners, now), Some(105));
        manners.answered(now, None);
        assert_eq!(wait(&mut manners, now), Some(105), "an answer that was under way ends no rest");
        manners.troubled(now, Trouble::TooMany, Some(seconds(50)), 0.5);
        assert_eq!(wait(&mut manners, now), Some(105), "the longest counts");
        manners.troubled(now, Trouble::Failed, Some(Duration::MAX), 0.0);
        assert_eq!(wait(&mut manners, now), Some(6 * 3600), "and yet there is an end");
    }

    #[test]
    fn too_many_without_a_word_rests_at_once_and_longer_each_time_with_full_jitter() {
        let mut now = Instant::now();
        let mut manners = Manners::new(now);
        for longest in [10, 20, 40, 80, 160, 300, 300] {
            manners.troubled(now, Trouble::TooMany, None, 0.5);
            assert_eq!(wait(&mut manners, now), Some(longest / 2));
            now += seconds(longest / 2);
            assert_eq!(wait(&mut manners, now), None);
        }
        manners.troubled(now, Trouble::TooMany, None, 0.0);
        assert_eq!(manners.admit(now).unwrap_err().wait, SHORTEST);
    }

    #[test]
    fn at_the_low_water_mark_no_more_is_asked_than_comes_back() {
        let check = |remaining, limit, reset, expected: Option<u64>| {
            let now = Instant::now();
            let mut manners = Manners::new(now);
            manners.answered(now, Level::read(Some(remaining), limit, reset));
            assert_eq!(wait(&mut manners, now), expected, "{remaining} {limit:?} {reset:?}");
        };
        check("11;w=21600", Some("100;w=21600"), None, None);
        check("10;w=21600", Some("100;w=21600"), None, Some(216));
        check("0;w=21600", Some("100;w=21600"), None, Some(216));
        check("3", Some("60"), Some("40"), Some(10));
        check("0", Some("60"), Some("86400"), Some(900));
        check("9", None, None, Some(60));
        check("11", None, None, None);
        check("plenty", Some("60"), None, None);
    }
}
