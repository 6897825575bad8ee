//! `environment` and `env_file`: the variables of the container.

use std::collections::BTreeMap;

use super::Draft;
use crate::manifest::dotenv;
use crate::manifest::interpolate::{Lookup, Variable};
use crate::manifest::lookup::{self, Origin, Search, TextFile};
use crate::manifest::read::At;
use crate::manifest::scene::Scene;
use crate::model::{Hidden, Problem, ServiceName};

/// One entry of `env_file`, or of `label_file`, which is written alike.
pub struct EnvFile<'a> {
    /// What people call it.
    what: &'static str,
    /// The path, and where it stands.
    at: At<'a>,
    /// Without it, a missing file is left out silently.
    required: bool,
    /// `format: raw`: no quotes, no variables.
    raw: bool,
}

const ENV_FILE: &str = "env file";

impl<'a> EnvFile<'a> {
    /// An entry of `label_file`.
    pub fn of_labels(at: At<'a>) -> Self {
        Self { what: "label file", at, required: true, raw: false }
    }

    /// Where it is named.
    pub fn at(&self) -> &At<'a> {
        &self.at
    }
}

/// `environment`
pub fn environment(at: &At<'_>, draft: &mut Draft<'_>, scene: &Scene<'_>) {
    for pair in at.pairs() {
        match pair.key.contains('\0') || pair.value.as_ref().is_some_and(|v| v.contains('\0')) {
            true => pair.at.problem("wrong-value", format!("`{}` holds a NUL", pair.key)),
            false => {
                let value = pair
                    .value
                    .or_else(|| of_included_file(&pair.key, &pair.at, &draft.name, scene));
                draft.environment.insert(pair.key, value);
            }
        }
    }
}

/// What a bare name stands for in an included file, which has variables of its own.
fn of_included_file(
    name: &str,
    at: &At<'_>,
    service: &ServiceName,
    scene: &Scene<'_>,
) -> Option<String> {
    at.node.origin.as_ref()?;
    scene.note_name(service, name, at.node);
    Some(scene.variable(name, at.node)?.value.reveal().to_owned())
}

/// `env_file`
pub fn env_file<'a>(at: &At<'a>, draft: &mut Draft<'a>, _scene: &Scene<'_>) {
    draft.env_files = at.one_or_more().into_iter().filter_map(entry).collect();
}

fn entry(at: At<'_>) -> Option<EnvFile<'_>> {
    if at.is_scalar() {
        return Some(EnvFile { what: ENV_FILE, at, required: true, raw: false });
    }
    at.only(&["path", "required", "format"], &[]);
    let Some(path) = at.value("path") else {
        at.expected("a path");
        return None;
    };
    let required = at.value("required").and_then(|at| at.boolean()).unwrap_or(true);
    let raw = at.value("format").and_then(|at| at.word(&[("raw", true)])).unwrap_or(false);
    Some(EnvFile { what: ENV_FILE, at: path, required, raw })
}

/// What the container gets: the files in their order, `environment` over them; a bare name is passed
/// through, and one that is set nowhere takes the image's away.
pub fn merged(draft: &Draft<'_>, scene: &Scene<'_>) -> BTreeMap<String, Option<Hidden>> {
    let files = from_files(draft, scene).into_iter();
    let mut merged: BTreeMap<_, _> = files.map(|(name, value)| (name, Some(value))).collect();
    for (name, value) in &draft.environment {
        let value = value.as_deref().map(Hidden::new);
        if value.is_none() {
            scene.note_name(&draft.name, name, draft.at.node);
        }
        merged.insert(name.clone(), value.or_else(|| passed_through(scene, name)));
    }
    merged
}

/// What the env files of the service `name` set, whatever its `environment` says.
pub fn of_files(
    name: &ServiceName,
    service: &At<'_>,
    scene: &Scene<'_>,
) -> BTreeMap<String, Hidden> {
    let mut draft = Draft::new(name.clone(), service, scene);
    if let Some(at) = service.value("environment") {
        environment(&at, &mut draft, scene);
    }
    if let Some(at) = service.value("env_file") {
        env_file(&at, &mut draft, scene);
    }
    from_files(&draft, scene)
}

fn from_files(draft: &Draft<'_>, scene: &Scene<'_>) -> BTreeMap<String, Hidden> {
    let mut merged = BTreeMap::new();
    for file in &draft.env_files {
        for (name, value) in entries(file, draft, scene) {
            if value.is_none() {
                scene.note_name(&draft.name, &name, file.at.node);
            }
            match value.or_else(|| passed_through(scene, &name)) {
                Some(value) => drop(merged.insert(name, value)),
                None => drop(merged.remove(&name)),
            }
        }
    }
    merged
}

/// The value of a bare name.
pub fn passed_through(scene: &Scene<'_>, name: &str) -> Option<Hidden> {
    scene.variables.get(name).map(|variable| variable.value)
}

/// The entries of a file; what is wrong with it is reported.
fn entries(file: &EnvFile<'_>, draft: &Draft<'_>, scene: &Scene<'_>) -> dotenv::Entries {
    read(file, draft, scene).0
}

/// The entries of a file, and whether they must not be shown; what is wrong with it is reported.
pub fn read(file: &EnvFile<'_>, draft: &Draft<'_>, scene: &Scene<'_>) -> (dotenv::Entries, bool) {
    match lookup::find_env(scene, &file.at) {
        Search::Found(found) => (parsed(file, &found, draft, scene), found.is_secret()),
        Search::Missing(missing) if file.required => {
            report_missing(file, missing, draft, scene);
            (Vec::new(), false)
        }
        Search::Missing(_) | Search::Failed => (Vec::new(), false),
    }
}

fn report_missing(
    file: &EnvFile<'_>,
    missing: lookup::Missing,
    draft: &Draft<'_>,
    scene: &Scene<'_>,
) {
    let (name, path, what) = (&draft.name, file.at.shown(), file.what);
    if scene.server.is_offline() {
        let text = format!("{what} {path} has to be on the server, at {}", missing.put);
        return file.at.remark(Some(name), text);
    }
    let message = format!("service `{name}` wants {what} {path}, which this server does not have");
    if what == ENV_FILE {
        let problem = file.at.trouble("missing-env-file", message);
        return file.at.report(missing.explain(problem, ", or mark it `required: false`"));
    }
    file.at.report(missing.explain(file.at.trouble("missing-file", message), ""));
}

fn parsed(
    file: &EnvFile<'_>,
    found: &TextFile,
    draft: &Draft<'_>,
    scene: &Scene<'_>,
) -> dotenv::Entries {
    let name = if file.at.node.sensitive { "(env file)" } else { &found.name };
    let entries = match (found.origin, file.raw) {
        (Origin::Sealed { is_json: true }, _) => dotenv::parse_json(name, &found.bytes),
        (_, true) => dotenv::parse_raw(name, &found.bytes),
        (_, false) => dotenv::parse(name, &found.bytes, &Outer { draft, scene }),
    };
    let entries = entries.unwrap_or_else(|problems: Vec<Problem>| {
        problems.into_iter().for_each(|problem| file.at.report(problem));
        Vec::new()
    });
    if let Some(text) = &found.exposure
        && !file.at.node.sensitive
    {
        file.at.remark(None, text);
    }
    if found.is_secret() {
        let values = entries.iter().filter_map(|(_, value)| value.as_ref());
        values.for_each(|value| scene.mask(value.reveal()));
        scene.note_server_file(&draft.name, name, entries.iter().map(|(key, _)| key.as_str()));
    }
    entries
}

/// What `$X` in an env file means: the stack's variables, then the service's `environment`.
struct Outer<'a> {
    draft: &'a Draft<'a>,
    scene: &'a Scene<'a>,
}

impl Lookup for Outer<'_> {
    fn get(&self, name: &str) -> Option<Variable> {
        let own = || {
            let value = self.draft.environment.get(name)?.as_deref()?;
            Some(Variable { value: Hidden::new(value), from_server: true })
        };
        self.scene.variables.get(name).or_else(own)
    }
}
