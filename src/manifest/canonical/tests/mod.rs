//! What becomes of each family of keys.
//!
//! [`Stack::load`] is the only place here that knows the loader's API.

mod mounts;
mod process;
mod reach;
mod shown;
mod top;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::load::{Canonical, Which, load_canonical};
use super::show::Show;
use crate::manifest::interpolate::Unset;
use crate::manifest::options::{
    Limits, Options, RolloutDefaults, ServerFiles, StackOptions, globs,
};
use crate::model::memory_tree::MemoryTree;
use crate::model::tree::{Revision, SharedTree};
use crate::model::{CommitId, HostName, Problem, SourceName};

/// Everything there is to see, as Compose's JSON has it.
const ALL: Show = Show { values: true, extensions: false };

/// A stack `shop` in the directory `/wd/shop`.
struct Stack {
    files: Vec<(&'static str, String)>,
    /// The stack's file on the server.
    env: &'static str,
    profiles: Vec<String>,
}

impl Stack {
    fn new(manifest: impl Into<String>) -> Self {
        let files = vec![("shop/compose.yaml", manifest.into())];
        Self { files, env: "", profiles: Vec::new() }
    }

    fn with_file(mut self, path: &'static str, text: &str) -> Self {
        self.files.push((path, text.to_owned()));
        self
    }

    fn load(&self) -> Result<Canonical, Vec<Problem>> {
        let directory = tempfile::tempdir().unwrap();
        let env = directory.path().join("shop.env");
        std::fs::write(&env, self.env).unwrap();
        std::fs::set_permissions(&env, Permissions::from_mode(0o600)).unwrap();
        let revision = Revision {
            source: SourceName::new("infra"),
            commit: CommitId::new("0123456789abcdef0123456789abcdef01234567"),
            tree: SharedTree(Arc::new(MemoryTree::new(self.files.clone()))),
            path: String::new(),
        };
        let per_stack =
            |_: &_| StackOptions { profiles: self.profiles.clone(), ..StackOptions::default() };
        let options = Options {
            host: &HostName::new("web-1"),
            env_dir: "/nonexistent".as_ref(),
            data_dir: "/data".as_ref(),
            state_dir: "/state".as_ref(),
            home: Some("/home/keel".as_ref()),
            credentials_dir: None,
            server: ServerFiles::Offline { env: Some(env) },
            opener: &crate::model::sealed::Nobody,
            defaults: RolloutDefaults::default(),
            unset: Unset::Error,
            limits: Limits::default(),
            policy: None,
            per_stack: &per_stack,
            include: &globs(&["**"]).unwrap(),
            exclude: &globs::<&str>(&[]).unwrap(),
        };
        let mut loaded = load_canonical(&revision, &options, "/wd".as_ref(), &Which::All);
        assert_eq!(loaded.problems, [], "the source as a whole");
        loaded.stacks.remove(0).result
    }

    fn document(&self, show: Show) -> Json {
        match self.load() {
            Ok(stack) => stack.document(show),
            Err(problems) => panic!("{problems:#?}"),
        }
    }
}

/// A manifest with one service that has these keys, and a volume, a secret and a config for it to use.
fn manifest(keys: &str) -> String {
    let keys: String = keys.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "services:\n  api:\n    image: a\n{keys}  db:\n    image: b\n\
         volumes:\n  data:\nsecrets:\n  key: {{environment: KEY}}\nconfigs:\n  rules: {{content: x}}\n"
    )
}

/// The service with these keys, but for what every service has.
fn service(keys: &str) -> Json {
    let mut document = Stack::new(manifest(keys)).document(ALL);
    let service = document["services"]["api"].as_object_mut().unwrap();
    for (key, usual) in [
        ("image", json!("a")),
        ("command", Json::Null),
        ("entrypoint", Json::Null),
        ("networks", json!({"default": null})),
    ] {
        if service.get(key) == Some(&usual) {
            service.remove(key);
        }
    }
    document["services"]["api"].take()
}

/// Checks what becomes of the keys of a service.
#[track_caller]
fn check(keys: &str, expected: Json) {
    assert_eq!(service(keys), expected, "{keys}");
}

/// Checks that these keys are an error, which tells `why`.
#[track_caller]
fn wrong(keys: &str, why: &str) {
    let problems = Stack::new(manifest(keys)).load().err().unwrap_or_default();
    let told: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert!(told.iter().any(|message| message.contains(why)), "{keys}: {told:?}");
}
