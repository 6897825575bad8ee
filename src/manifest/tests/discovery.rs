//! Which stacks there are, what they are called, and what happens where that cannot be told.

use super::super::{Limits, ServerFiles};
use super::World;

const ONE: &str = "services: {web: {image: a}}";

fn check(files: &[(&str, &str)], path: &'static str, expected: &[&str]) {
    let mut world = World::new(files);
    world.path = path;
    let loaded = world.load();
    assert!(loaded.complete && loaded.problems.is_empty(), "{:?}", loaded.problems);
    let found: Vec<String> = loaded
        .stacks
        .iter()
        .map(|stack| format!("{} {}", stack.name, stack.files.join(" ")))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn the_first_name_of_four_is_the_manifest() {
    let files = [
        ("a/compose.yml", ONE),
        ("a/docker-compose.yaml", ONE),
        ("b/docker-compose.yml", ONE),
        ("c/compose.yaml", ONE),
        ("c/compose.yml", ONE),
    ];
    check(&files, "", &["a a/compose.yml", "b b/docker-compose.yml", "c c/compose.yaml"]);
}

#[test]
fn a_stacks_directory_is_not_searched_further() {
    let files = [("hosts/web/compose.yaml", ONE), ("hosts/web/inner/compose.yaml", ONE)];
    check(&files, "hosts", &["web hosts/web/compose.yaml"]);
}

#[test]
fn the_path_itself_may_be_a_stack() {
    check(&[("hosts/web/compose.yaml", ONE)], "hosts/web", &["web hosts/web/compose.yaml"]);
    check(&[("hosts/web/compose.yaml", ONE)], "./hosts/web/", &["web hosts/web/compose.yaml"]);
}

#[test]
fn an_override_file_belongs_to_its_stack() {
    let over = "services: {web: {user: root}}";
    let files = [("a/compose.yaml", ONE), ("a/compose.override.yml", over)];
    check(&files, "", &["a a/compose.yaml a/compose.override.yml"]);
}

#[test]
fn a_name_is_written_or_made_of_the_directory() {
    let named = "name: other\nservices: {web: {image: a}}";
    check(&[("My Shop.1/compose.yaml", ONE)], "", &["myshop1 My Shop.1/compose.yaml"]);
    check(&[("a/compose.yaml", named)], "", &["other a/compose.yaml"]);
    let host = "name: shop-${EVENKEEL_HOST}\nservices: {web: {image: a}}";
    check(&[("a/compose.yaml", host)], "", &["shop-web-1 a/compose.yaml"]);
}

#[test]
fn a_stack_at_the_root_is_called_as_its_source() {
    check(&[("compose.yaml", ONE)], "", &["infra compose.yaml"]);
    check(
        &[("compose.yaml", "name: shop\nservices: {web: {image: a}}")],
        "",
        &["shop compose.yaml"],
    );
}

#[test]
fn a_stack_for_other_hosts_is_absent_and_asks_for_nothing() {
    let other = "x-evenkeel: {hosts: [db-*]}\nservices: {web: {image: 'a:${NOWHERE}'}}";
    let this = "x-evenkeel: {hosts: [db-*, web-?]}\nservices: {web: {image: a}}";
    check(&[("a/compose.yaml", other), ("b/compose.yaml", this)], "", &["b b/compose.yaml"]);
}

#[test]
fn without_a_server_the_stacks_of_all_hosts_are_read() {
    let of = |hosts: &str| format!("name: shop\nx-evenkeel: {{hosts: [{hosts}]}}\n{ONE}");
    let told = |files: &[(&str, &str)]| {
        let mut world = World::new(files);
        world.server = ServerFiles::Offline { env: None };
        let loaded = world.load();
        let sound = loaded.stacks.iter().filter(|stack| stack.result.is_ok()).count();
        (sound, loaded.stacks.len())
    };
    let (web, db, every) = (of("web-1"), of("db-*"), of(""));
    let broken = db.replace("image: a", "imagine: a");
    assert_eq!(told(&[("a/compose.yaml", &web), ("b/compose.yaml", &db)]), (2, 2));
    assert_eq!(told(&[("a/compose.yaml", &web), ("b/compose.yaml", &broken)]), (1, 2));
    assert_eq!(told(&[("a/compose.yaml", &db), ("b/compose.yaml", &db)]), (0, 2));
    assert_eq!(told(&[("a/compose.yaml", &db), ("b/compose.yaml", &every)]), (0, 2));
}

#[test]
fn an_excluded_directory_is_absent() {
    let mut world = World::new(&[("h/a/compose.yaml", ONE), ("h/local/b/compose.yaml", ONE)]);
    (world.path, world.exclude) = ("h", vec!["local/**"]);
    let loaded = world.load();
    assert_eq!(loaded.stacks.len(), 1);
    assert!(loaded.complete);
}

#[test]
fn two_stacks_of_one_name_are_both_refused_naming_both_files() {
    let world = World::new(&[("a/shop/compose.yaml", ONE), ("b/shop/compose.yaml", ONE)]);
    let problems = world.problems();
    let told = "the name `shop` is taken twice: `a/shop/compose.yaml` and `b/shop/compose.yaml`";
    assert_eq!(problems.matches(told).count(), 2, "{problems}");
}

#[test]
fn a_stack_without_a_name_keeps_everything_from_being_removed() {
    let world = World::new(&[("日本/compose.yaml", ONE)]);
    let loaded = world.load();
    assert!(!loaded.complete);
    assert!(world.problems().contains("no name"), "{}", world.problems());
}

#[test]
fn a_file_that_cannot_be_parsed_keeps_everything_from_being_removed() {
    let world = World::new(&[("a/compose.yaml", "services: [\n"), ("b/compose.yaml", ONE)]);
    let loaded = world.load();
    assert!(!loaded.complete);
    let sound: Vec<bool> = loaded.stacks.iter().map(|stack| stack.result.is_ok()).collect();
    assert_eq!(sound, [false, true], "the other stack is read all the same");
}

#[test]
fn a_missing_path_keeps_everything_from_being_removed() {
    for path in ["nowhere", "a/compose.yaml/b", "../etc"] {
        let mut world = World::new(&[("a/compose.yaml", ONE)]);
        world.path = path;
        let loaded = world.load();
        assert!(!loaded.complete && loaded.stacks.is_empty(), "{path}");
        assert!(world.problems().contains("the source's path"), "{}", world.problems());
    }
}

#[test]
fn a_path_to_a_file_is_that_file_alone() {
    let mut world =
        World::new(&[("a/compose.yaml", ONE), ("a/compose.override.yaml", "services:")]);
    world.path = "a/compose.yaml";
    let stack = world.stack();
    assert_eq!((stack.name.as_str(), stack.files.join(" ")), ("a", "a/compose.yaml".to_owned()));
}

#[test]
fn an_empty_path_holds_no_stacks_and_that_is_complete() {
    let loaded = World::new(&[("README", "")]).load();
    assert!(loaded.complete && loaded.stacks.is_empty() && loaded.problems.is_empty());
}

#[test]
fn a_linked_manifest_is_refused() {
    let mut world = World::new(&[("b/compose.yaml", ONE)]);
    world.tree.insert_symlink("a/compose.yaml");
    assert!(world.problems().contains("`a/compose.yaml` is a symbolic link"));
    assert!(!world.load().complete);
}

#[test]
fn a_file_over_the_limit_is_refused() {
    let mut world = World::new(&[("a/compose.yaml", ONE)]);
    world.limits = Limits { file_bytes: 10, ..Limits::default() };
    assert!(world.problems().contains("limit of 10"), "{}", world.problems());
}

#[test]
fn more_services_than_the_limit_are_refused() {
    let mut world = World::new(&[("a/compose.yaml", ONE), ("b/compose.yaml", ONE)]);
    world.limits = Limits { services: 1, ..Limits::default() };
    let loaded = world.load();
    let sound: Vec<bool> = loaded.stacks.iter().map(|stack| stack.result.is_ok()).collect();
    assert_eq!(sound, [true, false]);
}
