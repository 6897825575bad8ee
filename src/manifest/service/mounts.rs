//! `volumes` and `tmpfs`: what a container sees at which path.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Draft;
use super::settings::label_map;
use super::shorthand::{self, PROPAGATIONS};
use crate::manifest::bind;
use crate::manifest::read::At;
use crate::manifest::scene::Scene;
use crate::model::spec::{Mount, MountSource, Recursion};
use crate::model::{ImageRef, PinnedImage, VolumeName};

/// `volumes`
pub fn volumes(at: &At<'_>, draft: &mut Draft<'_>, scene: &Scene<'_>) {
    for item in at.items() {
        let wish = if item.is_scalar() { short(&item) } else { long(&item, draft) };
        let Some(wish) = wish else { continue };
        let Some(source) = source(&item, &wish, draft, scene) else { continue };
        // What lies in git is never written to.
        let read_only = wish.read_only || source.1;
        remark_on_recursion(&item, &wish, read_only, draft);
        let Wish { target, labels, .. } = wish;
        draft.settings.mounts.push(Mount { target, source: source.0, read_only, labels });
    }
}

/// `tmpfs`
pub fn tmpfs(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    for item in at.one_or_more() {
        let Some(text) = item.filled() else { continue };
        let (path, options) = text.split_once(':').unwrap_or((text, ""));
        if let Some(target) = target(&item, path) {
            draft.settings.tmpfs.insert(target, options.to_owned());
        }
    }
}

/// A mount as it is asked for, however it is written.
struct Wish<'a> {
    kind: Kind,
    source: Option<String>,
    source_at: At<'a>,
    target: String,
    read_only: bool,
    propagation: Option<String>,
    selinux: Option<char>,
    create_host_path: bool,
    recursive: Option<Recursion>,
    copy: bool,
    subpath: Option<String>,
    labels: BTreeMap<String, String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bind,
    Volume,
    Tmpfs,
    Image,
}

impl<'a> Wish<'a> {
    fn new(kind: Kind, source_at: At<'a>, target: String) -> Self {
        Self {
            kind,
            source: None,
            source_at,
            target,
            read_only: false,
            propagation: None,
            selinux: None,
            create_host_path: true,
            recursive: None,
            copy: true,
            subpath: None,
            labels: BTreeMap::new(),
        }
    }
}

fn short<'a>(at: &At<'a>) -> Option<Wish<'a>> {
    let volume = at.parse(shorthand::volume)?;
    if volume.source.is_none() && volume.target.contains(":/") {
        let message = "a volume's name of one letter is taken for a drive, as Compose does";
        let problem = at.trouble("wrong-value", message);
        at.report(problem.hint("give the volume a name of two letters or more"));
        return None;
    }
    if volume.unknown {
        at.remark(None, "an option of this volume is unknown and has no effect");
    }
    let kind = if volume.is_bind() { Kind::Bind } else { Kind::Volume };
    Some(Wish {
        source: volume.source,
        read_only: volume.read_only,
        propagation: volume.propagation,
        selinux: volume.selinux,
        copy: volume.copy,
        ..Wish::new(kind, at.clone(), target(at, &volume.target)?)
    })
}

const LONG: [&str; 9] =
    ["type", "source", "target", "read_only", "bind", "volume", "tmpfs", "image", "consistency"];

fn long<'a>(at: &At<'a>, draft: &mut Draft<'_>) -> Option<Wish<'a>> {
    if !at.is_mapping() {
        at.expected("a text or a mapping");
        return None;
    }
    at.only(&LONG, &[]);
    let (kind, path) = (kind(at), at.value("target"));
    if path.is_none() {
        at.problem("missing-key", "a mount needs a `target`: the path in the container");
    }
    let read_only = at.value("read_only").and_then(|at| at.boolean());
    let (kind, path) = (kind?, path?);
    let source = at.value("source");
    let place = source.clone().unwrap_or_else(|| at.clone());
    let mut wish = Wish::new(kind, place, target(&path, path.filled()?)?);
    wish.source = source.and_then(|at| at.filled()).map(str::to_owned);
    wish.read_only = read_only.unwrap_or(false);
    if let Some(bind) = at.value("bind") {
        bind_options(&bind, &mut wish);
    }
    if let Some(volume) = at.value("volume") {
        volume_options(&volume, &mut wish, draft);
    }
    if let Some(image) = at.value("image") {
        image.only(&["subpath"], &[]);
        if kind == Kind::Image {
            wish.subpath = subpath(&image);
        }
    }
    if kind == Kind::Tmpfs {
        draft.settings.tmpfs.insert(wish.target, tmpfs_options(at));
        return None;
    }
    Some(wish)
}

fn kind(at: &At<'_>) -> Option<Kind> {
    let Some(kind) = at.value("type") else {
        at.problem("missing-key", "a mount needs a `type`: `bind`, `volume`, `tmpfs` or `image`");
        return None;
    };
    match kind.text()? {
        "npipe" | "cluster" => {
            kind.unsupported("type", "a mount is a `bind`, a `volume`, a `tmpfs` or an `image`");
            None
        }
        _ => kind.word(&[
            ("bind", Kind::Bind),
            ("volume", Kind::Volume),
            ("tmpfs", Kind::Tmpfs),
            ("image", Kind::Image),
        ]),
    }
}

fn bind_options(at: &At<'_>, wish: &mut Wish<'_>) {
    at.only(&["propagation", "create_host_path", "selinux", "recursive"], &[]);
    if let Some(at) = at.value("propagation") {
        let words = PROPAGATIONS.map(|name| (name, name));
        wish.propagation = at.word(&words).map(str::to_owned);
    }
    if let Some(create) = at.value("create_host_path").and_then(|at| at.boolean()) {
        wish.create_host_path = create;
    }
    if let Some(at) = at.value("selinux") {
        wish.selinux = at.word(&[("z", 'z'), ("Z", 'Z')]);
    }
    if let Some(at) = at.value("recursive") {
        let words = [
            ("enabled", None),
            ("disabled", Some(Recursion::Disabled)),
            ("writable", Some(Recursion::Writable)),
            ("readonly", Some(Recursion::ReadOnly)),
        ];
        wish.recursive = at.word(&words).flatten();
        if wish.recursive.is_some() && wish.selinux.is_some() {
            let message = "the engine cannot be asked for `recursive` and `selinux` at once";
            at.report(at.trouble("contradiction", message).hint("take one of them out"));
        }
    }
}

fn volume_options(at: &At<'_>, wish: &mut Wish<'_>, draft: &Draft<'_>) {
    at.only(&["nocopy", "subpath", "labels"], &[]);
    if wish.kind != Kind::Volume {
        return;
    }
    wish.copy = at.value("nocopy").and_then(|at| at.boolean()) != Some(true);
    wish.subpath = subpath(at);
    if wish.subpath.is_some() && wish.source.is_none() {
        let message = "a volume without a name is empty, and has no `subpath` to mount";
        at.report(at.trouble("wrong-value", message).hint("name a volume with `source:`"));
    }
    if let Some(labels) = at.value("labels") {
        wish.labels = label_map(&labels);
        if wish.source.is_some() {
            let text = "labels of a mount are for a volume without a name: those of this one stand under \
                        `volumes` at the top";
            labels.remark(Some(&draft.name), text);
        }
    }
}

/// A directory of a volume or an image: relative, and nowhere above it (Docker Engine API, `Subpath`).
fn subpath(at: &At<'_>) -> Option<String> {
    let at = at.value("subpath")?;
    let path = at.text().filter(|path| !path.is_empty())?;
    let why = if path.starts_with('/') {
        "begins with `/`: it is a path within what is mounted"
    } else if leaves(path) {
        "leads out of what is mounted"
    } else {
        return Some(path.to_owned());
    };
    at.wrong(why);
    None
}

/// Whether a relative path comes above where it begins.
fn leaves(path: &str) -> bool {
    let mut depth = 0_usize;
    path.split('/').any(|part| match part {
        "" | "." => false,
        ".." => depth.checked_sub(1).map(|above| depth = above).is_none(),
        _ => {
            depth += 1;
            false
        }
    })
}

fn remark_on_recursion(at: &At<'_>, wish: &Wish<'_>, read_only: bool, draft: &Draft<'_>) {
    let word = match wish.recursive {
        Some(Recursion::Writable) => "writable",
        Some(Recursion::ReadOnly) => "readonly",
        Some(Recursion::Disabled) | None => return,
    };
    if !read_only {
        let text =
            format!("`recursive: {word}` has no effect on a mount that is not `read_only: true`");
        at.remark(Some(&draft.name), text);
    }
}

fn tmpfs_options(at: &At<'_>) -> String {
    let Some(tmpfs) = at.value("tmpfs") else { return String::new() };
    tmpfs.only(&["size", "mode"], &[]);
    let size = tmpfs.value("size").and_then(|at| whole_bytes(&at)).filter(|size| *size > 0);
    let mode = tmpfs.value("mode").and_then(|at| at.mode());
    let size = size.map(|size| format!("size={size}"));
    let mode = mode.map(|mode| format!("mode={mode:o}"));
    size.into_iter().chain(mode).collect::<Vec<_>>().join(",")
}

/// A number of bytes; without a unit, Compose takes no fraction.
fn whole_bytes(at: &At<'_>) -> Option<i64> {
    let text = at.text()?;
    if text.contains('.') && text.ends_with(|c: char| c.is_ascii_digit()) {
        at.wrong("is no whole number of bytes");
        return None;
    }
    at.bytes()
}

/// The path in the container: absolute, without `.`, `..` or a trailing slash.
pub fn target(at: &At<'_>, path: &str) -> Option<String> {
    if !path.starts_with('/') {
        let problem = at.trouble("wrong-path", "the path in the container has to be absolute");
        at.report(problem.hint(match at.node.sensitive {
            true => "begin it with `/`".to_owned(),
            false => format!("write `/{path}`"),
        }));
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    if parts.is_empty() {
        let problem = at.trouble("wrong-path", "nothing can be mounted over the container's root");
        at.report(problem.hint("name a directory below it, such as `/data`"));
        return None;
    }
    Some(format!("/{}", parts.join("/")))
}

/// What is mounted, and whether it must not be written to.
fn source(
    at: &At<'_>,
    wish: &Wish<'_>,
    draft: &mut Draft<'_>,
    scene: &Scene<'_>,
) -> Option<(MountSource, bool)> {
    match (wish.kind, &wish.source) {
        (Kind::Volume, None) => Some((MountSource::Anonymous, false)),
        (Kind::Volume, Some(key)) => Some((named(at, key, wish, draft, scene)?, false)),
        (Kind::Bind, Some(path)) => bound(path, wish, draft, scene),
        (Kind::Bind, None) => {
            at.problem("missing-key", "a bind mount needs a `source`: a path");
            None
        }
        (Kind::Image, Some(_)) => Some((image(wish)?, false)),
        (Kind::Image, None) => {
            at.problem("missing-key", "an image mount needs a `source`: an image");
            None
        }
        (Kind::Tmpfs, _) => None,
    }
}

/// The image is pulled as it is written: no registry is asked what a tag means.
fn image(wish: &Wish<'_>) -> Option<MountSource> {
    let at = &wish.source_at;
    let reference = at.parse(ImageRef::parse)?;
    let Ok(image) = PinnedImage::try_from(&reference) else {
        let message =
            format!("an image that is mounted is named by its digest; {} has none", at.shown());
        let problem = at.trouble("unpinned-image", message);
        at.report(problem.hint("write `repository:tag@sha256:…`; `docker buildx imagetools inspect` shows the digest of a tag"));
        return None;
    };
    Some(MountSource::Image { image, subpath: wish.subpath.clone() })
}

fn named(
    at: &At<'_>,
    key: &str,
    wish: &Wish<'_>,
    draft: &mut Draft<'_>,
    scene: &Scene<'_>,
) -> Option<MountSource> {
    let Some(volume) = scene.volumes.get(key) else {
        let (name, shown) = (&draft.name, wish.source_at.quoted(key));
        let message = format!("service `{name}` mounts volume {shown}, which is not declared");
        let source = &wish.source_at;
        let path = if source.node.sensitive { "…" } else { key };
        let otherwise =
            format!("declare it under `volumes:` at the top, or write `./{path}` for a path");
        let known = scene.volumes.keys().map(String::as_str);
        source.undefined(at.trouble("undefined-volume", message), key, known, &otherwise);
        return None;
    };
    if wish.selinux.is_some() {
        at.remark(Some(&draft.name), "SELinux relabelling has no effect on a named volume here");
    }
    draft.volumes.insert(key.to_owned());
    let name: VolumeName = volume.name.clone();
    Some(MountSource::Volume { name, copy: wish.copy, subpath: wish.subpath.clone() })
}

fn bound(
    path: &str,
    wish: &Wish<'_>,
    draft: &mut Draft<'_>,
    scene: &Scene<'_>,
) -> Option<(MountSource, bool)> {
    let resolved = bind::resolve(scene, &wish.source_at, path)?;
    let source = |path: PathBuf, create_host_path| MountSource::Bind {
        path,
        propagation: wish.propagation.clone(),
        selinux: wish.selinux,
        create_host_path,
        recursive: wish.recursive,
    };
    match resolved {
        bind::Resolved::Server(path) => Some((source(path, wish.create_host_path), false)),
        bind::Resolved::Untracked(directory) => {
            let path = directory.path.clone();
            if wish.create_host_path && !draft.directories.contains(&directory) {
                draft.directories.push(directory);
            }
            Some((source(path, wish.create_host_path), false))
        }
        bind::Resolved::Tracked(export) => {
            if !wish.read_only {
                let text = format!(
                    "{} is in git and is mounted read-only; write `:ro`",
                    wish.source_at.quoted(&export.path)
                );
                wish.source_at.remark(Some(&draft.name), text);
            }
            scene.keep_mounted(&draft.name, &export.path);
            // Relabelling needs the engine's old form of a bind, which always makes what is missing.
            let source = source(export.target.clone(), wish.selinux.is_some());
            draft.exports.push(export);
            Some((source, true))
        }
    }
}
