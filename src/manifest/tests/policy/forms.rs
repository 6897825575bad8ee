//! The same through anchors, merge keys, `extends`, `include` and override files: it counts what a stack comes to,
//! and it is told where it is written.

use super::{World, findings};

/// The rules by which `files` are refused, each with the file and the line.
fn refused(files: &[(&str, &str)], expected: &[&str]) {
    let mut world = World::new(files);
    let place = |problem: &crate::model::Problem| {
        let place = problem.place.as_ref().unwrap();
        let rule = problem.code.strip_prefix("policy-").unwrap_or(problem.code);
        format!("{rule} {}:{}", place.file, place.line)
    };
    let found: Vec<String> = findings(&mut world, "", &[]).iter().map(place).collect();
    assert_eq!(found, expected, "{files:#?}");
    let lines: Vec<String> = findings(&mut world, "", &[]).iter().map(super::line_of).collect();
    assert_eq!(findings(&mut world, "", &lines), [], "{lines:#?}");
}

/// A single file.
fn shop(text: &str, expected: &[&str]) {
    refused(&[("shop/compose.yaml", text)], expected);
}

/// What asks for more than it may, as the lines of a service: the rule, and the line among them.
const ASKS: [(&str, &str); 9] = [
    ("privileged", "privileged: true"),
    ("cap_add", "cap_add: [SYS_ADMIN]"),
    ("host_namespaces", "pid: host"),
    ("docker_socket", "volumes: ['/run/docker.sock:/s']"),
    ("host_binds", "volumes: ['/etc:/e']"),
    ("devices", "devices: [/dev/sda]"),
    ("security_opt", "security_opt: ['seccomp:unconfined']"),
    ("extra_hosts", "extra_hosts: ['meta:169.254.169.254']"),
    ("runtime", "runtime: kata"),
];

#[test]
fn through_an_anchor_at_the_top() {
    for (rule, line) in ASKS {
        let text = format!(
            "x-base: &base\n  image: a:1\n  {line}\nservices:\n  web: *base\n  db: {{image: a:1}}\n"
        );
        shop(&text, &[&format!("{rule} shop/compose.yaml:3")]);
    }
}

#[test]
fn through_a_merge_key() {
    for (rule, line) in ASKS {
        let text =
            format!("x-base: &base\n  {line}\nservices:\n  web:\n    <<: *base\n    image: a:1\n");
        shop(&text, &[&format!("{rule} shop/compose.yaml:2")]);
    }
}

#[test]
fn through_extends_of_another_file() {
    for (rule, line) in ASKS {
        let base = format!("services:\n  base:\n    image: a:1\n    {line}\n");
        let text = "services:\n  web:\n    extends: {file: ../base.yaml, service: base}\n";
        refused(
            &[("shop/compose.yaml", text), ("base.yaml", &base)],
            &[&format!("{rule} base.yaml:4")],
        );
    }
}

#[test]
fn through_extends_of_a_neighbour() {
    for (rule, line) in ASKS {
        let text =
            format!("services:\n  web:\n    extends: base\n  base:\n    image: a:1\n    {line}\n");
        let line = format!("{rule} shop/compose.yaml:6");
        shop(&text, &[&line, &line]);
    }
}

#[test]
fn through_include() {
    for (rule, line) in ASKS {
        let part = format!("services:\n  db:\n    image: a:1\n    {line}\n");
        let text = "include: [part.yaml]\nservices:\n  web:\n    image: a:1\n";
        refused(
            &[("shop/compose.yaml", text), ("shop/part.yaml", &part)],
            &[&format!("{rule} shop/part.yaml:4")],
        );
    }
}

#[test]
fn through_an_override_file() {
    for (rule, line) in ASKS {
        let text = "services:\n  web:\n    image: a:1\n";
        let over = format!("services:\n  web:\n    {line}\n");
        refused(
            &[("shop/compose.yaml", text), ("shop/compose.override.yaml", &over)],
            &[&format!("{rule} shop/compose.override.yaml:3")],
        );
    }
}

#[test]
fn what_an_override_takes_back_is_not_asked_for() {
    for (_, line) in ASKS {
        let key = line.split(':').next().unwrap();
        let text = format!("services:\n  web:\n    image: a:1\n    {line}\n");
        let over = format!("services:\n  web:\n    {key}: !reset null\n");
        refused(&[("shop/compose.yaml", &text), ("shop/compose.override.yaml", &over)], &[]);
    }
}

#[test]
fn through_a_variable_of_git() {
    let text = "services:\n  web:\n    image: a:1\n    volumes: ['${WHERE}:/w']\n    privileged: ${HOW:-true}\n";
    refused(
        &[("shop/compose.yaml", text), ("shop/.env", "WHERE=/etc\n")],
        &["host_binds shop/compose.yaml:4", "privileged shop/compose.yaml:5"],
    );
}

#[test]
fn a_value_of_the_servers_is_refused_and_not_shown() {
    let text = "services:\n  web:\n    image: a:1\n    volumes: ['${WHERE}:/w']\n    cap_add: [\"${CAP}\"]\n    extra_hosts: ['a:${AT}']\n    pid: ${P}\nvolumes:\n  x: {driver_opts: {type: none, o: bind, device: '${WHERE}'}}\n";
    let mut world = World::new(&[("shop/compose.yaml", text)]).with_server_file(
        "shop.env",
        "WHERE=/srv/hidden-place\nCAP=SYS_ADMIN\nAT=169.254.169.254\nP=host\n",
    );
    let found = findings(&mut world, "", &[]);
    assert_eq!(found.len(), 4, "{found:#?}");
    for secret in ["hidden-place", "SYS_ADMIN", "169.254"] {
        let told = format!("{found:?}");
        assert!(!told.contains(secret), "{told}");
    }
    let lines: Vec<String> = found.iter().map(super::line_of).collect();
    assert!(lines.iter().all(|line| !line.contains("values")), "{lines:?}");
    assert_eq!(findings(&mut world, "", &lines), []);
}

/// Where one service comes by what the server's value of another says.
#[test]
fn a_value_of_the_servers_is_not_shown_by_way_of_another_service() {
    let text = "services:\n  web:\n    image: a:1\n    volumes_from: [db]\n    pid: service:db\n  db:\n    image: a:1\n    pid: 'container:${C}'\n    volumes: ['${WHERE}:/w']\n";
    let mut world = World::new(&[("shop/compose.yaml", text)])
        .with_server_file("shop.env", "WHERE=/x9\nC=q7\n");
    let found = findings(&mut world, "", &[]);
    assert_eq!(found.len(), 4, "{found:#?}");
    let told = format!("{found:?}");
    assert!(!told.contains("x9") && !told.contains("q7"), "{told}");
}

#[test]
fn a_service_that_no_profile_makes_active_asks_for_nothing() {
    shop(
        "services:\n  web: {image: a:1}\n  debug: {image: a:1, profiles: [debug], privileged: true}\n",
        &[],
    );
}
