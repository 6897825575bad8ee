//! `x-evenkeel.update`: which newer tags the service follows.

use super::evenkeel::strict;
use super::{Draft, sensitive};
use crate::manifest::read::At;
use crate::model::update::{Allow, Pattern, Range, RuleError, TagRule};
use crate::model::version::VersionOrder;
use crate::model::window::WindowError;
use crate::model::{PullPolicy, Update, Window};

/// An update as it is written: what it is to be followed from is not known yet.
pub struct Written<'a> {
    at: At<'a>,
    /// What it says.
    pub update: Update,
    /// Whether the rule that it gives cannot be read, which is a problem already.
    is_broken: bool,
}

const ALLOW: [(&str, Allow); 3] =
    [("patch", Allow::Patch), ("minor", Allow::Minor), ("major", Allow::Major)];
const ORDER: [(&str, VersionOrder); 3] = [
    ("semver", VersionOrder::Semver),
    ("numeric", VersionOrder::Numeric),
    ("alphabetical", VersionOrder::Alphabetical),
];

/// `x-evenkeel.update`
pub fn update<'a>(at: &At<'a>, draft: &mut Draft<'a>) {
    if at.is_null() {
        return;
    }
    if !at.is_mapping() {
        let problem = at.trouble("wrong-type", format!("expected a mapping, found {}", at.shown()));
        return at.report(problem.hint("write `update: {semver: \"~1.4\"}`"));
    }
    let known = ["semver", "match", "order", "allow", "min_age", "window", "write_back"];
    strict(at, &known, &[]);
    let allow = at.value("allow").and_then(|at| at.word(&ALLOW));
    let order = at.value("order").and_then(|at| at.word(&ORDER));
    let has_rule = ["semver", "match"].iter().any(|key| at.value(key).is_some());
    let rule = rule(at, order, allow);
    let update = Update {
        rule,
        min_age: at.value("min_age").and_then(|at| at.duration()),
        window: at.value("window").and_then(|at| window(&at)),
        write_back: at.value("write_back").and_then(|at| at.boolean()).unwrap_or(false),
        hidden: sensitive::is_in(at.node),
    };
    let is_broken = has_rule && update.rule.is_none();
    draft.update = Some(Written { at: at.clone(), update, is_broken });
}

fn rule(at: &At<'_>, order: Option<VersionOrder>, allow: Option<Allow>) -> Option<TagRule> {
    let contradiction = |key: &str, message: &str, hint: &str| {
        let place = at.get(key).map_or(at.key_place(), |at| at.key_place()).clone();
        at.report(at.trouble("contradiction", message).at(place).hint(hint));
    };
    match (at.value("semver"), at.value("match")) {
        (Some(_), Some(_)) => {
            let hint = "keep one of the two: a range of versions, or a pattern for tags";
            contradiction("match", "`semver` and `match` exclude each other", hint);
            None
        }
        (Some(semver), None) => {
            if order.is_some() {
                let hint = "take `order` out, or say with `match` which tags are meant";
                contradiction("order", "`order` is for `match`; `semver` has its own", hint);
            }
            let range = read(&semver, Range::parse)?;
            Some(TagRule::Semver { range, allow })
        }
        (None, Some(pattern)) => {
            let order = order.unwrap_or_default();
            if order == VersionOrder::Alphabetical && allow.is_some() {
                let hint = "take one of the two out";
                contradiction("allow", "`allow` needs numbers, and a text has none", hint);
                return None;
            }
            let pattern = read(&pattern, Pattern::parse)?;
            Some(TagRule::Match { pattern, order, allow })
        }
        (None, None) => {
            for key in ["order", "allow"].iter().filter(|key| at.value(key).is_some()) {
                let message = format!("`{key}` says nothing without `semver` or `match`");
                contradiction(key, &message, "say which tags are followed: `semver: \"~1.4\"`");
            }
            None
        }
    }
}

fn read<T>(at: &At<'_>, parse: impl Fn(&str) -> Result<T, RuleError>) -> Option<T> {
    match parse(at.text()?) {
        Ok(value) => Some(value),
        Err(RuleError { message, hint }) => {
            refuse(at, &message, &hint);
            None
        }
    }
}

/// A `window`, here and at the top of a manifest.
pub fn window(at: &At<'_>) -> Option<Window> {
    match Window::parse(at.text()?) {
        Ok(window) => Some(window),
        Err(WindowError { message, hint }) => {
            refuse(at, &message, &hint);
            None
        }
    }
}

fn refuse(at: &At<'_>, message: &str, hint: &str) {
    match at.node.sensitive {
        // Both may quote the value.
        true => at.invalid(message),
        false => at.report(at.trouble("wrong-value", message).hint(hint)),
    }
}

/// Whether there is something to follow, once image and pull policy are known.
pub fn settle(draft: &Draft<'_>) {
    let (Some(Written { at, update, is_broken }), Some((image, ..))) =
        (&draft.update, &draft.image)
    else {
        return;
    };
    let problem = |code: &'static str, message: String, hint: &str| {
        at.report(at.trouble(code, message).at(at.key_place().clone()).hint(hint));
    };
    if image.digest().is_some() {
        let message = "the image is pinned by its digest, and a digest is never polled".to_owned();
        let hint = "take the digest off the image line, or `update` out";
        return problem("contradiction", message, hint);
    }
    if draft.pull_policy == PullPolicy::Never {
        let message = "`pull_policy: never` forbids to pull what `update` would find".to_owned();
        return problem("contradiction", message, "take one of the two out");
    }
    let is_unknown = ["image", "pull_policy"]
        .iter()
        .filter_map(|key| draft.at.value(key))
        .any(|at| at.is_unknown());
    if *is_broken || is_unknown {
        return;
    }
    let shown = !update.hidden && !is_image_sensitive(draft);
    match &update.rule {
        None if draft.pull_policy.follows_the_registry() => {}
        None => {
            let message = "`update` does not say what is followed".to_owned();
            let hint = "say which tags: `semver: \"~1.4\"`; or `pull_policy: daily` on the service \
                        to follow what the written tag means";
            problem("missing-key", message, hint);
        }
        Some(rule) => match rule.fits(image) {
            Err(_) if !shown => {
                let message = "the image's tag is nothing that `update` can start from".to_owned();
                problem("wrong-value", message, "compare the tag with `update`");
            }
            Err(RuleError { message, hint }) => problem("wrong-value", message, &hint),
            Ok(()) => {}
        },
    }
    let writes_nothing = update.write_back && update.rule.is_none();
    if let Some(at) = at.value("write_back").filter(|_| writes_nothing) {
        let text = "`write_back` writes newer tags into git, and `update` follows none: what the written tag \
                    means by now is the same text";
        at.remark(Some(&draft.name), text);
    }
}

fn is_image_sensitive(draft: &Draft<'_>) -> bool {
    draft.at.value("image").is_some_and(|at| at.node.sensitive)
}
