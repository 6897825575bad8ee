//! Commands written as one text.

use evenkeel::manifest::words;
use proptest::prelude::*;

use super::{any_text, config, mixed, quick};

const PIECES: &[&str] = &[
    "'", "\"", "\\", " ", "\n", "\t", ";", "&", "&&", "|", "<", ">", "2>", "(", ")", "$(", "`",
    "$", "a", "--b=c", "#", "é", "\u{a0}", "${A}",
];

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_command_is_cut_or_refused(text in prop_oneof![4 => mixed(PIECES, 16), 1 => any_text()]) {
        match quick(|| words::split(&text)) {
            Ok(words) => {
                let length: usize = words.iter().map(String::len).sum();
                prop_assert!(length <= text.len());
            }
            Err(error) => prop_assert!(!error.message.is_empty() && !error.hint.is_empty()),
        }
    }

    #[test]
    fn quoted_words_come_out_as_they_went_in(words in proptest::collection::vec(any_text(), 0..5)) {
        let single = |word: &String| format!("'{}'", word.replace('\'', "'\\''"));
        let double = |word: &String| format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""));
        let join = |quoted: Vec<String>| quoted.join(" \n");
        prop_assert_eq!(words::split(&join(words.iter().map(single).collect())), Ok(words.clone()));
        prop_assert_eq!(words::split(&join(words.iter().map(double).collect())), Ok(words));
    }
}
