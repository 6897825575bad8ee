//! What is shown of values that must not be seen, and of a manifest that is not right.

use serde_json::{Value as Json, json};

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

/// The only port and the only volume, as they are shown where `A` and `B` are the server's.
fn hiding(env: &'static str, port: &str, volume: &str) -> (Json, Json) {
    let mut stack = Stack::new(format!(
        "services: {{a: {{image: a, ports: ['{port}'], volumes: ['{volume}']}}}}\nvolumes: {{data: }}"
    ));
    stack.env = env;
    let mut document = stack.document(HIDING);
    let service = &mut document["services"]["a"];
    (service["ports"][0].take(), service["volumes"][0].take())
}

#[test]
fn of_a_short_form_only_the_part_with_the_servers_value_is_hidden() {
    let (port, volume) = hiding("A=8443\nB=/srv/data", "127.0.0.1:${A:-80}:80/udp", "$B:/data:ro");
    let expected = json!({
        "mode": "ingress", "host_ip": "127.0.0.1", "target": 80, "published": "•••", "protocol": "udp",
    });
    assert_eq!(port, expected);
    let expected = json!({
        "type": "bind", "source": "•••", "target": "/data", "read_only": true,
        "bind": {"create_host_path": true},
    });
    assert_eq!(volume, expected);
    let (port, volume) = hiding("A=81\nB=/srv", "[::1]:8080:${A}", "data:${B}/x");
    assert_eq!(port["host_ip"], "::1");
    assert_eq!((&port["target"], &port["published"]), (&json!("•••"), &json!("8080")));
    assert_eq!((&volume["source"], &volume["target"]), (&json!("data"), &json!("•••")));
}

#[test]
fn where_it_cannot_be_told_which_part_is_the_servers_all_are_hidden() {
    let (port, volume) = hiding("A=127.0.0.1:8443\nB=/srv:/data", "${A}:80", "${B}:ro");
    assert_eq!((&port["target"], &port["published"]), (&json!("•••"), &json!("•••")));
    assert_eq!((&volume["source"], &volume["target"]), (&json!("•••"), &json!("•••")));
    let (port, _) = hiding("A=80\nB=c", "${A}", "${B}:/data:/x");
    assert_eq!(port["target"], "•••");
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

#[test]
fn a_name_that_begins_as_an_extension_does_is_shown() {
    let stack = Stack::new(
        "services:\n  x-a: {image: a}\n  b: {image: b, depends_on: [x-a], networks: [x-net]}\nnetworks: {x-net: }",
    );
    let service = &stack.document(ALL)["services"]["b"];
    assert!(service["depends_on"]["x-a"].is_object(), "{service}");
    assert!(service["networks"].as_object().unwrap().contains_key("x-net"), "{service}");
}
