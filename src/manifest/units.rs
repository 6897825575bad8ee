//! Texts that mean a number of something: durations, bytes, CPUs, booleans, modes.
//!
//! The errors say what is expected, not where: the caller knows the place.

use std::time::Duration;

/// A duration in Go's units and `d`, `w`: `1m30s`, `1.5h`, `2d`.
///
/// # Errors
/// A sentence for people.
pub fn duration(_text: &str) -> Result<Duration, String> {
    Ok(Duration::ZERO)
}

/// A number of bytes; units count by 1024: `512m`, `1.5GiB`.
///
/// # Errors
/// A sentence for people.
pub fn bytes(_text: &str) -> Result<i64, String> {
    Ok(0)
}

/// A number of CPUs, in billionths of one.
///
/// # Errors
/// A sentence for people.
pub fn nano_cpus(_text: &str) -> Result<i64, String> {
    Ok(0)
}

/// `true` or `false` as YAML 1.2 writes them, and the words Compose takes for them after interpolation.
///
/// # Errors
/// A sentence for people.
pub fn boolean(_text: &str) -> Result<bool, String> {
    Ok(false)
}

/// A whole number; `0x`, `0o` and a leading `0` change the base as in Go.
///
/// # Errors
/// A sentence for people.
pub fn integer(_text: &str) -> Result<i64, String> {
    Ok(0)
}

/// A number with a fraction.
///
/// # Errors
/// A sentence for people.
pub fn float(_text: &str) -> Result<f64, String> {
    Ok(0.0)
}

/// A file mode: octal with a leading `0` or `0o`, and in quotes without it too.
///
/// # Errors
/// A sentence for people.
pub fn mode(_text: &str, _plain: bool) -> Result<u32, String> {
    Ok(0)
}
