use super::super::yaml;
use super::*;

/// `SECRET` is the server's, the others are not; `EMPTY` is set to nothing.
struct Vars;

impl Lookup for Vars {
    fn get(&self, name: &str) -> Option<Variable> {
        let (value, from_server) = match name {
            "TAG" => ("1.10", false),
            "DOLLAR" => ("$TAG", false),
            "EMPTY" => ("", false),
            "SECRET" => ("hunter2", true),
            _ => return None,
        };
        Some(Variable { value: Hidden::new(value), from_server })
    }
}

fn check(text: &str, expected: &str) {
    let expanded = expand(text, &Vars).expect("a template");
    assert_eq!(expanded.text.reveal(), expected, "{text}");
}

fn check_wrong(text: &str, expected: &[&str]) {
    let errors = expand(text, &Vars).expect_err("errors");
    assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{text}");
}

/// The tree of `text`, its problems and its remarks.
fn walk(text: &str, unset: Unset) -> (Node, Vec<Problem>, Vec<Problem>) {
    let tree = yaml::parse("c.yaml", text.as_bytes(), &yaml::Limits::default()).expect("YAML");
    let mut texts = SourceTexts::default();
    texts.add("c.yaml", text);
    let (mut problems, mut remarks) = (Vec::new(), Vec::new());
    let tree = tree.into_iter().next().expect("a document");
    let tree = interpolate(tree, &Vars, unset, &texts, &mut problems, &mut remarks);
    (tree, problems, remarks)
}

fn scalar(node: Option<&Node>) -> (&str, bool, bool) {
    let node = node.expect("a field");
    match &node.value {
        Value::Scalar(scalar) => (&scalar.text, scalar.plain, node.sensitive),
        Value::Null | Value::Sequence(_) | Value::Mapping(_) => panic!("expected a scalar"),
    }
}

#[test]
fn a_variable_is_replaced_by_its_value() {
    check("a-$TAG-b ${TAG}c$TAG", "a-1.10-b 1.10c1.10");
    check("$TAG_X|${EMPTY}|", "||");
}

#[test]
fn a_dollar_sign_that_begins_nothing_is_itself() {
    check("$ 5 $1 a$ $$TAG $${TAG} \\$TAG", "$ 5 $1 a$ $TAG ${TAG} \\1.10");
}

#[test]
fn a_default_stands_in_for_an_unset_variable() {
    check("${NO-d} ${NO:-d} ${EMPTY-d} ${EMPTY:-d} ${TAG-d}", "d d  d 1.10");
    check("${NO:-a:-b?c+d} ${NO:--}", "a:-b?c+d -");
}

#[test]
fn a_presence_text_stands_in_for_a_set_variable() {
    check("${NO+x}|${EMPTY+x}|${EMPTY:+x}|${TAG:+<$TAG>}", "|x||<1.10>");
}

#[test]
fn defaults_nest() {
    check("${NO:-${NEITHER:-${TAG}}-x} ${NO-$TAG}", "1.10-x 1.10");
    check("${NO:-{}}", "{}");
}

#[test]
fn a_value_is_not_expanded_again() {
    check("$DOLLAR ${NO:-$DOLLAR}", "$TAG $TAG");
}

#[test]
fn only_what_is_needed_is_looked_at() {
    check("${TAG:-${NO:?never}} ${TAG:?${1}}", "1.10 1.10");
}

#[test]
fn a_brace_that_begins_no_variable_is_an_error() {
    for text in ["${", "${}", "${1}", "${ A}", "${A B}", "${A!}", "${A:}", "${A", "${A:-${B}"] {
        check_wrong(text, &[&format!("`{text}` is not a variable")]);
    }
    check_wrong("${A:-x\ny}", &["`${A:-x` is not a variable"]);
}

#[test]
fn a_required_variable_says_what_its_author_wrote() {
    check("${TAG:?no} ${EMPTY?no}", "1.10 ");
    check_wrong(
        "${NO:?set it to $TAG}${EMPTY:?}",
        &["variable `NO` is required: set it to 1.10", "variable `EMPTY` is required"],
    );
}

#[test]
fn a_message_never_shows_a_server_value() {
    check_wrong("${NO:?like $SECRET}", &["variable `NO` is required: like $SECRET"]);
}

/// Every variable is set to 100,000 bytes.
struct Long;

impl Lookup for Long {
    fn get(&self, _: &str) -> Option<Variable> {
        Some(Variable { value: Hidden::new("x".repeat(100_000)), from_server: false })
    }
}

#[test]
fn nesting_and_size_have_an_end() {
    let deep = format!("{}x{}", "${A:-".repeat(50), "}".repeat(50));
    check_wrong(&deep, &["variables nest more than 32 deep"]);
    assert_eq!(expand(&"$A".repeat(100_000), &Long), Err(vec![TemplateError::TooLarge]));
}

#[test]
fn a_tree_of_long_values_has_an_end_and_says_so_once() {
    let text = format!("[{}]", "$A$A$A$A$A$A$A$A$A$A,".repeat(20));
    let tree = yaml::parse("c.yaml", text.as_bytes(), &yaml::Limits::default()).expect("YAML");
    let (mut problems, mut remarks) = (Vec::new(), Vec::new());
    let tree = tree.into_iter().next().expect("a document");
    let texts = SourceTexts::default();
    interpolate(tree, &Long, Unset::Error, &texts, &mut problems, &mut remarks);
    assert_eq!(problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), ["too-large"]);
}

#[test]
fn values_are_interpolated_and_keys_are_not() {
    let (tree, problems, _) = walk("$TAG: [{a: 'x$TAG'}]\nx-y: $TAG", Unset::Error);
    assert_eq!(problems, []);
    assert_eq!(scalar(tree.get("x-y")), ("1.10", false, false));
    let Some(Value::Sequence(items)) = tree.get("$TAG").map(|node| &node.value) else {
        panic!("expected a list");
    };
    assert_eq!(scalar(items[0].get("a")), ("x1.10", false, false));
}

#[test]
fn only_a_scalar_that_holds_a_server_value_is_sensitive() {
    let (tree, _, _) = walk("a: x-$SECRET\nb: '${SECRET:+set}'\nc: 080", Unset::Error);
    assert_eq!(scalar(tree.get("a")), ("x-hunter2", false, true));
    assert_eq!(scalar(tree.get("b")), ("set", false, false));
    assert_eq!(scalar(tree.get("c")), ("080", true, false));
    assert!(!tree.sensitive);
}

#[test]
fn every_unset_variable_is_a_problem_with_its_place() {
    let text = "services:\n  api:\n    image: $NO:$NOR\n    user: ${NO:?id}\n    x: ${\n";
    let (_, problems, _) = walk(text, Unset::Error);
    let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "c.yaml:3:12: variable `NO` is not set and has no default",
            "c.yaml:3:12: variable `NOR` is not set and has no default",
            "c.yaml:4:11: variable `NO` is required: id",
            "c.yaml:5:8: `${` is not a variable",
        ]
    );
    assert_eq!(problems[0].path.as_deref(), Some("services.api.image"));
    assert_eq!(problems[0].excerpt.as_deref(), Some("    image: $NO:$NOR"));
    assert_eq!(problems[1].hint.as_deref(), Some("set NOR, or give it a default: ${NOR:-…}"));
}

#[test]
fn an_unset_variable_may_be_blank_with_a_remark() {
    let (tree, problems, remarks) = walk("a: x$NO", Unset::Blank);
    assert_eq!((problems.len(), remarks.len()), (0, 1));
    assert_eq!(scalar(tree.get("a")), ("x", false, false));
}

#[test]
fn required_is_a_problem_even_where_unset_is_blank() {
    let (_, problems, remarks) = walk("a: ${NO:?x}$NOR", Unset::Blank);
    assert_eq!((problems.len(), remarks.len()), (1, 1));
}

#[test]
fn the_variables_of_a_tree_are_known_without_their_values() {
    let text = "$KEY: [$A, '${B:-$C}', $$D]\nb: ${A:-1} ${E:?x}\nc: ${F+y} ${F-z}";
    let tree = yaml::parse("c.yaml", text.as_bytes(), &yaml::Limits::default()).expect("YAML");
    let found = variables(&tree[0]);
    let needed: Vec<(&str, bool, Option<&str>)> = found
        .iter()
        .map(|(name, usage)| (name.as_str(), usage.needed, usage.default.as_deref()))
        .collect();
    assert_eq!(
        needed,
        [
            ("A", true, Some("1")),
            ("B", false, Some("$C")),
            ("C", true, None),
            ("E", true, None),
            ("F", false, Some("z")),
        ]
    );
}

proptest::proptest! {
    #[test]
    fn a_text_without_a_dollar_sign_stays_as_it_is(text in "[^$]*") {
        let expanded = expand(&text, &Vars).expect("plain");
        proptest::prop_assert_eq!(expanded.text.reveal(), text);
    }

    #[test]
    fn no_text_makes_it_panic(text in "(\\$|\\{|\\}|:|-|\\?|\\+|A|TAG|ü|\n)*") {
        let _ = expand(&text, &Vars);
    }

    #[test]
    fn a_doubled_text_comes_out_single(text in "\\PC*") {
        let doubled = text.replace('$', "$$");
        let expanded = expand(&doubled, &Vars).expect("escaped");
        proptest::prop_assert_eq!(expanded.text.reveal(), text);
    }
}
