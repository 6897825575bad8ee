//! Patterns as ssh matches them (ssh_config(5), PATTERNS): `*`, `?`, and lists with exceptions.

/// Whether `pattern` matches all of `text`, byte by byte.
pub fn matches(text: &[u8], pattern: &[u8]) -> bool {
    let (mut at, mut of) = (0, 0);
    // Where the last `*` stands, and how much of the text it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(of) {
            Some(b'*') => {
                star = Some((of, at));
                of += 1;
            }
            Some(byte) if *byte == b'?' || text.get(at) == Some(byte) => {
                at += 1;
                of += 1;
            }
            Some(_) | None => {
                let Some((position, taken)) = star else { return false };
                star = Some((position, taken + 1));
                at = taken + 1;
                of = position + 1;
            }
        }
    }
    pattern.get(of..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

/// Whether one of the patterns in `list` matches, and none that is negated with `!` does.
pub fn list_matches(text: &str, list: &str) -> bool {
    let mut is_matched = false;
    for pattern in list.split(',') {
        match pattern.strip_prefix('!') {
            Some(negated) if matches(text.as_bytes(), negated.as_bytes()) => return false,
            None if matches(text.as_bytes(), pattern.as_bytes()) => is_matched = true,
            Some(_) | None => {}
        }
    }
    is_matched
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_match_as_those_of_ssh() {
        let check = |text: &str, list: &str, expected: bool| {
            assert_eq!(list_matches(text, list), expected, "{text} in {list}");
        };
        check("alice@acme.org", "*@acme.org", true);
        check("alice@acme.org", "bob@acme.org,al?ce@*", true);
        check("alice@acme.org", "*@acme.org,!alice@*", false);
        check("alice@acme.org", "!alice@*,*", false);
        check("alice@acme.org", "!bob@*", false);
        check("Alice", "alice", false);
        check("a", "", false);
        check("aXbXc", "a*X*c", true);
        check("aXbXc", "a*Xb", false);
        check("", "*", true);
        check("ü", "??", true);
    }
}
