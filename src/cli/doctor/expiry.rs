//! How long a password or token is still good for.

use std::time::Duration;

use jiff::Timestamp;

use super::Finding;
use crate::report::span;

/// Somebody should have this long to make a new one.
const AHEAD: Duration = Duration::from_secs(7 * 24 * 3600);

/// What there is to say of a token that expires at `at`; nothing while there is time enough.
pub(super) fn judged(what: &str, at: Timestamp, now: Timestamp) -> Option<Finding> {
    let remedy = "make a new one and put it in its place; evenkeel reads it anew each time";
    let shown = span::at(at);
    if at <= now {
        return Some(Finding::failed(what, format!("its token expired at {shown}"), remedy));
    }
    let left = at.duration_since(now).unsigned_abs();
    let days = left.as_secs() / 86_400;
    (left < AHEAD).then(|| {
        Finding::warning(what, format!("its token expires in {days} days, at {shown}"), remedy)
    })
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn a_token_is_told_of_a_week_before_it_expires() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let check = |at: &str, state: Option<State>| {
            let found = judged("login", at.parse().unwrap(), now);
            assert_eq!(found.map(|found| found.state), state, "{at}");
        };
        check("2026-11-21T12:00:00Z", Some(State::Failed));
        check("2026-11-21T12:00:01Z", Some(State::Warning));
        check("2026-11-28T11:59:59Z", Some(State::Warning));
        check("2026-11-28T12:00:00Z", None);
    }
}
