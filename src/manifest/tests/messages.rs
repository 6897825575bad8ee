//! What people read when something is wrong: the thing, the place, the next move.

use super::{World, manifest};

fn check(name: &str, world: World) {
    insta::with_settings!({snapshot_path => "../snapshots", prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!(name, world.problems());
    });
}

#[test]
fn a_missing_env_file_says_who_wants_it_where_it_was_looked_for_and_where_to_put_it() {
    check("missing_env_file", World::shop(&manifest("env_file: [api.env]")));
    check("missing_server_file", World::shop(&manifest("env_file: .env")));
    check("missing_absolute_file", World::shop(&manifest("env_file: [{path: /nowhere/a.env}]")));
}

#[test]
fn a_missing_variable_says_where_it_was_looked_for_and_where_to_set_it() {
    let keys = "environment: {A: '${A}', B: '${B:?the password of the database}'}";
    check("missing_variable", World::shop(&manifest(keys)));
}

#[test]
fn a_missing_secret_says_who_wants_it() {
    let text = "services: {web: {image: a, secrets: [db, key]}}\nsecrets: {db: {file: db.txt}, key: {environment: KEY}}\n";
    check("missing_secret", World::shop(text));
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let text = "services:\n  api:\n    imagee: a\n    ports: ['x:80']\n    build: .\n    depends_on: [wbe]\n    ulimits: {nofile: 1}\n  web:\n    image: A\n    restart: perhaps\n  none:\nvolums: {}\n";
    check("many_problems", World::shop(text));
}

#[test]
fn an_empty_manifest_says_so() {
    check("empty_file", World::shop(""));
    check("no_services", World::shop("name: shop\n"));
    check("empty_services", World::shop("services: {}\n"));
    check("services_as_list", World::shop("services: [a]\n"));
    check("list_at_the_top", World::shop("- a\n"));
}
