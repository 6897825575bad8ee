//! Top-level `secrets` and `configs`: where their bytes come from.

use indexmap::IndexMap;

use crate::manifest::lookup::{self, Missing, Origin, Search};
use crate::manifest::read::At;
use crate::manifest::scene::Scene;
use crate::model::Problem;
use crate::model::stack::SecretContent;

/// Values longer than this are no passwords, and looking for them in every log line would cost.
const LONGEST_MASKED: usize = 4096;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `secrets`
    Secret,
    /// `configs`
    Config,
}

impl Kind {
    /// What people call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Config => "config",
        }
    }

    /// The problem of one that is used and not declared.
    pub fn undefined(self) -> &'static str {
        match self {
            Self::Secret => "undefined-secret",
            Self::Config => "undefined-config",
        }
    }

    /// Where it appears in a container, unless a target says otherwise.
    pub fn directory(self) -> &'static str {
        match self {
            Self::Secret => "/run/secrets/",
            Self::Config => "/",
        }
    }
}

/// A declared secret or config.
#[derive(Clone, Debug, Default)]
pub struct TopFile {
    /// Its bytes; `None` where they are not to be had.
    pub content: Option<SecretContent>,
    /// Why a service that wants it goes without: "`db`, which …". `None` where that was reported already.
    pub missing: Option<String>,
    /// Where it was looked for.
    pub notes: Vec<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Every declared secret or config; one that is missing is a problem only of the services that want it.
pub fn read(top: &At<'_>, kind: Kind, scene: &Scene<'_>) -> IndexMap<String, TopFile> {
    let Some(at) = top.value(&format!("{}s", kind.word())) else { return IndexMap::new() };
    let fields = at.fields().into_iter();
    fields.map(|(key, at)| (key.to_owned(), file(key, &at, kind, scene))).collect()
}

const LATER: [(&str, &str); 4] = [
    ("external", "an engine without Swarm has no secrets of its own; name a `file`"),
    ("driver", "only a Swarm has drivers for these"),
    ("driver_opts", "only a Swarm has drivers for these"),
    ("template_driver", "only a Swarm has templates"),
];

fn file(key: &str, at: &At<'_>, kind: Kind, scene: &Scene<'_>) -> TopFile {
    super::check_key(at, key);
    at.only(&["file", "environment", "content", "name", "labels"], &LATER);
    let file = match (at.value("file"), at.value("environment"), at.value("content")) {
        (Some(path), None, None) => from_file(key, &path, kind, scene),
        (None, Some(name), None) => from_variable(key, &name, scene),
        (None, None, Some(text)) if kind == Kind::Config => from_text(&text),
        _ if at.get("external").is_some() => TopFile::default(),
        _ => {
            let message = format!("{} `{key}` needs exactly one source", kind.word());
            at.report(
                at.trouble("missing-key", message)
                    .at(at.key_place().clone())
                    .hint("write `file:` or `environment:`, or `content:` for a config"),
            );
            TopFile::default()
        }
    };
    if let (Kind::Secret, Some(content)) = (kind, &file.content) {
        mask(content, scene);
    }
    file
}

fn mask(content: &SecretContent, scene: &Scene<'_>) {
    if content.0.len() <= LONGEST_MASKED
        && let Ok(text) = std::str::from_utf8(&content.0)
    {
        scene.mask(text);
    }
}

fn from_file(key: &str, at: &At<'_>, kind: Kind, scene: &Scene<'_>) -> TopFile {
    match lookup::find(scene, at) {
        Search::Found(file) => {
            if let (Kind::Secret, Some(text), false) = (kind, &file.exposure, at.node.sensitive) {
                at.remark(None, text);
            }
            if kind == Kind::Config && file.origin != Origin::Server && file.is_secret() {
                mask(&SecretContent(file.bytes.clone()), scene);
            }
            TopFile::with(file.bytes)
        }
        Search::Failed => TopFile::default(),
        Search::Missing(missing) if scene.server.is_offline() => {
            let text =
                format!("{} `{key}` has to be on the server, at {}", kind.word(), missing.put);
            at.remark(None, text);
            TopFile::with(Vec::new())
        }
        Search::Missing(missing) => TopFile::missing(key, at, missing),
    }
}

fn from_variable(key: &str, at: &At<'_>, scene: &Scene<'_>) -> TopFile {
    let Some(name) = at.filled() else { return TopFile::default() };
    if let Some(variable) = scene.variable(name, at.node) {
        return TopFile::with(variable.value.reveal().as_bytes().to_vec());
    }
    if scene.server.is_offline() {
        at.remark(None, format!("variable `{name}` has to be set on the server"));
        return TopFile::with(Vec::new());
    }
    let own = scene.server.env_file().display();
    TopFile {
        missing: Some(format!("`{key}` from variable `{name}`, which is not set")),
        hint: Some(format!("set it in {own}")),
        ..TopFile::default()
    }
}

fn from_text(at: &At<'_>) -> TopFile {
    at.text().map(|text| TopFile::with(text.as_bytes().to_vec())).unwrap_or_default()
}

impl TopFile {
    fn with(bytes: Vec<u8>) -> Self {
        Self { content: Some(SecretContent(bytes)), ..Self::default() }
    }

    fn missing(key: &str, at: &At<'_>, missing: Missing) -> Self {
        let told = missing.explain(Problem::new("missing-file", ""), "");
        let why = format!("`{key}` from file {}, which this server does not have", at.shown());
        Self { content: None, missing: Some(why), notes: told.notes, hint: told.hint }
    }
}
