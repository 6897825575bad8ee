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
    let text = "services:\n  api:\n    imagee: a\n    ports: ['x:80']\n    build: .\n    depends_on: [wbe]\n    isolation: hyperv\n  web:\n    image: A\n    restart: perhaps\n  none:\nvolums: {}\n";
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

#[test]
fn what_is_wrong_in_one_file_or_stack_hides_nothing_of_the_others() {
    let world = World::new(&[
        ("a/compose.yaml", "services: {web: {image: [}\n"),
        ("b/compose.yaml", "services: {web: {image: a, scale: x, scale: 2, ports: ['${P!}']}}\n"),
        ("b/compose.override.yaml", "services: {web: {ports: {\"80\": 80}, restart: perhaps}}\n"),
        ("c/compose.yaml", "name: C\nservices: {web: {image: '${A}', imagee: a}}\n"),
    ]);
    check("several_stacks", world);
}

#[test]
fn a_stack_that_has_a_key_twice_keeps_everything_from_being_removed() {
    for flaw in ["name: other", "x-evenkeel: {hosts: [elsewhere]}\nname: shop"] {
        let text = format!("name: shop\n{flaw}\nservices: {{web: {{image: a}}}}\n");
        assert!(!World::shop(&text).load().complete, "{flaw}");
    }
}

#[test]
fn a_conflict_that_git_left_is_told_as_one() {
    let (ours, theirs) = ("<".repeat(7), ">".repeat(7));
    let text = format!("services:\n  web:\n{ours} HEAD\n    image: a\n{theirs} other\n");
    let problems = World::shop(&text).problems();
    assert!(problems.contains("hint: git left a conflict in this file"), "{problems}");
}
