//! Sources as written to sources as followed: names, revisions, paths, logins.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::commit_status::{commit_status, tell_apart};
use super::resolve::{Problems, absolute, wrong};
use super::{Follow, GitCredentials, Repo, Source, Verify, file};
use crate::model::{HostName, Problem, SourceName};

const INTERVAL: Duration = Duration::from_secs(30);

/// The sources; a problem where there is none, or two of one name.
pub(super) fn sources(
    written: Vec<file::Source>,
    host: &HostName,
    problems: &mut Problems,
) -> Vec<Source> {
    if written.is_empty() {
        problems.push(
            Problem::new("missing-key", "no source is configured")
                .path("sources")
                .hint("add `sources: [{repo: …}]`, or name a repository with --repo URL"),
        );
    }
    let mut sources: Vec<Source> = Vec::new();
    for (index, written) in written.into_iter().enumerate() {
        let path = format!("sources[{index}]");
        let source = source(written, &path, host, problems);
        if let Some(first) = sources.iter().position(|other| other.name == source.name) {
            problems.push(
                wrong(format!("{path}.name"), format!("two sources are called `{}`", source.name))
                    .note(format!("the other is sources[{first}]"))
                    .hint("give each a `name:` of its own"),
            );
        }
        sources.push(source);
    }
    tell_apart(&mut sources);
    sources
}

fn source(written: file::Source, path: &str, host: &HostName, problems: &mut Problems) -> Source {
    if written.repo.trim().is_empty() {
        problems.push(wrong(format!("{path}.repo"), "the repository is empty"));
    }
    let name = written.name.unwrap_or_else(|| repository_name(&written.repo));
    if name.is_empty() || name.contains(|c: char| c.is_control() || c.is_whitespace() || c == '/') {
        problems.push(wrong(format!("{path}.name"), format!("`{name}` is not a name")));
    }
    let globs = written.stacks.unwrap_or_default();
    let status = written.commit_status;
    let status = status.and_then(|it| commit_status(it, &written.repo, path, host, problems));
    let source = Source {
        name: SourceName::new(name),
        repo: Repo(written.repo),
        follow: follow(written.branch, written.tag, written.commit, path, problems),
        path: directory(&written.path.unwrap_or_default(), path, host, problems),
        include: globs.include.unwrap_or_else(|| vec!["**".to_owned()]),
        exclude: globs.exclude.unwrap_or_default(),
        interval: written.interval.unwrap_or(INTERVAL),
        credentials: written.credentials.and_then(|login| git_credentials(login, path, problems)),
        unset_variables: written.unset_variables,
        commit_status: status,
        verify: written.verify.map(|it| verify(it, path, problems)),
    };
    for glob in source.include.iter().chain(&source.exclude) {
        if let Err(error) = globset::Glob::new(glob) {
            problems.push(wrong(format!("{path}.stacks"), error.to_string()));
        }
    }
    source
}

/// The last part of the address, without `.git` and without blanks.
fn repository_name(repo: &str) -> String {
    let trimmed = repo.trim_end_matches('/');
    let last = trimmed.rsplit(['/', ':']).next().unwrap_or_default();
    let name = last.strip_suffix(".git").unwrap_or(last);
    match name {
        "" | "." | ".." => "repository".to_owned(),
        name => name.replace(|c: char| c.is_control() || c.is_whitespace(), "-"),
    }
}

fn follow(
    branch: Option<String>,
    tag: Option<String>,
    commit: Option<String>,
    path: &str,
    problems: &mut Problems,
) -> Follow {
    match (branch, tag, commit) {
        (None, None, None) => Follow::DefaultBranch,
        (Some(branch), None, None) if !branch.is_empty() => Follow::Branch(branch),
        (None, Some(tag), None) if !tag.is_empty() => Follow::Tag(tag),
        (None, None, Some(commit)) if is_commit(&commit) => Follow::Commit(commit),
        (None, None, Some(commit)) => {
            problems.push(
                wrong(format!("{path}.commit"), format!("`{commit}` is not a commit"))
                    .hint("write all 40 hex digits"),
            );
            Follow::DefaultBranch
        }
        (_, _, _) => {
            problems.push(wrong(path, "name one of `branch`, `tag` and `commit`, and not empty"));
            Follow::DefaultBranch
        }
    }
}

fn is_commit(text: &str) -> bool {
    [40, 64].contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// A path in the repository with the host's name filled in, without `./` and slashes at its ends.
fn directory(written: &str, path: &str, host: &HostName, problems: &mut Problems) -> String {
    let filled = written.replace("{host}", host.as_str());
    let path = format!("{path}.path");
    if filled.contains(['{', '}']) {
        problems.push(
            wrong(path, format!("`{written}` has a placeholder that is not known"))
                .hint("`{host}` is the only one"),
        );
        return String::new();
    }
    let mut parts = Vec::new();
    for component in Path::new(&filled).components() {
        match component {
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            Component::CurDir => {}
            Component::RootDir | Component::ParentDir | Component::Prefix(_) => {
                problems.push(
                    wrong(path, format!("`{written}` leads out of the repository"))
                        .hint("write it relative to the root of the repository"),
                );
                return String::new();
            }
        }
    }
    parts.join("/")
}

fn verify(written: file::Verify, path: &str, problems: &mut Problems) -> Verify {
    let path = format!("{path}.verify");
    if written.allowed_signers.is_none() && written.keyring.is_none() {
        problems.push(
            wrong(&path, "nobody is named who may sign")
                .hint("name a file with `allowed_signers` (SSH) or `keyring` (OpenPGP)"),
        );
    }
    let file = |file: Option<PathBuf>, key: &str, problems: &mut Problems| {
        file.map(|file| absolute(file, &format!("{path}.{key}"), problems))
    };
    Verify {
        allowed_signers: file(written.allowed_signers, "allowed_signers", problems),
        keyring: file(written.keyring, "keyring", problems),
        scope: written.scope.unwrap_or_default(),
        fast_forward: written.fast_forward.unwrap_or(true),
        max_age: written.max_age,
    }
}

fn git_credentials(
    written: file::Credentials,
    path: &str,
    problems: &mut Problems,
) -> Option<GitCredentials> {
    let path = format!("{path}.credentials");
    let file = |file: PathBuf, key: &str, problems: &mut Problems| {
        absolute(file, &format!("{path}.{key}"), problems)
    };
    let file::Credentials { username, password_file, ssh_key_file, .. } = written;
    match (username, password_file, ssh_key_file, written.credential_command) {
        (Some(username), Some(password), None, None) if written.known_hosts_file.is_none() => {
            let password_file = file(password, "password_file", problems);
            Some(GitCredentials::Password { username, password_file })
        }
        (None, None, Some(key), None) => Some(GitCredentials::Ssh {
            key_file: file(key, "ssh_key_file", problems),
            known_hosts_file: written
                .known_hosts_file
                .map(|hosts| file(hosts, "known_hosts_file", problems)),
        }),
        (None, None, None, Some(command))
            if !command.is_empty() && written.known_hosts_file.is_none() =>
        {
            Some(GitCredentials::Command(command))
        }
        (_, _, _, _) => {
            problems.push(wrong(path, "these keys do not make up a login").hint(
                "write `username` and `password_file`, or `ssh_key_file` (and \
                 `known_hosts_file`), or `credential_command`",
            ));
            None
        }
    }
}
