//! `build`: only shown, never done.

use super::around::Around;
use super::form::{self, Form};
use super::{environment, make, mounts, networks, process};
use crate::manifest::node::Node;
use crate::manifest::read::At;

const KEYS: &[(&str, Form)] = {
    use Form::{Bytes, Flag, Named, OneOrMore, Pairs, Read, Text, Texts};
    &[
        ("additional_contexts", Read(contexts)),
        ("args", Read(environment::arguments)),
        ("cache_from", Texts),
        ("cache_to", Texts),
        ("context", Read(context)),
        ("dockerfile", Text),
        ("dockerfile_inline", Text),
        ("entitlements", Texts),
        ("extra_hosts", Read(networks::extra_hosts)),
        ("isolation", Text),
        ("labels", Pairs),
        ("network", Text),
        ("no_cache", Flag),
        ("no_cache_filter", OneOrMore),
        ("platforms", Texts),
        ("privileged", Flag),
        ("provenance", Text),
        ("pull", Flag),
        ("sbom", Text),
        ("secrets", Read(mounts::secrets)),
        ("shm_size", Bytes),
        ("ssh", Read(ssh)),
        ("tags", Texts),
        ("target", Text),
        ("ulimits", Named(&process::ULIMIT)),
    ]
};

/// `build`: a text is its context.
pub fn build(at: &At<'_>, around: &Around<'_>) -> Option<Node> {
    let mut node = match at.is_scalar() {
        true => make::mapping(at, [("context", context(at, around)?)]),
        false => form::fields(KEYS, at, around),
    };
    make::put_missing(&mut node, "context", make::text(at, around.absolute(at, ".")));
    if node.get("dockerfile_inline").is_none() {
        make::put_missing(&mut node, "dockerfile", make::text(at, "Dockerfile"));
    }
    Some(node)
}

fn context(at: &At<'_>, around: &Around<'_>) -> Option<Node> {
    at.filled().map(|path| make::text(at, local(at, path, around)))
}

fn contexts(at: &At<'_>, around: &Around<'_>) -> Option<Node> {
    let contexts = at.pairs().into_iter().map(|pair| {
        let path = pair.value.unwrap_or_default();
        (pair.key, make::text(&pair.at, local(&pair.at, &path, around)))
    });
    form::sorted(at, contexts.collect())
}

const REMOTE: [&str; 4] = ["github.com/", "git@", "service:", "target:"];

/// A path of this disk, unless it names something elsewhere.
fn local(at: &At<'_>, path: &str, around: &Around<'_>) -> String {
    let is_remote =
        path.contains("://") || REMOTE.iter().any(|beginning| path.starts_with(beginning));
    if is_remote { path.to_owned() } else { around.absolute(at, path) }
}

/// `ssh`: `default`, or a list of `id=path`.
fn ssh(at: &At<'_>, _around: &Around<'_>) -> Option<Node> {
    if at.is_scalar() {
        return at.text().map(|id| make::list(at, vec![make::text(at, id)]));
    }
    let pairs = at.pairs().into_iter().map(|pair| {
        let text = match pair.value {
            Some(path) => format!("{}={path}", pair.key),
            None => pair.key,
        };
        make::text(&pair.at, text)
    });
    Some(make::list(at, pairs.collect()))
}
