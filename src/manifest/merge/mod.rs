//! An override file's tree is laid over the base one, by Compose's rules for each value.
//!
//! It works on trees as they were written, before short forms become long ones. Which rule a value
//! has is in [`rules`]; what makes two entries of a list the same one is in [`entries`].

mod entries;
mod rules;
#[cfg(test)]
mod tests;

use indexmap::IndexMap;

use self::rules::{Identity, Rule, rule_of};
use super::node::{Field, Node, Value};
use super::path;
use crate::model::{Place, Problem};

/// The tag of a value that removes what the base says.
const RESET: &str = "reset";

/// The tag of a value that replaces what the base says.
const OVERRIDE: &str = "override";

/// `base` with `over` laid over it; `!reset` and `!override` of both are settled.
///
/// Mappings merge key by key, lists append and drop repeated entries, everything else is replaced. A
/// mapping or list that `over` leaves empty (`ports:`) is kept.
///
/// # Errors
/// Every place where the two do not fit together, such as a list over a mapping. The problems carry no
/// excerpt: the caller has the texts.
pub fn merge(base: Node, over: Node) -> Result<Node, Vec<Problem>> {
    strict(|problems| lay(base, over, problems))
}

/// As [`merge`], but where the two do not fit together `over` counts, and `problems` says so.
pub fn lay(base: Node, over: Node, problems: &mut Vec<Problem>) -> Node {
    let mut merger = Merger::default();
    let base = merger.settled(base);
    let merged = merger.node(base, over);
    problems.append(&mut merger.problems);
    merged
}

/// A single file's tree with `!reset` and `!override` settled and repeated list entries made one.
///
/// # Errors
/// As [`merge`], and tags that Compose does not know.
pub fn settle(tree: Node) -> Result<Node, Vec<Problem>> {
    strict(|problems| settled(tree, problems))
}

/// As [`settle`], but an unknown tag is passed over, and `problems` says so.
pub fn settled(tree: Node, problems: &mut Vec<Problem>) -> Node {
    let mut merger = Merger::default();
    let settled = merger.settled(tree);
    problems.append(&mut merger.problems);
    settled
}

fn strict(make: impl FnOnce(&mut Vec<Problem>) -> Node) -> Result<Node, Vec<Problem>> {
    let mut problems = Vec::new();
    let tree = make(&mut problems);
    if problems.is_empty() { Ok(tree) } else { Err(problems) }
}

#[derive(Default)]
struct Merger {
    /// The keys and `[n]`s above the value at hand.
    keys: Vec<String>,
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
            Some(Rule::Logging) | None => self.by_shape(base, over),
        }
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
                Node::new(over.place, Value::Mapping(self.fields(fields, more)))
            }
            (Value::Sequence(mut items), Value::Sequence(more)) => {
                items.extend(more);
                self.settled(Node::new(base.place, Value::Sequence(items)))
            }
            (old, value) => {
                let base = Node::new(base.place, old);
                let over = Node { sensitive: over.sensitive, ..Node::new(over.place, value) };
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
        for (key, field) in more {
            if is_reset(&field.node) {
                fields.shift_remove(&key);
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
        fields
    }

    /// `node` without its tags, and without what they remove.
    fn settled(&mut self, node: Node) -> Node {
        self.check_tag(&node);
        let value = match node.value {
            _ if node.tag.as_deref() == Some(RESET) => Value::Null,
            Value::Mapping(fields) => Value::Mapping(self.fields(IndexMap::new(), fields)),
            Value::Sequence(items) => Value::Sequence(self.items(items)),
            value @ (Value::Null | Value::Scalar(_)) => value,
        };
        Node { value, tag: None, ..node }
    }

    /// Of entries that are the same the last one counts, in the place of the first.
    fn items(&mut self, items: Vec<Node>) -> Vec<Node> {
        let rule = rule_of(&self.keys);
        let mut kept = IndexMap::new();
        for (index, item) in items.into_iter().enumerate() {
            if is_reset(&item) {
                continue;
            }
            self.keys.push(format!("[{index}]"));
            let item = self.settled(item);
            self.keys.pop();
            let identity = rule.and_then(|rule| rules_identity(rule, &item));
            // An entry without an identity is like no other.
            kept.insert(identity.ok_or(index), item);
        }
        kept.into_values().collect()
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

fn is_reset(node: &Node) -> bool {
    node.tag.as_deref() == Some(RESET)
}

/// Stands in while a value is being merged.
fn nothing() -> Node {
    Node::new(Place::file(String::new()), Value::Null)
}
