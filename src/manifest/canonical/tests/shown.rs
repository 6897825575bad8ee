//! What is shown of values that must not be seen, and of a manifest that is not right.

use serde_json::json;

use super::{ALL, Show, Stack};

const HIDING: Show = Show { values: false, extensions: true };

#[test]
fn what_a_value_of_the_server_went_into_is_hidden() {
    let mut stack = Stack::new(
        "services:\n  a:\n    image: a:${TAG}\n    environment: {A: plain, B: , C: '${SECRET}'}\n    \
         labels: {owner: me, token: 'x-${SECRET}'}\n    command: serve --key ${SECRET}\n    ports: ['${PORT}:80']",
    );
    stack.env = "TAG=1.2\nSECRET=correct-horse\nPORT=8443";
    let document = stack.document(HIDING);
    let service = &document["services"]["a"];
    assert_eq!(service["image"], json!("•••"));
    assert_eq!(service["environment"], json!({"A": "•••", "B": null, "C": "•••"}));
    assert_eq!(service["labels"], json!({"owner": "me", "token": "•••"}));
    assert_eq!(service["ports"][0]["published"], json!("•••"));
    assert!(!document.to_string().contains("correct-horse"), "{document}");
    let shown = stack.document(ALL);
    assert_eq!(shown["services"]["a"]["labels"]["token"], json!("x-correct-horse"));
}

#[test]
fn a_value_of_the_server_in_a_key_is_masked() {
    let mut stack = Stack::new("services: {a: {image: a, labels: ['${SECRET}=1']}}");
    stack.env = "SECRET=correct-horse";
    let document = stack.document(HIDING);
    assert!(!document.to_string().contains("correct-horse"), "{document}");
}

#[test]
fn an_unset_variable_is_blank_and_a_remark() {
    let stack = Stack::new("services: {a: {image: a, hostname: 'a${UNSET}'}}");
    assert_eq!(stack.document(ALL)["services"]["a"]["hostname"], json!("a"));
    let remarks = stack.load().unwrap().remarks;
    assert!(remarks[0].text.contains("`UNSET` is not set"), "{remarks:?}");
}

#[test]
fn what_only_evenkeel_refuses_is_shown_and_told() {
    let stack = Stack::new("services: {a: {build: ., isolation: process}}");
    let shown = stack.load().unwrap();
    assert_eq!(shown.document(ALL)["services"]["a"]["isolation"], json!("process"));
    let refused: Vec<&str> = shown.refused.iter().map(|problem| problem.code).collect();
    assert_eq!(refused, ["unsupported-key", "unsupported-key"]);
}

#[test]
fn what_only_the_engine_would_refuse_is_shown_and_told() {
    let stack = Stack::new("services: {a: {image: a, dns: [resolver]}}");
    let shown = stack.load().unwrap();
    assert_eq!(shown.document(ALL)["services"]["a"]["dns"], json!(["resolver"]));
    assert_eq!(shown.refused.len(), 1, "{:?}", shown.refused);
}

#[test]
fn what_is_wrong_is_told_once_and_nothing_is_shown() {
    let stack = Stack::new(
        "services: {a: {image: a, imgae: b, volumes: ['none:/a']}, b: {user: a}}\nwrong: 1",
    );
    let problems = stack.load().unwrap_err();
    let told: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        told,
        [
            "unknown key `imgae`",
            "service `a` mounts volume `none`, which is not declared",
            "service `b` has no `image`",
            "unknown key `wrong`",
        ]
    );
}
