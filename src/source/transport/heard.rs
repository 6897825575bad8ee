//! What an http server says of itself beside its answer: its clock, and how long a token is good for.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use reqwest::header::{DATE, HeaderMap};

/// What a server said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Its clock (`Date`: RFC 9110, section 6.6.1), to the second.
    pub date: Option<Timestamp>,
    /// When its answer came, by this host's clock.
    pub at: Timestamp,
    /// When the token expires that it was asked with.
    pub expires: Option<Timestamp>,
}

/// GitHub's documentation, "Managing your personal access tokens".
const EXPIRY: &str = "github-authentication-token-expiration";

impl Heard {
    /// What the headers of an answer say that came at `at`.
    pub fn of(headers: &HeaderMap, at: Timestamp) -> Self {
        let text = |value: &reqwest::header::HeaderValue| value.to_str().ok().map(str::to_owned);
        let date = headers.get(DATE).and_then(text);
        let expires = headers.get(EXPIRY).and_then(text);
        Self {
            date: date.and_then(|text| http_date(&text)),
            at,
            expires: expires.and_then(|text| expiry(&text)),
        }
    }
}

fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|date| date.timestamp())
}

/// `2026-12-01 12:00:00 UTC` or `2026-12-01 12:00:00 +0100`.
fn expiry(text: &str) -> Option<Timestamp> {
    if let Some(text) = text.strip_suffix(" UTC") {
        let date = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok()?;
        return date.to_zoned(TimeZone::UTC).ok().map(|date| date.timestamp());
    }
    Timestamp::strptime("%Y-%m-%d %H:%M:%S %z", text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_clock_and_the_end_of_a_token_are_read() {
        let check = |date: &str, expires: &str, expected: [Option<&str>; 2]| {
            let mut headers = HeaderMap::new();
            headers.insert(DATE, date.parse().unwrap());
            headers.insert(EXPIRY, expires.parse().unwrap());
            let heard = Heard::of(&headers, Timestamp::UNIX_EPOCH);
            let expected = expected.map(|text| text.map(|text| text.parse().unwrap()));
            assert_eq!([heard.date, heard.expires], expected, "{date}, {expires}");
        };
        check(
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "2026-12-01 12:00:00 UTC",
            [Some("1994-11-06T08:49:37Z"), Some("2026-12-01T12:00:00Z")],
        );
        check("soon", "2026-12-01 12:00:00 +0100", [None, Some("2026-12-01T11:00:00Z")]);
        check("", "never", [None, None]);
    }
}
