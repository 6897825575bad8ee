//! Where a configuration comes from: a file, or `--repo` on the command line.

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::file::{File, Source};
use super::policy::policy;
use super::{Config, parse, place, resolve};
use crate::model::{Place, Problem};
use crate::policy::Policy;

/// What a configuration takes from its surroundings where it says nothing.
#[derive(Clone, Debug, Default)]
pub struct Ambient {
    /// The host's name.
    pub hostname: String,
    /// `DOCKER_HOST`.
    pub docker_host: Option<String>,
    /// The home of the user evenkeel runs as.
    pub home: Option<PathBuf>,
    /// `CREDENTIALS_DIRECTORY`, as systemd sets it.
    pub credentials_dir: Option<PathBuf>,
}

impl Config {
    /// Reads the file at `path`.
    pub fn load(path: &Path, ambient: &Ambient) -> Result<Self, Vec<Problem>> {
        let name = path.display().to_string();
        let text = read(path).map_err(|problem| vec![(*problem).at(Place::file(&name))])?;
        Self::parse(&name, &text, ambient)
    }

    /// Reads `text`, the content of the file called `name`.
    pub fn parse(name: &str, text: &str, ambient: &Ambient) -> Result<Self, Vec<Problem>> {
        let file = parse::parse(name, text).map_err(|problem| vec![*problem])?;
        resolve::resolve(file, ambient).map_err(|problems| {
            problems.into_iter().map(|problem| place::placed(problem, name, text)).collect()
        })
    }

    /// The policy of the file at `path`: a configuration, or one of which only `policy` is there.
    pub fn policy(path: &Path) -> Result<Policy, Vec<Problem>> {
        let name = path.display().to_string();
        let text = read(path).map_err(|problem| {
            let problem = match problem.code {
                "missing-file" => no_policy_file(),
                _ => *problem,
            };
            vec![problem.at(Place::file(&name))]
        })?;
        let file = parse::parse(&name, &text).map_err(|problem| vec![*problem])?;
        if file.policy.is_none() && file.sources.is_none() {
            return Err(vec![no_policy().at(Place::file(&name))]);
        }
        let mut problems = Vec::new();
        let policy = policy(file.policy.unwrap_or_default(), &mut problems);
        match problems.is_empty() {
            true => Ok(policy),
            false => {
                let placed = |problem| place::placed(problem, &name, &text);
                Err(problems.into_iter().map(placed).collect())
            }
        }
    }

    /// A configuration without a file: one source, everything else by default.
    pub fn for_repo(
        repo: &str,
        branch: Option<&str>,
        path: Option<&str>,
        ambient: &Ambient,
    ) -> Result<Self, Vec<Problem>> {
        let source = Source {
            repo: repo.to_owned(),
            branch: branch.map(str::to_owned),
            path: path.map(str::to_owned),
            ..Source::default()
        };
        resolve::resolve(File { sources: Some(vec![source]), ..File::default() }, ambient)
    }
}

fn read(path: &Path) -> Result<String, Box<Problem>> {
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(parse::LIMIT + 1).read_to_end(&mut bytes))
        .map_err(|error| Box::new(unreadable(path, &error)))?;
    if bytes.len() as u64 > parse::LIMIT {
        let limit = parse::LIMIT / 1024;
        let message = format!("the configuration exceeds {limit} KiB");
        let problem = Problem::new("too-large", message).hint("does --config name the right file?");
        return Err(Box::new(problem));
    }
    String::from_utf8(bytes)
        .map_err(|_| Box::new(Problem::new("not-utf-8", "the configuration is not UTF-8 text")))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    if error.kind() == ErrorKind::NotFound {
        return missing(path);
    }
    let problem =
        Problem::new("unreadable-file", format!("the configuration cannot be read: {error}"));
    if error.kind() == ErrorKind::PermissionDenied {
        return problem
            .hint("run as root or as the user evenkeel runs as, or name another with --config");
    }
    problem
}

fn no_policy_file() -> Problem {
    Problem::new("missing-file", "there is no such file")
        .hint("name a server's configuration, or a file with its `policy:`")
}

/// Neither a policy nor a configuration, for which a silent `standard` would do.
fn no_policy() -> Problem {
    Problem::new("missing-key", "there is no `policy` in this file")
        .hint("begin it with `policy:`; `policy: {}` is `standard`")
}

fn missing(path: &Path) -> Problem {
    Problem::new("missing-file", "there is no configuration")
        .note("the smallest one is:")
        .note("sources:")
        .note("  - repo: https://github.com/acme/infra.git")
        .hint(format!("write {}, or name a repository with --repo URL", path.display()))
}
