//! When a message that could not be delivered is tried again, and when nobody wants it any more.

use std::time::Duration;

use jiff::Timestamp;

/// The wait after a first failure; it doubles with each further one.
const FIRST: Duration = Duration::from_secs(10);
/// The longest wait that is ours to choose.
const LONGEST: Duration = Duration::from_secs(3600);
/// The longest wait that another may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(6 * 3600);
/// News older than this are none.
const STALE: Duration = Duration::from_secs(3 * 24 * 3600);

/// How long to wait after `tries` failures, the last of which came with `retry_after`.
pub fn wait(tries: u32, retry_after: Option<Duration>) -> Duration {
    let doublings = tries.saturating_sub(1).min(16);
    let own = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    retry_after.map_or(own, |asked| asked.min(LONGEST_ASKED).max(FIRST))
}

/// Whether a message of `made_at` is given up.
pub fn is_given_up(made_at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(made_at).unsigned_abs() > STALE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_an_hour_unless_the_other_side_asks_for_more() {
        let seconds =
            |tries, asked: Option<u64>| wait(tries, asked.map(Duration::from_secs)).as_secs();
        assert_eq!([1, 2, 3, 9, 40].map(|tries| seconds(tries, None)), [10, 20, 40, 2560, 3600]);
        assert_eq!(seconds(1, Some(7200)), 7200);
        assert_eq!(seconds(5, Some(0)), 10, "nobody is asked over and over");
        assert_eq!(seconds(1, Some(u64::MAX)), 6 * 3600);
    }

    #[test]
    fn news_of_three_days_ago_are_none() {
        let at = |hours: i64| Timestamp::from_second(hours * 3600).unwrap();
        assert!(!is_given_up(at(0), at(72)));
        assert!(is_given_up(at(0), at(73)));
    }
}
