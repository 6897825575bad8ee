//! Env files.

use evenkeel::manifest::dotenv;
use proptest::prelude::*;

use super::{SECRET, World, any_text, config, is_within, mixed, quick};

const PIECES: &[&str] = &[
    "A=",
    "B=",
    "KEY",
    "export ",
    "=",
    ": ",
    "\n",
    "\r\n",
    "\r",
    "\"",
    "'",
    "#",
    " #",
    " ",
    "\t",
    "\\",
    "\\n",
    "\\\"",
    "\\$",
    "\\0101",
    "$A",
    "${S}",
    "${NOPE:-x}",
    "${",
    "}",
    "$",
    "x y",
    "a.b-c[0]",
    "\u{feff}",
    "é",
    "\u{a0}",
    "\u{85}",
];

/// Names, each once, with a value.
fn entries() -> impl Strategy<Value = Vec<(String, String)>> {
    let value = prop_oneof![any_text(), mixed(PIECES, 8)];
    // The line ends of a file are `\n` before anything is read.
    let value = value.prop_map(|value| value.replace('\r', ""));
    proptest::collection::btree_map("[A-Za-z_][A-Za-z0-9_.-]{0,5}", value, 0..5)
        .prop_map(|entries| entries.into_iter().collect())
}

fn revealed(entries: dotenv::Entries) -> Vec<(String, String)> {
    let revealed = |(name, value): (String, Option<evenkeel::model::Hidden>)| {
        (name, value.unwrap().reveal().to_owned())
    };
    entries.into_iter().map(revealed).collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn an_env_file_is_read_or_refused(text in mixed(PIECES, 30)) {
        match quick(|| dotenv::parse("test.env", text.as_bytes(), &World)) {
            Ok(entries) => {
                let mut names: Vec<&String> = entries.iter().map(|(name, _)| name).collect();
                prop_assert!(names.iter().all(|name| !name.contains(['=', ' ', '\n', '$'])));
                names.sort();
                prop_assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
            }
            Err(problems) => {
                prop_assert!(!problems.is_empty());
                for problem in problems {
                    prop_assert!(is_within(&problem, &text), "{problem:?}");
                    prop_assert!(!problem.message.contains(SECRET));
                }
            }
        }
        let _ = quick(|| dotenv::parse_raw("test.env", text.as_bytes()));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = quick(|| dotenv::parse("test.env", &bytes, &World));
        let _ = quick(|| dotenv::parse_raw("test.env", &bytes));
    }

    #[test]
    fn what_is_written_in_double_quotes_is_read_again(entries in entries()) {
        let quoted = |value: &str| {
            value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$")
        };
        let line = |(name, value): &(String, String)| format!("{name}=\"{}\"\n", quoted(value));
        let text: String = entries.iter().map(line).collect();
        let found = dotenv::parse("test.env", text.as_bytes(), &World);
        prop_assert_eq!(revealed(found.unwrap()), entries, "{}", text);
    }

    #[test]
    fn what_is_written_in_single_quotes_is_read_again(entries in entries()) {
        // A backslash before the end would take the quote with it.
        let entries: Vec<_> =
            entries.into_iter().filter(|(_, value)| !value.contains(['\\', '\''])).collect();
        let line = |(name, value): &(String, String)| format!("export {name}='{value}' # note\n");
        let text: String = entries.iter().map(line).collect();
        let found = dotenv::parse("test.env", text.as_bytes(), &World);
        prop_assert_eq!(revealed(found.unwrap()), entries, "{}", text);
    }

    #[test]
    fn what_is_written_raw_is_read_again(entries in entries()) {
        let entries: Vec<_> =
            entries.into_iter().filter(|(_, value)| !value.contains(['\n', '\r'])).collect();
        let line = |(name, value): &(String, String)| format!("{name}={value}\n");
        let text: String = entries.iter().map(line).collect();
        let found = dotenv::parse_raw("test.env", text.as_bytes());
        prop_assert_eq!(revealed(found.unwrap()), entries);
    }
}
