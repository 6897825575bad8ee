//! Entries of an env file, written so that they read back as the same value.

use crate::manifest::dotenv;
use crate::manifest::interpolate::{Lookup, Variable};

/// `name=value` in the grammar of env files.
pub fn entry(name: &str, value: &str) -> String {
    let doubled = value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$");
    let doubled = doubled.replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t");
    let ways = [value.to_owned(), format!("'{value}'"), format!("\"{doubled}\"")];
    let lines = ways.into_iter().map(|written| format!("{name}={written}"));
    let mut lines = lines.filter(|line| reads_back(line, name, value));
    lines.next().unwrap_or_else(|| format!("{name}=\"{doubled}\""))
}

/// Whether `line` says `value` wherever it stands, and looks as if it did.
fn reads_back(line: &str, name: &str, value: &str) -> bool {
    let is_bare = line.len() == name.len() + 1 + value.len();
    let odd = |c: char| !(c.is_ascii_alphanumeric() || "-_./:@%+,=".contains(c));
    if is_bare && value.contains(odd) {
        return false;
    }
    let read = dotenv::parse("", line.as_bytes(), &Nothing);
    let expected = |entries: dotenv::Entries| match entries.as_slice() {
        [(key, Some(found))] => key == name && found.reveal() == value,
        [] | [_, ..] => false,
    };
    read.is_ok_and(expected)
}

struct Nothing;

impl Lookup for Nothing {
    fn get(&self, _name: &str) -> Option<Variable> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_value_is_quoted_only_where_it_has_to_be() {
        assert_eq!(entry("A", "hunter2"), "A=hunter2");
        assert_eq!(entry("A", "pa$$ #word"), "A='pa$$ #word'");
        assert_eq!(entry("A", "it's"), "A=\"it's\"");
        assert_eq!(entry("A", "line\nline"), "A='line\nline'");
    }

    proptest! {
        #[test]
        fn any_value_reads_back(value in "[ -~äü\n\t\r'\"$\\\\#=`{}]{1,30}") {
            let line = entry("NAME", &value);
            let text = format!("BEFORE=x\n{line}\nAFTER=y\n");
            let read = dotenv::parse("", text.as_bytes(), &Nothing).unwrap();
            let found: Vec<&str> = read.iter().map(|(_, v)| v.as_ref().unwrap().reveal()).collect();
            prop_assert_eq!(found, ["x", value.as_str(), "y"]);
        }
    }
}
