//! Steps become trees: aliases are followed, merge keys resolved, keys made unique.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use super::super::excerpt::SourceText;
use super::super::node::{Field, Node, Scalar, Value};
use super::super::{path, units};
use super::steps::{Kind, Step, Steps};
use crate::model::{Place, Problem};

/// Problems beyond this many say nothing new.
const MOST_PROBLEMS: usize = 100;

/// Builds every document that has content, and says what is wrong with it.
pub(super) fn build(source: &SourceText, steps: &Steps<'_>) -> (Vec<Node>, Vec<Problem>) {
    let mut builder = Builder {
        source,
        steps: &steps.steps,
        problems: Vec::new(),
        seen: BTreeSet::new(),
        path: String::new(),
    };
    let documents = steps.documents.iter().map(|start| builder.node(&mut start.clone()));
    let documents: Vec<Node> = documents.filter(|node| node.value != Value::Null).collect();
    (documents, builder.problems)
}

struct Builder<'s> {
    source: &'s SourceText,
    steps: &'s [Step<'s>],
    problems: Vec<Problem>,
    /// Places with a problem: an alias must not repeat it.
    seen: BTreeSet<Place>,
    /// The path of the value at hand.
    path: String,
}

/// A key, and whether it is the merge key.
struct Key {
    text: String,
    place: Place,
    merge: bool,
}

impl Builder<'_> {
    /// The value that begins at `cursor`, which is moved behind it.
    fn node(&mut self, cursor: &mut usize) -> Node {
        let step = &self.steps[*cursor];
        *cursor += 1;
        let value = match &step.kind {
            Kind::Alias(start) => return self.node(&mut start.clone()),
            Kind::Scalar { text, plain } => return self.scalar(step, text, *plain),
            Kind::Sequence => Value::Sequence(self.items(cursor)),
            Kind::Mapping => Value::Mapping(self.fields(cursor)),
            Kind::End => Value::Null,
        };
        let tag = self.collection_tag(step, &value);
        Node { tag, ..Node::new(self.place(step), value) }
    }

    fn items(&mut self, cursor: &mut usize) -> Vec<Node> {
        let mut items = Vec::new();
        while !self.ended(cursor) {
            let path = path::item(&self.path, items.len());
            items.push(self.below(path, |builder| builder.node(cursor)));
        }
        items
    }

    fn fields(&mut self, cursor: &mut usize) -> IndexMap<String, Field> {
        let mut fields = Fields::default();
        while !self.ended(cursor) {
            let key = self.key(cursor);
            let written = self.steps[*cursor].at.given;
            let path = match &key {
                Some(key) if !key.merge => path::field(&self.path, &key.text),
                Some(_) | None => self.path.clone(),
            };
            let mut node = self.below(path, |builder| builder.node(cursor));
            let Some(key) = key else { continue };
            if !written {
                node.place = key.place.clone();
            }
            if key.merge {
                self.merge(&mut fields, key, node)
            } else {
                self.add(&mut fields, key, node)
            }
        }
        fields.all
    }

    /// Does `work` with `path` as the path at hand.
    fn below<T>(&mut self, path: String, work: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.path, path);
        let done = work(self);
        self.path = outer;
        done
    }

    fn ended(&self, cursor: &mut usize) -> bool {
        // Not `*cursor += usize::from(ended)`: rustc before 1.96.1 may optimise that addition away
        // (rust-lang/rust#158206), and a file would end with its first list.
        if !matches!(self.steps[*cursor].kind, Kind::End) {
            return false;
        }
        *cursor += 1;
        true
    }

    fn key(&mut self, cursor: &mut usize) -> Option<Key> {
        let here = &self.steps[*cursor];
        let meant = match here.kind {
            Kind::Alias(start) => &self.steps[start],
            Kind::Scalar { .. } | Kind::Sequence | Kind::Mapping | Kind::End => here,
        };
        let place = self.place(here);
        if let Kind::Scalar { text, plain } = &meant.kind
            && (!text.is_empty() || !plain)
        {
            *cursor += 1;
            let merge = text == "<<"
                && match meant.tag.as_deref() {
                    None => *plain,
                    Some(tag) => tag == "!!merge",
                };
            if *plain && meant.tag.is_none() && is_no_text(text) {
                let message = format!("the key `{text}` is no text to Compose");
                self.report(
                    "bad-key",
                    &message,
                    &place,
                    Some(&format!("write it in quotes: \"{text}\"")),
                );
            }
            return Some(Key { text: text.to_string(), place, merge });
        }
        self.node(cursor);
        self.report("bad-key", "a key has to be a single value", &place, None);
        None
    }

    fn add(&mut self, fields: &mut Fields, key: Key, node: Node) {
        if fields.merged.remove(&key.text) {
            // Written out beats merged in, wherever the two stand.
            fields.all.insert(key.text, Field { key_place: key.place, node });
        } else if let Some(first) = fields.all.get(&key.text) {
            let first = first.key_place.clone();
            self.duplicate(&key, &first);
        } else {
            fields.all.insert(key.text, Field { key_place: key.place, node });
        }
    }

    fn duplicate(&mut self, key: &Key, first: &Place) {
        let message = format!("`{}` is written twice in this mapping", key.text);
        let hint = "remove one of the two";
        let path = path::field(&self.path, &key.text);
        if let Some(problem) = self.report("duplicate-key", &message, &key.place, Some(hint)) {
            problem.notes.push(format!("first written at {first}"));
            problem.path = Some(path);
        }
    }

    fn merge(&mut self, fields: &mut Fields, key: Key, node: Node) {
        if let Some(first) = fields.merge_at.replace(key.place.clone()) {
            return self.duplicate(&key, &first);
        }
        let sources = match node.value {
            Value::Sequence(items) => items,
            Value::Null | Value::Scalar(_) | Value::Mapping(_) => vec![node],
        };
        for source in sources {
            let Value::Mapping(more) = source.value else {
                let message = "`<<` takes a mapping or a list of mappings";
                self.report("bad-merge", message, &key.place, None);
                return;
            };
            fields.merge(more);
        }
    }

    fn scalar(&mut self, step: &Step<'_>, text: &str, plain: bool) -> Node {
        let (plain, nothing) = match step.tag.as_deref() {
            None => (plain, plain && is_null(text)),
            Some("!!null") => (plain, true),
            Some("!!str" | "!") => (false, false),
            Some("!!int" | "!!float" | "!!bool") => (true, false),
            Some(tag) => {
                self.check_tag(tag, step);
                (plain, plain && is_null(text))
            }
        };
        let value = match nothing {
            true => Value::Null,
            false => Value::Scalar(Scalar { text: text.to_owned(), plain }),
        };
        Node { tag: local(step.tag.as_deref()), ..Node::new(self.place(step), value) }
    }

    fn collection_tag(&mut self, step: &Step<'_>, value: &Value) -> Option<String> {
        match (step.tag.as_deref(), value) {
            (None, _)
            | (Some("!!map"), Value::Mapping(_))
            | (Some("!!seq"), Value::Sequence(_)) => {}
            (Some(tag), _) => self.check_tag(tag, step),
        }
        local(step.tag.as_deref())
    }

    /// Reports a tag that is neither YAML's own nor a local one.
    fn check_tag(&mut self, tag: &str, step: &Step<'_>) {
        if local(Some(tag)).is_none() {
            let place = self.place(step);
            self.report("unknown-tag", &format!("unknown tag `{tag}`"), &place, None);
        }
    }

    fn report(
        &mut self,
        code: &'static str,
        message: &str,
        place: &Place,
        hint: Option<&str>,
    ) -> Option<&mut Problem> {
        if self.problems.len() >= MOST_PROBLEMS || !self.seen.insert(place.clone()) {
            return None;
        }
        let mut problem = self.source.problem_at(code, message, place);
        problem.hint = hint.map(str::to_owned);
        problem.path = (!self.path.is_empty()).then(|| self.path.clone());
        self.problems.push(problem);
        self.problems.last_mut()
    }

    fn place(&self, step: &Step<'_>) -> Place {
        step.at.place(self.source.file())
    }
}

/// The fields of a mapping as they come together.
#[derive(Default)]
struct Fields {
    all: IndexMap<String, Field>,
    /// Keys that came in by `<<` only.
    merged: BTreeSet<String>,
    /// Where `<<` stands.
    merge_at: Option<Place>,
}

impl Fields {
    /// Takes over what is not there yet: of several mappings the first wins.
    fn merge(&mut self, more: IndexMap<String, Field>) {
        for (key, field) in more {
            if !self.all.contains_key(&key) {
                self.merged.insert(key.clone());
                self.all.insert(key, field);
            }
        }
    }
}

/// Whether a plain text is a boolean, a number or nothing: as a key, Compose refuses it.
fn is_no_text(text: &str) -> bool {
    let is_boolean = matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE");
    let begins = text.trim_start_matches(['+', '-', '.']).starts_with(|c: char| c.is_ascii_digit());
    let is_number = || units::integer(text).is_ok() || text.parse::<f64>().is_ok();
    is_null(text) || is_boolean || (begins && is_number())
}

/// YAML 1.2 core schema, section 10.3.2.
fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// The name of a local tag: `!reset` is `reset`.
fn local(tag: Option<&str>) -> Option<String> {
    let name = tag?.strip_prefix('!')?;
    let local = !name.is_empty() && !name.contains(['!', '<']);
    local.then(|| name.to_owned())
}
