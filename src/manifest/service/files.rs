//! `secrets` and `configs` of a service: files bound into it read-only.

use sha2::{Digest as _, Sha256};

use super::Draft;
use super::mounts;
use crate::manifest::project::files::{Kind, TopFile};
use crate::manifest::read::At;
use crate::manifest::scene::Scene;
use crate::model::fingerprint::hex;
use crate::model::spec::{Mount, MountSource};
use crate::model::stack::{SecretContent, SecretFile};

/// What is readable by all in the container; above it stands a directory only its owner may enter.
const DEFAULT_MODE: u32 = 0o444;

/// `secrets`
pub fn secrets(at: &At<'_>, draft: &mut Draft<'_>, scene: &Scene<'_>) {
    for item in at.items() {
        grant(&item, Kind::Secret, draft, scene);
    }
}

/// `configs`
pub fn configs(at: &At<'_>, draft: &mut Draft<'_>, scene: &Scene<'_>) {
    for item in at.items() {
        grant(&item, Kind::Config, draft, scene);
    }
}

/// What a service says about one file.
struct Grant {
    source: String,
    target: String,
    uid: Option<u32>,
    gid: Option<u32>,
    mode: u32,
}

fn grant(at: &At<'_>, kind: Kind, draft: &mut Draft<'_>, scene: &Scene<'_>) {
    let Some(grant) = read(at, kind) else { return };
    let declared = match kind {
        Kind::Secret => &scene.secrets,
        Kind::Config => &scene.configs,
    };
    let Some(file) = declared.get(&grant.source) else {
        let (name, word) = (&draft.name, kind.word());
        let message = format!(
            "service `{name}` wants {word} {}, which is not declared",
            at.quoted(&grant.source)
        );
        let otherwise = format!("declare it under `{word}s:` at the top");
        let known = declared.keys().map(String::as_str);
        return at.undefined(
            at.trouble(kind.undefined(), message),
            &grant.source,
            known,
            &otherwise,
        );
    };
    if let Some(content) = file.content.clone() {
        mount(grant, content, draft, scene);
    } else {
        complain(at, file, kind, draft);
    }
}

/// The file itself was reported where it is declared; here it says who goes without.
fn complain(at: &At<'_>, file: &TopFile, kind: Kind, draft: &Draft<'_>) {
    if let Some(why) = &file.missing {
        let (name, word) = (&draft.name, kind.word());
        let message = format!("service `{name}` wants {word} {why}");
        let mut problem = at.trouble("missing-file", message);
        problem.notes.clone_from(&file.notes);
        problem.hint.clone_from(&file.hint);
        at.report(problem);
    }
}

fn read(at: &At<'_>, kind: Kind) -> Option<Grant> {
    if at.is_scalar() {
        let source = at.filled()?.to_owned();
        let target = default_target(kind, &source);
        return Some(Grant { source, target, uid: None, gid: None, mode: DEFAULT_MODE });
    }
    at.only(&["source", "target", "uid", "gid", "mode"], &[]);
    let Some(source) = at.value("source") else {
        at.problem("missing-key", format!("a {} needs a `source`: its name", kind.word()));
        return None;
    };
    let source = source.filled()?.to_owned();
    let target = match at.value("target") {
        Some(target) => absolute(&target, kind)?,
        None => default_target(kind, &source),
    };
    let number = |key| at.value(key).and_then(|at| at.integer());
    let mode = at.value("mode").and_then(|at| at.mode()).unwrap_or(DEFAULT_MODE);
    Some(Grant { source, target, uid: number("uid"), gid: number("gid"), mode })
}

fn default_target(kind: Kind, name: &str) -> String {
    format!("{}{name}", kind.directory())
}

fn absolute(at: &At<'_>, kind: Kind) -> Option<String> {
    let text = at.filled()?;
    let path = if text.starts_with('/') { text.to_owned() } else { default_target(kind, text) };
    mounts::target(at, &path)
}

fn mount(grant: Grant, content: SecretContent, draft: &mut Draft<'_>, scene: &Scene<'_>) {
    let Grant { target, uid, gid, mode, .. } = grant;
    let path = scene.options.state_dir.join("secrets").join(hash(&content, uid, gid, mode));
    let source = MountSource::Bind {
        path: path.clone(),
        propagation: None,
        selinux: None,
        create_host_path: false,
        recursive: None,
    };
    draft.settings.mounts.push(Mount::new(target, source, true));
    if draft.secret_files.iter().all(|file| file.target != path) {
        draft.secret_files.push(SecretFile { target: path, content, uid, gid, mode });
    }
}

/// The name of a written secret: everything that makes it another file.
fn hash(content: &SecretContent, uid: Option<u32>, gid: Option<u32>, mode: u32) -> String {
    let mut hasher = Sha256::new();
    hasher.update(format!("{uid:?} {gid:?} {mode:o} {}\n", content.0.len()));
    hasher.update(&content.0);
    hex(&hasher.finalize())
}
