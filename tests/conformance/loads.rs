//! Whole loads.

use std::cell::RefCell;
use std::collections::BTreeSet;

use evenkeel::manifest::names;
use evenkeel::model::{MemoryTree, Problem, ServiceName, Stack};
use serde_json::Value as Json;

use super::reasons::reason;
use super::records::{Verdict, check_by};
use super::world::{loaded, told};

/// The directory that a record's relative paths are seen from.
const CWD: &str = "/CWD/";

/// Where a record says no name: of this directory's name Compose makes none.
pub const NAMELESS: &str = "_";

/// What is refused here and not by Compose: a word of the problem's path or message, and the reason. Only a load that
/// writes the key itself may differ for it.
const REFUSED: &[(&str, &str)] = &[
    ("build", "images are built elsewhere and pulled"),
    ("models", "evenkeel runs containers only"),
    ("use_api_socket", "it would hand the engine to the container"),
    ("isolation", "for Windows only"),
    ("credential_spec", "for Windows only"),
    ("cpu_count", "for Windows only"),
    ("cpu_percent", "for Windows only"),
    ("target", "a path of Windows"),
    ("external", "the engine has no secrets of its own"),
    ("driver", "only a Swarm has drivers for secrets and configs"),
    ("endpoint_mode", "only a Swarm knows another one"),
    ("devices", "the engine knows the permissions `r`, `w` and `m` only"),
    ("type", "a mount is a bind, a volume, a tmpfs or an image"),
    ("pre_start", "a service of its own is awaited instead"),
    ("subpath", "it is a path within what is mounted"),
];

/// Keys that are read by nobody, so that nothing is wrong with their values.
const IGNORED: &[&str] = &["develop"];

/// What is no more checked where Compose was asked not to check whether services fit together.
const CONSISTENCY: &[&str] = &[
    "undefined-volume",
    "undefined-network",
    "undefined-secret",
    "undefined-config",
    "undefined-service",
    "too-many-replicas",
    "circle",
    "no-services",
];

/// The repository of a record, with its stack below `directory`, which is empty or ends with a slash.
pub fn repository(record: &Json, directory: &str) -> MemoryTree {
    let files = record["files"].as_array().unwrap();
    let texts: Vec<&str> = files.iter().filter_map(|file| file["content"].as_str()).collect();
    let mut tree = MemoryTree::new([(format!("{directory}compose.yaml"), texts.join("\n---\n"))]);
    let seen_from = format!("{}/", record["working_dir"].as_str().unwrap_or_default());
    for (path, content) in record["read_files"].as_object().into_iter().flatten() {
        let path = path.strip_prefix(&seen_from).or(path.strip_prefix(CWD)).unwrap_or(path);
        tree.insert(format!("{directory}{path}"), content.as_str().unwrap_or_default());
    }
    let line = |(name, value): (&String, &Json)| {
        value.as_str().map(|value| format!("{name}='{}'\n", value.replace('\'', "\\'")))
    };
    let env = record["env"].as_object().into_iter().flatten().filter_map(line);
    tree.insert(format!("{directory}.env"), env.collect::<String>());
    tree
}

fn text(record: &Json) -> String {
    let read = record["read_files"].as_object().into_iter().flatten().map(|(_, content)| content);
    let files = record["files"].as_array().unwrap().iter().map(|file| &file["content"]);
    files.chain(read).filter_map(Json::as_str).collect::<Vec<_>>().join("\n")
}

fn asked(record: &Json, option: &str) -> bool {
    record["options"][option].as_bool() == Some(true)
}

/// The reason of the first refused key that is written in `record` and that `problems` are about.
fn refused(record: &Json, problems: &[Problem]) -> Option<&'static str> {
    let text = text(record);
    let about = |key: &str| {
        problems.iter().any(|problem| {
            let path = problem.path.as_deref().unwrap_or_default();
            let fits = ["unsupported-key", "missing-key", "wrong-path", "wrong-value"];
            let fits = fits.contains(&problem.code);
            fits && (path.contains(&format!(".{key}"))
                || problem.message.contains(&format!("`{key}`")))
        })
    };
    let is_written =
        |key: &str| [":", "\":"].iter().any(|end| text.contains(&format!("{key}{end}")));
    REFUSED.iter().find(|(key, _)| is_written(key) && about(key)).map(|(_, reason)| *reason)
}

/// The profiles that are active. A service that is asked for by name needs none.
pub fn profiles(record: &Json) -> Vec<String> {
    if !record["options"]["selected_services"].is_null() {
        return vec!["*".to_owned()];
    }
    let profiles = record["options"]["profiles"].as_array().into_iter().flatten();
    profiles.filter_map(Json::as_str).map(str::to_owned).collect()
}

fn judge(record: &Json) -> Verdict {
    let name = record["options"]["project_name"].as_str();
    let tree = repository(record, &format!("{}/", name.unwrap_or(NAMELESS)));
    let named = match name.filter(|_| asked(record, "project_name_imperative")) {
        Some(name) => names::check_project(name),
        None => Ok(()),
    };
    match (record["error"].as_str(), named, loaded(tree, &profiles(record))) {
        (Some(_), Err(_), _) => Verdict::Same,
        (None, Err(why), _) => Verdict::Differs(why),
        (None, Ok(()), Ok(stack)) => compared(record, &stack),
        (None, Ok(()), Err(problems)) => excused(record, &problems),
        (Some(error), Ok(()), Ok(_)) => match IGNORED.iter().any(|key| error.contains(key)) {
            true => Verdict::OnPurpose("a key that means nothing on a server is not read"),
            false => Verdict::Differs(format!("accepted, but Compose says: {error}")),
        },
        (Some(error), Ok(()), Err(problems)) => {
            let known = reason(error, &text(record));
            match known.is_none_or(|reason| reason.is_among(&problems)) {
                true => Verdict::Same,
                false => excused(record, &problems),
            }
        }
    }
}

/// Why a load that Compose does is refused.
pub fn excused(record: &Json, problems: &[Problem]) -> Verdict {
    if let Some(reason) = refused(record, problems) {
        return Verdict::OnPurpose(reason);
    }
    let all = |codes: &[&str]| problems.iter().all(|problem| codes.contains(&problem.code));
    if all(&["unnamed-stack"]) {
        return Verdict::OnPurpose("what has no name is not read any further");
    }
    let fits = |problem: &Problem| {
        CONSISTENCY.contains(&problem.code) || problem.message.contains("has no `image`")
    };
    if asked(record, "skip_consistency_check") && problems.iter().all(fits) {
        return Verdict::OnPurpose("Compose was asked not to check whether everything fits");
    }
    if asked(record, "skip_validation") && all(&["unknown-key", "missing-key"]) {
        return Verdict::OnPurpose("Compose was asked not to check against its schema");
    }
    if asked(record, "discard_env_files") && all(&["missing-env-file"]) {
        return Verdict::OnPurpose("Compose was asked not to read env files");
    }
    if problems.iter().any(|problem| problem.code == "no-services") {
        return Verdict::OnPurpose("a stack without services is removed by its directory");
    }
    Verdict::Differs(format!("refused:\n{}", told(problems)))
}

/// Whether the right services are there, with their images.
fn compared(record: &Json, stack: &Stack) -> Verdict {
    let expected = &record["expected"];
    let services: Vec<_> = expected["services"].as_object().into_iter().flatten().collect();
    let names: BTreeSet<&str> = services.iter().map(|(name, _)| name.as_str()).collect();
    let found: BTreeSet<&str> = stack.services.keys().map(|name| name.as_str()).collect();
    let is_selection = !record["options"]["selected_services"].is_null();
    if names != found && !(is_selection && names.is_subset(&found)) {
        return Verdict::Differs(format!("services {names:?} expected, found {found:?}"));
    }
    for (name, service) in services {
        let image = stack.services[&ServiceName::new(name.as_str())].image.to_string();
        if service["image"].as_str() != Some(&image) {
            return Verdict::Differs(format!("{name}: {image} instead of {}", service["image"]));
        }
    }
    Verdict::Same
}

#[test]
fn a_load_ends_as_it_does_in_compose() {
    let given = RefCell::new(BTreeSet::new());
    check_by("loader", |record| {
        let verdict = judge(record);
        if let Verdict::OnPurpose(why) = verdict {
            given.borrow_mut().insert(why);
        }
        verdict
    });
    let given = given.into_inner();
    let idle: Vec<&str> =
        REFUSED.iter().filter(|(_, why)| !given.contains(why)).map(|(key, _)| *key).collect();
    assert!(idle.is_empty(), "no record needs these excuses: {idle:?}");
}
