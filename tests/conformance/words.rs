//! Commands written as one text.

use evenkeel::manifest::words;
use serde_json::{Value as Json, json};

use super::records::{Verdict, check_by, compare, input};

/// Where Compose silently drops what follows an operator of the shell, a command is refused here.
const CUT: &str = "Compose silently drops what follows an operator; here it is refused";

fn judge(record: &Json) -> Verdict {
    let found = words::split(input(record));
    match (&found, record["expected"].as_array()) {
        (Err(error), Some(expected)) if cut(error, input(record), expected) => {
            Verdict::OnPurpose(CUT)
        }
        _ => compare(record, found.map(|words| json!(words)).map_err(|error| error.to_string())),
    }
}

/// Whether `error` is about an operator, before which stands what Compose makes of the command.
fn cut(error: &words::WordsError, text: &str, expected: &[Json]) -> bool {
    if !error.message.contains("unquoted") {
        return false;
    }
    let ends = text.match_indices([';', '&', '|', '<', '>']).map(|(end, _)| end);
    let mut befores = ends.filter_map(|end| words::split(&text[..end]).ok());
    // Compose drops the number of a redirected descriptor, too.
    let same = |before: Vec<String>| match before.split_last() {
        _ if json!(before) == json!(expected) => true,
        Some((last, rest)) => {
            last.starts_with(|c: char| c.is_ascii_digit()) && json!(rest) == json!(expected)
        }
        None => false,
    };
    befores.any(same)
}

#[test]
fn a_command_is_cut_as_compose_cuts_it() {
    check_by("command_split", judge);
}
