use super::super::yaml::{self, Limits};
use super::*;

fn settle(tree: Node) -> Result<Node, Vec<Problem>> {
    let mut problems = Vec::new();
    let settled = all([tree], &mut problems);
    settled.filter(|_| problems.is_empty()).ok_or(problems)
}

/// The tree of `text` under the service `s`.
fn service(file: &str, text: &str) -> Node {
    let indented = text.lines().fold(String::new(), |all, line| all + "    " + line + "\n");
    tree(file, &format!("services:\n  s:\n{indented}"))
}

fn tree(file: &str, text: &str) -> Node {
    let documents = yaml::parse(file, text.as_bytes(), &Limits::default()).expect("YAML");
    documents.into_iter().next().expect("a document")
}

fn show(node: &Node) -> String {
    assert_eq!(node.tag, None, "a tag is left");
    match &node.value {
        Value::Null => "~".to_owned(),
        Value::Scalar(scalar) => scalar.text.clone(),
        Value::Sequence(items) => {
            format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", "))
        }
        Value::Mapping(fields) => {
            let fields = fields.iter().map(|(key, field)| format!("{key}: {}", show(&field.node)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
    }
}

fn of_service(node: &Node) -> String {
    show(node.get("services").and_then(|services| services.get("s")).expect("the service"))
}

/// Both texts are the contents of one service.
fn check(base: &str, over: &str, expected: &str) {
    let merged = merge(service("base", base), service("over", over)).expect("a merge");
    assert_eq!(of_service(&merged), expected, "{base} + {over}");
}

fn check_settled(text: &str, expected: &str) {
    assert_eq!(of_service(&settle(service("base", text)).expect("a tree")), expected, "{text}");
}

#[test]
fn mappings_merge_and_single_values_are_replaced() {
    check(
        "image: a\ndeploy: {replicas: 1, mode: x}",
        "deploy: {replicas: 2}\nuser: b",
        "{image: a, deploy: {replicas: 2, mode: x}, user: b}",
    );
}

#[test]
fn environment_merges_by_key_in_either_form() {
    let expected = "{environment: {A: 1, B: 3, C: ~, D: }}";
    check("environment: [A=1, B=2]", "environment: {B: 3, C: , D: ''}", expected);
    check("environment: {A: 1, B: 2}", "environment: [B=3, C, D=]", expected);
    check("environment: {A: 1, B: 2}", "environment: {B: 3, C: , D: ''}", expected);
}

#[test]
fn labels_and_sysctls_merge_like_environment() {
    check(
        "labels: [a=1]\nsysctls: {b: 1}",
        "labels: {a: 2}\nsysctls: [b=2]",
        "{labels: {a: 2}, sysctls: {b: 2}}",
    );
}

#[test]
fn commands_and_probes_are_replaced_whole() {
    check(
        "command: [a, b]\nentrypoint: [x]\nhealthcheck: {test: [CMD, a], retries: 1}",
        "command: c\nentrypoint:\nhealthcheck: {test: b}",
        "{command: c, entrypoint: ~, healthcheck: {test: b, retries: 1}}",
    );
}

#[test]
fn ports_are_the_same_by_address_published_target_and_protocol() {
    check(
        "ports: ['80:80', '127.0.0.1:81:81', '53:53/udp']",
        "ports: ['80:80/tcp', '81:81', {target: 53, published: 53, protocol: udp}, '0.0.0.0:80:80']",
        "{ports: [0.0.0.0:80:80, 127.0.0.1:81:81, {target: 53, published: 53, protocol: udp}, 81:81]}",
    );
}

#[test]
fn mounts_and_devices_are_the_same_by_target() {
    check(
        "volumes: [data:/data, /cache]\ndevices: [/dev/a:/dev/x]",
        "volumes: [./d:/data:ro, {type: tmpfs, target: /cache}]\ndevices: [/dev/b:/dev/x, /dev/c]",
        "{volumes: [./d:/data:ro, {type: tmpfs, target: /cache}], devices: [/dev/b:/dev/x, /dev/c]}",
    );
}

#[test]
fn a_secret_is_the_same_by_where_it_is_mounted() {
    check(
        "secrets: [key, other]",
        "secrets: [{source: new, target: /run/secrets/key}]",
        "{secrets: [{source: new, target: /run/secrets/key}, other]}",
    );
    check("configs: [a]", "configs: [{source: a}, b]", "{configs: [{source: a}, b]}");
}

#[test]
fn one_entry_and_a_list_of_entries_are_the_same_form() {
    check(
        "env_file: a.env\ndns: 1.1.1.1",
        "env_file: [{path: a.env}, b.env]\ndns: 9.9.9.9",
        "{env_file: [{path: a.env}, b.env], dns: [1.1.1.1, 9.9.9.9]}",
    );
}

#[test]
fn networks_merge_by_name_in_either_form() {
    check(
        "networks: [a, b]",
        "networks: {b: {aliases: [x]}, c: }",
        "{networks: {a: ~, b: {aliases: [x]}, c: ~}}",
    );
    check("networks: {a: {aliases: [x]}}", "networks: [a]", "{networks: {a: {aliases: [x]}}}");
}

#[test]
fn a_dependency_by_name_alone_means_that_it_is_started() {
    let expected = "{depends_on: {db: {condition: service_started, required: true}}}";
    check("depends_on: {db: {condition: service_healthy}}", "depends_on: [db]", expected);
    check(
        "depends_on: [db]",
        "depends_on: {db: {condition: service_healthy}}",
        "{depends_on: {db: {condition: service_healthy, required: true}}}",
    );
}

#[test]
fn a_host_may_have_several_addresses() {
    check(
        "extra_hosts: ['a:1.1.1.1']",
        "extra_hosts: {b: 2.2.2.2, a: [1.1.1.1, ::1]}",
        "{extra_hosts: [a=1.1.1.1, a=::1, b=2.2.2.2]}",
    );
}

#[test]
fn logging_options_belong_to_their_driver() {
    let base = "logging: {driver: local, options: {size: 1}}";
    check(
        base,
        "logging: {options: {n: 2}}",
        "{logging: {driver: local, options: {size: 1, n: 2}}}",
    );
    check(
        base,
        "logging: {driver: syslog, options: {n: 2}}",
        "{logging: {driver: syslog, options: {n: 2}}}",
    );
}

#[test]
fn limits_of_one_kind_are_replaced() {
    check(
        "ulimits: {nofile: {soft: 1, hard: 2}, nproc: 3}",
        "ulimits: {nofile: {soft: 4}}",
        "{ulimits: {nofile: {soft: 4}, nproc: 3}}",
    );
}

#[test]
fn reset_removes_what_the_base_says() {
    check(
        "ports: ['1']\nenvironment: {A: 1, B: 2}",
        "ports: !reset []\nenvironment: {A: !reset null}\nuser: !reset x",
        "{environment: {B: 2}}",
    );
}

#[test]
fn override_replaces_what_the_base_says() {
    check(
        "ports: ['1']\nbuild: {args: {A: 1}}",
        "ports: !override ['2']\nbuild: !override {tags: [b]}",
        "{ports: [2], build: {tags: [b]}}",
    );
}

#[test]
fn an_empty_value_keeps_the_list_or_mapping_below_it() {
    check(
        "ports: ['1']\nlabels: {a: 1}\ndeploy: {mode: x}",
        "ports:\nlabels:\ndeploy:",
        "{ports: [1], labels: {a: 1}, deploy: {mode: x}}",
    );
}

#[test]
fn a_value_of_another_shape_is_a_problem_with_both_places() {
    let over = service("over", "ports: x\ndeploy: [y]");
    let problems =
        merge(service("base", "ports: {a: 1}\ndeploy: {mode: x}"), over).expect_err("two");
    let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "over:3:12: a list cannot be laid over a mapping",
            "over:4:13: a list cannot be laid over a mapping",
        ]
    );
    assert_eq!(problems[1].path.as_deref(), Some("services.s.deploy"));
    assert_eq!(problems[1].notes, ["the value below it is at base:4:13"]);
}

#[test]
fn an_extension_of_another_shape_is_replaced() {
    let merged =
        merge(tree("base", "x-a: {b: [1]}"), tree("over", "x-a: {b: 2}")).expect("a merge");
    assert_eq!(show(&merged), "{x-a: {b: 2}}");
}

#[test]
fn a_single_file_is_settled_by_the_same_rules() {
    check_settled(
        "ports: ['1:1', '2:2', '1:1/tcp']\nuser: !reset x\ndns: !override [a]",
        "{ports: [1:1/tcp, 2:2], dns: [a]}",
    );
    check_settled(
        "command: [a, a]\nsecurity_opt: [b, b]",
        "{command: [a, a], security_opt: [b, b]}",
    );
}

#[test]
fn an_unknown_tag_is_a_problem() {
    let problems = settle(tree("base", "a: !drop x")).expect_err("one");
    assert_eq!(problems[0].to_string(), "base:1:10: unknown tag `!drop`");
}

#[test]
fn a_server_value_stays_sensitive_in_another_form() {
    let mut base = service("base", "environment: ['A=1']");
    mark_items(&mut base);
    let merged = merge(base, service("over", "environment: {B: 2}")).expect("a merge");
    let service = merged.get("services").and_then(|services| services.get("s")).expect("it");
    let environment = service.get("environment").expect("a mapping");
    let sensitive = |key| environment.get(key).map(|node| node.sensitive);
    assert_eq!((sensitive("A"), sensitive("B")), (Some(true), Some(false)));
}

/// Marks every item of every list.
fn mark_items(node: &mut Node) {
    match &mut node.value {
        Value::Null | Value::Scalar(_) => {}
        Value::Sequence(items) => items.iter_mut().for_each(|item| item.sensitive = true),
        Value::Mapping(fields) => fields.values_mut().for_each(|field| mark_items(&mut field.node)),
    }
}

proptest::proptest! {
    #[test]
    fn merging_a_tree_with_itself_changes_nothing_more(
        ports in proptest::collection::vec("[1-9]{1,2}:[1-9]{1,2}(/udp)?", 0..6),
        environment in proptest::collection::vec("[A-C](=[a-z]{0,2})?", 0..6),
    ) {
        let text = format!("ports: {ports:?}\nenvironment: {environment:?}");
        let once = merge(service("a", &text), service("b", &text)).expect("a merge");
        let twice = merge(once.clone(), once.clone()).expect("a merge");
        proptest::prop_assert_eq!(of_service(&once), of_service(&twice));
    }
}
