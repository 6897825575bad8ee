use super::super::node::{Scalar, Value};
use super::*;

/// A tree on one line: plain scalars bare, others in quotes.
fn show(node: &Node) -> String {
    let tag = node.tag.as_ref().map_or(String::new(), |tag| format!("!{tag} "));
    let value = match &node.value {
        Value::Null => "~".to_owned(),
        Value::Scalar(Scalar { text, plain: true }) => text.clone(),
        Value::Scalar(Scalar { text, plain: false }) => format!("{text:?}"),
        Value::Sequence(items) => {
            format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", "))
        }
        Value::Mapping(fields) => {
            let fields = fields.iter().map(|(key, field)| format!("{key}: {}", show(&field.node)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
    };
    tag + &value
}

fn read(text: &str) -> Result<Vec<Node>, Vec<Problem>> {
    parse("compose.yaml", text.as_bytes(), &Limits::default())
}

fn check(text: &str, expected: &str) {
    let documents = read(text).expect("a YAML file");
    let shown: Vec<String> = documents.iter().map(show).collect();
    assert_eq!(shown.join(" --- "), expected, "{text}");
}

fn check_wrong(text: &str, code: &str, expected: &[&str]) {
    let problems = read(text).expect_err("problems");
    let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(shown, expected, "{text}");
    assert!(problems.iter().all(|problem| problem.code == code), "{problems:?}");
}

#[test]
fn scalars_keep_their_text_and_whether_they_are_plain() {
    check("[0550, yes, 1.0, 08, '08', \"a\\tb\"]", r#"[0550, yes, 1.0, 08, "08", "a\tb"]"#);
    check("a: |\n  x\n  y\n", r#"{a: "x\ny\n"}"#);
}

#[test]
fn nothing_is_written_in_four_ways() {
    check("a:\nb: ~\nc: null\nd: ''\ne: 'null'", r#"{a: ~, b: ~, c: ~, d: "", e: "null"}"#);
}

#[test]
fn core_tags_say_what_a_scalar_is_and_local_ones_stay() {
    check("[!!str 1, !!int '1', !!str null]", r#"["1", 1, "null"]"#);
    check("a: !reset null\nb: !override [x]", "{a: !reset ~, b: !override [x]}");
    check_wrong("a: !!binary eA==", "unknown-tag", &["compose.yaml:1:13: unknown tag `!!binary`"]);
}

#[test]
fn keys_are_texts_whatever_they_look_like() {
    check("'8080': a\n\"true\": b\n'': c\nyes: d", "{8080: a, true: b, : c, yes: d}");
    check("!!str 1: a\n1.2.3: b\n08a: c", "{1: a, 1.2.3: b, 08a: c}");
    check_wrong("[a]: b", "bad-key", &["compose.yaml:1:1: a key has to be a single value"]);
}

#[test]
fn a_key_that_is_a_number_a_boolean_or_nothing_is_refused_as_in_compose() {
    for key in ["1", "0x1F", "-1.5", ".5", "1e3", "true", "False", "~", "null"] {
        let message = format!("compose.yaml:1:1: the key `{key}` is no text to Compose");
        check_wrong(&format!("{key}: a"), "bad-key", &[&message]);
    }
}

#[test]
fn an_alias_is_the_value_it_names() {
    check("a: &x {b: [1]}\nc: *x", "{a: {b: [1]}, c: {b: [1]}}");
    check("&k a: 1\nb: {*k : 2}", "{a: 1, b: {a: 2}}");
}

#[test]
fn an_alias_of_an_alias_and_of_a_redefined_anchor_is_followed() {
    check("- &x 1\n- &y [*x]\n- &x 2\n- [*x, *y]", "[1, [1], 2, [2, [1]]]");
}

#[test]
fn a_merge_key_adds_what_is_not_written() {
    check("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}", "{a: {x: 1, y: 2}, b: {x: 1, y: 3}}");
    check("a: &a {x: 1}\nb: {x: 3, <<: *a}", "{a: {x: 1}, b: {x: 3}}");
    // As some programs write it.
    check("a: &a {x: 1}\nb:\n  !!merge <<: *a\n  y: 2", "{a: {x: 1}, b: {x: 1, y: 2}}");
    check("a: &a {x: 1}\nb: {!!str <<: *a}", r#"{a: {x: 1}, b: {<<: {x: 1}}}"#);
}

#[test]
fn of_several_merged_mappings_the_first_wins() {
    check("b: {<<: [{x: 1}, {x: 2, y: 2}], z: 3}", "{b: {x: 1, y: 2, z: 3}}");
}

#[test]
fn a_merged_mapping_has_its_own_merge_keys_resolved() {
    check(
        "a: &a {x: 1}\nb: &b {<<: *a, y: 2}\nc: {<<: *b, d: {<<: *b}}",
        "{a: {x: 1}, b: {x: 1, y: 2}, c: {x: 1, y: 2, d: {x: 1, y: 2}}}",
    );
}

#[test]
fn a_quoted_merge_key_is_a_key() {
    check("{'<<': 1}", "{<<: 1}");
}

#[test]
fn a_merge_key_takes_mappings_only() {
    let message = "compose.yaml:1:2: `<<` takes a mapping or a list of mappings";
    check_wrong("{<<: 1}", "bad-merge", &[message]);
    check_wrong("{<<: [{}, 1]}", "bad-merge", &[message]);
}

#[test]
fn a_key_written_twice_names_both_places() {
    check_wrong(
        "a: 1\nb:\n  c: 1\n  c: 2\n",
        "duplicate-key",
        &["compose.yaml:4:3: `c` is written twice in this mapping"],
    );
    let problem = read("a: 1\n'a': 2\n").expect_err("a problem").remove(0);
    assert_eq!(problem.notes, ["first written at compose.yaml:1:1"]);
    assert_eq!(problem.excerpt.as_deref(), Some("'a': 2"));
}

#[test]
fn every_duplicate_is_reported_once() {
    check_wrong(
        "a: &a {x: 1, x: 2}\nb: *a\na: 3",
        "duplicate-key",
        &[
            "compose.yaml:1:14: `x` is written twice in this mapping",
            "compose.yaml:3:1: `a` is written twice in this mapping",
        ],
    );
}

#[test]
fn places_count_characters_from_one() {
    let document = read("\u{feff}ü: {é: x}\n").expect("a file").remove(0);
    let inner = document.get("ü").expect("a field");
    assert_eq!(
        inner.get("é").map(|node| node.place.to_string()).as_deref(),
        Some("compose.yaml:1:8")
    );
}

#[test]
fn a_value_of_which_nothing_is_written_stands_at_its_key() {
    let document = read("a:\n  image:\nb: 1\n").expect("a file").remove(0);
    let image = document.get("a").and_then(|a| a.get("image")).expect("a field");
    assert_eq!(image.place.to_string(), "compose.yaml:2:3");
}

#[test]
fn documents_are_read_in_order_and_empty_ones_left_out() {
    check("---\na: 1\n---\n---\nb: 2\n", "{a: 1} --- {b: 2}");
    check("", "");
    check("# nothing\n", "");
}

#[test]
fn a_tab_in_the_indentation_is_pointed_out() {
    let problem = read("a:\n\tb: 1\n").expect_err("a problem").remove(0);
    assert_eq!((problem.code, problem.place.map(|place| place.line)), ("yaml-syntax", Some(2)));
    assert_eq!(problem.hint.as_deref(), Some("indent with spaces: YAML takes no tabs there"));
}

#[test]
fn a_file_that_is_not_utf8_says_where() {
    let problems = parse("c.yaml", b"a: \xc3\xa4\nb: x\xff", &Limits::default()).expect_err("one");
    assert_eq!(problems[0].to_string(), "c.yaml:2:5: the file is not UTF-8 (byte 10)");
}

#[test]
fn a_hundred_comment_lines_are_no_problem() {
    check(&format!("a:\n{}  - 1\n", "  # text\n".repeat(300)), "{a: [1]}");
}

#[test]
fn limits_hold_before_anything_is_built() {
    let limits = Limits { bytes: 200, nesting: 3, nodes: 10, alias_nodes: 4 };
    let problem_of = |text: &str| match parse("x", text.as_bytes(), &limits) {
        Ok(_) => "none",
        Err(problems) => problems[0].code,
    };
    assert_eq!(problem_of("[[[a]]]"), "none");
    assert_eq!(problem_of("[[[[a]]]]"), "too-deep");
    assert_eq!(problem_of("a:\n b:\n  c:\n   d: 1"), "too-deep");
    assert_eq!(problem_of("[&a [1], [[*a]]]"), "too-deep");
    assert_eq!(problem_of("[&a [1], [*a, *a]]"), "none");
    assert_eq!(problem_of("[&a [1], [*a, *a, *a]]"), "too-large");
    assert_eq!(problem_of("[1,2,3,4,5,6,7,8,9]"), "none");
    assert_eq!(problem_of("[1,2,3,4,5,6,7,8,9,10]"), "too-large");
    assert_eq!(problem_of(&"#".repeat(201)), "too-large");
}

#[test]
fn a_long_text_counts_as_often_as_it_is_named() {
    let text = format!("a: &a {}\nb: [{}]", "x".repeat(400_000), "*a, ".repeat(100));
    let message = "compose.yaml:2:257: aliases add more than 100000 values";
    let problems = read(&text).expect_err("a problem");
    assert_eq!(problems[0].to_string(), message);
}

#[test]
fn a_value_cannot_hold_itself() {
    let message = "compose.yaml:1:5: an alias stands inside the value it names";
    check_wrong("&a [*a]", "yaml-syntax", &[message]);
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let lines = (1..40).map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}]\n", n - 1));
    let problems = read(&format!("a0: &a0 x\n{}", lines.collect::<String>())).expect_err("a bomb");
    assert_eq!(problems[0].code, "too-large");
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = parse("x", &bytes, &Limits::default());
    }

    #[test]
    fn no_text_makes_it_panic(text in "([a-c:\\[\\]{},&*!|>?<'\"~ \n-]|<<: |&a |\\*a |!reset )*") {
        let _ = read(&text);
    }
}
