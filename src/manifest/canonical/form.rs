//! What a value becomes: the few forms that Compose's keys have.
//!
//! A value that is what the engine would do anyway (an empty list, `false`, 0) is left out where Compose
//! leaves it out, so that two ways of saying the same look the same.

use super::around::Around;
use super::make;
use crate::manifest::node::Node;
use crate::manifest::read::At;
use crate::manifest::units;

/// The form of a value.
#[derive(Clone, Copy)]
pub enum Form {
    /// A text; left out where empty.
    Text,
    /// `true`; left out where false.
    Flag,
    /// `true` or `false`.
    Choice,
    /// A whole number; left out where 0.
    Whole,
    /// A whole number, 0 too.
    Count,
    /// A number; left out where 0.
    Number,
    /// Bytes, printed as a text; left out where 0. `-1` is "no limit".
    Bytes,
    /// A duration.
    Time,
    /// A list of texts; left out where empty.
    Texts,
    /// One text or a list of them.
    OneOrMore,
    /// A mapping or a list of `KEY=value`, printed as a mapping sorted by key; no value is an empty text.
    Pairs,
    /// A mapping with these keys.
    Fields(&'static [(&'static str, Form)]),
    /// A list of such values.
    Items(&'static Form),
    /// A mapping from names to such values, sorted.
    Named(&'static Form),
    /// What has a form of its own.
    Read(fn(&At<'_>, &Around<'_>) -> Option<Node>),
    /// Printed as it is.
    Free,
    /// Not printed.
    Left,
}

/// Brings a value into its form; `None` leaves it out. What does not fit is a problem.
pub fn shaped(form: Form, at: &At<'_>, around: &Around<'_>) -> Option<Node> {
    match form {
        Form::Text => at.text().filter(|text| !text.is_empty()).map(|text| make::text(at, text)),
        Form::Flag => at.boolean().filter(|flag| *flag).map(|flag| make::plain(at, flag)),
        Form::Choice => at.boolean().map(|choice| make::plain(at, choice)),
        Form::Whole => whole(at).filter(|number| *number != 0).map(|n| make::plain(at, n)),
        Form::Count => whole(at).map(|number| make::plain(at, number)),
        Form::Number => number(at),
        Form::Bytes => bytes(at),
        Form::Time => at.duration().map(|time| make::text(at, units::printed_duration(time))),
        Form::Texts => texts(at, at.items()),
        Form::OneOrMore => texts(at, at.one_or_more()),
        Form::Pairs => pairs(at),
        Form::Fields(known) => Some(fields(known, at, around)),
        Form::Items(form) => items(*form, at, around),
        Form::Named(form) => named(*form, at, around),
        Form::Read(read) => read(at, around),
        Form::Free => Some(at.node.clone()),
        Form::Left => None,
    }
}

fn whole(at: &At<'_>) -> Option<i64> {
    at.integer::<i64>()
}

fn number(at: &At<'_>) -> Option<Node> {
    let number = at.parse(units::float)?;
    (number != 0.0).then(|| make::plain(at, number))
}

fn bytes(at: &At<'_>) -> Option<Node> {
    if at.text()? == "-1" {
        return Some(make::text(at, "-1"));
    }
    let bytes = at.bytes()?;
    (bytes != 0).then(|| make::text(at, bytes.to_string()))
}

fn texts(at: &At<'_>, items: Vec<At<'_>>) -> Option<Node> {
    let text = |item: &At<'_>| Some(make::text(item, item.plain_text()?));
    let texts: Vec<Node> = items.iter().filter_map(text).collect();
    (!texts.is_empty()).then(|| make::list(at, texts))
}

fn pairs(at: &At<'_>) -> Option<Node> {
    let pairs = at.pairs().into_iter();
    let pairs = pairs.map(|pair| (pair.key, make::text(&pair.at, pair.value.unwrap_or_default())));
    sorted(at, pairs.collect())
}

/// A mapping sorted by key; left out where empty.
pub fn sorted(at: &At<'_>, mut fields: Vec<(String, Node)>) -> Option<Node> {
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    (!fields.is_empty()).then(|| make::mapping(at, fields))
}

/// The known fields in their own form, those of others as they are.
pub fn fields(known: &[(&'static str, Form)], at: &At<'_>, around: &Around<'_>) -> Node {
    let mut shown = Vec::new();
    for (key, value) in at.fields() {
        match known.iter().find(|(name, _)| *name == key) {
            Some(_) if value.is_null() => {}
            Some((_, form)) => {
                shown.extend(shaped(*form, &value, around).map(|node| (key.to_owned(), node)));
            }
            None if key.starts_with("x-") => shown.push((key.to_owned(), value.node.clone())),
            None => value.unknown(key, known.iter().map(|(name, _)| *name)),
        }
    }
    make::mapping(at, shown)
}

fn items(form: Form, at: &At<'_>, around: &Around<'_>) -> Option<Node> {
    let items = at.items();
    let items: Vec<Node> = items.iter().filter_map(|item| shaped(form, item, around)).collect();
    (!items.is_empty()).then(|| make::list(at, items))
}

fn named(form: Form, at: &At<'_>, around: &Around<'_>) -> Option<Node> {
    let named = at.fields().into_iter().filter_map(|(name, value)| {
        let node = match value.is_null() {
            true => make::nothing(&value),
            false => shaped(form, &value, around)?,
        };
        Some((name.to_owned(), node))
    });
    sorted(at, named.collect())
}
