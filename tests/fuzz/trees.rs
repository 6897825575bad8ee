//! YAML.

use evenkeel::manifest::node::{Node, Value};
use evenkeel::manifest::yaml;
use proptest::prelude::*;
use proptest::sample::select;

use super::{config, is_in, is_within, mixed, quick};

pub const FLOW: &[&str] = &[
    "a",
    "b",
    ": ",
    ":",
    "- ",
    "-",
    ", ",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "\\",
    "\\n",
    "&x ",
    "*x",
    "*y",
    "&y ",
    "<<: ",
    "<<: *x",
    "!reset ",
    "!override",
    "!!str ",
    "!!int ",
    "!t",
    "| ",
    "|\n",
    ">-\n",
    "# c",
    " #",
    "\n",
    "\n  ",
    "\n    ",
    "? ",
    "~",
    "null",
    "0550",
    "1.0",
    "yes",
    "$A",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "\t",
    "\u{feff}",
    "é",
    "\u{85}",
    "\r\n",
    "\r",
];

/// A line that is mostly right.
fn line() -> impl Strategy<Value = String> {
    let key = select(&["a: ", "b:", "\"c\": ", "<<: ", "- ", "- d: ", "services:", "? e"][..]);
    let value = select(
        &[
            "1",
            "x y",
            "\"q\"",
            "'s'",
            "[1, two]",
            "{k: v}",
            "*x",
            "&x {k: v}",
            "&x",
            "|",
            ">",
            "!reset null",
            "",
            "# c",
        ][..],
    );
    (0..4_usize, key, value)
        .prop_map(|(depth, key, value)| format!("{}{key}{value}\n", "  ".repeat(depth)))
}

/// A file that is mostly right, or all kinds of pieces.
pub fn file() -> impl Strategy<Value = String> {
    let lines = proptest::collection::vec(line(), 0..12).prop_map(|lines| lines.concat());
    prop_oneof![2 => lines, 3 => mixed(FLOW, 30)]
}

/// The tree as YAML in its flow style, with every text in quotes.
pub fn written(node: &Node, text: &mut String) {
    if let Some(tag) = &node.tag {
        text.push_str(&format!("!{tag} "));
    }
    match &node.value {
        Value::Null => text.push('~'),
        Value::Scalar(scalar) => text.push_str(&quoted(&scalar.text)),
        Value::Sequence(items) => {
            text.push('[');
            for item in items {
                written(item, text);
                text.push_str(", ");
            }
            text.push(']');
        }
        Value::Mapping(fields) => {
            text.push('{');
            for (key, field) in fields {
                text.push_str(&format!("{}: ", quoted(key)));
                written(&field.node, text);
                text.push_str(", ");
            }
            text.push('}');
        }
    }
}

fn quoted(text: &str) -> String {
    let escaped = |letter: char| match letter {
        '"' | '\\' => format!("\\{letter}"),
        ' '..='~' => letter.to_string(),
        _ => format!("\\U{:08x}", u32::from(letter)),
    };
    format!("\"{}\"", text.chars().map(escaped).collect::<String>())
}

/// Whether two trees hold the same, wherever it stands.
pub fn same(one: &Node, other: &Node) -> bool {
    one.tag == other.tag
        && match (&one.value, &other.value) {
            (Value::Null, Value::Null) => true,
            (Value::Scalar(one), Value::Scalar(other)) => one.text == other.text,
            (Value::Sequence(one), Value::Sequence(other)) => {
                one.len() == other.len()
                    && one.iter().zip(other).all(|(one, other)| same(one, other))
            }
            (Value::Mapping(one), Value::Mapping(other)) => {
                one.len() == other.len()
                    && one.iter().zip(other).all(|((key, field), (other_key, other))| {
                        key == other_key && same(&field.node, &other.node)
                    })
            }
            _ => false,
        }
}

/// Whether the tree and all keys in it stand in `text`.
fn stands_in(node: &Node, text: &str) -> bool {
    let inner = match &node.value {
        Value::Null | Value::Scalar(_) => true,
        Value::Sequence(items) => items.iter().all(|item| stands_in(item, text)),
        Value::Mapping(fields) => fields.values().all(|field| {
            is_in(field.key_place.line, field.key_place.column, text)
                && stands_in(&field.node, text)
        }),
    };
    inner && is_in(node.place.line, node.place.column, text)
}

/// The documents of `text`, within the usual limits.
pub fn parsed(text: &str) -> Result<Vec<Node>, Vec<evenkeel::model::Problem>> {
    yaml::parse("test.yaml", text.as_bytes(), &yaml::Limits::default())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_file_is_read_or_refused_at_a_place_in_it(text in file()) {
        match quick(|| parsed(&text)) {
            Ok(trees) => {
                for tree in &trees {
                    prop_assert!(stands_in(tree, &text), "{:?} {:?}", text, tree);
                }
                prop_assert_eq!(parsed(&text), Ok(trees));
            }
            Err(problems) => {
                prop_assert!(!problems.is_empty());
                for problem in problems {
                    prop_assert!(is_within(&problem, &text), "{:?} {:?}", text, problem);
                }
            }
        }
    }

    #[test]
    fn a_tree_is_written_and_read_again(text in file()) {
        for tree in parsed(&text).unwrap_or_default() {
            let mut again = String::new();
            written(&tree, &mut again);
            let found = parsed(&again);
            prop_assert!(found.as_ref().is_ok_and(|found| same(&found[0], &tree)), "{text:?} {again} {found:?}");
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = quick(|| yaml::parse("test.yaml", &bytes, &yaml::Limits::default()));
    }
}
