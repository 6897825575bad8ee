//! Whether real Compose files can be imported: the result means the same, keeps no secret that was moved, is
//! changed in nothing else, and stays as it is when it is imported again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use evenkeel::import::{File, Imported, Input, import};
use evenkeel::manifest::interpolate::Unset;
use evenkeel::manifest::{self, Limits, Options, RolloutDefaults, ServerFiles, StackOptions};
use evenkeel::model::memory_tree::MemoryTree;
use evenkeel::model::tree::{Revision, SharedTree};
use evenkeel::model::{CommitId, Hidden, HostName, SourceName, Stack, StackName};
use serde_json::{Value as Json, json};

use super::records::directory;

/// A Compose file with its variables.
struct Real {
    name: String,
    text: String,
    env: Option<String>,
}

fn corpus() -> Vec<Real> {
    let mut found = Vec::new();
    for entry in directory().join("corpus").read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".yaml") || name.ends_with(".yml") {
            let env = std::fs::read_to_string(format!("{}.env", path.display())).ok();
            found.push(Real { name, text: std::fs::read_to_string(&path).unwrap(), env });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn imported(files: &[File], env: Option<&str>) -> Result<Imported, String> {
    let env = env.map(|text| File { name: ".env".to_owned(), text: text.to_owned() });
    let input = Input {
        files,
        project: None,
        directory: "shop",
        env: env.as_ref(),
        beside: &MemoryTree::default(),
        working_dir: None,
        host: &HostName::new("web-1"),
    };
    let told =
        |problems: Vec<_>| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    import(&input).map_err(told)
}

/// The stack that these manifests make on a server with these files below its `env_dir`.
fn stack(manifests: &[File], server: BTreeMap<String, Hidden>) -> Result<Stack, String> {
    let files = manifests.iter().map(|file| (file.name.as_str(), file.text.as_str()));
    let revision = Revision {
        source: SourceName::new("infra"),
        commit: CommitId::new("0".repeat(40)),
        tree: SharedTree(Arc::new(MemoryTree::new(files))),
        path: String::new(),
    };
    let all =
        |_: &StackName| StackOptions { profiles: vec!["*".into()], ..StackOptions::default() };
    let options = Options {
        host: &HostName::new("web-1"),
        env_dir: Path::new("/env"),
        data_dir: Path::new("/data"),
        state_dir: Path::new("/state"),
        server: ServerFiles::Held(server),
        defaults: RolloutDefaults::default(),
        unset: Unset::Blank,
        limits: Limits::default(),
        per_stack: &all,
        include: &manifest::globs(&["**"]).unwrap(),
        exclude: &manifest::globs::<&str>(&[]).unwrap(),
    };
    let mut loaded = manifest::load(&revision, &options);
    let told =
        |problems: Vec<_>| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    match loaded.stacks.pop() {
        Some(stack) if loaded.problems.is_empty() => stack.result.map_err(told),
        Some(_) | None => Err(told(loaded.problems)),
    }
}

/// What a stack asks of the engine, but for Watchtower's labels.
fn meant(stack: &Stack) -> Json {
    let services = stack.services.values().map(|service| {
        let mut settings = serde_json::to_value(&service.settings).unwrap();
        if let Some(labels) = settings.get_mut("labels").and_then(Json::as_object_mut) {
            labels.retain(|name, _| !name.starts_with("com.centurylinklabs."));
            if labels.is_empty() {
                settings.as_object_mut().unwrap().remove("labels");
            }
        }
        let others = format!(
            "{} {:?} {} {:?} {:?}",
            service.image,
            service.container_name,
            service.replicas,
            service.depends_on,
            service.rollout
        );
        json!({"name": service.name.as_str(), "settings": settings, "others": others})
    });
    let around = format!("{} {:?} {:?}", stack.name, stack.networks, stack.volumes);
    json!({"services": services.collect::<Vec<_>>(), "around": around})
}

fn held(imported: &Imported) -> BTreeMap<String, Hidden> {
    imported.server.iter().map(|file| (file.path.clone(), file.content.clone())).collect()
}

/// The stack of `real` as it was given, on a server that has its `.env`.
fn original(real: &Real, name: &str) -> Result<Stack, String> {
    let manifest = File { name: format!("{name}/compose.yaml"), text: real.text.clone() };
    let env = real.env.iter().map(|text| (format!("{name}.env"), Hidden::new(text)));
    stack(&[manifest], env.collect())
}

#[test]
fn an_imported_file_means_what_it_meant() {
    let (mut same, mut refused, mut wrong) = (0, 0, Vec::new());
    let all = corpus();
    for real in &all {
        let file = File { name: real.name.clone(), text: real.text.clone() };
        let result = match imported(&[file], real.env.as_deref()) {
            Ok(result) => result,
            Err(why) => {
                wrong.push(format!("{}: cannot be imported: {why}", real.name));
                continue;
            }
        };
        let before = original(real, result.stack.as_str());
        let after = stack(&result.manifests, held(&result));
        match (before, after) {
            (Ok(before), Ok(after)) if meant(&before) == meant(&after) => same += 1,
            (Ok(before), Ok(after)) => {
                wrong.push(format!("{}:\n{}\n{}", real.name, meant(&before), meant(&after)));
            }
            (Ok(_), Err(why)) => wrong.push(format!("{}: no longer loads: {why}", real.name)),
            (Err(_), Err(_)) => {
                refused += 1;
                if result.problems.is_empty() {
                    wrong.push(format!("{}: refused, and nobody says so", real.name));
                }
            }
            (Err(why), Ok(_)) => wrong.push(format!("{}: loads only now: {why}", real.name)),
        }
    }
    println!("import: {same}/{} mean the same, {refused} are refused as before", all.len());
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn an_import_changes_nothing_but_what_it_tells_of() {
    let mut wrong = Vec::new();
    for real in corpus() {
        let file = File { name: real.name.clone(), text: real.text.clone() };
        let Ok(result) = imported(&[file], real.env.as_deref()) else { continue };
        let after = &result.manifests[0].text;
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<String>>();
        let known: BTreeSet<String> = lines(&real.text).into_iter().collect();
        let names: Vec<String> =
            result.variables.iter().map(|variable| format!("${{{}}}", variable.name)).collect();
        let told = |line: &String| {
            names.iter().any(|name| line.contains(name.as_str()))
                || ["# image: REGISTRY/", "pull_policy: ", "container.env", "name: "]
                    .iter()
                    .any(|mark| line.contains(mark))
        };
        let strange = lines(after).into_iter().filter(|line| !known.contains(line) && !told(line));
        wrong.extend(strange.map(|line| format!("{}: {line}", real.name)));

        for moved in result.variables.iter().filter(|variable| variable.from_manifest) {
            let value = moved.value.reveal();
            let is_mixed = value.chars().any(|c| c.is_ascii_digit())
                && value.chars().any(|c| c.is_ascii_alphabetic());
            if is_mixed && value.len() >= 8 && after.contains(value) {
                wrong.push(format!("{}: `{}` is still there", real.name, moved.name));
            }
        }

        let again = imported(&result.manifests, None).unwrap();
        if again.manifests[0].text != *after {
            wrong.push(format!("{}: changes when it is imported again", real.name));
        }
        if again.variables.iter().any(|variable| variable.from_manifest) {
            wrong.push(format!("{}: secrets are found again", real.name));
        }
    }
    assert!(wrong.is_empty(), "{} are wrong\n{}", wrong.len(), wrong.join("\n"));
}
