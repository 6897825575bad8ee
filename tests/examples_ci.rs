//! The workflows in `examples/ci/` and `.github/`: they can be read, what they refer to exists, and what is not
//! theirs is named by commit. That their commands exist is held beside the command line (`src/cli/tests.rs`), that
//! GitHub would take them by `tests/support/actionlint`.
#![expect(clippy::unwrap_used, reason = "a file that cannot be read is a failed test")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_yaml::Value;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below a directory with this end of their name.
fn files(directory: &Path, end: &str) -> Vec<PathBuf> {
    let entries = directory.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries
        .flat_map(|path| if path.is_dir() { files(&path, end) } else { vec![path] })
        .filter(|path| path.to_string_lossy().ends_with(end))
        .collect();
    found.sort();
    found
}

/// Every workflow and action, with the root of the repository that it is for.
fn workflows() -> Vec<(PathBuf, PathBuf, Value)> {
    let ci = project().join("examples/ci");
    let roots = [project().to_owned(), ci.join("app"), ci.join("infra")];
    let all = roots.into_iter().flat_map(|root| {
        let found = files(&root.join(".github"), ".yml").into_iter();
        found.map(move |file| (root.clone(), file)).collect::<Vec<_>>()
    });
    all.map(|(root, file)| {
        let text = std::fs::read_to_string(&file).unwrap();
        let read = serde_yaml::from_str(&text);
        let read = read.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        (root, file, read)
    })
    .collect()
}

/// All values of the key `name`, however deep.
fn values<'a>(value: &'a Value, name: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Mapping(mapping) => {
            for (key, value) in mapping {
                match value.as_str() {
                    Some(text) if key.as_str() == Some(name) => found.push(text),
                    Some(_) | None => values(value, name, found),
                }
            }
        }
        Value::Sequence(items) => items.iter().for_each(|item| values(item, name, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Tagged(_) => {}
    }
}

#[test]
fn workflows_use_actions_by_commit_and_those_of_their_own_repository() {
    let mut count = 0;
    for (root, file, workflow) in workflows() {
        let mut used = Vec::new();
        values(&workflow, "uses", &mut used);
        for action in used {
            count += 1;
            let place = format!("{}: {action}", file.display());
            match action.strip_prefix("./") {
                // The application checks the other repository out, into `infra`.
                Some(own) => {
                    let beside = root.parent().unwrap().join(own).join("action.yml");
                    assert!(
                        root.join(own).join("action.yml").exists() || beside.exists(),
                        "{place}"
                    );
                }
                None => {
                    let commit = action.split_once('@').unwrap().1;
                    let is_commit =
                        commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
                    assert!(is_commit, "{place}");
                }
            }
        }
    }
    assert!(count > 20, "{count}");
}

#[test]
fn one_action_has_one_version_in_all_workflows() {
    let mut known = std::collections::BTreeMap::new();
    for (_, file, workflow) in workflows() {
        let mut used = Vec::new();
        values(&workflow, "uses", &mut used);
        for (name, commit) in used.iter().filter_map(|action| action.split_once('@')) {
            let first = known.entry(name.to_owned()).or_insert_with(|| commit.to_owned());
            assert_eq!(first, commit, "{}: {name}", file.display());
        }
    }
}

#[test]
fn the_scripts_that_this_project_s_workflows_run_are_there() {
    let mut run = Vec::new();
    let workflows = workflows();
    for (_, _, workflow) in workflows.iter().filter(|(root, _, _)| root == project()) {
        values(workflow, "run", &mut run);
    }
    let words = run.iter().flat_map(|script| script.split_whitespace());
    let mut scripts: Vec<&str> =
        words.filter(|word| word.starts_with(".ci/") || word.starts_with("packaging/")).collect();
    scripts.sort_unstable();
    assert_eq!(scripts, [".ci/run", "packaging/release", "packaging/test"]);
    for script in scripts {
        assert!(project().join(script).is_file(), "{script}");
    }
}

#[test]
fn pull_requests_push_nothing_and_pin_nothing_and_images_have_caches_of_their_own() {
    let text =
        std::fs::read_to_string(project().join("examples/ci/app/.github/workflows/build.yml"));
    let workflow: Value = serde_yaml::from_str(&text.unwrap()).unwrap();
    let jobs = &workflow["jobs"];
    let steps = jobs["image"]["steps"].as_sequence().unwrap();
    let builds: Vec<&Value> = steps
        .iter()
        .filter(|step| step["uses"].as_str().is_some_and(|uses| uses.contains("build-push-action")))
        .collect();
    assert_eq!(builds.len(), 2);
    for build in &builds {
        for cache in ["cache-from", "cache-to"] {
            let cache = build["with"][cache].as_str().unwrap();
            assert!(cache.starts_with("type=gha,scope=${{ matrix.image }}"), "{cache}");
        }
    }
    assert_eq!(builds[0]["with"]["push"], Value::Null);
    assert_eq!(builds[1]["with"]["push"], "${{ github.event_name != 'pull_request' }}");
    assert_eq!(builds[1]["with"]["platforms"], "linux/amd64,linux/arm64");
    assert_eq!(jobs["pin"]["needs"], "image");
    assert_eq!(jobs["image"]["needs"], "test");
    assert!(jobs["pin"]["if"].as_str().unwrap().contains("github.event_name == 'push'"));
    let place = |name: &str| steps.iter().position(|step| step["name"] == name);
    let pushes = place("Build for both machines, and push");
    assert!(place("Scan") < pushes && place("Smoke test") < pushes && place("Scan").is_some());
}

#[test]
fn what_the_readme_lists_is_there() {
    let ci = project().join("examples/ci");
    let text = std::fs::read_to_string(ci.join("README.md")).unwrap();
    let links: Vec<&str> =
        text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    for link in &links {
        // What stands behind `#` is looked at with all other links, in `tests/docs.rs`.
        let file = link.split('#').next().unwrap();
        assert!(ci.join(file).is_file(), "{link}");
    }
    let listed = |path: &Path| links.iter().any(|link| ci.join(link) == *path);
    for file in files(&ci, "").iter().filter(|file| !file.ends_with("README.md")) {
        assert!(listed(file), "{} is not listed", file.display());
    }
}

#[test]
fn renovate_s_settings_are_json_and_pin_digests() {
    let text = std::fs::read_to_string(project().join("examples/ci/infra/renovate.json")).unwrap();
    let settings: serde_json::Value = serde_json::from_str(&text).unwrap();
    let extends = settings["extends"].as_array().unwrap();
    assert!(extends.iter().any(|preset| preset == "docker:pinDigests"), "{extends:?}");
}

/// What the CI's key gets for its words: how that ends, and the words that evenkeel is called with.
fn asked(words: Option<&str>) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("evenkeel");
    std::fs::write(&program, "#!/bin/sh\nprintf '%s|' \"$@\"\n").unwrap();
    let is_made = Command::new("chmod").arg("0755").arg(&program).status().unwrap();
    assert!(is_made.success());
    let mut command = Command::new("sh");
    command.arg(project().join("examples/ci/server/evenkeel-ci"));
    command.env("PATH", format!("{}:/usr/bin:/bin", directory.path().display()));
    match words {
        Some(words) => command.env("SSH_ORIGINAL_COMMAND", words),
        None => command.env_remove("SSH_ORIGINAL_COMMAND"),
    };
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn the_key_of_the_ci_can_ask_two_things_and_nothing_else() {
    assert_eq!(asked(Some("images")), (Some(0), "images|--output|json|".to_owned()));
    let planned = |commit: &str| format!("plan|--ref|{commit}|--exit-code|--color|never|");
    assert_eq!(asked(Some("plan 4f2c")), (Some(0), planned("4f2c")));
    // Whatever comes with it is one word, which is not a commit.
    assert_eq!(asked(Some("plan 4f2c; reboot")), (Some(0), planned("4f2c; reboot")));
    for refused in [None, Some(""), Some("plan"), Some("reconcile --once"), Some("images; reboot")]
    {
        assert_eq!(asked(refused), (Some(64), String::new()), "{refused:?}");
    }
}
