//! Passwords inside longer texts: `scheme://user:password@host`, `…;Password=…`, `--password …`.
//!
//! What is found is a range of the text; `${…}` is looked over, never into.

use std::ops::Range;

use super::names;

/// A password inside a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inside {
    /// Its bytes.
    pub range: Range<usize>,
    /// What it is called there: `PASSWORD`, or the option's name.
    pub name: String,
}

/// The passwords of addresses and connection strings in `text`.
pub fn of_addresses(text: &str) -> Vec<Inside> {
    let opaque = without_variables(text);
    let mut found = Vec::new();
    for (at, _) in opaque.match_indices("://") {
        let rest = &opaque[at + 3..];
        let ends = |c: char| c.is_whitespace() || "/?#\"'`<>,".contains(c);
        let authority = &rest[..rest.find(ends).unwrap_or(rest.len())];
        let Some((user, _)) = authority.rsplit_once('@') else { continue };
        let Some((name, password)) = user.split_once(':') else { continue };
        let start = at + 3 + name.len() + 1;
        add(&mut found, start..start + password.len(), "password");
    }
    let begins = |c: char| c.is_whitespace() || "?&;,\"'".contains(c);
    let mut start = 0;
    for part in opaque.split_inclusive(begins) {
        let word = part.trim_end_matches(begins);
        if let Some((name, value)) = word.split_once('=')
            && is_password_key(name)
        {
            let at = start + name.len() + 1;
            add(&mut found, at..at + value.len(), name);
        }
        start += part.len();
    }
    found
}

fn is_password_key(name: &str) -> bool {
    let name = name.to_lowercase();
    matches!(name.as_str(), "password" | "passwd" | "pwd" | "pass" | "secret" | "token")
}

/// The values of options of a command line that is one text.
pub fn of_command(text: &str) -> Vec<Inside> {
    let opaque = without_variables(text);
    let mut found = Vec::new();
    let mut option: Option<String> = None;
    for word in words(&opaque) {
        let written = &opaque[word.clone()];
        if let Some(name) = option.take()
            && !written.starts_with('-')
        {
            add(&mut found, unquoted(&opaque, word), &name);
            continue;
        }
        let Some(name) = secret_option(written) else { continue };
        match written.find('=') {
            Some(at) => {
                add(&mut found, unquoted(&opaque, word.start + at + 1..word.end), &name);
            }
            None => option = Some(name),
        }
    }
    found
}

/// The name of an option that is followed by a secret: `--requirepass`, or `--password=…`.
pub fn secret_option(word: &str) -> Option<String> {
    let option = word.strip_prefix('-')?;
    let option = option.strip_prefix('-').unwrap_or(option);
    let name = option.split('=').next().unwrap_or_default();
    names::is_secret_option(name).then(|| name.to_owned())
}

fn add(found: &mut Vec<Inside>, range: Range<usize>, name: &str) {
    let is_new =
        found.iter().all(|known| known.range.end <= range.start || range.end <= known.range.start);
    if !range.is_empty() && is_new {
        found.push(Inside { range, name: names::variable(name) });
    }
}

/// The words of a command line, each with its quotes.
fn words(text: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let (mut start, mut quote) = (None, None);
    for (at, c) in text.char_indices() {
        match (quote, start) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, Some(begin)) if c.is_whitespace() || ";&|".contains(c) => {
                words.push(begin..at);
                start = None;
            }
            (None, None) if c.is_whitespace() || ";&|".contains(c) => {}
            (None, _) => {
                quote = matches!(c, '"' | '\'').then_some(c);
                start = start.or(Some(at));
            }
        }
    }
    words.extend(start.map(|begin| begin..text.len()));
    words
}

fn unquoted(text: &str, word: Range<usize>) -> Range<usize> {
    let written = &text[word.clone()];
    let is_quoted =
        |quote| written.len() > 1 && written.starts_with(quote) && written.ends_with(quote);
    if is_quoted('"') || is_quoted('\'') { word.start + 1..word.end - 1 } else { word }
}

/// `text` with every `${…}` blotted out, each byte by one.
fn without_variables(text: &str) -> String {
    let mut opaque = String::with_capacity(text.len());
    let mut depth = 0_usize;
    let mut before = ' ';
    for c in text.chars() {
        if c == '{' && before == '$' {
            depth += 1;
        }
        let is_hidden = depth > 0;
        if c == '}' {
            depth = depth.saturating_sub(1);
        }
        match is_hidden {
            true => opaque.extend(std::iter::repeat_n('\u{1}', c.len_utf8())),
            false => opaque.push(c),
        }
        before = c;
    }
    opaque
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(find: fn(&str) -> Vec<Inside>, text: &str, expected: &[&str]) {
        let found: Vec<&str> = find(text).into_iter().map(|f| &text[f.range]).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn an_addresss_password_stands_between_colon_and_at() {
        check(of_addresses, "postgres://app:s3cret@db:5432/app", &["s3cret"]);
        check(of_addresses, "redis://:s3cret@cache, http://a:b@c", &["s3cret", "b"]);
        check(of_addresses, "amqp://${USER:-a:b}:${PASS}@mq", &["${PASS}"]);
        check(of_addresses, "https://example.org:8080/a@b?c=d:e@f", &[]);
    }

    #[test]
    fn a_connection_string_names_its_password() {
        check(of_addresses, "Server=db;User Id=sa;Password=S3cret;", &["S3cret"]);
        check(of_addresses, "jdbc:mysql://db/app?user=a&password=b", &["b"]);
        check(of_addresses, "addr=nas,username=u,password=p,vers=3", &["p"]);
    }

    #[test]
    fn an_option_is_followed_by_its_value() {
        check(of_command, "redis-server --requirepass s3cret --port 1", &["s3cret"]);
        check(of_command, "run --db-password='s3 cret' --token-ttl 5", &["s3 cret"]);
        check(of_command, "run --password --verbose && sh -c \"x\"", &[]);
        check(of_command, "app --key /certs/a.pem --api-key abc", &["abc"]);
    }
}
