//! The command line where no deployment is at stake: schemas, usage, narrowing, a repository in place of a
//! configuration file.

use crate::support::host::Host;
use crate::support::registry::Kind;

const TWO: &str = "\
services:
  a: {image: '@REGISTRY@/acme/web:1'}
  b: {image: '@REGISTRY@/acme/web:1'}
";

#[test]
fn both_schemas_are_printed_as_json() {
    let host = Host::new();
    for (name, key) in [("manifest", "services"), ("config", "sources")] {
        let run = host.run(&["schema", name]);
        let schema = run.ends(0).json();
        assert!(schema["properties"][key].is_object(), "{name} knows `{key}`");
    }
}

#[test]
fn what_is_no_command_ends_with_64_and_the_usage_on_stderr() {
    let host = Host::new();
    let wrong: [&[&str]; 4] =
        [&["reconsile"], &["plan", "--frobnicate"], &["reconcile", "--only", "shop"], &[]];
    for words in wrong {
        let run = host.run(words);
        run.ends(64);
        assert!(run.stdout.is_empty(), "{words:?}: {}", run.stdout);
        assert!(run.stderr.contains("Usage: evenkeel"), "{words:?}: {}", run.stderr);
    }
    host.run(&["status", "a/b/c"]).ends(64).says("expected STACK or STACK/SERVICE");
}

#[test]
fn only_what_is_named_is_changed() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.commit(&[("shop-@ID@/compose.yaml", TWO), ("blog-@ID@/compose.yaml", TWO)]);
    let names = || host.containers().into_keys().collect::<Vec<_>>();
    let only = |scope| ["reconcile", "--once", "--output", "json", "--only", scope];
    host.run(&only("shop-@ID@/a")).ends(0);
    assert_eq!(names(), ["shop-a-1"]);
    host.run(&["plan", "--exit-code", "--only", "shop-@ID@/a"]).ends(0);
    host.run(&["plan", "--exit-code", "--only", "shop-@ID@"]).ends(3);
    host.run(&only("blog-@ID@")).ends(0);
    assert_eq!(names(), ["blog-a-1", "blog-b-1", "shop-a-1"]);
    host.pass().ends(0).does(&["shop/b create done"]);
    host.is_settled();
}

#[test]
fn what_is_named_and_not_there_is_said() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.commit(&[("shop-@ID@/compose.yaml", TWO)]);
    host.pass().ends(0);
    host.run(&["status", "shpo-@ID@"]).ends(1).says("shpo").says("the stacks are shop");
    host.run(&["history", "shop-@ID@/webb"]).says("webb");
    host.run(&["retry", "shop-@ID@/webb"]).says("webb");
    host.run(&["plan", "--only", "shop-@ID@/webb"]).ends(1).says("webb");
    host.run(&["reconcile", "--once", "--only", "shpo-@ID@"]).ends(1).says("shpo");
}

#[test]
fn history_says_who_committed_what_and_is_narrowed() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    let first = host.commit(&[("shop-@ID@/compose.yaml", TWO)]);
    host.pass().ends(0);
    host.commit(&[("shop-@ID@/compose.yaml", &TWO.replace("web:1", "none:1"))]);
    host.pass().ends(1);
    host.run(&["history"]).ends(0).says("change (tester)");
    let first_only = vec![first.clone()];
    let found = |narrowed: &[&str]| {
        let run = host.run(&[&["history", "--output", "json"], narrowed].concat());
        let generations = run.ends(0).json()["generations"].as_array().unwrap().clone();
        generations.iter().map(|one| one["commit"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found(&["--outcome", "converged"]), first_only);
    assert_eq!(found(&["--commit", &first[..7]]), first_only);
    assert_eq!(found(&["--since", "1h", "-n", "1", "--source", "source-@ID@"]), first_only);
    assert_eq!(found(&["--since", "2100-01-01"]), Vec::<String>::new());
    host.run(&["history", "--outcome", "failed"]).ends(0).says("no generations like that");
    host.run(&["history", "--outcome", "fialed"]).ends(64).says("rolled-back");
    host.run(&["history", "--since", "soon"]).ends(64).says("2026-11-21");
}

#[test]
fn a_commit_that_nobody_has_accepted_yet_is_planned_and_changes_nothing() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.push("acme/web", "2", Kind::Web);
    let manifest = |tag: &str| {
        format!("services:\n  web: {{image: '@REGISTRY@/acme/web:{tag}', stop_grace_period: 0s}}\n")
    };
    let file = "shop-@ID@/compose.yaml";
    let accepted = host.commit(&[(file, &manifest("1"))]);
    host.pass().ends(0);
    host.repo.write(&host.fill(file), host.fill(&manifest("2")));
    let proposed = host.repo.propose("proposal");

    let plan =
        |commit: &str| host.run(&["plan", "--exit-code", "--ref", commit, "--output", "json"]);
    let run = plan(&proposed);
    run.ends(3).does(&["shop/web update"]).because("shop/web", "image");
    assert_eq!(run.stack("shop")["commit"], proposed);
    plan(&accepted).ends(0).does(&[]);
    let unknown = "1234567890123456789012345678901234567890";
    plan(unknown).ends(1).says("a pull request still reaches");
    plan("main").ends(64).says("40 hex digits");
    host.run(&["plan", "--ref", unknown, "--offline"]).ends(64).says("--offline");
    assert_eq!(host.run(&["status", "--output", "json"]).stack("shop")["commit"], accepted);
    host.is_settled();
}

#[test]
fn a_repository_is_followed_without_a_configuration_file() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    let stack = "services:\n  web: {image: '@REGISTRY@/acme/web:1'}\n";
    host.commit(&[("hosts/web-1/shop-@ID@/compose.yaml", stack), ("other/compose.yaml", "no")]);
    std::fs::remove_file(host.path("config.yaml")).unwrap();
    let run = host.run(&["plan"]);
    run.ends(1).says("config.yaml");
    assert!(run.stderr.contains("--repo"), "says what to do instead: {}", run.stderr);

    let path = |name: &str| host.path(name).display().to_string();
    let (repo, state, env, data) = (path("repo"), path("state"), path("env"), path("data"));
    let engine = host.engine.address();
    let run = |command: &[&str]| {
        let mut words = command.to_vec();
        words.extend(["--repo", &repo, "--branch", "main", "--path", "hosts/web-1"]);
        words.extend(["--state-dir", &state, "--env-dir", &env, "--data-dir", &data]);
        words.extend(["--docker", &engine, "--output", "json"]);
        host.run(&words)
    };
    run(&["plan", "--exit-code"]).ends(3).does(&["shop/web create"]);
    run(&["reconcile", "--once"]).ends(0).does(&["shop/web create done"]);
    // How it ends is this machine's disk's business too.
    assert_eq!(run(&["status"]).stack("shop")["state"], "in-sync");
    run(&["plan", "--exit-code"]).ends(0).does(&[]);
}

#[test]
fn a_tree_whose_root_is_a_stack_is_validated_under_the_directorys_name() {
    let host = Host::new();
    let at = |name: &str| host.path(name).display().to_string();
    std::fs::create_dir_all(host.path("My Shop")).unwrap();
    std::fs::write(host.path("My Shop/compose.yaml"), "services: {web: {image: acme/web}}\n")
        .unwrap();
    let run = host.run(&["validate", &at("My Shop"), "--output", "json"]);
    assert_eq!(run.ends(0).json()["stacks"][0]["stack"], "myshop");
    host.run(&["validate", &at("nowhere")]).ends(1).says("nowhere").says("hint");
    host.run(&["validate", &at("env")]).ends(1).says("no stack").says("compose.yaml");
}
