//! Variables in texts.

use evenkeel::manifest::interpolate::{self, TemplateError};
use proptest::prelude::*;

use super::{SECRET, World, any_text, config, mixed, quick};

const PIECES: &[&str] = &[
    "$",
    "$$",
    "${",
    "}",
    "{",
    "$A",
    "${A}",
    "${EMPTY}",
    "${EMPTY:-",
    "${A:-",
    "${NOPE-",
    "${NOPE:?",
    "${NOPE?",
    "${A:+",
    "${EMPTY+",
    ":-",
    "-",
    ":?",
    "?",
    ":",
    "+",
    "A",
    "S",
    "$S",
    "${S}",
    "${MONEY}",
    "\n",
    "\\",
    " ",
    "é",
    "${1}",
    "${A B}",
    "${}",
    "$1",
];

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// What a text with one variable comes to.
fn value(name: &str) -> String {
    interpolate::expand(name, &World).unwrap().text.reveal().to_owned()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_text_of_variables_is_expanded_or_refused(text in mixed(PIECES, 24)) {
        match quick(|| interpolate::expand(&text, &World)) {
            Ok(expanded) => {
                prop_assert!(expanded.unset.iter().all(|name| is_name(name)));
                prop_assert!(!expanded.text.reveal().contains(SECRET) || expanded.from_server);
                prop_assert_eq!(interpolate::expand(&text, &World), Ok(expanded));
            }
            Err(errors) => {
                prop_assert!(!errors.is_empty());
                for error in errors {
                    prop_assert!(!error.to_string().contains(SECRET));
                    if let TemplateError::Required { name, .. } = error {
                        prop_assert!(is_name(&name));
                    }
                }
            }
        }
    }

    #[test]
    fn a_text_without_variables_stays_as_it_is(text in any_text()) {
        let escaped = text.replace('$', "$$");
        prop_assert_eq!(value(&escaped), text);
    }

    #[test]
    fn what_stands_around_a_variable_does_not_touch_it(before in any_text(), after in any_text()) {
        let (from, to) = (before.replace('$', "$$"), after.replace('$', "$$"));
        prop_assert_eq!(value(&format!("{from}${{MONEY}}{to}")), format!("{before}$A ${{B{after}"));
        prop_assert_eq!(value(&format!("{from}${{NOPE:-$A}}{to}")), format!("{before}a{after}"));
    }
}
