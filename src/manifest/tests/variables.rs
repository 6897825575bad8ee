//! Where values come from, who wins, and that the server's are never shown.

use std::os::unix::fs::PermissionsExt as _;

use super::super::ServerFiles;
use super::super::interpolate::Unset;
use super::{World, manifest, remarks, web};
use crate::model::Place;

/// Loads `keys` of a service with the server's and git's values; what `A` is in the container.
fn check(world: World, expected: Option<&str>) {
    let service = web(world.stack());
    let value = service.settings.environment.get("A").and_then(Option::as_ref);
    assert_eq!(value.map(|value| value.reveal()), expected);
}

fn uses_a() -> World {
    World::shop(&manifest("environment: {A: '${A:-default}'}"))
}

#[test]
fn the_stacks_server_file_goes_before_the_shared_one_and_that_before_git() {
    check(uses_a(), Some("default"));
    check(uses_a().with_file("shop/.env", "A=git"), Some("git"));
    check(
        uses_a().with_file("shop/.env", "A=git").with_server_file("common.env", "A=all"),
        Some("all"),
    );
    let all = uses_a().with_server_file("common.env", "A=all");
    check(all.with_server_file("shop.env", "A=own"), Some("own"));
    check(uses_a().with_server_file("shop/.env", "A=own"), Some("own"));
}

#[test]
fn two_names_for_the_server_file_are_refused() {
    let world = uses_a().with_server_file("shop.env", "A=1").with_server_file("shop/.env", "A=1");
    let problems = world.problems();
    assert!(problems.contains("both `/env/shop.env` and `/env/shop/.env` are there"), "{problems}");
}

#[test]
fn credentials_of_systemd_are_looked_at_behind_the_env_dir_and_before_git() {
    let world = || {
        let mut world = uses_a().with_file("shop/.env", "A=git");
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("shop.env"), "A=credential").unwrap();
        std::fs::write(directory.path().join("own.env"), "A=other").unwrap();
        world.credentials_dir = Some(directory);
        world
    };
    check(world(), Some("credential"));
    let twice = world().with_server_file("shop.env", "A=1").problems();
    assert!(twice.contains("are there") && twice.contains("two names"), "{twice}");

    let credentials = world().credentials_dir;
    let named = |file: &str| {
        let mut world = World::shop(&manifest(&format!("env_file: {file}")));
        world.credentials_dir = Some(tempfile::tempdir().unwrap());
        world
    };
    let mut world = named("own.env").with_file("shop/own.env", "A=git");
    world.credentials_dir = credentials;
    check(world, Some("other"));
    let missing = named("none.env").problems();
    assert!(missing.contains("looked for /env/shop/none.env, then /"), "{missing}");
    let nested = named("a/none.env").problems();
    let looked = "looked for /env/shop/a/none.env, then shop/a/none.env in the repository";
    assert!(nested.contains(looked), "{nested}");
}

#[test]
fn a_file_with_secrets_that_others_can_get_at_is_remarked() {
    let text = "services: {web: {image: a, env_file: a.env, secrets: [s], configs: [c]}}\nsecrets: {s: {file: s.txt}}\nconfigs: {c: {file: c.txt}}";
    let world = || {
        let files = ["shop/a.env", "shop/s.txt", "shop/c.txt", "shop.env", "common.env"];
        files.into_iter().fold(World::shop(text), |world, file| world.with_server_file(file, "A=1"))
    };
    assert_eq!(remarks(&world().stack()), "");
    for (mode, told) in [
        (0o644, "can be read by every user of this server (mode 0644)"),
        (0o620, "can be written to by others than its owner (mode 0620)"),
        (0o666, "and written to by others than its owner (mode 0666)"),
    ] {
        let world = world();
        for file in ["shop/a.env", "shop/s.txt", "shop/c.txt", "shop.env", "common.env"] {
            let path = world.env_dir.path().join(file);
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let remarks = remarks(&world.stack());
        assert_eq!(remarks.matches(told).count(), 4, "all but the config: {remarks}");
    }
}

#[test]
fn what_docker_compose_reads_about_itself_is_said_to_have_no_effect() {
    let world = uses_a().with_file("shop/.env", "A=1\nCOMPOSE_PROFILES=debug");
    let told = remarks(&world.stack());
    assert!(told.contains("`COMPOSE_PROFILES` (shop/.env:2) has no effect here"), "{told}");
}

#[test]
fn a_profile_of_the_host_that_no_service_has_is_remarked() {
    let mut world = World::shop(&manifest("profiles: [debug]"));
    world.profiles = vec!["debug".to_owned()];
    assert_eq!(remarks(&world.stack()), "");
    world.profiles.push("debgu".to_owned());
    let told = remarks(&world.stack());
    assert!(told.contains("names `debgu`, which no service has; did you mean `debug`?"), "{told}");
}

#[test]
fn environment_goes_before_env_files_and_later_files_before_earlier_ones() {
    let keys = "env_file: [one.env, two.env]\nenvironment: {C: here}";
    let world = World::shop(&manifest(keys))
        .with_server_file("shop/one.env", "A=1\nB=1\nC=1")
        .with_file("shop/two.env", "B=2\nC=2");
    let environment = web(world.stack()).settings.environment;
    let value = |name| environment[name].as_ref().map(|value| value.reveal().to_owned());
    assert_eq!(
        (value("A"), value("B"), value("C")),
        (Some("1".into()), Some("2".into()), Some("here".into()))
    );
}

#[test]
fn a_bare_name_is_passed_through_or_takes_the_images_away() {
    let world = || World::shop(&manifest("environment: [A]"));
    check(world().with_server_file("shop.env", "A=1"), Some("1"));
    let environment = web(world().stack()).settings.environment;
    assert_eq!(environment.get("A"), Some(&None));
}

#[test]
fn a_bare_name_in_an_env_file_that_is_set_nowhere_is_left_out() {
    let world = World::shop(&manifest("env_file: a.env")).with_server_file("shop/a.env", "A\n");
    assert!(web(world.stack()).settings.environment.is_empty());
}

#[test]
fn the_server_file_serves_env_file_too() {
    let world = || World::shop(&manifest("env_file: .env"));
    check(world().with_server_file("shop.env", "A=own"), Some("own"));
    check(world().with_server_file("shop/.env", "A=own"), Some("own"));
    check(world().with_file("shop/.env", "A=git"), Some("git"));
}

#[test]
fn another_stacks_server_files_cannot_be_reached_by_climbing() {
    for (path, file) in [("../other/.env", "other/.env"), ("../other.env", "other.env")] {
        let world = World::shop(&manifest(&format!("env_file: {path}")))
            .with_server_file("shop/own.env", "")
            .with_server_file(file, "A=1");
        assert!(world.problems().contains("wants env file"), "{}", world.problems());
    }
}

#[test]
fn built_in_names_override_nothing() {
    let keys = "environment: {A: '$EVENKEEL_STACK $EVENKEEL_HOST $EVENKEEL_COMMIT_SHORT'}";
    check(World::shop(&manifest(keys)), Some("shop web-1 0123456"));
    check(World::shop(&manifest("environment: {A: $COMPOSE_PROJECT_NAME}")), Some("shop"));
    let own = World::shop(&manifest(keys)).with_server_file("shop.env", "EVENKEEL_HOST=mine");
    check(own, Some("shop mine 0123456"));
}

#[test]
fn a_name_set_on_the_server_and_in_git_is_remarked_with_both_lines() {
    let world = uses_a().with_server_file("shop.env", "B=1\nA=own").with_file("shop/.env", "A=git");
    let told = remarks(&world.stack());
    assert!(told.contains("shop.env:2) and in git (shop/.env:1)"), "{told}");
    assert!(!told.contains("own"), "{told}");
}

#[test]
fn an_unset_variable_is_an_error_or_blank_as_the_host_says() {
    let mut world = World::shop(&manifest("environment: {A: '$NOWHERE'}"));
    assert!(world.problems().contains("variable `NOWHERE` is not set"), "{}", world.problems());
    world.unset = Unset::Blank;
    assert!(remarks(&world.stack()).contains("NOWHERE"));
    check(world, Some(""));
}

#[test]
fn a_missing_variable_is_the_only_problem_of_its_value() {
    let text = "services: {web: {image: 'a:${TAG}', ports: ['${PORT}:80', 'x:80']}}";
    let problems = World::shop(text).problems();
    for told in ["variable `TAG`", "variable `PORT`", "`x` is no port"] {
        assert_eq!(problems.matches(told).count(), 1, "{told}: {problems}");
    }
    assert_eq!(problems.lines().filter(|line| line.starts_with("shop/")).count(), 3, "{problems}");
}

#[test]
fn a_server_file_that_cannot_be_read_is_told_and_not_what_it_would_hold() {
    let world =
        World::shop("services: {web: {image: 'a:${TAG}'}}").with_server_file("shop.env", "a b=1");
    let problems = world.problems();
    assert!(problems.contains("/env/shop.env:1") && !problems.contains("TAG"), "{problems}");
}

#[test]
fn fields_with_a_servers_value_are_named_and_masked() {
    let keys = "command: [run, '$SECRET']\nlabels: {team: '$SECRET', plain: '$HARMLESS'}\nuser: '$HARMLESS'";
    let world = World::shop(&manifest(keys))
        .with_server_file("shop.env", "SECRET=hunter2-hunter2")
        .with_file("shop/.env", "HARMLESS=me");
    let stack = world.stack();
    assert_eq!(stack.masks.mask("log: hunter2-hunter2"), "log: •••");
    assert!(!format!("{stack:?}").contains("hunter2"), "{stack:?}");
    let sensitive: Vec<String> = web(stack).sensitive.into_iter().collect();
    assert_eq!(sensitive, ["command", "labels.team"]);
}

#[test]
fn a_service_says_which_names_it_takes_from_which_file_of_the_server() {
    let keys = "env_file: [own.env, git.env]\ncommand: ['${SECRET:-${FALLBACK}}', $HARMLESS]\nenvironment: [PASSED, UNSET]";
    let world = World::shop(&manifest(keys))
        .with_server_file("shop.env", "SECRET=hunter2\nUNUSED=hunter3\nPASSED=hunter4")
        .with_server_file("common.env", "BARE=hunter5\nFALLBACK=hunter6")
        .with_server_file("shop/own.env", "ONE=hunter7\nBARE")
        .with_file("shop/git.env", "TWO=2")
        .with_file("shop/.env", "HARMLESS=me");
    let env_dir = world.env_dir.path().display().to_string();
    let found = web(world.stack()).server_files.into_iter();
    let named = |(file, names): (String, std::collections::BTreeSet<String>)| {
        format!("{}: {}", file.replace(&env_dir, "/env"), Vec::from_iter(names).join(" "))
    };
    let found: Vec<String> = found.map(named).collect();
    assert_eq!(
        found,
        [
            "/env/common.env: BARE FALLBACK",
            "/env/shop.env: PASSED SECRET",
            "/env/shop/own.env: BARE ONE",
        ]
    );
}

#[test]
fn the_image_line_is_where_it_is_written_and_the_service_where_it_stands() {
    let text = "services:\n  web:\n    extends: {file: base.yaml, service: app}\n    init: true\n";
    let base = "services:\n  app:\n    init: true\n    image: a:1\n";
    let world = World::shop(text).with_file("shop/base.yaml", base);
    let service = web(world.stack());
    let line = |place: &Place| format!("{}:{}", place.file, place.line);
    assert_eq!(line(&service.place), "shop/compose.yaml:2");
    assert_eq!(line(&service.image_place), "shop/base.yaml:4");
}

#[test]
fn a_value_of_git_that_holds_one_of_the_servers_is_the_servers() {
    let world = World::shop(&manifest("user: '$URL'"))
        .with_server_file("shop.env", "SECRET=hunter2")
        .with_file("shop/.env", "URL=x-$SECRET\nOTHER=1");
    assert!(web(world.stack()).sensitive.contains("user"));
}

#[test]
fn an_image_with_a_servers_value_is_shown_as_written() {
    let text = "services: {web: {image: 'a:${TAG}'}}";
    let secret = World::shop(text).with_server_file("shop.env", "TAG=1.2.3");
    let service = web(secret.stack());
    assert_eq!(
        (service.image.to_string().as_str(), service.image_shown.as_str()),
        ("a:1.2.3", "a:${TAG}")
    );
    let open = World::shop(text).with_file("shop/.env", "TAG=1.2.3");
    assert_eq!(web(open.stack()).image_shown, "a:1.2.3");
}

#[test]
fn a_problem_never_quotes_a_servers_value() {
    for keys in [
        "ports: ['$SECRET']",
        "user: a\nrestart: '$SECRET'",
        "mem_limit: '$SECRET'",
        "init: '$SECRET'",
        "volumes: ['$SECRET:/a']",
        "networks: ['$SECRET']",
        "depends_on: ['$SECRET']",
        "secrets: ['$SECRET']",
        "env_file: '$SECRET'",
        "container_name: '$SECRET+'",
        "healthcheck: {test: a, interval: '$SECRET'}",
        "extra_hosts: ['$SECRET']",
        "volumes: ['~/$SECRET:/a']",
        "platform: '$SECRET'",
        "pull_policy: '$SECRET'",
        "network_mode: '$SECRET'",
        "volumes: ['./../../$SECRET:/a']",
        "expose: ['$SECRET']",
        "cpus: '$SECRET'",
        "deploy: {update_config: {order: '$SECRET'}}",
        "stop_grace_period: '$SECRET'",
        "command: '$SECRET > $SECRET'",
        "configs: [{source: '$SECRET'}]",
    ] {
        let world =
            World::shop(&manifest(keys)).with_server_file("shop.env", "SECRET=hunter2:x:y:z:w");
        let loaded = world.load();
        let problems = loaded.stacks[0].result.as_ref().err();
        assert!(problems.is_some(), "{keys} is sound");
        assert!(!format!("{problems:?}").contains("hunter2"), "{keys}: {problems:?}");
    }
}

#[test]
fn validating_without_a_server_asks_for_nothing_of_it() {
    let keys = "env_file: [.env, api.env]\nports: ['${PORT}:80', '${OTHER:?needed}:81']\nenvironment: {A: '$A'}";
    let mut world = World::shop(&manifest(keys));
    world.server = ServerFiles::Offline { env: None };
    let told = remarks(&world.stack());
    for word in ["`.env`", "`api.env`", "`PORT`", "`OTHER`", "`A`"] {
        assert!(told.contains(word), "{word}: {told}");
    }
}

#[test]
fn validating_with_an_env_file_uses_it() {
    let mut world = uses_a().with_server_file("given", "A=given");
    world.server = ServerFiles::Offline { env: Some(world.env_dir.path().join("given")) };
    check(world, Some("given"));
}

#[cfg(unix)]
#[test]
fn a_server_file_that_is_no_file_is_told_clearly() {
    let world = uses_a().with_server_file("shop.env/inner", "");
    assert!(world.problems().contains("`/env/shop.env` is not a file"), "{}", world.problems());
}
