//! Spans and points of time for people: `2m 5s`, `3 h ago`, `2026-11-21 03:14`.

use std::time::Duration;

use jiff::Timestamp;

/// How long something took: `0.4s`, `12s`, `2m 5s`, `3h 20m`, `2d 4h`.
pub fn took(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 if duration.subsec_millis() >= 50 => format!("{:.1}s", duration.as_secs_f64()),
        0..60 => format!("{seconds}s"),
        60..3_600 => pair(seconds / 60, "m", seconds % 60, "s"),
        3_600..86_400 => pair(seconds / 3_600, "h", seconds % 3_600 / 60, "m"),
        _ => pair(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

/// As [`took`], from seconds as they stand in JSON.
pub fn took_seconds(seconds: f64) -> String {
    took(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

fn pair(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 {
        format!("{large}{large_unit}")
    } else {
        format!("{large}{large_unit} {small}{small_unit}")
    }
}

/// How long ago something was: `just now`, `40 s ago`, `3 h ago`, `2 d ago`.
pub fn ago(seconds: i64) -> String {
    match seconds {
        ..5 => "just now".to_owned(),
        5..60 => format!("{seconds} s ago"),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..86_400 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

/// As [`ago`], between two points of time.
pub fn since(then: Timestamp, now: Timestamp) -> String {
    ago(now.duration_since(then).as_secs())
}

/// A point of time in UTC, to the minute.
pub fn at(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
