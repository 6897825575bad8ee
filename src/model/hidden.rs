//! Values that must not be seen: they have no readable `Debug`, and what they may have leaked into is masked.

use std::collections::BTreeSet;
use std::fmt;

/// A text that never shows in logs or debug output, such as the value of an environment variable.
#[derive(
    Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Hidden(String);

impl Hidden {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the engine and the spec hash; never for people.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•••")
    }
}

/// The server's values, to be blotted out of texts that others wrote: container logs, engine errors.
///
/// Values shorter than [`Masks::SHORTEST`] are not masked: they would blot out ordinary words.
#[derive(Clone, Default)]
pub struct Masks(BTreeSet<Hidden>);

impl Masks {
    /// The length in characters from which a value is masked.
    pub const SHORTEST: usize = 6;

    /// Adds a value; one too short to be masked is left out. A value of several lines is masked line by
    /// line as well, since logs are cut into lines.
    pub fn add(&mut self, value: &str) {
        for part in std::iter::once(value).chain(value.lines()) {
            let part = part.trim();
            if part.chars().count() >= Self::SHORTEST {
                self.0.insert(Hidden::new(part));
            }
        }
    }

    /// Adds every value of `other`.
    pub fn extend(&mut self, other: &Masks) {
        self.0.extend(other.0.iter().cloned());
    }

    /// `text` with every known value replaced by `•••`, the longest values first.
    pub fn mask(&self, text: &str) -> String {
        let mut values: Vec<&str> = self.0.iter().map(Hidden::reveal).collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        let mut masked = text.to_owned();
        for value in values {
            if masked.contains(value) {
                masked = masked.replace(value, "•••");
            }
        }
        masked
    }
}

impl fmt::Debug for Masks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Masks({} values)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_value_is_masked_first() {
        let mut masks = Masks::default();
        masks.add("secret");
        masks.add("secret-and-more");
        assert_eq!(masks.mask("x secret-and-more y secret z"), "x ••• y ••• z");
    }

    #[test]
    fn a_short_value_is_left_alone() {
        let mut masks = Masks::default();
        masks.add("true");
        assert_eq!(masks.mask("it is true"), "it is true");
    }

    #[test]
    fn debug_output_shows_nothing() {
        assert!(!format!("{:?}", Hidden::new("hunter2")).contains("hunter2"));
    }
}
