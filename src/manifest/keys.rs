//! What can be said about a key: read, left alone, not yet, never; and which key was perhaps meant.

/// The known key that looks most like `key`, if one does.
pub fn nearest<'k>(key: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let near = |name: &'k str| {
        let distance = strsim::damerau_levenshtein(key, name);
        // One slip in a short word, two in a long one.
        (distance <= if name.len() < 6 { 1 } else { 2 }).then_some((distance, name))
    };
    known.filter_map(near).min().map(|(_, name)| name)
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
    }
}
