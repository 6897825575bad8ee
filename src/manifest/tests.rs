//! What a revision and a server's files become, from the outside of the room.
//!
//! [`World::load`] is the only place here that knows the loader's API.

mod bad;
mod discovery;
mod extends;
mod files;
mod include;
mod keys;
mod messages;
mod policy;
mod relations;
mod services;
mod stack_waits;
mod start_first;
mod update;
mod variables;

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;

use super::interpolate::Unset;
use super::{
    HostPolicy, Limits, Loaded, Options, RolloutDefaults, ServerFiles, StackOptions, globs, load,
};
use crate::model::memory_tree::MemoryTree;
use crate::model::sealed::Nobody;
use crate::model::spec::{ContainerSpec, MountSource};
use crate::model::stack::{Service, Stack};
use crate::model::tree::{Revision, SharedTree};
use crate::model::{CommitId, HostName, Problem, SourceName};
use crate::policy::Policy;

/// A repository, a server, and the host's settings.
struct World {
    tree: MemoryTree,
    path: &'static str,
    env_dir: tempfile::TempDir,
    credentials_dir: Option<tempfile::TempDir>,
    server: ServerFiles,
    profiles: Vec<String>,
    dir: Option<PathBuf>,
    taken_over: Option<PathBuf>,
    unset: Unset,
    limits: Limits,
    exclude: Vec<&'static str>,
    policy: Option<Policy>,
    today: Date,
}

impl World {
    fn new(files: &[(&str, &str)]) -> Self {
        Self {
            tree: MemoryTree::new(files.iter().map(|(path, text)| (*path, *text))),
            path: "",
            env_dir: tempfile::tempdir().unwrap(),
            credentials_dir: None,
            server: ServerFiles::Disk,
            profiles: Vec::new(),
            dir: None,
            taken_over: None,
            unset: Unset::Error,
            limits: Limits::default(),
            exclude: Vec::new(),
            policy: None,
            today: Date::constant(2027, 1, 15),
        }
    }

    /// A single stack called `shop`.
    fn shop(manifest: &str) -> Self {
        Self::new(&[("shop/compose.yaml", manifest)])
    }

    /// A file below the server's `env_dir`.
    fn with_server_file(self, path: &str, text: &str) -> Self {
        let path = self.env_dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
        self
    }

    fn with_file(mut self, path: &str, text: &str) -> Self {
        self.tree.insert(path, text);
        self
    }

    fn load(&self) -> Loaded {
        let revision = Revision {
            source: SourceName::new("infra"),
            commit: CommitId::new("0123456789abcdef0123456789abcdef01234567"),
            tree: SharedTree(Arc::new(self.tree.clone())),
            path: self.path.to_owned(),
        };
        let per_stack = |_: &_| StackOptions {
            profiles: self.profiles.clone(),
            dir: self.dir.clone(),
            taken_over: self.taken_over.clone(),
            unset: None,
        };
        load(
            &revision,
            &Options {
                host: &HostName::new("web-1"),
                env_dir: self.env_dir.path(),
                credentials_dir: self.credentials_dir.as_ref().map(tempfile::TempDir::path),
                data_dir: "/data".as_ref(),
                state_dir: "/state".as_ref(),
                home: Some("/home/keel".as_ref()),
                server: self.server.clone(),
                opener: &Nobody,
                defaults: RolloutDefaults {
                    deadline: Some(300 * SECOND),
                    ..RolloutDefaults::default()
                },
                unset: self.unset,
                limits: self.limits,
                policy: self.policy.as_ref().map(|policy| HostPolicy {
                    policy,
                    today: self.today,
                    socket: Some("/srv/engine/my.sock".as_ref()),
                }),
                per_stack: &per_stack,
                include: &globs(&["**"]).unwrap(),
                exclude: &globs(&self.exclude).unwrap(),
            },
        )
    }

    /// The only stack, which must be sound.
    fn stack(&self) -> Stack {
        let mut loaded = self.load();
        assert_eq!(loaded.problems, [], "the source as a whole");
        assert_eq!(loaded.stacks.len(), 1, "{:?}", loaded.stacks);
        match loaded.stacks.remove(0).result {
            Ok(stack) => stack,
            Err(problems) => panic!("{}", self.told(&problems)),
        }
    }

    /// All that is wrong, with this test's directory called by a name that does not change.
    fn problems(&self) -> String {
        let loaded = self.load();
        let of_stacks = loaded.stacks.iter().filter_map(|stack| stack.result.as_ref().err());
        let all: Vec<Problem> =
            loaded.problems.iter().chain(of_stacks.flatten()).cloned().collect();
        self.told(&all)
    }

    fn told(&self, problems: &[Problem]) -> String {
        let told: Vec<String> = problems.iter().map(told).collect();
        told.join("\n").replace(&self.env_dir.path().display().to_string(), "/env")
    }
}

fn told(problem: &Problem) -> String {
    let mut lines = vec![problem.to_string()];
    lines.extend(problem.path.iter().map(|path| format!("  at {path}")));
    lines.extend(problem.excerpt.iter().map(|line| format!("  | {line}")));
    lines.extend(problem.notes.iter().map(|note| format!("  note: {note}")));
    lines.extend(problem.hint.iter().map(|hint| format!("  hint: {hint}")));
    lines.join("\n")
}

/// Reads a service called `web` with `image: a` and the keys given, one per line.
fn service(keys: &str) -> Service {
    web(World::shop(&manifest(keys)).stack())
}

fn settings(keys: &str) -> ContainerSpec {
    service(keys).settings
}

fn web(mut stack: Stack) -> Service {
    stack.services.shift_remove(&crate::model::ServiceName::new("web")).unwrap()
}

fn manifest(keys: &str) -> String {
    let keys = keys.replace('\n', "\n    ");
    format!(
        "services:\n  web:\n    image: a\n    {keys}\nvolumes: {{data: , other: }}\nnetworks: {{back: , front: }}\n"
    )
}

/// The first line of the only problem with a service that has these keys.
fn refused(keys: &str, expected: &str) {
    let problems = World::shop(&manifest(keys)).problems();
    let first = problems.lines().next().unwrap_or("nothing is wrong");
    assert!(first.contains(expected), "{keys}\nexpected {expected}\nfound {problems}");
}

fn remarks(stack: &Stack) -> String {
    stack.remarks.iter().map(|remark| remark.text.clone()).collect::<Vec<_>>().join("\n")
}

fn mount_text(spec: &ContainerSpec) -> Vec<String> {
    let source = |source: &MountSource| match source {
        MountSource::Bind { path, propagation, selinux, create_host_path, recursive } => format!(
            "{}{}{}{}{}",
            path.display(),
            propagation.iter().map(|p| format!(",{p}")).collect::<String>(),
            selinux.map(|label| format!(",{label}")).unwrap_or_default(),
            if *create_host_path { "" } else { ",must-exist" },
            recursive.map(|word| format!(",{word:?}")).unwrap_or_default()
        ),
        MountSource::Volume { name, copy, subpath } => {
            let subpath = subpath.iter().map(|path| format!(",{path}")).collect::<String>();
            format!("volume {name}{}{subpath}", if *copy { "" } else { ",nocopy" })
        }
        MountSource::Image { image, subpath } => {
            let subpath = subpath.iter().map(|path| format!(",{path}")).collect::<String>();
            format!("image {image}{subpath}")
        }
        MountSource::Anonymous => "anonymous".to_owned(),
    };
    let line = |mount: &crate::model::spec::Mount| {
        let mode = if mount.read_only { "ro" } else { "rw" };
        format!("{} <- {} {mode}", mount.target, source(&mount.source))
    };
    spec.mounts.iter().map(line).collect()
}

const SECOND: Duration = Duration::from_secs(1);
