//! Where the secrets of a file are: variables, labels, addresses, command lines.
//!
//! What they are called on the server, and how the file is changed, is decided elsewhere.

use std::ops::Range;

use crate::manifest::interpolate::{self, Lookup, Variable};
use crate::manifest::node::{Node, Value};
use crate::manifest::plain_value;
use crate::manifest::yaml::layout::{Entry, Piece, Shape, Style, Written};
use crate::model::secrets::names;
use crate::model::secrets::passwords::{self, Inside};
use crate::model::{Hidden, Place};

/// A secret, or a part of a value that is one.
#[derive(Clone, Debug)]
pub struct Found<'p> {
    /// The value it is in.
    pub at: Spot<'p>,
    /// Its bytes within the value's text.
    pub range: Range<usize>,
    /// Whether it is all that the variable or label says.
    pub whole: bool,
    /// The secret itself.
    pub value: Hidden,
    /// What it would be called.
    pub wish: String,
    /// The variable, label or option that holds it, for people.
    pub holder: String,
    /// The service it stands in.
    pub service: Option<String>,
}

/// A single value in a file.
#[derive(Clone, Copy, Debug)]
pub struct Spot<'p> {
    /// The file, by number.
    pub file: usize,
    /// Its bytes.
    pub piece: &'p Piece,
    /// What is written there.
    pub written: &'p Written,
    /// Whether brackets or braces are around it.
    pub flow: bool,
}

/// What is found in one or several files.
#[derive(Debug, Default)]
pub struct Finds<'p> {
    /// Secrets in clear text.
    pub secrets: Vec<Found<'p>>,
    /// Secrets whose default is in clear text: where, and what holds them.
    pub defaults: Vec<(Spot<'p>, String, Option<String>)>,
    /// Every value of a variable, label, command or the like: where a secret may be repeated.
    pub values: Vec<Spot<'p>>,
}

/// Looks through the document `root` of the file numbered `file`.
pub fn search<'p>(file: usize, root: &'p Piece, finds: &mut Finds<'p>) {
    let mut search = Search { file, service: None, finds };
    for Entry { key, value } in root.entries() {
        match key.text() {
            Some("services") => search.services(value),
            Some("volumes") => search.volumes(value),
            Some("x-evenkeel") | None => {}
            Some(name) if name.starts_with("x-") => search.fragment(value, false),
            Some("configs") => search.every_value(value, false),
            Some(_) => {}
        }
    }
}

struct Search<'p, 'f> {
    file: usize,
    service: Option<String>,
    finds: &'f mut Finds<'p>,
}

impl<'p> Search<'p, '_> {
    fn services(&mut self, services: &'p Piece) {
        for Entry { key, value } in services.entries() {
            self.service = key.text().map(str::to_owned);
            self.service(value, services.is_flow());
        }
        self.service = None;
    }

    fn service(&mut self, service: &'p Piece, flow: bool) {
        let flow = flow || service.is_flow();
        for Entry { key, value } in service.entries() {
            match key.text().unwrap_or_default() {
                "image" | "container_name" | "x-evenkeel" => {}
                "environment" | "labels" => self.fragment(value, flow),
                "build" => {
                    if let Some(args) = value.get("args") {
                        self.fragment(args, flow || value.is_flow());
                    }
                }
                "command" | "entrypoint" => self.command(value, flow),
                "healthcheck" => {
                    if let Some(test) = value.get("test") {
                        self.command(test, flow || value.is_flow());
                    }
                }
                "<<" => self.merged(value, flow),
                "logging" => self.addresses(value, flow),
                _ => {}
            }
        }
    }

    fn merged(&mut self, value: &'p Piece, flow: bool) {
        for item in value.items() {
            self.service(item, true);
        }
        self.service(value, flow);
    }

    /// A mapping or list of which any entry may be a variable: `environment`, or what is shared below `x-…`.
    fn fragment(&mut self, piece: &'p Piece, flow: bool) {
        let inner = flow || piece.is_flow();
        match &piece.shape {
            Shape::Mapping { entries, .. } => {
                for Entry { key, value } in entries {
                    match (key.text().unwrap_or_default(), &value.shape) {
                        ("command" | "entrypoint" | "test", _) => self.command(value, inner),
                        ("image" | "container_name", _) => {}
                        (name, Shape::Scalar(written)) => {
                            self.variable(name, value, written, inner)
                        }
                        (_, Shape::Sequence { .. } | Shape::Mapping { .. }) => {
                            self.fragment(value, inner);
                        }
                        (_, Shape::Alias(_)) => {}
                    }
                }
            }
            Shape::Sequence { items, .. } => {
                for item in items {
                    match &item.shape {
                        Shape::Scalar(written) => self.equation(item, written, inner),
                        Shape::Sequence { .. } | Shape::Mapping { .. } => {
                            self.fragment(item, inner)
                        }
                        Shape::Alias(_) => {}
                    }
                }
            }
            Shape::Scalar(_) | Shape::Alias(_) => {}
        }
    }

    fn variable(&mut self, name: &str, piece: &'p Piece, written: &'p Written, flow: bool) {
        let at = Spot { file: self.file, piece, written, flow };
        let text = match written.style {
            Style::Plain => plain_value(&written.text),
            Style::Single | Style::Double | Style::Block => written.text.clone(),
        };
        self.assigned(name, at, 0, &text);
    }

    fn equation(&mut self, piece: &'p Piece, written: &'p Written, flow: bool) {
        let at = Spot { file: self.file, piece, written, flow };
        match written.text.split_once('=') {
            Some((name, value)) => self.assigned(name, at, name.len() + 1, value),
            None => self.finds.values.push(at),
        }
    }

    /// `name` is `text`, which begins at byte `start` of the value at `at`.
    fn assigned(&mut self, name: &str, at: Spot<'p>, start: usize, text: &str) {
        self.finds.values.push(at);
        let range = start..at.written.text.len();
        if is_secret(name, text) {
            match literal(text) {
                Some(value) if !names::is_harmless(&value) => {
                    let wish = if names::is_variable(name) {
                        name.to_owned()
                    } else {
                        names::variable(name)
                    };
                    return self.add(at, range, true, value, wish, name);
                }
                Some(_) => {}
                None if has_default(text) => {
                    self.finds.defaults.push((at, name.to_owned(), self.service.clone()));
                }
                None => {}
            }
        }
        for Inside { range, name: part } in passwords::of_addresses(text) {
            let Some(value) = literal(&text[range.clone()]) else { continue };
            if !value.is_empty() {
                let wish = format!("{}_{part}", names::variable(name));
                self.add(at, start + range.start..start + range.end, false, value, wish, name);
            }
        }
    }

    fn command(&mut self, piece: &'p Piece, flow: bool) {
        if let Shape::Scalar(written) = &piece.shape {
            let at = Spot { file: self.file, piece, written, flow };
            return self.words(at, passwords::of_command(&written.text));
        }
        let flow = flow || piece.is_flow();
        let mut option: Option<String> = None;
        for item in piece.items() {
            let Shape::Scalar(written) = &item.shape else { continue };
            let at = Spot { file: self.file, piece: item, written, flow };
            let text = &written.text;
            if let Some(name) = option.take()
                && !text.starts_with('-')
            {
                let all = 0..text.len();
                self.words(at, vec![Inside { range: all, name: names::variable(&name) }]);
                continue;
            }
            let (name, value) = text.split_once('=').unzip();
            let named = passwords::secret_option(name.unwrap_or(text));
            if let (Some(name), Some(_), Some(value)) = (&named, name, value) {
                let all = text.len() - value.len()..text.len();
                self.words(at, vec![Inside { range: all, name: names::variable(name) }]);
                continue;
            }
            option = named;
            // A shell's command line is one of the items.
            self.words(at, passwords::of_command(text));
        }
    }

    fn words(&mut self, at: Spot<'p>, mut inside: Vec<Inside>) {
        self.finds.values.push(at);
        let addresses = passwords::of_addresses(&at.written.text).into_iter();
        let is_new = |new: &Inside| {
            inside
                .iter()
                .all(|old| old.range.end <= new.range.start || new.range.end <= old.range.start)
        };
        let addresses: Vec<Inside> = addresses.filter(is_new).collect();
        inside.extend(addresses);
        for Inside { range, name } in inside {
            let Some(value) = literal(&at.written.text[range.clone()]) else { continue };
            // What a shell puts in is none, nor is what `$$` leaves for it.
            if value.contains(['$', '`']) || names::is_harmless(&value) {
                continue;
            }
            let wish = match &self.service {
                Some(service) => format!("{}_{name}", names::variable(service)),
                None => name.clone(),
            };
            let holder = format!("--{}", name.to_lowercase().replace('_', "-"));
            self.add(at, range, false, value, wish, &holder);
        }
    }

    fn addresses(&mut self, piece: &'p Piece, flow: bool) {
        let flow = flow || piece.is_flow();
        for Entry { key, value } in piece.entries() {
            match &value.shape {
                Shape::Scalar(written) => {
                    self.variable(key.text().unwrap_or_default(), value, written, flow);
                }
                Shape::Sequence { .. } | Shape::Mapping { .. } => self.addresses(value, flow),
                Shape::Alias(_) => {}
            }
        }
    }

    fn volumes(&mut self, volumes: &'p Piece) {
        for Entry { value, .. } in volumes.entries() {
            if let Some(options) = value.get("driver_opts") {
                self.addresses(options, volumes.is_flow() || value.is_flow());
            }
        }
    }

    fn every_value(&mut self, piece: &'p Piece, flow: bool) {
        let flow = flow || piece.is_flow();
        if let Shape::Scalar(written) = &piece.shape {
            self.finds.values.push(Spot { file: self.file, piece, written, flow });
        }
        piece.entries().iter().for_each(|entry| self.every_value(&entry.value, flow));
    }

    fn add(
        &mut self,
        at: Spot<'p>,
        range: Range<usize>,
        whole: bool,
        value: String,
        wish: String,
        holder: &str,
    ) {
        let (value, holder) = (Hidden::new(value), holder.to_owned());
        let service = self.service.clone();
        self.finds.secrets.push(Found { at, range, whole, value, wish, holder, service });
    }
}

/// Whether `name` holds a secret; of a few names, only the value tells.
fn is_secret(name: &str, value: &str) -> bool {
    let lower = name.to_lowercase();
    let is_pair = !value.contains("://") && value.contains(['/', ':']);
    names::is_secret(name)
        || lower.ends_with("basicauth.users")
        || ((lower == "auth" || lower.ends_with("_auth")) && is_pair)
}

/// What `template` says, unless it has a variable in it.
pub fn literal(template: &str) -> Option<String> {
    if !variables(template).is_empty() {
        return None;
    }
    let expanded = interpolate::expand(template, &Nothing).ok()?;
    Some(expanded.text.reveal().to_owned())
}

fn variables(template: &str) -> std::collections::BTreeMap<String, interpolate::Usage> {
    interpolate::variables(&Node::new(Place::file(""), Value::text(template)))
}

fn has_default(template: &str) -> bool {
    let is_telling = |usage: interpolate::Usage| {
        usage
            .default
            .is_some_and(|default| literal(&default).is_some_and(|d| !names::is_harmless(&d)))
    };
    variables(template).into_values().any(is_telling)
}

struct Nothing;

impl Lookup for Nothing {
    fn get(&self, _name: &str) -> Option<Variable> {
        None
    }
}
