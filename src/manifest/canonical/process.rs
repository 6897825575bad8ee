//! The process in the container: `command`, `entrypoint`, `healthcheck`, hooks, `ulimits`, `pull_policy`.

use super::around::Around;
use super::environment;
use super::form::{Form, fields};
use super::make;
use crate::manifest::node::Node;
use crate::manifest::read::At;
use crate::manifest::service::{WrittenLimit, limit, split};
use crate::model::spec::Ulimit;

/// A command: a text is cut into words, a list stays as it is, also where it is empty.
pub fn command(at: &At<'_>, _around: &Around<'_>) -> Option<Node> {
    if at.is_scalar() {
        let words = split(at)?.into_iter().map(|word| make::text(at, word));
        return Some(make::list(at, words.collect()));
    }
    let words = at.items();
    let words = words.iter().filter_map(|word| Some(make::text(word, word.plain_text()?)));
    Some(make::list(at, words.collect()))
}

/// `post_start`, `pre_stop`, `pre_start`
pub const HOOK: Form = Form::Fields(&[
    ("command", Form::Read(command)),
    ("environment", Form::Read(environment::environment)),
    ("image", Form::Text),
    ("per_replica", Form::Flag),
    ("privileged", Form::Flag),
    ("user", Form::Text),
    ("working_dir", Form::Text),
]);

/// One of `ulimits`.
pub const ULIMIT: Form = Form::Read(ulimit);

fn ulimit(at: &At<'_>, _around: &Around<'_>) -> Option<Node> {
    match limit(at)? {
        WrittenLimit::Both(limit) => Some(make::plain(at, limit)),
        WrittenLimit::Pair(Ulimit { soft, hard }) => {
            let written = [("soft", soft), ("hard", hard)].into_iter();
            let field = |(key, limit)| Some((key, make::plain(&at.value(key)?, limit)));
            Some(make::mapping(at, written.filter_map(field)))
        }
    }
}

const HEALTHCHECK: &[(&str, Form)] = &[
    ("disable", Form::Flag),
    ("interval", Form::Time),
    ("retries", Form::Count),
    ("start_interval", Form::Time),
    ("start_period", Form::Time),
    ("test", Form::Read(test)),
    ("timeout", Form::Time),
];

/// `healthcheck`; nothing in it is the image's own.
pub fn healthcheck(at: &At<'_>, around: &Around<'_>) -> Option<Node> {
    Some(fields(HEALTHCHECK, at, around))
}

/// A text is run by the container's shell.
fn test(at: &At<'_>, around: &Around<'_>) -> Option<Node> {
    if !at.is_scalar() {
        return command(at, around).filter(|node| !make::items_of(node).is_empty());
    }
    let words = ["CMD-SHELL", at.text()?].map(|word| make::text(at, word));
    Some(make::list(at, words.into()))
}

/// `pull_policy`; `if_not_present` is another word for `missing`.
pub fn pull_policy(at: &At<'_>, _around: &Around<'_>) -> Option<Node> {
    let policy = at.text().filter(|text| !text.is_empty())?;
    Some(make::text(at, if policy == "if_not_present" { "missing" } else { policy }))
}
