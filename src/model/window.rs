//! `window`: the hours in which a deployment may start: `Mon-Fri 02:00-05:00 Europe/Berlin`.
//!
//! What the clock on the wall shows is what counts. An hour that the clocks leave out in spring opens nothing on
//! that day, one that they show twice in autumn counts twice.

use std::fmt;

use jiff::civil::{DateTime, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan};

/// Days and hours in which a deployment may start, in one time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    text: String,
    spans: Vec<Span>,
    /// `None` is the host's.
    zone: Option<TimeZone>,
}

/// Hours on some days of the week, `from` some minute of the day up to another; past midnight where that comes
/// earlier.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Span {
    days: Days,
    from: u16,
    to: u16,
}

/// Days of the week, Monday first.
type Days = [bool; 7];

/// Why a text is no window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct WindowError {
    /// What is wrong.
    pub message: String,
    /// What to write in its place.
    pub hint: String,
}

/// What a window looks like.
const LIKE: &str = "such as `Sat,Sun 02:00-05:00` or `Mon-Fri 22:00-04:00 Europe/Berlin`";
const NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MINUTES_OF_DAY: u16 = 24 * 60;
/// Days that are looked through for the next opening: a window is open once a week, unless the clocks leave just
/// its hours out.
const HORIZON: i64 = 15;
/// A zone is meant that is at least this similar (Jaro-Winkler).
const NEAR: f64 = 0.85;

impl Window {
    /// Reads alternatives parted by `;`, each of days (every day where none is written) and hours, and a time zone
    /// at the very end. The zone is looked up in the machine's database, then in the one that is built in.
    ///
    /// # Errors
    /// What is no day, no time or no zone.
    pub fn parse(text: &str) -> Result<Self, WindowError> {
        let (mut spans, mut zone) = (Vec::new(), None);
        let mut alternatives = text.split(';').peekable();
        while let Some(alternative) = alternatives.next() {
            let (span, name) = span(alternative)?;
            spans.push(span);
            zone = name.map(find_zone).transpose()?;
            if let (Some(name), Some(_)) = (name, alternatives.peek()) {
                return Err(WindowError {
                    message: format!("the time zone `{name}` stands before a `;`"),
                    hint: "write it once, at the end: it is that of all the hours".to_owned(),
                });
            }
        }
        Ok(Self { text: text.trim().to_owned(), spans, zone })
    }

    /// Whether a deployment may start at `now`; `host` is the zone of a window that names none.
    pub fn is_open(&self, now: Timestamp, host: &TimeZone) -> bool {
        let shown = self.zone(host).to_datetime(now);
        self.spans.iter().any(|span| span.holds(shown))
    }

    /// When it opens next; `now` where it is open.
    pub fn opens(&self, now: Timestamp, host: &TimeZone) -> Timestamp {
        if self.is_open(now, host) {
            return now;
        }
        let zone = self.zone(host);
        let today = zone.to_datetime(now).date();
        let dates = (0..=HORIZON).filter_map(|days| today.checked_add(days.days()).ok());
        let begins = dates.flat_map(|date| {
            let of_day = self.spans.iter().filter(move |span| span.days[index(date.weekday())]);
            of_day.filter_map(move |span| {
                let (hour, minute) = (span.from / 60, span.from % 60);
                Some(date.at(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0))
            })
        });
        // The clock may show a time twice, or come upon an open hour by being put forward or back.
        let begins = begins.flat_map(|begin| {
            let shown = zone.to_ambiguous_zoned(begin);
            [shown.clone().earlier(), shown.later()]
        });
        let begins = begins.filter_map(Result::ok).map(|time| time.timestamp());
        let end = now.checked_add((24 * HORIZON).hours()).unwrap_or(Timestamp::MAX);
        let changes = zone.following(now).map(|change| change.timestamp());
        let changes = changes.take_while(|change| *change <= end);
        let times = begins.chain(changes);
        let open = times.filter(|time| *time > now && self.is_open(*time, host));
        open.min().unwrap_or(Timestamp::MAX)
    }

    fn zone<'a>(&'a self, host: &'a TimeZone) -> &'a TimeZone {
        self.zone.as_ref().unwrap_or(host)
    }
}

/// When all of `windows` are open at once, `now` or later; `None` where that does not come.
pub fn all_open(windows: &[&Window], now: Timestamp, host: &TimeZone) -> Option<Timestamp> {
    let end = now.checked_add((24 * HORIZON).hours()).ok()?;
    let mut time = now;
    while time <= end {
        match windows.iter().find(|window| !window.is_open(time, host)) {
            None => return Some(time),
            Some(closed) => time = closed.opens(time, host),
        }
    }
    None
}

impl Span {
    fn holds(&self, shown: DateTime) -> bool {
        let minute = u16::try_from(i32::from(shown.hour()) * 60 + i32::from(shown.minute()));
        let (minute, today) = (minute.unwrap_or(0), index(shown.weekday()));
        if self.from < self.to {
            return self.days[today] && (self.from..self.to).contains(&minute);
        }
        let yesterday = (today + 6) % 7;
        (self.days[today] && minute >= self.from) || (self.days[yesterday] && minute < self.to)
    }
}

fn index(day: Weekday) -> usize {
    usize::try_from(day.to_monday_zero_offset()).unwrap_or(0)
}

/// One alternative, and the name of the zone behind it.
fn span(text: &str) -> Result<(Span, Option<&str>), WindowError> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let hours = words.iter().position(|word| word.contains(':'));
    let Some(hours) = hours else {
        return Err(WindowError {
            message: match text.trim() {
                "" => "there are no hours".to_owned(),
                text => format!("`{text}` has no hours"),
            },
            hint: format!("write days and hours, {LIKE}"),
        });
    };
    let zone = match words[hours + 1..] {
        [] => None,
        [zone] => Some(zone),
        [_, other, ..] => return Err(wrong(format!("`{other}` stands behind the time zone"))),
    };
    let days = days(&words[..hours].concat())?;
    let (from, to) = self::hours(words[hours])?;
    Ok((Span { days, from, to }, zone))
}

fn days(text: &str) -> Result<Days, WindowError> {
    if text.is_empty() {
        return Ok([true; 7]);
    }
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        // `Sat-Mon` goes over the end of the week.
        let many = (last + 7 - first) % 7;
        (first..=first + many).for_each(|day| days[day % 7] = true);
    }
    Ok(days)
}

fn day(text: &str) -> Result<usize, WindowError> {
    NAMES.iter().position(|name| name.eq_ignore_ascii_case(text)).ok_or_else(|| {
        let is_begun =
            |name: &&&str| text.get(..3).is_some_and(|begin| begin.eq_ignore_ascii_case(name));
        WindowError {
            message: format!("`{text}` is no day"),
            hint: match NAMES.iter().find(is_begun) {
                Some(near) => format!("write `{near}`"),
                None => format!("the days are {}", NAMES.join(", ")),
            },
        }
    })
}

fn hours(text: &str) -> Result<(u16, u16), WindowError> {
    let Some((from, to)) = text.split_once('-') else {
        return Err(wrong(format!("`{text}` has no end")));
    };
    let (from, to) = (minute(from)?, minute(to)?);
    if from == to {
        return Err(WindowError {
            message: format!("`{text}` ends when it begins"),
            hint: "a whole day is `00:00-24:00`".to_owned(),
        });
    }
    if from == MINUTES_OF_DAY {
        return Err(WindowError {
            message: format!("`{text}` begins when the day is over"),
            hint: "write `00:00` and the day after".to_owned(),
        });
    }
    Ok((from, to))
}

/// The minute of the day.
fn minute(text: &str) -> Result<u16, WindowError> {
    let two_digits = |text: &str| match text.len() {
        2 if text.bytes().all(|b| b.is_ascii_digit()) => text.parse::<u16>().ok(),
        _ => None,
    };
    let parts = text.split_once(':');
    let parts = parts.and_then(|(hour, minute)| Some((two_digits(hour)?, two_digits(minute)?)));
    match parts {
        Some((hour @ 0..24, minute @ 0..60)) => Ok(hour * 60 + minute),
        Some((24, 0)) => Ok(MINUTES_OF_DAY),
        Some(_) | None => Err(WindowError {
            message: format!("`{text}` is no time of the day"),
            hint: "write hours and minutes with two digits each, `00:00` to `24:00`".to_owned(),
        }),
    }
}

fn find_zone(name: &str) -> Result<TimeZone, WindowError> {
    let found = TimeZone::get(name).or_else(|_| TimeZoneDatabase::bundled().get(name));
    found.map_err(|_| WindowError {
        message: format!("there is no time zone `{name}`"),
        hint: match nearest_zone(name) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "write a name such as `Europe/Berlin` or `UTC`".to_owned(),
        },
    })
}

fn nearest_zone(name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    let likeness = |known: &str| strsim::jaro_winkler(&name, &known.to_ascii_lowercase());
    let known: Vec<String> =
        TimeZoneDatabase::bundled().available().map(|name| name.to_string()).collect();
    let near = known.into_iter().map(|known| (likeness(&known), known));
    let near = near.filter(|(likeness, _)| *likeness >= NEAR);
    near.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

fn wrong(message: String) -> WindowError {
    WindowError { message, hint: format!("write it {LIKE}") }
}

impl fmt::Display for Window {
    /// As it was written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(text: &str) -> Window {
        Window::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// Whether `text` is open at each of these times, on a host in UTC.
    fn check(text: &str, times: &[(&str, bool)]) {
        for (time, expected) in times {
            assert_eq!(window(text).is_open(at(time), &TimeZone::UTC), *expected, "{text}, {time}");
        }
    }

    /// When `text` opens next, on a host in UTC.
    fn opens(text: &str, now: &str, expected: &str) {
        let next = window(text).opens(at(now), &TimeZone::UTC);
        assert_eq!(next, at(expected), "{text} after {now}");
    }

    #[test]
    fn days_and_hours_open_and_close() {
        // 2026-11-28 is a Saturday.
        let nights = "Sat,Sun 02:00-05:00";
        check(
            nights,
            &[
                ("2026-11-28T01:59:59Z", false),
                ("2026-11-28T02:00:00Z", true),
                ("2026-11-29T04:59:59Z", true),
                ("2026-11-29T05:00:00Z", false),
                ("2026-11-30T03:00:00Z", false),
            ],
        );
        check("02:00-05:00", &[("2026-11-30T03:00:00Z", true), ("2026-11-30T06:00:00Z", false)]);
        check(
            "sat-MON 00:00-24:00",
            &[
                ("2026-11-27T23:59:59Z", false),
                ("2026-11-28T00:00:00Z", true),
                ("2026-11-30T23:59:59Z", true),
                ("2026-12-01T00:00:00Z", false),
            ],
        );
        opens(nights, "2026-11-30T03:00:00Z", "2026-12-05T02:00:00Z");
        opens(nights, "2026-11-28T03:00:00Z", "2026-11-28T03:00:00Z");
        opens(nights, "2026-11-28T05:00:00Z", "2026-11-29T02:00:00Z");
    }

    #[test]
    fn hours_past_midnight_belong_to_the_day_on_which_they_begin() {
        check(
            "Fri 22:00-04:00",
            &[
                ("2026-11-27T03:00:00Z", false),
                ("2026-11-27T22:00:00Z", true),
                ("2026-11-28T03:59:00Z", true),
                ("2026-11-28T04:00:00Z", false),
                ("2026-11-28T22:00:00Z", false),
            ],
        );
        check(
            "Fri 22:00-24:00",
            &[("2026-11-27T23:59:59Z", true), ("2026-11-28T00:00:00Z", false)],
        );
        check(
            "Fri 22:00-00:00",
            &[("2026-11-27T23:59:59Z", true), ("2026-11-28T00:00:00Z", false)],
        );
        opens("Fri 22:00-04:00", "2026-11-28T04:00:00Z", "2026-12-04T22:00:00Z");
    }

    #[test]
    fn several_alternatives_are_open_one_after_the_other() {
        let either = "Mon-Fri 02:00-05:00; Sat, Sun 00:00-24:00";
        check(
            either,
            &[
                ("2026-11-27T03:00:00Z", true),
                ("2026-11-27T12:00:00Z", false),
                ("2026-11-28T12:00:00Z", true),
            ],
        );
        opens(either, "2026-11-27T12:00:00Z", "2026-11-28T00:00:00Z");
    }

    #[test]
    fn a_window_counts_in_its_own_zone_else_in_the_hosts() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        check(
            "Mon 02:00-05:00 Europe/Berlin",
            &[
                ("2026-11-30T00:59:59Z", false),
                ("2026-11-30T01:00:00Z", true),
                ("2026-11-30T04:00:00Z", false),
            ],
        );
        // Sunday in UTC is Monday in Tokyo.
        check("Mon 02:00-05:00 asia/tokyo", &[("2026-11-29T17:30:00Z", true)]);
        let host = window("Mon 02:00-05:00");
        assert!(host.is_open(at("2026-11-30T01:30:00Z"), &berlin));
        assert!(!host.is_open(at("2026-11-30T01:30:00Z"), &TimeZone::UTC));
        let both = window("Mon 02:00-03:00; Tue 02:00-03:00 Europe/Berlin");
        assert!(
            both.is_open(at("2026-11-30T01:30:00Z"), &TimeZone::UTC),
            "the zone is that of all"
        );
    }

    #[test]
    fn hours_that_the_clocks_leave_out_open_nothing_that_day() {
        // In Berlin 02:00 is followed by 03:00 on 2026-03-29, at 01:00 UTC.
        let all = "02:00-05:00 Europe/Berlin";
        check(
            all,
            &[
                ("2026-03-29T00:59:59Z", false),
                ("2026-03-29T01:00:00Z", true),
                ("2026-03-29T02:59:59Z", true),
                ("2026-03-29T03:00:00Z", false),
            ],
        );
        opens(all, "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z");
        let within = "Sun 02:10-02:50 Europe/Berlin";
        check(within, &[("2026-03-29T01:20:00Z", false), ("2026-03-29T00:20:00Z", false)]);
        opens(within, "2026-03-28T12:00:00Z", "2026-04-05T00:10:00Z");
    }

    #[test]
    fn hours_that_the_clocks_show_twice_count_twice() {
        // In Berlin 03:00 is followed by 02:00 on 2026-10-25, at 01:00 UTC.
        let within = "Sun 02:10-02:50 Europe/Berlin";
        check(
            within,
            &[
                ("2026-10-25T00:10:00Z", true),
                ("2026-10-25T00:50:00Z", false),
                ("2026-10-25T01:05:00Z", false),
                ("2026-10-25T01:10:00Z", true),
                ("2026-10-25T01:50:00Z", false),
            ],
        );
        opens(within, "2026-10-25T00:50:00Z", "2026-10-25T01:10:00Z");
        // The clock comes back to an open hour that began before.
        opens("Sun 01:30-02:30 Europe/Berlin", "2026-10-25T00:45:00Z", "2026-10-25T01:00:00Z");
    }

    #[test]
    fn several_windows_are_waited_for_until_all_are_open() {
        let check = |windows: &[&str], expected: Option<&str>| {
            let windows: Vec<Window> = windows.iter().map(|text| window(text)).collect();
            let windows: Vec<&Window> = windows.iter().collect();
            let next = all_open(&windows, at("2026-11-27T12:00:00Z"), &TimeZone::UTC);
            assert_eq!(next, expected.map(at), "{windows:?}");
        };
        check(&[], Some("2026-11-27T12:00:00Z"));
        check(&["Sat 02:00-05:00", "04:00-06:00"], Some("2026-11-28T04:00:00Z"));
        check(&["Sat 02:00-05:00", "Sun,Mon 02:00-05:00"], None);
    }

    #[test]
    fn what_is_no_window_is_told_with_the_way_out() {
        let check = |text: &str, message: &str, hint: &str| {
            let error = Window::parse(text).unwrap_err();
            assert_eq!(error.message, message, "{text}");
            assert!(error.hint.contains(hint), "{text}: {}", error.hint);
        };
        check("", "there are no hours", LIKE);
        check("Sat 02:00-05:00;", "there are no hours", LIKE);
        check("Sat,Sun", "`Sat,Sun` has no hours", LIKE);
        check("Saturday 02:00-05:00", "`Saturday` is no day", "write `Sat`");
        check("Caturday 02:00-05:00", "`Caturday` is no day", "Mon, Tue");
        check("Sat, 02:00-05:00", "`` is no day", "Mon, Tue");
        check("Mon-Wed-Fri 02:00-05:00", "`Wed-Fri` is no day", "write `Wed`");
        check("Sat 02:00", "`02:00` has no end", LIKE);
        check("Sat 2:00-5:00", "`2:00` is no time of the day", "two digits");
        check("Sat 25:00-26:00", "`25:00` is no time of the day", "`24:00`");
        check("Sat 02:00-24:30", "`24:30` is no time of the day", "`24:00`");
        check("Sat 24:00-05:00", "`24:00-05:00` begins when the day is over", "`00:00`");
        check("Sat 05:00-05:00", "`05:00-05:00` ends when it begins", "`00:00-24:00`");
        check(
            "02:00-05:00 Europe/Belrin",
            "there is no time zone `Europe/Belrin`",
            "`Europe/Berlin`?",
        );
        check("02:00-05:00 Nowhere", "there is no time zone `Nowhere`", "such as `Europe/Berlin`");
        check("02:00-05:00 UTC please", "`please` stands behind the time zone", LIKE);
        check(
            "01:00-02:00 UTC; 03:00-04:00",
            "the time zone `UTC` stands before a `;`",
            "at the end",
        );
    }

    #[test]
    fn the_zone_database_that_is_built_in_knows_todays_rules() {
        let berlin = TimeZoneDatabase::bundled().get("Europe/Berlin").unwrap();
        assert_eq!(berlin.to_datetime(at("2026-07-01T00:00:00Z")).hour(), 2);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = Window::parse(&text);
        }

        #[test]
        fn it_is_open_when_it_opens_and_closed_until_then(
            first in 0_usize..7, many in 0_usize..7, from in 0_u16..48, length in 1_u16..47,
            second in 1_700_000_000_i64..1_900_000_000, share in 0_i64..100,
        ) {
            let half = |half: u16| format!("{:02}:{:02}", half / 2 % 24, half % 2 * 30);
            let (days, to) = (format!("{}-{}", NAMES[first], NAMES[(first + many) % 7]), from + length);
            let text = format!("{days} {}-{} Europe/Berlin", half(from), half(to));
            let (window, now) = (window(&text), Timestamp::from_second(second).unwrap());
            let next = window.opens(now, &TimeZone::UTC);
            proptest::prop_assert!(window.is_open(next, &TimeZone::UTC), "{text}: {next}");
            if next > now {
                let between = second + (next.as_second() - second - 1) * share / 100;
                let between = Timestamp::from_second(between.max(second)).unwrap();
                proptest::prop_assert!(!window.is_open(between, &TimeZone::UTC), "{text}: {between}");
            }
        }
    }
}
