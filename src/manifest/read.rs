//! Reading typed values out of a [`Node`] tree; whatever does not fit is written down, and reading goes on.
//!
//! Nothing here knows a key of Compose. A value that a server's env file went into is never quoted.

use std::fmt;
use std::time::Duration;

use super::findings::Findings;
use super::node::{Node, Value};
use super::path::Step;
use super::{advice, path, units};
use crate::model::stack::Remark;
use crate::model::{Place, Problem, ServiceName};

/// A value, where it is, and where its problems go.
#[derive(Clone)]
pub struct At<'a> {
    /// The value.
    pub node: &'a Node,
    /// Its path: `services.api.ports[1]`.
    pub path: String,
    key_place: Option<&'a Place>,
    findings: &'a Findings,
}

impl fmt::Debug for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "At({})", self.path)
    }
}

/// An entry of `K=V` lists and of mappings alike.
#[derive(Debug)]
pub struct Pair<'a> {
    /// The name.
    pub key: String,
    /// The value; `None` where none is written.
    pub value: Option<String>,
    /// Where it stands.
    pub at: At<'a>,
}

impl<'a> At<'a> {
    /// The whole of a file, or of several that were merged.
    pub fn root(node: &'a Node, findings: &'a Findings) -> Self {
        Self { node, path: String::new(), key_place: None, findings }
    }

    /// Where the value starts.
    pub fn place(&self) -> &'a Place {
        &self.node.place
    }

    /// Where its key stands, or else the value.
    pub fn key_place(&self) -> &'a Place {
        self.key_place.unwrap_or(&self.node.place)
    }

    /// Whether only the server knows what it is.
    pub fn is_unknown(&self) -> bool {
        self.findings.is_excused(Some(&self.path), Some(self.place()))
    }

    /// Whether nothing is written.
    pub fn is_null(&self) -> bool {
        matches!(self.node.value, Value::Null)
    }

    /// Whether it is a single value.
    pub fn is_scalar(&self) -> bool {
        matches!(self.node.value, Value::Scalar(_))
    }

    /// Whether it is a mapping.
    pub fn is_mapping(&self) -> bool {
        matches!(self.node.value, Value::Mapping(_))
    }

    /// The field `key`, also where it is null.
    pub fn get(&self, key: &str) -> Option<At<'a>> {
        let Value::Mapping(fields) = &self.node.value else { return None };
        fields.get_key_value(key).map(|(key, field)| self.field(key, field))
    }

    /// The field `key`, if something is written there.
    pub fn value(&self, key: &str) -> Option<At<'a>> {
        self.get(key).filter(|at| !at.is_null())
    }

    /// The fields of a mapping; null has none, anything else is a problem.
    pub fn fields(&self) -> Vec<(&'a str, At<'a>)> {
        match &self.node.value {
            Value::Mapping(fields) => {
                fields.iter().map(|(key, field)| (key.as_str(), self.field(key, field))).collect()
            }
            Value::Null => Vec::new(),
            Value::Scalar(_) | Value::Sequence(_) => {
                self.expected("a mapping");
                Vec::new()
            }
        }
    }

    fn field(&self, key: &str, field: &'a super::node::Field) -> At<'a> {
        At {
            node: &field.node,
            path: path::field(&self.path, key),
            key_place: Some(&field.key_place),
            findings: self.findings,
        }
    }

    /// The items of a list; null has none, anything else is a problem.
    pub fn items(&self) -> Vec<At<'a>> {
        match &self.node.value {
            Value::Sequence(items) => self.listed(items),
            Value::Null => Vec::new(),
            Value::Scalar(_) | Value::Mapping(_) => {
                self.expected("a list");
                Vec::new()
            }
        }
    }

    fn listed(&self, items: &'a [Node]) -> Vec<At<'a>> {
        items.iter().enumerate().map(|(index, node)| self.listed_at(index, node)).collect()
    }

    fn listed_at(&self, index: usize, node: &'a Node) -> At<'a> {
        At { node, path: path::item(&self.path, index), key_place: None, findings: self.findings }
    }

    /// The item `index`, from 0, of a list.
    pub fn item(&self, index: usize) -> Option<At<'a>> {
        let Value::Sequence(items) = &self.node.value else { return None };
        items.get(index).map(|node| self.listed_at(index, node))
    }

    /// The items of a list, or the single value itself.
    pub fn one_or_more(&self) -> Vec<At<'a>> {
        if self.is_scalar() { vec![self.clone()] } else { self.items() }
    }

    /// A mapping of `K: V` or a list of `K=V`.
    pub fn pairs(&self) -> Vec<Pair<'a>> {
        if matches!(self.node.value, Value::Sequence(_)) {
            return self.items().into_iter().filter_map(At::equation).collect();
        }
        let pair = |(key, at): (&str, At<'a>)| match at.is_null() {
            true => Some(Pair { key: key.to_owned(), value: None, at }),
            false => {
                let value = at.plain_text()?;
                Some(Pair { key: key.to_owned(), value: Some(value), at })
            }
        };
        self.fields().into_iter().filter_map(pair).collect()
    }

    fn equation(self) -> Option<Pair<'a>> {
        let (key, value) = match self.text()?.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (self.text()?.to_owned(), None),
        };
        if key.is_empty() {
            self.wrong("has no name before the `=`");
            return None;
        }
        Some(Pair { key, value, at: self })
    }

    /// The text of a single value.
    pub fn text(&self) -> Option<&'a str> {
        match &self.node.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            Value::Null | Value::Sequence(_) | Value::Mapping(_) => {
                self.expected("a single value");
                None
            }
        }
    }

    /// The text of a single value as Compose prints it where any value may stand: `True` and `1.50` without
    /// quotes are no texts to it, but a boolean and a number.
    pub fn plain_text(&self) -> Option<String> {
        let text = self.text()?;
        let is_plain = matches!(&self.node.value, Value::Scalar(scalar) if scalar.plain);
        Some(if is_plain { plain_value(text) } else { text.to_owned() })
    }

    /// The text of a single value that must not be empty.
    pub fn filled(&self) -> Option<&'a str> {
        let text = self.text()?;
        if text.is_empty() {
            self.wrong("is empty");
            return None;
        }
        Some(text)
    }

    /// A single value that `read` makes sense of; its error completes "`<value>` …" or stands alone.
    pub fn parse<T>(&self, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        match read(self.text()?) {
            Ok(value) => Some(value),
            Err(why) => {
                self.invalid(&why);
                None
            }
        }
    }

    /// `true` or `false`.
    pub fn boolean(&self) -> Option<bool> {
        self.parse(units::boolean)
    }

    /// A whole number of the type asked for.
    pub fn integer<T: TryFrom<i64>>(&self) -> Option<T> {
        let number = self.parse(units::integer)?;
        let Ok(number) = T::try_from(number) else {
            self.wrong("is out of range");
            return None;
        };
        Some(number)
    }

    /// A whole number within bounds.
    pub fn between(&self, least: i64, most: i64) -> Option<i64> {
        let number = self.integer()?;
        if (least..=most).contains(&number) {
            return Some(number);
        }
        match most {
            i64::MAX => self.wrong(&format!("is less than {least}")),
            _ => self.wrong(&format!("is not between {least} and {most}")),
        }
        None
    }

    /// A whole number within bounds, or the 0 that means "none".
    pub fn zero_or_between(&self, least: i64, most: i64) -> Option<i64> {
        let is_zero = units::integer(self.text()?) == Ok(0);
        if is_zero { Some(0) } else { self.between(least, most) }
    }

    /// A duration.
    pub fn duration(&self) -> Option<Duration> {
        self.parse(units::duration)
    }

    /// A number of bytes.
    pub fn bytes(&self) -> Option<i64> {
        self.parse(units::bytes)
    }

    /// A file mode.
    pub fn mode(&self) -> Option<u32> {
        let plain = matches!(&self.node.value, Value::Scalar(scalar) if scalar.plain);
        self.parse(|text| units::mode(text, plain))
    }

    /// One of a few words.
    pub fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.other_than(&known, "is not known here");
        None
    }

    /// Says that the value is none of these words; `why` completes "`<value>` …".
    pub fn other_than(&self, words: &[&str], why: &str) {
        let problem = self.trouble("wrong-value", format!("{} {why}", self.shown()));
        self.findings.problem(problem.hint(self.advised(|text| advice::choice(text, words))));
    }

    /// Says that nothing has the name `name`, which is written here: completes `message`.
    pub fn undefined<'k>(
        &self,
        problem: Problem,
        name: &str,
        known: impl Iterator<Item = &'k str>,
        otherwise: &str,
    ) {
        // What is near to a value of the server's would tell it.
        let name = if self.node.sensitive { "" } else { name };
        self.findings.problem(problem.hint(advice::undefined(name, known, otherwise)));
    }

    fn advised(&self, advise: impl Fn(&str) -> String) -> String {
        match &self.node.value {
            Value::Scalar(scalar) if !self.node.sensitive => advise(&scalar.text),
            Value::Null | Value::Scalar(_) | Value::Sequence(_) | Value::Mapping(_) => advise(""),
        }
    }

    /// Says what is unknown or not supported among the fields; `x-…` is left to others.
    pub fn only(&self, known: &[&str], refused: &[(&str, &str)]) {
        let Value::Mapping(_) = &self.node.value else { return };
        for (key, at) in self.fields() {
            if known.contains(&key) || key.starts_with("x-") {
                continue;
            }
            match refused.iter().find(|(name, _)| *name == key) {
                Some((_, why)) => at.unsupported(key, why),
                None => at.unknown(key, known.iter().copied()),
            }
        }
    }

    /// An unknown key, with the known one that looks most like it, or where it belongs.
    pub fn unknown<'k>(&self, key: &str, known: impl Iterator<Item = &'k str>) {
        if self.findings.is_full() {
            return;
        }
        let known: Vec<&str> = known.collect();
        let problem = Problem::new("unknown-key", format!("unknown key `{key}`"));
        let problem = problem.at(self.key_place().clone()).path(&self.path);
        let is_service = || self.get("image").or_else(|| self.get("build")).is_some();
        let hint = match self.path == key && is_service() {
            true => {
                format!("a service stands below `services:`, so write `services: {{{key}: …}}`")
            }
            false => advice::unknown_key(key, &self.path, &known),
        };
        self.findings.problem(problem.hint(hint));
    }

    /// A key of Compose's that cannot be used here.
    pub fn unsupported(&self, key: &str, why: &str) {
        let message = match why.starts_with("not supported") {
            true => format!("`{key}` is {why}"),
            false => format!("`{key}` is not supported: {why}"),
        };
        let problem = Problem::new("unsupported-key", message);
        self.findings.problem(problem.at(self.key_place().clone()).path(&self.path));
    }

    /// The value has another shape than expected.
    pub fn expected(&self, what: &str) {
        let found = self.node.kind();
        let problem = self.trouble("wrong-type", format!("expected {what}, found {found}"));
        self.findings.problem(match self.glued().filter(|_| what.contains("mapping")) {
            Some(apart) => problem.hint(format!("put a blank behind the colon: `{apart}`")),
            None => problem,
        });
    }

    /// `image:nginx` with the blank that makes it a key and its value.
    fn glued(&self) -> Option<String> {
        let Value::Scalar(scalar) = &self.node.value else { return None };
        let (key, value) = scalar.text.split_once(':')?;
        let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        (scalar.plain && is_key && !self.node.sensitive).then(|| format!("{key}: {value}"))
    }

    /// A value that is not right: completes "`<value>` …".
    pub fn wrong(&self, why: &str) {
        self.problem("wrong-value", format!("{} {why}", self.shown()));
    }

    /// A value that is not right, in the words of whoever read it; they may quote the value.
    pub fn invalid(&self, why: &str) {
        match self.node.sensitive {
            true => self.problem("wrong-value", "a value of the server's makes no sense here"),
            false => self.problem("wrong-value", why),
        }
    }

    /// Adds a problem at this value.
    pub fn problem(&self, code: &'static str, message: impl Into<String>) {
        self.findings.problem(self.trouble(code, message));
    }

    /// A problem at this value, to be completed and handed to [`At::report`].
    pub fn trouble(&self, code: &'static str, message: impl Into<String>) -> Problem {
        let problem = Problem::new(code, message).at(self.place().clone());
        if self.path.is_empty() { problem } else { problem.path(&self.path) }
    }

    /// Adds a problem that is complete.
    pub fn report(&self, problem: Problem) {
        self.findings.problem(problem);
    }

    /// Adds a remark at this value; without `service`, it is about the one that the path leads into.
    pub fn remark(&self, service: Option<&ServiceName>, text: impl Into<String>) {
        self.findings.remark(Remark {
            place: Some(self.place().clone()),
            service: service.cloned().or_else(|| self.service()),
            text: text.into(),
        });
    }

    /// The service that the path leads into.
    pub fn service(&self) -> Option<ServiceName> {
        match path::steps(&self.path).as_slice() {
            [Step::Key(top), Step::Key(name), ..] if top == "services" => {
                Some(ServiceName::new(name))
            }
            _ => None,
        }
    }

    /// `part` of the value for a message, unless the value is one of the server's.
    pub fn quoted(&self, part: &str) -> String {
        if self.node.sensitive { "the value".to_owned() } else { format!("`{part}`") }
    }

    /// The value for a message: quoted, unless it is one of the server's.
    pub fn shown(&self) -> String {
        match &self.node.value {
            Value::Scalar(_) if self.node.sensitive => "the value".to_owned(),
            Value::Scalar(scalar) => format!("`{}`", scalar.text),
            Value::Null | Value::Sequence(_) | Value::Mapping(_) => self.node.kind().to_owned(),
        }
    }
}

/// A boolean or a number the way Go prints it; any other text as it is.
pub fn plain_value(text: &str) -> String {
    match text {
        "true" | "True" | "TRUE" => return "true".to_owned(),
        "false" | "False" | "FALSE" => return "false".to_owned(),
        _ => {}
    }
    let is_float = text.contains('.')
        && text.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c))
        && text.len() <= 16;
    // A leading zero makes a number octal for Go, as `0x` makes it hexadecimal.
    let has_base = text.len() > 1 && text.trim_start_matches('-').starts_with(['0', '+']);
    if let (true, false, Ok(number)) = (has_base, is_float, units::integer(text)) {
        return number.to_string();
    }
    match text.parse::<f64>() {
        Ok(number) if is_float => number.to_string(),
        Ok(_) | Err(_) => text.to_owned(),
    }
}
