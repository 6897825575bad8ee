//! The rooms and who may use whom (ARCHITECTURE.md), read off the `use` lines.

#![expect(clippy::unwrap_used, reason = "a test that cannot read the sources fails")]

use std::fs;
use std::path::{Path, PathBuf};

/// Each room with those it may use besides itself.
const ROOMS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("policy", &["model"]),
    ("manifest", &["model", "policy"]),
    ("import", &["model", "manifest"]),
    ("config", &["model", "policy"]),
    ("program", &[]),
    ("decrypt", &["model", "config", "program"]),
    ("source", &["model", "program"]),
    ("inspector", &["model"]),
    ("signature", &["model"]),
    ("registry", &["model", "program"]),
    ("engine", &["model"]),
    ("probe", &["model"]),
    ("systemd", &[]),
    ("history", &["model"]),
    ("notify", &["model", "config", "program"]),
    ("metrics", &["model"]),
    ("resolve", &["model", "registry", "signature", "inspector"]),
    ("plan", &["model", "engine"]),
    ("apply", &["model", "plan", "engine", "probe"]),
    (
        "reconcile",
        &[
            "model",
            "manifest",
            "config",
            "decrypt",
            "source",
            "registry",
            "engine",
            "history",
            "resolve",
            "plan",
            "apply",
            "probe",
            "systemd",
            "notify",
            "metrics",
            "policy",
            "inspector",
        ],
    ),
    ("report", &["model", "import", "plan", "apply", "history", "engine"]),
    ("asked", &["model", "config", "engine", "history", "plan", "reconcile", "report"]),
    (
        "http",
        &[
            "model",
            "config",
            "source",
            "metrics",
            "history",
            "plan",
            "apply",
            "reconcile",
            "report",
            "asked",
        ],
    ),
];

/// Crates that belong to one room, or to two.
const CRATES: &[(&str, &[&str])] = &[
    ("bollard", &["engine"]),
    ("git2", &["source"]),
    ("ssh_key", &["source"]),
    ("rusqlite", &["history"]),
    ("granit_parser", &["manifest"]),
    ("serde_yaml", &["config"]),
    ("reqwest", &["registry", "source", "probe", "notify"]),
    ("lettre", &["notify"]),
    ("minijinja", &["config", "notify"]),
    ("prometheus_client", &["metrics"]),
    ("notify_debouncer_full", &["reconcile"]),
    ("axum", &["http"]),
    ("clap", &["cli"]),
    ("indicatif", &["report"]),
];

fn files_below(directory: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every product source file with the room it is in.
fn sources() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    files_below(&root, &mut files);
    let is_test = |path: &Path| {
        path.components().any(|part| part.as_os_str() == "tests")
            || path.file_stem().is_some_and(|stem| stem == "tests")
    };
    files
        .into_iter()
        .filter(|path| !is_test(path))
        .map(|path| {
            let inner = path.strip_prefix(&root).unwrap();
            let room =
                inner.iter().next().unwrap().to_string_lossy().trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).unwrap();
            // What follows is a file's own tests, which may use a fake of another room.
            let product =
                text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
            (room, path, product)
        })
        .collect()
}

fn code_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim_start).filter(|line| !line.starts_with("//"))
}

#[test]
fn a_room_uses_only_the_rooms_it_may() {
    let mut wrong = Vec::new();
    for (room, path, text) in sources() {
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else { continue };
        for line in code_lines(&text) {
            for (other, _) in ROOMS.iter().chain(&[("cli", &[] as &[&str])]) {
                let uses = line.contains(&format!("crate::{other}::"))
                    || line.contains(&format!("crate::{other};"));
                if uses && *other != room && !allowed.contains(other) {
                    wrong.push(format!("{}: {line}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "see ARCHITECTURE.md for who may use whom:\n{}", wrong.join("\n"));
}

#[test]
fn a_crate_stays_in_its_room() {
    let mut wrong = Vec::new();
    for (room, path, text) in sources() {
        for (name, allowed) in CRATES {
            let uses = code_lines(&text).any(|line| line.contains(&format!("{name}::")));
            if uses && !allowed.contains(&room.as_str()) {
                wrong.push(format!("{}: {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "these crates belong to other rooms:\n{}", wrong.join("\n"));
}

#[test]
fn every_room_is_listed() {
    let known: Vec<&str> =
        ROOMS.iter().map(|(name, _)| *name).chain(["cli", "lib", "main"]).collect();
    for (room, path, _) in sources() {
        assert!(known.contains(&room.as_str()), "{} is in no listed room", path.display());
    }
}

/// The calls that begin with a problem's code.
const MAKERS: [&str; 6] =
    ["Problem::new(", "Fault::new(", ".problem(", ".trouble(", "problem_at(", ".report("];

#[test]
fn every_code_of_a_problem_is_explained_and_no_other() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/problems.md");
    let page = fs::read_to_string(page).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let explained: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    let mut used = Vec::new();
    let mut quoted = String::new();
    for (_, path, text) in sources() {
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let text: String = code.flat_map(|line| [line.trim(), " "]).collect();
        for maker in MAKERS {
            let calls = text.split(maker).skip(1);
            let first = calls.filter_map(|call| call.trim_start().strip_prefix('"'));
            let codes = first.filter_map(|rest| rest.split('"').next());
            used.extend(codes.map(|code| (code.to_owned(), path.clone())));
        }
        quoted += &text;
    }
    assert!(used.len() > 60, "the calls are found: {used:?}");
    for (code, path) in used {
        assert!(
            explained.contains(&code.as_str()),
            "`{code}` ({}) is not explained",
            path.display()
        );
    }
    for rule in evenkeel::policy::Rule::ALL {
        assert!(explained.contains(&rule.code()), "`{}` is not explained", rule.code());
        assert_eq!(rule.code(), format!("policy-{}", rule.word()));
    }
    for code in &explained {
        assert!(quoted.contains(&format!("\"{code}\"")), "`{code}` is explained and never used");
        assert_eq!(explained.iter().filter(|other| *other == code).count(), 1, "`{code}` twice");
    }
}
