//! One text with variables in it: Compose Specification, chapter "Interpolation".
//!
//! Defaults and messages are read only when they are needed, so a mistake in one that is not used does
//! no harm, as in Compose.

use std::collections::BTreeMap;
use std::ops::Range;

use indexmap::IndexSet;

use super::Lookup;
use crate::model::Hidden;

/// How deep defaults may nest within defaults.
const DEEPEST: usize = 32;

/// What one text may come to, in bytes.
const LARGEST: usize = 1024 * 1024;

/// How a tree uses a variable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Somewhere it is used without a default, so that it has to be set.
    pub needed: bool,
    /// Somewhere it is required with `:?` or `?`.
    pub required: bool,
    /// The first default that is written for it.
    pub default: Option<String>,
    /// The first text that is written for the case that it is set, with `:+` or `+`.
    pub presence: Option<String>,
}

/// A text with its variables replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expanded {
    /// The text.
    pub text: Hidden,
    /// Whether a value of the server's env files went into it.
    pub from_server: bool,
    /// Variables that are unset and have no default; nothing was put in their place.
    pub unset: Vec<String>,
}

/// Why a template cannot be expanded. Never carries a value, but may carry what the file says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A `${` that begins no variable.
    #[error("`{0}` is not a variable")]
    Invalid(String),
    /// A variable is required with `:?` or `?`.
    #[error("variable `{name}` is required{}{message}", if message.is_empty() { "" } else { ": " })]
    Required {
        /// The variable.
        name: String,
        /// What the author of the file wrote; may be empty.
        message: String,
    },
    /// A variable is unset and has no default, in a text that has other errors.
    #[error("variable `{name}` is not set and has no default")]
    Unset {
        /// The variable.
        name: String,
    },
    /// Defaults within defaults within defaults.
    #[error("variables nest more than {DEEPEST} deep")]
    TooDeep,
    /// Long variables, used often.
    #[error("variables make this value larger than {LARGEST} bytes")]
    TooLarge,
}

/// `text` with its variables replaced, wherever it stands.
///
/// # Errors
/// Every variable in it that is malformed, or required and not set; then also every unset one.
pub fn expand(text: &str, vars: &dyn Lookup) -> Result<Expanded, Vec<TemplateError>> {
    let mut out = Output::new(vars);
    out.template(text, 0);
    if out.errors.is_empty() {
        let Output { text, from_server, unset, .. } = out;
        let unset = unset.into_iter().collect();
        return Ok(Expanded { text: Hidden::new(text), from_server, unset });
    }
    out.errors.extend(out.unset.into_iter().map(|name| TemplateError::Unset { name }));
    Err(out.errors)
}

/// A piece of a template, where it is written, and what it came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its bytes in the template; of a variable, with its dollar sign and braces.
    pub written: Range<usize>,
    /// What it came to.
    pub value: Hidden,
    /// What it is.
    pub kind: PartKind,
    /// The whole variable, if this is a part of its default, or of what it is if set; otherwise as `written`.
    pub outer: Range<usize>,
}

/// What a piece of a template is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartKind {
    /// Text, also that of a default that counts.
    Text,
    /// The value of this variable.
    Variable(String),
    /// This variable, which nothing sets, and which has no default.
    Unset(String),
}

/// The pieces that `text` is made of, in their order; what they come to, together, is what [`expand`] gives.
/// What is malformed is passed over.
pub fn parts(text: &str, vars: &dyn Lookup) -> Vec<Part> {
    let mut found = Vec::new();
    add_parts(text, 0, None, vars, &mut found, 0);
    found
}

fn add_parts(
    text: &str,
    offset: usize,
    outer: Option<Range<usize>>,
    vars: &dyn Lookup,
    found: &mut Vec<Part>,
    depth: usize,
) {
    let mut pieces = Pieces { rest: text };
    let mut start = offset;
    while let Some(piece) = pieces.next() {
        let end = offset + text.len() - pieces.rest.len();
        let written = start..end;
        start = end;
        let whole = outer.clone().unwrap_or_else(|| written.clone());
        let part = |value: &str, kind| Part {
            written: written.clone(),
            value: Hidden::new(value),
            kind,
            outer: whole.clone(),
        };
        let variable = match piece {
            Piece::Text(text) => {
                found.push(part(text, PartKind::Text));
                continue;
            }
            Piece::Invalid(_) => continue,
            Piece::Variable(variable) => variable,
        };
        let counts = |text: &str| !(variable.colon && text.is_empty());
        let set = vars.get(variable.name).filter(|found| counts(found.value.reveal()));
        // Behind what is written of a default stands the brace.
        let inside = (written.end - 1).saturating_sub(variable.text.len());
        match (variable.operator, set) {
            (Operator::Presence, None) => {}
            (Operator::Presence, Some(_)) | (Operator::Default, None) if depth < DEEPEST => {
                let text = variable.text;
                add_parts(text, inside, Some(whole.clone()), vars, found, depth + 1);
            }
            (Operator::Presence, Some(_)) | (Operator::Default, None) => {}
            (Operator::None | Operator::Required, None) => {
                found.push(part("", PartKind::Unset(variable.name.to_owned())));
            }
            (Operator::None | Operator::Default | Operator::Required, Some(value)) => {
                let kind = PartKind::Variable(variable.name.to_owned());
                found.push(part(value.value.reveal(), kind));
            }
        }
    }
}

/// Adds the variables of `text` to `found`; what is malformed is passed over.
pub(super) fn collect(text: &str, found: &mut BTreeMap<String, Usage>) {
    collect_to(text, found, 0);
}

fn collect_to(text: &str, found: &mut BTreeMap<String, Usage>, depth: usize) {
    let pieces = Pieces { rest: text };
    for variable in pieces.filter_map(Piece::variable) {
        let usage = found.entry(variable.name.to_owned()).or_default();
        let written = Some(variable.text.to_owned());
        match variable.operator {
            Operator::None => usage.needed = true,
            Operator::Required => (usage.needed, usage.required) = (true, true),
            Operator::Default if usage.default.is_none() => usage.default = written,
            Operator::Presence if usage.presence.is_none() => usage.presence = written,
            Operator::Default | Operator::Presence => {}
        }
        if depth < DEEPEST {
            collect_to(variable.text, found, depth + 1);
        }
    }
}

/// A part of a template.
#[derive(Clone, Copy)]
enum Piece<'t> {
    Text(&'t str),
    Variable(Variable<'t>),
    /// From a `${` that begins no variable to the end.
    Invalid(&'t str),
}

/// `${name:-text}` and the like.
#[derive(Clone, Copy)]
struct Variable<'t> {
    name: &'t str,
    operator: Operator,
    /// With a colon, an empty value counts as unset.
    colon: bool,
    text: &'t str,
}

#[derive(Clone, Copy, PartialEq)]
enum Operator {
    None,
    Default,
    Required,
    Presence,
}

impl<'t> Piece<'t> {
    fn variable(self) -> Option<Variable<'t>> {
        match self {
            Self::Variable(variable) => Some(variable),
            Self::Text(_) | Self::Invalid(_) => None,
        }
    }
}

/// Cuts a template into its pieces.
struct Pieces<'t> {
    rest: &'t str,
}

impl<'t> Iterator for Pieces<'t> {
    type Item = Piece<'t>;

    fn next(&mut self) -> Option<Piece<'t>> {
        if self.rest.is_empty() {
            return None;
        }
        let dollar = self.rest.find('$').unwrap_or(self.rest.len());
        if dollar > 0 {
            return Some(Piece::Text(self.take(dollar)));
        }
        let after = &self.rest[1..];
        if after.starts_with('$') {
            self.take(1);
            return Some(Piece::Text(self.take(1)));
        }
        if after.starts_with('{') {
            return Some(self.braced());
        }
        let name = name_length(after);
        let whole = self.take(1 + name);
        Some(match name {
            // A dollar sign before anything else is just that.
            0 => Piece::Text(whole),
            _ => Piece::Variable(Variable {
                name: &whole[1..],
                operator: Operator::None,
                colon: false,
                text: "",
            }),
        })
    }
}

impl<'t> Pieces<'t> {
    fn take(&mut self, length: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn braced(&mut self) -> Piece<'t> {
        let variable =
            closing_brace(self.rest).and_then(|end| Some((end, inside(&self.rest[2..end])?)));
        match variable {
            Some((end, variable)) => {
                self.take(end + 1);
                Piece::Variable(variable)
            }
            None => Piece::Invalid(self.take(self.rest.len())),
        }
    }
}

/// Where the `${` at the start of `text` is closed. A lone `{` opens nothing, and a variable ends on
/// the line it begins on, as in Compose.
fn closing_brace(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    for (index, byte) in bytes.iter().enumerate() {
        match byte {
            b'$' if bytes.get(index + 1) == Some(&b'{') => depth += 1,
            b'}' if depth == 1 => return Some(index),
            b'}' => depth = depth.saturating_sub(1),
            b'\n' => return None,
            _ => {}
        }
    }
    None
}

/// Reads what stands between the braces.
fn inside(text: &str) -> Option<Variable<'_>> {
    let (name, rest) = text.split_at(name_length(text));
    if name.is_empty() {
        return None;
    }
    let (colon, rest) = match rest.strip_prefix(':') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let operator = match rest.chars().next() {
        None if !colon => Operator::None,
        Some('-') => Operator::Default,
        Some('?') => Operator::Required,
        Some('+') => Operator::Presence,
        None | Some(_) => return None,
    };
    Some(Variable { name, operator, colon, text: rest.get(1..).unwrap_or_default() })
}

/// The length of the name that `text` begins with; 0 if it begins with none.
fn name_length(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// What comes out of a template.
struct Output<'v> {
    vars: &'v dyn Lookup,
    text: String,
    from_server: bool,
    unset: IndexSet<String>,
    errors: Vec<TemplateError>,
}

impl<'v> Output<'v> {
    fn new(vars: &'v dyn Lookup) -> Self {
        Self {
            vars,
            text: String::new(),
            from_server: false,
            unset: IndexSet::new(),
            errors: Vec::new(),
        }
    }

    fn template(&mut self, template: &str, depth: usize) {
        if depth > DEEPEST {
            return self.errors.push(TemplateError::TooDeep);
        }
        for piece in (Pieces { rest: template }) {
            if self.errors.last() == Some(&TemplateError::TooLarge) {
                return;
            }
            match piece {
                Piece::Text(text) => self.put(text),
                Piece::Variable(variable) => self.variable(variable, depth),
                Piece::Invalid(text) => {
                    self.errors.push(TemplateError::Invalid(beginning(text)));
                }
            }
        }
    }

    fn put(&mut self, text: &str) {
        if self.text.len() + text.len() > LARGEST {
            return self.errors.push(TemplateError::TooLarge);
        }
        self.text.push_str(text);
    }

    fn variable(&mut self, variable: Variable<'_>, depth: usize) {
        let value = self.vars.get(variable.name);
        let counts = |text: &str| !(variable.colon && text.is_empty());
        let set = value.filter(|found| counts(found.value.reveal()));
        match (variable.operator, set) {
            (Operator::Presence, None) => {}
            (Operator::Presence, Some(_)) | (Operator::Default, None) => {
                self.template(variable.text, depth + 1);
            }
            (Operator::Required, None) => self.required(variable, depth),
            (Operator::None, None) => {
                self.unset.insert(variable.name.to_owned());
            }
            (Operator::None | Operator::Default | Operator::Required, Some(found)) => {
                self.from_server |= found.from_server;
                self.put(found.value.reveal());
            }
        }
    }

    /// The message may hold variables itself; a server value among them is left unexpanded.
    fn required(&mut self, variable: Variable<'_>, depth: usize) {
        let mut message = Self::new(self.vars);
        message.template(variable.text, depth + 1);
        let safe = message.errors.is_empty() && !message.from_server;
        let message = if safe { message.text } else { variable.text.to_owned() };
        self.errors.push(TemplateError::Required { name: variable.name.to_owned(), message });
    }
}

/// Enough of a malformed variable to find it again.
fn beginning(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(40) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line.to_owned(),
    }
}
