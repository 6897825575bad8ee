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

/// Compose files that are merged, with their variables.
struct Real {
    name: String,
    files: Vec<File>,
    env: Option<String>,
}

/// Every file of a directory of the records.
fn single(directory_name: &str) -> Vec<Real> {
    let mut found = Vec::new();
    for entry in directory().join(directory_name).read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // A file that is no text is not what is looked at here.
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        if name.ends_with(".yaml") || name.ends_with(".yml") {
            let env = std::fs::read_to_string(format!("{}.env", path.display())).ok();
            found.push(Real { files: vec![File { name: name.clone(), text }], name, env });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// Every case of several files.
fn several() -> Vec<Real> {
    let mut found = Vec::new();
    for entry in directory().join("multi").read_dir().unwrap() {
        let path = entry.unwrap().path();
        let read = |name: &str| std::fs::read_to_string(path.join(name));
        let case: Json = serde_json::from_str(&read("case.json").unwrap()).unwrap();
        let names = case["files"].as_array().unwrap().iter();
        let names = names.map(|file| file["file"].as_str().unwrap().to_owned());
        let files = names.map(|name| File { text: read(&name).unwrap(), name }).collect();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        found.push(Real { name, files, env: read("dotenv").ok() });
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
        credentials_dir: None,
        env_dir: Path::new("/env"),
        data_dir: Path::new("/data"),
        state_dir: Path::new("/state"),
        home: None,
        server: ServerFiles::Held(server),
        opener: &evenkeel::model::sealed::Nobody,
        defaults: RolloutDefaults::default(),
        unset: Unset::Blank,
        limits: Limits::default(),
        policy: None,
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
            "{} {:?} {} {:?} {:?} {:?}",
            service.image,
            service.container_name,
            service.replicas,
            service.depends_on,
            service.rollout,
            service.rollback
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
    let (first, more) = real.files.split_first().unwrap();
    let mut manifests =
        vec![File { name: format!("{name}/compose.yaml"), text: first.text.clone() }];
    if !more.is_empty() {
        let texts: Vec<&str> = more.iter().map(|file| file.text.as_str()).collect();
        let name = format!("{name}/compose.override.yaml");
        manifests.push(File { name, text: texts.join("\n---\n") });
    }
    let env = real.env.iter().map(|text| (format!("{name}.env"), Hidden::new(text)));
    stack(&manifests, env.collect())
}

/// Whether the import of `real` means what it meant; a reason where it does not.
fn compare(real: &Real) -> Result<bool, String> {
    let result = match imported(&real.files, real.env.as_deref()) {
        Ok(result) => result,
        // What is no manifest at all is refused by both.
        Err(why) => return original(real, "shop").map(|_| false).map_or(Ok(false), |_| Err(why)),
    };
    let before = original(real, result.stack.as_str());
    match (before, stack(&result.manifests, held(&result))) {
        (Ok(before), Ok(after)) if meant(&before) == meant(&after) => Ok(true),
        (Ok(before), Ok(after)) => Err(format!("\n{}\n{}", meant(&before), meant(&after))),
        (Ok(_), Err(why)) => Err(format!("no longer loads: {why}")),
        (Err(_), Err(_)) if !result.problems.is_empty() => Ok(false),
        (Err(why), Err(_)) => Err(format!("refused, and nobody says so: {why}")),
        (Err(why), Ok(_)) => Err(format!("loads only now: {why}")),
    }
}

#[test]
fn an_imported_file_means_what_it_meant() {
    for (set, all) in
        [("corpus", single("corpus")), ("negative", single("negative")), ("multi", several())]
    {
        let (mut same, mut refused, mut wrong) = (0, 0, Vec::new());
        for real in &all {
            match compare(real) {
                Ok(true) => same += 1,
                Ok(false) => refused += 1,
                Err(how) => wrong.push(format!("{}: {how}", real.name)),
            }
        }
        println!("import, {set}: {same}/{} mean the same, {refused} are refused", all.len());
        assert!(wrong.is_empty(), "{set}: {} differ\n{}", wrong.len(), wrong.join("\n"));
        assert!(same + refused > 0, "{set} has no files");
    }
}

#[test]
fn an_import_changes_nothing_but_what_it_tells_of() {
    let mut wrong = Vec::new();
    let mut moved = 0;
    for real in single("corpus") {
        let Ok(result) = imported(&real.files, real.env.as_deref()) else { continue };
        moved += result.variables.iter().filter(|variable| variable.from_manifest).count();
        let told = strange_lines(&real, &result).into_iter().chain(secrets_left(&result));
        wrong.extend(told.chain(changes_again(&result)).map(|how| format!("{}: {how}", real.name)));
    }
    println!("import, corpus: {moved} secrets moved");
    assert!(wrong.is_empty(), "{} are wrong\n{}", wrong.len(), wrong.join("\n"));
    assert!(moved > 0, "there are secrets in real files");
}

/// Lines of the result that were not there, and that no edit accounts for.
fn strange_lines(real: &Real, result: &Imported) -> Vec<String> {
    let known: BTreeSet<&str> = real.files[0].text.lines().collect();
    let names: Vec<String> =
        result.variables.iter().map(|variable| format!("${{{}}}", variable.name)).collect();
    let marks = ["# image: REGISTRY/", "pull_policy: ", "container.env", "name: "];
    let told = |line: &&str| {
        names.iter().any(|name| line.contains(name.as_str()))
            || marks.iter().any(|mark| line.contains(mark))
    };
    let lines = result.manifests[0].text.lines();
    lines.filter(|line| !known.contains(line) && !told(line)).map(str::to_owned).collect()
}

/// Secrets that were moved and are still in the manifest; one that could be any word may be.
fn secrets_left(result: &Imported) -> Vec<String> {
    let has = |value: &str, is: fn(&char) -> bool| value.chars().any(|c| is(&c));
    let is_like_no_other = |value: &str| {
        value.len() >= 8
            && has(value, char::is_ascii_digit)
            && has(value, char::is_ascii_alphabetic)
    };
    let moved = result.variables.iter().filter(|variable| variable.from_manifest);
    let left = moved.filter(|variable| {
        let value = variable.value.reveal();
        is_like_no_other(value) && result.manifests[0].text.contains(value)
    });
    left.map(|variable| format!("`{}` is still there", variable.name)).collect()
}

fn changes_again(result: &Imported) -> Option<String> {
    let again = imported(&result.manifests, None).unwrap();
    let is_same = again.manifests[0].text == result.manifests[0].text
        && again.variables.iter().all(|variable| !variable.from_manifest);
    (!is_same).then(|| "changes when it is imported again".to_owned())
}
