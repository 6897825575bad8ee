//! An override file's tree is laid over the base one, by Compose's rules for each value.
//!
//! It works on trees as they were written, before short forms become long ones. Which rule a value
//! has is in [`rules`]; what makes two entries of a list the same one is in [`entries`].

mod entries;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use indexmap::IndexMap;

use self::rules::{Identity, Rule, rule_of};
use super::node::{Field, Node, Value};
use super::path;
use crate::model::{Place, Problem};

/// The tag of a value that removes what the base says.
const RESET: &str = "reset";

/// The tag of a value that replaces what the base says.
const OVERRIDE: &str = "override";

/// Every tree laid over those before it; `!reset` and `!override` are settled. `None` where there is none.
///
/// Mappings merge key by key, lists append and drop repeated entries, everything else is replaced. A
/// value that the upper tree leaves empty (`ports:`) is kept. Where two do not fit together, such as a list
/// over a mapping, the upper one counts, and `problems` says so, as of tags that Compose does not know; the
/// problems carry no excerpt: the caller has the texts.
pub fn all(trees: impl IntoIterator<Item = Node>, problems: &mut Vec<Problem>) -> Option<Node> {
    let mut trees = trees.into_iter();
    let first = trees.next()?;
    let mut merger = Merger::default();
    let first = merger.settled(first);
    let merged = trees.fold(first, |base, over| merger.node(base, over));
    problems.append(&mut merger.problems);
    Some(merged)
}

/// `over` laid over `base` as in [`all`].
///
/// # Errors
/// All that does not fit together.
pub fn merge(base: Node, over: Node) -> Result<Node, Vec<Problem>> {
    let mut problems = Vec::new();
    let merged = all([base, over], &mut problems);
    merged.filter(|_| problems.is_empty()).ok_or(problems)
}

/// `base` with `over` laid over it as in [`all`], both at the path `keys`. The tags of `over` are obeyed and
/// stay, for what it is laid over in its turn.
pub fn under(base: Node, over: Node, keys: &[&str], problems: &mut Vec<Problem>) -> Node {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let mut settling = Merger { keys, ..Merger::default() };
    let base = settling.settled(base);
    let mut merger = Merger { keeps_tags: true, ..settling };
    let merged = merger.node(base, over);
    problems.append(&mut merger.problems);
    merged
}

#[derive(Default)]
struct Merger {
    /// The keys and `[n]`s above the value at hand.
    keys: Vec<String>,
    /// Whether `!reset` and `!override` of the upper tree stay in the result.
    keeps_tags: bool,
    problems: Vec<Problem>,
}

impl Merger {
    fn node(&mut self, base: Node, over: Node) -> Node {
        if over.tag.is_some() {
            return self.settled(over);
        }
        match rule_of(&self.keys) {
            Some(Rule::Replaced) => self.settled(over),
            Some(Rule::Pairs) => self.converted(base, over, entries::pairs),
            Some(Rule::Named) => self.converted(base, over, entries::named),
            Some(Rule::Dependencies) => self.converted(base, over, entries::dependencies),
            Some(Rule::Hosts) => self.converted(base, over, entries::hosts),
            Some(Rule::Items(_)) => self.converted(base, over, entries::list),
            Some(Rule::Logging) if entries::other_driver(&base, &over) => self.settled(over),
            None if over.value == Value::Null && !self.is_pair() => base,
            Some(Rule::Logging) | None => self.by_shape(base, over),
        }
    }

    /// Whether the value at hand belongs to a `KEY=value`, where nothing means that it is passed through.
    fn is_pair(&self) -> bool {
        let parent = self.keys.split_last().and_then(|(_, above)| rule_of(above));
        matches!(parent, Some(Rule::Pairs))
    }

    /// Brings both to one form first; what cannot be is left for the shapes to complain about.
    fn converted(&mut self, base: Node, over: Node, convert: fn(Node) -> Node) -> Node {
        if over.value == Value::Null {
            return base;
        }
        self.by_shape(convert(base), convert(over))
    }

    fn by_shape(&mut self, base: Node, over: Node) -> Node {
        let free = self.keys.iter().any(|key| key.starts_with("x-"));
        if matches!(
            (&base.value, &over.value),
            (Value::Mapping(_) | Value::Sequence(_), Value::Null)
        ) {
            return base;
        }
        match (base.value, over.value) {
            (Value::Mapping(fields), Value::Mapping(more)) => {
                Node { value: Value::Mapping(self.fields(fields, more)), ..over }
            }
            (Value::Sequence(mut items), Value::Sequence(more)) => {
                items.extend(more);
                self.settled(Node { value: Value::Sequence(items), ..base })
            }
            (old, value) => {
                let (base, over) = (Node { value: old, ..base }, Node { value, ..over });
                if !free {
                    self.check_shapes(&base, &over);
                }
                self.settled(over)
            }
        }
    }

    /// Anything may replace a single value, but nothing else a list or a mapping.
    fn check_shapes(&mut self, base: &Node, over: &Node) {
        if matches!(base.value, Value::Null | Value::Scalar(_)) {
            return;
        }
        let message = format!("{} cannot be laid over {}", over.kind(), base.kind());
        let problem =
            Problem::new("cannot-merge", message).at(over.place.clone()).path(self.path());
        self.problems.push(
            problem
                .note(format!("the value below it is at {}", base.place))
                .hint("write both in the same form, or put `!override` before this one"),
        );
    }

    fn fields(
        &mut self,
        mut fields: IndexMap<String, Field>,
        more: IndexMap<String, Field>,
    ) -> IndexMap<String, Field> {
        let mut gone = BTreeSet::new();
        for (key, field) in more {
            if is_reset(&field.node) && !self.keeps_tags {
                gone.insert(key);
                continue;
            }
            self.keys.push(key.clone());
            let node = match fields.get_mut(&key) {
                Some(base) => {
                    let base = std::mem::replace(&mut base.node, nothing());
                    self.node(base, field.node)
                }
                None => self.settled(field.node),
            };
            self.keys.pop();
            fields.insert(key, Field { node, ..field });
        }
        if !gone.is_empty() {
            fields.retain(|key, _| !gone.contains(key));
        }
        fields
    }

    /// `node` without its tags, and without what they remove.
    fn settled(&mut self, mut node: Node) -> Node {
        self.settle(&mut node);
        node
    }

    /// In place: most of a manifest has no tags, and is not to be copied for that.
    fn settle(&mut self, node: &mut Node) {
        self.check_tag(node);
        match &mut node.value {
            value if node.tag.as_deref() == Some(RESET) => *value = Value::Null,
            Value::Mapping(fields) => self.settle_fields(fields),
            Value::Sequence(items) => self.settle_items(items),
            Value::Null | Value::Scalar(_) => {}
        }
        node.tag = node.tag.take().filter(|_| self.keeps_tags);
    }

    fn settle_fields(&mut self, fields: &mut IndexMap<String, Field>) {
        let mut has_resets = false;
        for (key, field) in fields.iter_mut() {
            if is_reset(&field.node) && !self.keeps_tags {
                has_resets = true;
            } else if !is_settled(&field.node) {
                self.keys.push(key.clone());
                self.settle(&mut field.node);
                self.keys.pop();
            }
        }
        if has_resets {
            fields.retain(|_, field| !is_reset(&field.node));
        }
    }

    /// Of entries that are the same the last one counts, in the place of the first.
    fn settle_items(&mut self, items: &mut Vec<Node>) {
        for (index, item) in items.iter_mut().enumerate() {
            if !is_reset(item) && !is_settled(item) {
                self.keys.push(format!("[{index}]"));
                self.settle(item);
                self.keys.pop();
            }
        }
        items.retain(|item| !is_reset(item));
        let Some(rule) = rule_of(&self.keys) else { return };
        let mut kept = IndexMap::new();
        for (index, item) in std::mem::take(items).into_iter().enumerate() {
            // An entry without an identity is like no other.
            kept.insert(rules_identity(rule, &item).ok_or(index), item);
        }
        items.extend(kept.into_values());
    }

    fn check_tag(&mut self, node: &Node) {
        let Some(tag) = node.tag.as_deref().filter(|tag| *tag != RESET && *tag != OVERRIDE) else {
            return;
        };
        let problem = Problem::new("unknown-tag", format!("unknown tag `!{tag}`"));
        let problem = problem.at(node.place.clone()).path(self.path());
        self.problems.push(problem.hint("Compose knows `!reset` and `!override`"));
    }

    fn path(&self) -> String {
        self.keys.iter().fold(String::new(), |path, key| match key.starts_with('[') {
            true => path + key,
            false => path::field(&path, key),
        })
    }
}

fn rules_identity(rule: Rule, item: &Node) -> Option<String> {
    match rule {
        Rule::Items(by) => entries::identity(item, by),
        Rule::Pairs | Rule::Named | Rule::Dependencies => entries::identity(item, Identity::Key),
        Rule::Hosts => entries::host_identity(item),
        Rule::Replaced | Rule::Logging => None,
    }
}

/// Whether there is nothing to be settled about a value: a single one without a tag.
fn is_settled(node: &Node) -> bool {
    node.tag.is_none() && matches!(node.value, Value::Null | Value::Scalar(_))
}

fn is_reset(node: &Node) -> bool {
    node.tag.as_deref() == Some(RESET)
}

/// Stands in while a value is being merged.
fn nothing() -> Node {
    Node::new(Place::file(String::new()), Value::Null)
}
