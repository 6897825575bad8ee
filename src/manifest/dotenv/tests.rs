use std::collections::BTreeMap;

use super::*;

struct Outer(BTreeMap<&'static str, &'static str>);

impl Lookup for Outer {
    fn get(&self, name: &str) -> Option<Variable> {
        let value = Hidden::new(*self.0.get(name)?);
        Some(Variable { value, from_server: true })
    }
}

fn read(text: &str) -> Result<Entries, Vec<Problem>> {
    parse("app.env", text.as_bytes(), &Outer([("HOME_TOWN", "Oslo")].into()))
}

fn check(text: &str, expected: &[(&str, &str)]) {
    let entries = read(text).expect("an env file");
    let entries: Vec<(&str, &str)> = entries
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_ref().map_or("(inherited)", Hidden::reveal)))
        .collect();
    assert_eq!(entries, expected, "{text}");
}

fn check_wrong(text: &str, expected: &[&str]) {
    let problems = read(text).expect_err("problems");
    let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(shown, expected);
    assert!(problems.iter().all(|problem| problem.excerpt.is_none()));
}

#[test]
fn a_plain_value_ends_before_a_comment_or_with_its_line() {
    check(
        "A=1 two  # three\nB=x#y\r\nC=\nD",
        &[("A", "1 two"), ("B", "x#y"), ("C", ""), ("D", "(inherited)")],
    );
}

#[test]
fn names_may_be_exported_indented_or_written_as_in_yaml() {
    check(
        "\u{feff}export A=1\n  B.c-d: 2\n# no\nexported=3",
        &[("A", "1"), ("B.c-d", "2"), ("exported", "3")],
    );
}

#[test]
fn the_last_of_two_entries_wins() {
    check("A=1\nB=2\nA=3", &[("A", "3"), ("B", "2")]);
}

#[test]
fn a_name_with_nothing_to_inherit_leaves_an_earlier_line_alone() {
    check(
        "A=1\nA\nHOME_TOWN=x\nHOME_TOWN\nB",
        &[("A", "1"), ("HOME_TOWN", "(inherited)"), ("B", "(inherited)")],
    );
}

#[test]
fn single_quotes_are_literal() {
    check(r"A='$HOME_TOWN \n it\'s' # yes", &[("A", r"$HOME_TOWN \n it's")]);
}

#[test]
fn double_quotes_expand_escapes_and_variables() {
    check(r#"A="${HOME_TOWN}\n\"\$X\" \\n \q \0101""#, &[("A", "Oslo\n\"$X\" \\n \\q A")]);
}

#[test]
fn an_octal_escape_that_is_none_stays_as_it_is() {
    check(r#"A="\0+12 \0999 \01""#, &[("A", r"\0+12 \0999 \01")]);
}

#[test]
fn a_quoted_value_may_have_several_lines() {
    check("KEY=\"one\ntwo\"\nB='3\n4'", &[("KEY", "one\ntwo"), ("B", "3\n4")]);
}

#[test]
fn the_outer_value_of_a_variable_beats_the_files_own() {
    check(
        "HOME_TOWN=Rome\nA=$HOME_TOWN\nB=${C:-${A}}$NOPE",
        &[("HOME_TOWN", "Rome"), ("A", "Oslo"), ("B", "Oslo")],
    );
}

#[test]
fn problems_name_line_and_key_and_never_show_the_text() {
    check_wrong(
        "A=1\nhunter2!\nB=\"x\" hunter3\nC=pa${ss!}\n\nD=\"hunter4",
        &[
            "app.env:2:1: a line does not begin with a name and `=`",
            "app.env:3:1: B: text follows the closing quote",
            "app.env:4:1: C: a variable in the value is malformed, or required and not set",
            "app.env:6:1: D: the quoted value is not closed",
        ],
    );
}

#[test]
fn a_name_with_a_blank_is_refused_without_showing_it() {
    check_wrong("hunter 2=x", &["app.env:1:1: a line does not begin with a name and `=`"]);
}

#[test]
fn a_file_that_is_not_utf8_says_so() {
    let problems = parse("app.env", b"A=1\nB=\xff", &Outer([].into())).expect_err("problems");
    assert_eq!(problems[0].to_string(), "app.env:2:1: the file is not UTF-8");
}

#[test]
fn a_bomb_of_variables_is_refused() {
    let lines = (1..64).map(|n| format!("A{n}=$A{0}$A{0}\n", n - 1));
    let text = format!("A0=0123456789\n{}", lines.collect::<String>());
    assert!(read(&text).is_err());
}

#[test]
fn raw_files_know_neither_quotes_nor_variables() {
    let entries = parse_raw("raw.env", b"A=\"$X\" # no\r\n # c\nB\n").expect("a raw file");
    assert_eq!(entries[0], ("A".to_owned(), Some(Hidden::new("\"$X\" # no"))));
    assert_eq!(entries[1], ("B".to_owned(), None));
    assert!(parse_raw("raw.env", b"A B=1").is_err());
    assert!(parse_raw("raw.env", b"=1").is_err());
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(\\PC|[\n\"'\\\\$={}# ])*") {
        let _ = (read(&text), parse_raw("x", text.as_bytes()));
    }
}

#[test]
fn the_bytes_of_a_value_are_found_where_it_is_set() {
    let check = |text: &str, name: &str, expected: Option<&str>| {
        let found = value_of(name, text.as_bytes());
        assert_eq!(found.map(|range| &text[range]), expected, "{text:?}");
    };
    let text =
        "\u{feff}# A=0\r\nexport A= 1 two  # three\r\nB='x \r\n y'\r\nC: \"z\" # A=4\r\nD=\r\n";
    check(text, "A", Some("1 two"));
    check(text, "B", Some("x \r\n y"));
    check(text, "C", Some("z"));
    check(text, "D", Some(""));
    check(text, "E", None);
    check("A=1\nA=2\n", "A", Some("2"));
    check("A=1\nA\n", "A", Some("1"));
}
