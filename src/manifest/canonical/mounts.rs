//! What a container sees of the host: `volumes`, `devices`, `secrets`, `configs`, `label_file`.

use std::ops::Range;

use super::around::Around;
use super::form::{self, Form, shaped};
use super::make;
use super::parts::Parts;
use crate::manifest::node::Node;
use crate::manifest::read::At;
use crate::manifest::service::{device_parts, short_volume};

/// `volumes`; of two at one path in the container the later one counts.
pub fn volumes(at: &At<'_>, around: &Around<'_>) -> Option<Node> {
    let items = at.items();
    let volume = |item: &At<'_>| match item.is_scalar() {
        true => short(item, around),
        false => Some(long(item, around)),
    };
    let volumes = items.iter().filter_map(volume).collect();
    let volumes =
        make::unique(volumes, |volume| make::field_text(volume, "target").map(str::to_owned));
    (!volumes.is_empty()).then(|| make::list(at, volumes))
}

/// The short form is a bind mount where its source is a path; what is missing on the host is then made.
fn short(at: &At<'_>, around: &Around<'_>) -> Option<Node> {
    let volume = at.parse(short_volume)?;
    let parts = Parts::of(at);
    let place = usize::from(volume.source.is_some());
    // The letter of a drive is no part of its own.
    let is_cut_so = parts.is(place, &volume.target)
        && volume.source.as_deref().is_none_or(|source| parts.is(0, source));
    let shown = |node: Node, part: Range<usize>| match is_cut_so {
        true => parts.shown(node, part),
        false => node,
    };
    let option = |node: Node| shown(node, place + 1..parts.len());
    let is_bind = volume.is_bind();
    let mut bind = Vec::new();
    bind.extend(volume.propagation.map(|word| ("propagation", option(make::text(at, word)))));
    bind.extend(is_bind.then(|| ("create_host_path", shown(make::plain(at, true), 0..0))));
    bind.extend(volume.selinux.map(|word| ("selinux", option(make::text(at, word)))));
    let read_only = volume.read_only.then(|| ("read_only", option(make::plain(at, true))));
    let copy = (!volume.copy).then(|| ("nocopy", option(make::plain(at, true))));
    // The key `bind` or `volume` tells it anyway.
    let kind = shown(make::text(at, if is_bind { "bind" } else { "volume" }), 0..0);
    let source = volume.source.map(|path| if is_bind { around.absolute(at, &path) } else { path });
    let target = make::text(at, cleaned(&volume.target));
    let fields = [("type", kind)]
        .into_iter()
        .chain(source.map(|source| ("source", shown(make::text(at, source), 0..1))))
        .chain([("target", shown(target, place..place + 1))])
        .chain(read_only)
        .chain((!bind.is_empty()).then(|| ("bind", make::mapping(at, bind))))
        .chain((!is_bind).then(|| ("volume", make::mapping(at, copy))));
    Some(make::mapping(at, fields))
}

/// The keys of the long form, in the order Compose prints them.
const LONG: &[(&str, Form)] = &[
    ("type", Form::Text),
    ("source", Form::Read(source)),
    ("target", Form::Read(target)),
    ("read_only", Form::Flag),
    ("consistency", Form::Text),
    ("bind", Form::Read(bind)),
    (
        "volume",
        Form::Fields(&[("nocopy", Form::Flag), ("labels", Form::Pairs), ("subpath", Form::Text)]),
    ),
    ("tmpfs", Form::Fields(&[("size", Form::Bytes), ("mode", Form::Read(tmpfs_mode))])),
    ("image", Form::Fields(&[("subpath", Form::Text)])),
];

fn long(at: &At<'_>, around: &Around<'_>) -> Node {
    let mut node = form::fields(LONG, at, around);
    if make::field_text(&node, "type") == Some("bind")
        && let (Some(written), Some(source)) =
            (at.value("source"), make::field_mut(&mut node, "source"))
        && let Some(path) = written.text()
    {
        *source = make::text(&written, around.absolute(&written, path));
    }
    node
}

fn source(at: &At<'_>, _around: &Around<'_>) -> Option<Node> {
    at.text().filter(|text| !text.is_empty()).map(|text| make::text(at, text))
}

fn target(at: &At<'_>, _around: &Around<'_>) -> Option<Node> {
    at.text().map(|text| make::text(at, cleaned(text)))
}

const BIND: &[(&str, Form)] = &[
    ("propagation", Form::Text),
    ("create_host_path", Form::Choice),
    ("selinux", Form::Text),
    ("recursive", Form::Text),
];

/// What is missing on the host is made, unless told otherwise.
fn bind(at: &At<'_>, around: &Around<'_>) -> Option<Node> {
    let mut node = form::fields(BIND, at, around);
    make::put_missing(&mut node, "create_host_path", make::plain(at, true));
    Some(node)
}

fn tmpfs_mode(at: &At<'_>, _around: &Around<'_>) -> Option<Node> {
    at.mode().map(|mode| make::plain(at, mode))
}

/// A path in the container without `.`, `..`, doubled and trailing slashes.
fn cleaned(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

/// `devices`
pub fn devices(at: &At<'_>, around: &Around<'_>) -> Option<Node> {
    const LONG: &[(&str, Form)] =
        &[("source", Form::Text), ("target", Form::Text), ("permissions", Form::Text)];
    let items = at.items();
    let device = |item: &At<'_>| match item.is_scalar() {
        true => short_device(item, item.text()?),
        false => Some(form::fields(LONG, item, around)),
    };
    let devices: Vec<Node> = items.iter().filter_map(device).collect();
    (!devices.is_empty()).then(|| make::list(at, devices))
}

/// `source[:target[:permissions]]`
fn short_device(at: &At<'_>, text: &str) -> Option<Node> {
    let [source, target, permissions] = device_parts(text)?;
    let fields = [("source", source), ("target", target), ("permissions", permissions)];
    Some(make::mapping(at, fields.map(|(key, text)| (key, make::text(at, text)))))
}

/// `secrets`; without a target, one lies in `/run/secrets`.
pub fn secrets(at: &At<'_>, around: &Around<'_>) -> Option<Node> {
    granted(at, around, Some("/run/secrets/"))
}

/// `configs`
pub fn configs(at: &At<'_>, around: &Around<'_>) -> Option<Node> {
    granted(at, around, None)
}

const GRANT: [(&str, Form); 5] = [
    ("source", Form::Text),
    ("target", Form::Text),
    ("uid", Form::Text),
    ("gid", Form::Text),
    ("mode", Form::Read(mode)),
];

fn granted(at: &At<'_>, around: &Around<'_>, directory: Option<&str>) -> Option<Node> {
    let items = at.items();
    let grants: Vec<Node> = items.iter().map(|item| grant(item, around, directory)).collect();
    (!grants.is_empty()).then(|| make::list(at, grants))
}

fn grant(at: &At<'_>, around: &Around<'_>, directory: Option<&str>) -> Node {
    let mut node = match at.is_scalar() {
        true => make::mapping(at, at.text().map(|source| ("source", make::text(at, source)))),
        false => form::fields(&GRANT, at, around),
    };
    let source = make::field_text(&node, "source").map(str::to_owned);
    if let (Some(source), Some(directory)) = (source, directory) {
        make::put_missing(&mut node, "target", make::text(at, format!("{directory}{source}")));
    }
    node
}

/// A file mode, printed in octal.
fn mode(at: &At<'_>, _around: &Around<'_>) -> Option<Node> {
    at.mode().map(|mode| make::text(at, format!("0{mode:o}")))
}

/// `label_file`: one path or several.
pub fn label_file(at: &At<'_>, around: &Around<'_>) -> Option<Node> {
    let paths = at.one_or_more();
    let path = |path: &At<'_>| Some(make::text(path, around.absolute(path, path.text()?)));
    let paths: Vec<Node> = paths.iter().filter_map(path).collect();
    (!paths.is_empty()).then(|| make::list(at, paths))
}

/// A path of this disk, as a key of its own.
pub const PATH: Form = Form::Read(path);

fn path(at: &At<'_>, around: &Around<'_>) -> Option<Node> {
    let text = shaped(Form::Text, at, around)?;
    make::text_of(&text).map(|path| make::text(at, around.absolute(at, path)))
}
