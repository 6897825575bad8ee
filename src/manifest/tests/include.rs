//! `include`: what an included file brings along, what it sees, and what is said where it does not fit.

use super::{World, mount_text, remarks};
use crate::manifest::Limits;
use crate::model::ServiceName;
use crate::model::stack::{Service, Stack};

const DB: &str = "services:
  db:
    image: db
    environment: {A: '${A:-default}'}
    volumes: ['./conf:/conf', './data:/data', 'store:/store']
volumes: {store: }
";

/// A stack that includes `entries` besides its own service `web`.
fn including(entries: &str) -> World {
    World::shop(&format!("include: {entries}\nservices:\n  web:\n    image: a\n"))
        .with_file("shop/db/compose.yaml", DB)
}

fn service(stack: &Stack, name: &str) -> Service {
    stack.services[&ServiceName::new(name)].clone()
}

fn a_of(world: &World) -> String {
    let environment = service(&world.stack(), "db").settings.environment;
    environment["A"].as_ref().map(|value| value.reveal().to_owned()).unwrap_or_default()
}

#[test]
fn an_included_file_brings_its_resources_with_paths_of_its_own() {
    for entries in
        ["[db/compose.yaml]", "[{path: ./db/compose.yaml}]", "[{path: [db/compose.yaml]}]"]
    {
        let stack = including(entries).with_file("shop/db/conf/x", "1").stack();
        assert_eq!(stack.files, ["shop/compose.yaml"]);
        assert!(stack.record.manifest.contains_key("shop/db/compose.yaml"));
        assert!(stack.volumes.contains_key("store"));
        let db = service(&stack, "db");
        assert_eq!(db.exports[0].path, "shop/db/conf");
        assert_eq!(mount_text(&db.settings)[1], "/data <- /data/shop/db/data rw");
        assert_eq!(&*db.place.file, "shop/db/compose.yaml");
    }
}

#[test]
fn several_files_of_one_entry_are_laid_over_each_other() {
    let over = "services: {db: {image: other, volumes: ['./more:/more']}}";
    let world = including("[{path: [db/compose.yaml, extra/over.yaml]}]")
        .with_file("shop/extra/over.yaml", over);
    let db = service(&world.stack(), "db");
    assert_eq!(db.image_shown, "other");
    let more = mount_text(&db.settings).into_iter().find(|mount| mount.starts_with("/more"));
    assert_eq!(
        more.as_deref(),
        Some("/more <- /data/shop/db/more rw"),
        "from the first file's directory"
    );
}

#[test]
fn a_project_directory_is_where_relative_paths_start() {
    let world = including("[{path: db/compose.yaml, project_directory: elsewhere}]")
        .with_file("shop/elsewhere/.env", "A=elsewhere")
        .with_file("shop/db/.env", "A=db");
    let stack = world.stack();
    assert_eq!(
        mount_text(&service(&stack, "db").settings)[1],
        "/data <- /data/shop/elsewhere/data rw"
    );
    assert_eq!(a_of(&world), "elsewhere");
}

#[test]
fn variables_of_the_including_file_go_before_those_of_the_included_one() {
    let world = || including("[db/compose.yaml]");
    assert_eq!(a_of(&world()), "default");
    assert_eq!(a_of(&world().with_file("shop/db/.env", "A=db")), "db");
    assert_eq!(
        a_of(&world().with_file("shop/db/.env", "A=db").with_file("shop/.env", "A=own")),
        "own"
    );
    let on_server =
        world().with_file("shop/db/.env", "A=db").with_server_file("shop/db/.env", "A=server");
    assert_eq!(a_of(&on_server), "server");
    assert!(remarks(&on_server.stack()).contains("in git (shop/db/.env:1)"));
    let named = including("[{path: db/compose.yaml, env_file: [one.env, two.env]}]")
        .with_file("shop/db/.env", "A=db")
        .with_file("shop/one.env", "A=one")
        .with_file("shop/two.env", "A=two");
    assert_eq!(a_of(&named), "two");
    assert!(named.stack().record.manifest.contains_key("shop/one.env"));
}

#[test]
fn the_including_file_does_not_see_the_variables_of_the_included_one() {
    let text = "include: [db/compose.yaml]\nservices: {web: {image: 'a:${A:-none}'}}";
    let world =
        World::shop(text).with_file("shop/db/compose.yaml", DB).with_file("shop/db/.env", "A=db");
    assert_eq!(service(&world.stack(), "web").image_shown, "a:none");
}

#[test]
fn a_bare_name_in_an_included_file_is_one_of_its_own_variables() {
    let text = "services: {db: {image: a, environment: [A], secrets: [s]}}\nsecrets: {s: {environment: A}}";
    let world = including("[db/compose.yaml]")
        .with_file("shop/db/compose.yaml", text)
        .with_server_file("shop/db/.env", "A=hunter2-hunter2");
    assert_eq!(a_of(&world), "hunter2-hunter2");
    let stack = world.stack();
    assert_eq!(service(&stack, "db").secret_files[0].content.0, b"hunter2-hunter2");
    assert_eq!(stack.masks.mask("hunter2-hunter2"), "•••");
}

#[test]
fn what_the_including_file_says_is_laid_over_with_a_remark() {
    let text = "include: [db/compose.yaml]\nservices: {db: {image: own, environment: !override {B: 1}}}\nvolumes: {store: }";
    let world = World::shop(text).with_file("shop/db/compose.yaml", DB);
    let stack = world.stack();
    let db = service(&stack, "db");
    assert_eq!(db.image_shown, "own");
    assert_eq!(db.settings.environment.len(), 1);
    let told = remarks(&stack);
    assert!(
        told.contains("service `db` is laid over the included one at shop/db/compose.yaml:2:3"),
        "{told}"
    );
    assert!(!told.contains("store"), "the same in both: {told}");
}

#[test]
fn an_override_file_is_laid_over_what_is_included() {
    let world = including("[db/compose.yaml]")
        .with_file("shop/compose.override.yaml", "services: {db: {image: over}}");
    assert_eq!(service(&world.stack(), "db").image_shown, "over");
}

#[test]
fn an_included_service_can_be_extended_and_depended_on() {
    let text = "include: [db/compose.yaml]\nservices: {web: {extends: db, depends_on: [db]}}";
    let world = World::shop(text).with_file("shop/db/compose.yaml", DB);
    assert_eq!(service(&world.stack(), "web").image_shown, "db");
}

#[test]
fn two_ways_to_one_file_bring_it_once() {
    let other = "include: [../db/compose.yaml]\nservices: {api: {image: b}}";
    let world =
        including("[db/compose.yaml, api/compose.yaml]").with_file("shop/api/compose.yaml", other);
    assert_eq!(world.stack().services.len(), 3);
}

#[test]
fn two_included_files_must_not_describe_one_thing_differently() {
    let world = including("[db/compose.yaml, b.yaml]")
        .with_file("shop/b.yaml", "services: {db: {image: b}}\nvolumes: {store: }");
    let problems = world.problems();
    assert!(
        problems
            .starts_with("shop/b.yaml:1:12: two included files describe service `db` differently"),
        "{problems}"
    );
    assert!(problems.contains("note: the other one is at shop/db/compose.yaml:2:3"), "{problems}");
}

#[test]
fn a_circle_is_told_in_full() {
    let world = including("[b.yaml]")
        .with_file("shop/b.yaml", "include: [c.yaml]\nservices: {b: {image: b}}")
        .with_file("shop/c.yaml", "include: [compose.yaml]\nservices: {c: {image: c}}");
    let chain = "shop/compose.yaml → shop/b.yaml → shop/c.yaml → shop/compose.yaml";
    assert!(world.problems().contains(chain), "{}", world.problems());
}

#[test]
fn a_problem_of_an_included_file_stands_in_it() {
    let problems = including("[b.yaml]")
        .with_file("shop/b.yaml", "services:\n  b:\n    image: b\n    colour: red\ncolours: {}\n")
        .problems();
    assert!(problems.contains("shop/b.yaml:5:1: unknown key `colours`"), "{problems}");
    let problems = including("[b.yaml]")
        .with_file("shop/b.yaml", "services:\n  b:\n    image: b\n    colour: red\n")
        .problems();
    assert!(problems.starts_with("shop/b.yaml:4:5: unknown key `colour`"), "{problems}");
}

#[test]
fn what_cannot_be_included_is_refused_with_the_way_out() {
    for (entries, expected) in [
        ("[none.yaml]", "the included file `shop/none.yaml` is not in this revision"),
        ("['https://github.com/a/b.git']", "is not in this repository"),
        ("['oci://a/b:1']", "is not in this repository"),
        ("['git@github.com:a/b.git']", "is not in this repository"),
        ("[/srv/compose.yaml]", "is a path of the server"),
        ("[../../x.yaml]", "leaves the repository"),
        ("[{project_directory: a}]", "needs a `path`"),
        ("[{path: db/compose.yaml, colour: red}]", "unknown key `colour`"),
        ("[{path: db/compose.yaml, env_file: none.env}]", "the env file `none.env`"),
        ("db/compose.yaml", "expected a list"),
    ] {
        let problems = including(entries).problems();
        assert!(problems.contains(expected), "{entries}: {problems}");
        assert!(problems.contains("at include"), "{entries}: {problems}");
    }
}

#[test]
fn the_heading_of_an_included_file_is_its_own() {
    let other = "name: other\nx-evenkeel: {after: [networking]}\nservices: {b: {image: b}}";
    let stack = including("[b.yaml]").with_file("shop/b.yaml", other).stack();
    assert_eq!(stack.name.as_str(), "shop");
    assert_eq!(stack.after, []);
    assert!(remarks(&stack).contains("`x-evenkeel` at the top of an included file has no effect"));
}

#[test]
fn services_of_included_files_count() {
    let mut world = including("[db/compose.yaml]");
    world.limits = Limits { services: 1, ..Limits::default() };
    assert!(world.problems().contains("more than 1 services"), "{}", world.problems());
}

#[test]
fn files_that_include_each_other_over_and_over_come_to_an_end() {
    let mut world = including("[f0.yaml]");
    for n in 0..40 {
        let next = format!("f{}.yaml", n + 1);
        let text = format!("include: [{next}, {next}]\nservices: {{s{n}: {{image: a}}}}");
        world = world.with_file(&format!("shop/f{n}.yaml"), &text);
    }
    assert!(
        world.problems().contains("cannot include more than 500 files"),
        "{}",
        world.problems()
    );
}
