//! The text as a flat list of steps, with every limit checked.
//!
//! Nothing is expanded here: an alias is the number of the step it stands for.

use std::borrow::Cow;
use std::collections::BTreeMap;

use granit_parser::{
    ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput, Tag,
};

use super::super::excerpt::SourceText;
use super::super::node::text_weight;
use super::{At, Limits, small};
use crate::model::Problem;

/// How many documents one file may hold.
const MOST_DOCUMENTS: usize = 100;

/// One step through a document.
pub(super) struct Step<'t> {
    pub(super) at: At,
    pub(super) kind: Kind<'t>,
    /// The tag as written, such as `!reset` or `!!str`.
    pub(super) tag: Option<Box<str>>,
}

/// What a step is.
pub(super) enum Kind<'t> {
    Scalar {
        text: Cow<'t, str>,
        plain: bool,
    },
    Sequence,
    Mapping,
    /// The end of the innermost list or mapping.
    End,
    /// The value that begins at an earlier step once more.
    Alias(usize),
}

/// The documents of a text.
#[derive(Default)]
pub(super) struct Steps<'t> {
    pub(super) steps: Vec<Step<'t>>,
    /// The steps at which documents begin.
    pub(super) documents: Vec<usize>,
}

/// Why reading ended.
pub(super) struct Fault {
    code: &'static str,
    message: String,
    at: At,
}

impl Fault {
    fn new(code: &'static str, message: impl Into<String>, at: At) -> Self {
        Self { code, message: message.into(), at }
    }

    /// The fault as a problem, with its line.
    pub(super) fn problem(self, source: &SourceText) -> Problem {
        let place = self.at.place(source.file());
        let problem = source.problem_at(self.code, self.message, &place);
        let hint = match self.code {
            "too-deep" => "write it with fewer levels",
            "too-large" => "make several stacks of it",
            _ => syntax_hint(&problem.message, source, self.at.line),
        };
        problem.hint(hint)
    }
}

/// Reads `text` within `limits`.
pub(super) fn read<'t>(text: &'t str, limits: &Limits) -> Result<Steps<'t>, Fault> {
    // One more than allowed, so that the reader below is the one to notice.
    let depth = limits.nesting.saturating_add(1);
    let options = granit_parser::options! {
        flow_nesting_limit: depth,
        block_nesting_limit: depth,
    };
    let parser: Parser<'t, StrInput<'t>> = Parser::new_from_str_with_options(text, options);
    let mut reader = Reader::new(limits);
    for event in parser {
        let (event, span) = event.map_err(|error| syntax(&error, limits))?;
        reader.event(event, span)?;
    }
    Ok(reader.found)
}

fn syntax(error: &ScanError, limits: &Limits) -> Fault {
    let at = position(error.marker(), true);
    if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
        return too_deep(limits, at);
    }
    Fault::new("yaml-syntax", format!("this is not YAML: {}", error.info()), at)
}

/// What each of the parser's words means to somebody who wrote a manifest.
const SYNTAX_HINTS: [(&str, &str); 9] = [
    ("unknown anchor", "write `&name` at a value above before using it as `*name`"),
    ("quoted scalar", "close the quote that was opened above"),
    ("mismatched bracket", "close `[` with `]` and `{` with `}`"),
    ("unclosed bracket", "close it; a list is written `[a, b]`, a mapping `{a: b}`"),
    ("mapping values are not allowed", "put a text that has `: ` in it in quotes"),
    ("unexpected character", "put the text in quotes"),
    ("expected key", "begin all keys of a mapping below each other, with equally many blanks"),
    ("simple key expected", "write `key: value`, with a colon and a blank"),
    ("inside the value", "write out what is meant"),
];

fn syntax_hint(message: &str, source: &SourceText, line: u32) -> &'static str {
    if source.has_conflict() {
        return "git left a conflict in this file: choose a side, and remove the marks";
    }
    let indent = source.line(line).unwrap_or_default().chars().take_while(|c| c.is_whitespace());
    if indent.into_iter().any(|c| c == '\t') {
        return "indent with spaces: YAML takes no tabs there";
    }
    let known = SYNTAX_HINTS.iter().find(|(words, _)| message.contains(words));
    known
        .map_or("look at blanks, quotes and colons in this line and the one above", |known| known.1)
}

fn too_deep(limits: &Limits, at: At) -> Fault {
    Fault::new("too-deep", format!("nested more than {} levels deep", limits.nesting), at)
}

fn position(marker: &Marker, given: bool) -> At {
    At { line: small(marker.line()), column: small(marker.col() + 1), given }
}

/// A list or mapping whose end has not come.
struct Open {
    start: usize,
    anchor: usize,
    size: Size,
}

/// What a value comes to once its aliases are followed.
#[derive(Clone, Copy, Default)]
struct Size {
    nodes: usize,
    height: usize,
}

struct Reader<'t, 'l> {
    limits: &'l Limits,
    found: Steps<'t>,
    open: Vec<Open>,
    /// Complete values by anchor; one that is missing is still open.
    anchors: BTreeMap<usize, (usize, Size)>,
    nodes: usize,
    alias_nodes: usize,
}

impl<'t, 'l> Reader<'t, 'l> {
    fn new(limits: &'l Limits) -> Self {
        let found = Steps::default();
        Self { limits, found, open: Vec::new(), anchors: BTreeMap::new(), nodes: 0, alias_nodes: 0 }
    }

    fn event(&mut self, event: Event<'t>, span: Span) -> Result<(), Fault> {
        let at = position(&span.start, !span.is_empty());
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let nodes = 1 + text_weight(&text);
                let start = self.push(at, Kind::Scalar { text, plain }, tag)?;
                self.complete(start, anchor, Size { nodes, height: 0 });
            }
            Event::SequenceStart(_, anchor, tag) => self.begin(at, Kind::Sequence, anchor, tag)?,
            Event::MappingStart(_, anchor, tag) => self.begin(at, Kind::Mapping, anchor, tag)?,
            Event::SequenceEnd | Event::MappingEnd => self.end(at),
            Event::Alias(anchor) => self.alias(at, anchor)?,
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd => {}
            // Only on demand, and not demanded.
            Event::Anchor(..) | Event::UnresolvedAlias(_) | _ => {}
        }
        Ok(())
    }

    fn push(&mut self, at: At, kind: Kind<'t>, tag: Option<Cow<'t, Tag>>) -> Result<usize, Fault> {
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            let message = format!("more than {} keys and values", self.limits.nodes);
            return Err(Fault::new("too-large", message, at));
        }
        let start = self.found.steps.len();
        if self.open.is_empty() {
            self.found.documents.push(start);
        }
        if self.found.documents.len() > MOST_DOCUMENTS {
            let message = format!("more than {MOST_DOCUMENTS} documents");
            return Err(Fault::new("too-large", message, at));
        }
        let tag = tag.map(|tag| tag.original().into_boxed_str());
        self.found.steps.push(Step { at, kind, tag });
        Ok(start)
    }

    fn begin(
        &mut self,
        at: At,
        kind: Kind<'t>,
        anchor: usize,
        tag: Option<Cow<'t, Tag>>,
    ) -> Result<(), Fault> {
        if self.open.len() >= self.limits.nesting {
            return Err(too_deep(self.limits, at));
        }
        let start = self.push(at, kind, tag)?;
        self.open.push(Open { start, anchor, size: Size { nodes: 1, height: 0 } });
        Ok(())
    }

    fn end(&mut self, at: At) {
        self.found.steps.push(Step { at, kind: Kind::End, tag: None });
        if let Some(Open { start, anchor, size }) = self.open.pop() {
            self.complete(start, anchor, Size { height: size.height + 1, ..size });
        }
    }

    fn alias(&mut self, at: At, anchor: usize) -> Result<(), Fault> {
        let Some(&(start, size)) = self.anchors.get(&anchor) else {
            return Err(Fault::new("yaml-syntax", "an alias stands inside the value it names", at));
        };
        self.alias_nodes = self.alias_nodes.saturating_add(size.nodes);
        if self.alias_nodes > self.limits.alias_nodes {
            let message = format!("aliases add more than {} values", self.limits.alias_nodes);
            return Err(Fault::new("too-large", message, at));
        }
        if self.open.len() + size.height > self.limits.nesting {
            return Err(too_deep(self.limits, at));
        }
        let here = self.push(at, Kind::Alias(start), None)?;
        self.complete(here, 0, size);
        Ok(())
    }

    /// Books a complete value with its anchor, if it has one, and with what it stands in.
    fn complete(&mut self, start: usize, anchor: usize, size: Size) {
        if anchor != 0 {
            self.anchors.insert(anchor, (start, size));
        }
        if let Some(outer) = self.open.last_mut() {
            outer.size.nodes = outer.size.nodes.saturating_add(size.nodes);
            outer.size.height = outer.size.height.max(size.height);
        }
    }
}
