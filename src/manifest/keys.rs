//! What can be said about a key: read, left alone, not yet, never; and which key was perhaps meant.

/// The known word that looks most like `key`, if one does: `dependsOn` is meant to be `depends_on`.
pub fn nearest<'k>(key: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let meant = bare(key);
    let near = |name: &'k str| {
        let distance = strsim::damerau_levenshtein(&meant, &bare(name));
        // One slip in a short word, two in a long one; in one of two letters, none.
        let borne = match meant.chars().count().min(name.len()) {
            0..=2 => 0,
            3..=5 => 1,
            _ => 2,
        };
        (distance <= borne && key != name).then_some((distance, name))
    };
    known.filter_map(near).min().map(|(_, name)| name)
}

/// A word without what people write differently.
fn bare(word: &str) -> String {
    let letters = word.chars().filter(|c| !matches!(c, '_' | '-' | ' '));
    letters.flat_map(char::to_lowercase).take(100).collect()
}

/// `a`, `b`, `c`, in quotes.
pub fn listed(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_key_that_was_meant() {
        let known = || ["image", "environment", "env_file"].into_iter();
        assert_eq!(nearest("imgae", known()), Some("image"));
        assert_eq!(nearest("enviroment", known()), Some("environment"));
        assert_eq!(nearest("colour", known()), None);
        assert_eq!(nearest("envFile", known()), Some("env_file"));
        assert_eq!(nearest("a", ["b", "ab"].into_iter()), None);
    }
}
