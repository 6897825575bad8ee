//! `extends`: what a service inherits, from where, and what is said where it cannot.

use super::{World, mount_text, remarks, web};
use crate::manifest::{Limits, ServerFiles};

const BASE: &str = "services:
  base:
    image: base
    command: [a, b]
    user: me
    environment: {A: base, B: base}
    ports: ['80:80']
";

/// A stack whose `web` extends something, beside `common/base.yaml`.
fn extending(keys: &str) -> World {
    let text = format!("services:\n  web:\n    {}\n", keys.replace('\n', "\n    "));
    World::shop(&text).with_file("common/base.yaml", BASE)
}

const FROM_FILE: &str = "extends: {file: ../common/base.yaml, service: base}";

#[test]
fn a_service_is_a_copy_with_its_own_keys_laid_over() {
    let keys =
        format!("{FROM_FILE}\nimage: own\nenvironment: [B=own]\nports: ['81:81']\ncommand: c");
    let service = web(extending(&keys).stack());
    let settings = &service.settings;
    assert_eq!(service.image_shown, "own");
    assert_eq!(settings.user.as_deref(), Some("me"));
    assert_eq!(settings.command.as_ref().map(Vec::len), Some(1));
    let value = |name| settings.environment[name].as_ref().map(|value| value.reveal().to_owned());
    assert_eq!((value("A"), value("B")), (Some("base".into()), Some("own".into())));
    assert_eq!(settings.ports.len(), 2);
}

#[test]
fn a_service_of_the_same_file_is_extended_by_name_alone() {
    for extends in ["extends: base", "extends: {service: base}"] {
        let text =
            format!("services: {{base: {{image: a, user: me}}, web: {{{extends}, user: you}}}}");
        assert_eq!(web(World::shop(&text).stack()).settings.user.as_deref(), Some("you"));
    }
}

#[test]
fn a_chain_of_files_is_followed_each_from_its_own_directory() {
    let middle = "services: {base: {extends: {file: deep/first.yaml, service: x}, user: me}}";
    let first = "services: {x: {extends: y, command: [a]}, y: {image: first, volumes: ['./d:/d']}}";
    let world = extending("extends: {file: ../middle/base.yaml, service: base}")
        .with_file("middle/base.yaml", middle)
        .with_file("middle/deep/first.yaml", first)
        .with_file("middle/deep/d/x", "1");
    let stack = world.stack();
    let kept: Vec<&str> = stack.record.manifest.keys().map(String::as_str).collect();
    assert_eq!(kept, ["middle/base.yaml", "middle/deep/first.yaml", "shop/compose.yaml"]);
    assert_eq!(stack.files, ["shop/compose.yaml"]);
    let service = web(stack);
    assert_eq!(service.image_shown, "first");
    assert_eq!(service.exports[0].path, "middle/deep/d");
}

#[test]
fn what_was_recorded_is_enough_to_read_the_stack_again() {
    let world = extending(&format!("{FROM_FILE}\nenv_file: a.env")).with_file("shop/a.env", "A=1");
    let record = world.stack().record;
    let mut again = World::new(&[]);
    for (path, bytes) in &record.manifest {
        again.tree.insert(path.clone(), bytes.clone());
    }
    again.path = "shop";
    assert_eq!(web(again.stack()).settings, web(world.stack()).settings);
}

#[test]
fn relative_paths_belong_to_the_file_they_are_written_in() {
    let base =
        "services: {base: {image: a, env_file: b.env, volumes: ['./conf:/conf', './data:/data']}}";
    let world = extending(FROM_FILE)
        .with_file("common/base.yaml", base)
        .with_file("common/conf/x", "1")
        .with_file("common/b.env", "A=git");
    let service = web(world.stack());
    assert_eq!(service.exports[0].path, "common/conf");
    let data = &mount_text(&service.settings)[1];
    assert_eq!(
        data, "/data <- /data/common/data rw",
        "as Compose has it: shared by all who extend it"
    );
    assert!(service.settings.environment.contains_key("A"));
}

#[test]
fn an_env_file_of_a_shared_file_is_the_extending_stacks_on_the_server() {
    let base = "services: {base: {image: a, env_file: api.env}}";
    let world = extending(FROM_FILE)
        .with_file("common/base.yaml", base)
        .with_server_file("shop/api.env", "A=own");
    assert!(web(world.stack()).settings.environment.contains_key("A"));
}

#[test]
fn reset_and_override_work_on_what_is_inherited_and_on_lower_files() {
    let keys = format!("{FROM_FILE}\nuser: !reset null\nports: !override ['81:81']\nimage: a");
    let service = web(extending(&keys).stack());
    assert_eq!(service.settings.user, None);
    assert_eq!(service.settings.ports.len(), 1);

    let over =
        "services: {web: {extends: {file: ../common/base.yaml, service: base}, ports: !reset []}}";
    let world = World::shop("services: {web: {image: a, ports: ['1:1']}}")
        .with_file("common/base.yaml", BASE)
        .with_file("shop/compose.override.yaml", over);
    let service = web(world.stack());
    assert_eq!(service.settings.ports, []);
    assert_eq!(service.image_shown, "base");
}

#[test]
fn only_the_variables_of_the_service_that_is_extended_have_to_be_set() {
    let base = "services:\n  base: {image: 'a:${TAG}'}\n  other: {image: 'b:${ELSE:?}'}\n";
    let world =
        extending(FROM_FILE).with_file("common/base.yaml", base).with_file("shop/.env", "TAG=1");
    assert_eq!(web(world.stack()).image_shown, "a:1");
    let problems = extending(FROM_FILE).with_file("common/base.yaml", base).problems();
    assert!(
        problems.starts_with("common/base.yaml:2:17: service `base`: variable `TAG`"),
        "{problems}"
    );
    assert!(!problems.contains("ELSE"), "{problems}");
}

#[test]
fn an_inherited_image_with_a_servers_value_is_shown_as_written() {
    let base = "services: {base: {image: 'a:${TAG}'}}";
    let world = extending(FROM_FILE)
        .with_file("common/base.yaml", base)
        .with_server_file("shop.env", "TAG=1.2.3");
    assert_eq!(web(world.stack()).image_shown, "a:${TAG}");
}

#[test]
fn a_problem_stands_where_the_value_is_written() {
    let base = "services:\n  base:\n    image: a\n    colour: red\n";
    let problems = extending(FROM_FILE).with_file("common/base.yaml", base).problems();
    assert!(problems.starts_with("common/base.yaml:4:5: unknown key `colour`"), "{problems}");
    assert!(problems.contains("| "), "{problems}");
}

#[test]
fn a_circle_is_told_in_full() {
    let text = "services: {web: {extends: b}, b: {extends: c}, c: {extends: web}}";
    let problems = World::shop(text).problems();
    assert!(problems.contains("in a circle: web → b → c → web"), "{problems}");
    let other = "services: {x: {extends: {file: ../shop/compose.yaml, service: web}}}";
    let problems = extending("extends: {file: ../common/base.yaml, service: x}")
        .with_file("common/base.yaml", other)
        .problems();
    let chain = "web (shop/compose.yaml) → x (common/base.yaml) → web (shop/compose.yaml)";
    assert!(problems.contains(chain), "{problems}");
}

#[test]
fn two_files_may_name_each_other_without_a_circle() {
    let other = "services: {x: {extends: {file: ../shop/compose.yaml, service: z}}}";
    let text = "services: {web: {extends: {file: ../common/base.yaml, service: x}}, z: {image: z}}";
    let world = World::shop(text).with_file("common/base.yaml", other);
    assert_eq!(web(world.stack()).image_shown, "z");
}

/// The first line and the hint of the only problem.
fn check_refused(keys: &str, expected: &str, hint: &str) {
    let problems = extending(keys).problems();
    assert!(problems.contains(expected) && problems.contains(hint), "{keys}: {problems}");
    assert_eq!(problems.matches("at services.web.extends").count(), 1, "{keys}: {problems}");
    assert!(!problems.contains("has no `image`"), "{keys}: {problems}");
}

#[test]
fn what_cannot_be_extended_is_refused_with_the_way_out() {
    let file = |path: &str| format!("extends: {{file: '{path}', service: base}}");
    let gone = "`common/none.yaml` is not in this revision";
    check_refused(&file("../common/none.yaml"), gone, "hint: write the path as seen from");
    check_refused(&file("../../base.yaml"), "leaves the repository", "of the same source");
    check_refused(&file("/etc/base.yaml"), "is a path of the server", "relative path");
    for remote in ["https://a/b.yaml", "git://a/b", "oci://a/b", "git@a:b.git"] {
        check_refused(&file(remote), "is not in this repository", "copy the file");
    }
    check_refused("extends: bass", "`bass`, which is extended, is not in `shop/compose.yaml`", "");
    let slip = "extends: {file: ../common/base.yaml, service: bass}";
    check_refused(slip, "is not in `common/base.yaml`", "did you mean `base`?");
    check_refused("extends: {file: ../common/base.yaml}", "needs a `service`", "");
    check_refused("extends: [a]", "expected the name of a service, or a mapping", "");
    let slip = "extends: {files: x}";
    let problems = extending(slip).problems();
    assert!(problems.contains("unknown key `files`"), "{problems}");
}

#[test]
fn a_link_is_not_followed() {
    let mut world = extending("extends: {file: ../link/base.yaml, service: base}");
    world.tree.insert_symlink("link");
    assert!(world.problems().contains("`link` is a symbolic link"), "{}", world.problems());
}

#[test]
fn a_file_with_a_problem_tells_it_once() {
    let text = "services: {web: {extends: {file: b.yaml, service: x}}, api: {extends: {file: b.yaml, service: x}}}";
    let problems = World::shop(text).with_file("shop/b.yaml", "services: [").problems();
    assert_eq!(problems.matches("shop/b.yaml:").count(), 1, "{problems}");
}

#[test]
fn a_value_of_the_server_cannot_say_which_file_is_read() {
    let world = extending("extends: {file: '$FILE', service: base}")
        .with_server_file("shop.env", "FILE=hunter2");
    let problems = world.problems();
    assert!(problems.contains("cannot say which file is read"), "{problems}");
    assert!(!problems.contains("hunter2"), "{problems}");
}

#[test]
fn extending_many_times_is_limited() {
    let ports = "'1', ".repeat(900);
    let services: String = (0..50).map(|n| format!("  s{n}: {{extends: base}}\n")).collect();
    let text = format!("services:\n  base: {{image: a, security_opt: [{ports}]}}\n{services}");
    let mut world = World::shop(&text);
    world.limits = Limits { expansion: 10_000, ..Limits::default() };
    assert!(world.problems().contains("add more than 10000 values"), "{}", world.problems());
}

#[test]
fn a_very_long_chain_is_refused() {
    let services: String =
        (0..5000).map(|n| format!("  s{n}: {{extends: s{}}}\n", n + 1)).collect();
    let text = format!("services:\n{services}  s5000: {{image: a}}\n");
    let mut world = World::shop(&text);
    world.limits = Limits { services: 10_000, ..Limits::default() };
    assert!(world.problems().contains("more than 64 levels deep"));
}

#[test]
fn without_a_server_what_its_values_make_is_not_complained_of() {
    let base = "services: {base: {image: 'a:${TAG}', ports: ['${PORT}:80']}}";
    let mut world = extending(FROM_FILE).with_file("common/base.yaml", base);
    world.server = ServerFiles::Offline { env: None };
    let told = remarks(&world.stack());
    assert!(told.contains("`TAG`") && told.contains("`PORT`"), "{told}");
}

#[test]
fn a_file_of_services_that_extend_each_other_keeps_the_tags_it_is_written_with() {
    let other = "services:
  first: {image: a, command: [x], volumes: ['/foo:/foo']}
  second: {extends: first, command: !reset , volumes: !override ['/bar:/bar']}
";
    let world = extending("extends: {file: ../common/other.yaml, service: second}")
        .with_file("common/other.yaml", other);
    let settings = web(world.stack()).settings;
    assert_eq!(settings.command, None);
    assert_eq!(mount_text(&settings), ["/bar <- /bar rw"]);
}
