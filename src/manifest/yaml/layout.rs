//! The text as it was written: every value with the bytes it takes up, for whoever edits a file in place.
//!
//! Nothing is followed or merged here: an alias is an alias, and `<<` is a key like any other. What a file
//! means is in the trees of [`super::parse`]; whether it can be read at all is decided there too.

use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput, StructureStyle};

/// One value as it is written.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Its bytes in the text, without its anchor, its tag or a comment. Of a list or mapping in blocks, they
    /// reach to the end of its last value.
    pub span: Range<usize>,
    /// What it is.
    pub shape: Shape,
    /// The number of its anchor; 0 where it has none.
    pub anchor: usize,
}

/// What is written.
#[derive(Clone, Debug)]
pub enum Shape {
    /// A single value.
    Scalar(Written),
    /// The value with this anchor once more.
    Alias(usize),
    /// A list.
    Sequence {
        /// Written in brackets.
        flow: bool,
        /// Its values.
        items: Vec<Piece>,
    },
    /// A mapping.
    Mapping {
        /// Written in braces.
        flow: bool,
        /// Keys and values.
        entries: Vec<Entry>,
    },
}

/// An entry of a mapping.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: Piece,
    /// The value; where nothing is written, its span is empty.
    pub value: Piece,
}

/// A single value as it is written.
#[derive(Clone, Debug)]
pub struct Written {
    /// What it says, unquoted and unfolded.
    pub text: String,
    /// How it is written.
    pub style: Style,
}

/// How a single value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As it is.
    Plain,
    /// In single quotes.
    Single,
    /// In double quotes.
    Double,
    /// As a block, behind `|` or `>`.
    Block,
}

impl Piece {
    /// The text of a single value.
    pub fn text(&self) -> Option<&str> {
        match &self.shape {
            Shape::Scalar(written) => Some(&written.text),
            Shape::Alias(_) | Shape::Sequence { .. } | Shape::Mapping { .. } => None,
        }
    }

    /// The entries of a mapping; anything else has none.
    pub fn entries(&self) -> &[Entry] {
        match &self.shape {
            Shape::Mapping { entries, .. } => entries,
            Shape::Scalar(_) | Shape::Alias(_) | Shape::Sequence { .. } => &[],
        }
    }

    /// The values of a list; anything else has none.
    pub fn items(&self) -> &[Piece] {
        match &self.shape {
            Shape::Sequence { items, .. } => items,
            Shape::Scalar(_) | Shape::Alias(_) | Shape::Mapping { .. } => &[],
        }
    }

    /// The entry `key` of a mapping.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key.text() == Some(key))
    }

    /// The value of the entry `key`.
    pub fn get(&self, key: &str) -> Option<&Piece> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// Whether it is a list or mapping in brackets or braces.
    pub fn is_flow(&self) -> bool {
        match self.shape {
            Shape::Sequence { flow, .. } | Shape::Mapping { flow, .. } => flow,
            Shape::Scalar(_) | Shape::Alias(_) => false,
        }
    }
}

/// The documents of `text`, which [`super::parse`] has read without a problem; of any other text as far as
/// it goes.
pub fn layout(text: &str) -> Vec<Piece> {
    let start = text.len() - text.trim_start_matches('\u{feff}').len();
    let parser: Parser<'_, StrInput<'_>> = Parser::new_from_str(&text[start..]);
    let mut reader = Reader { offset: start, text, open: Vec::new(), documents: Vec::new() };
    for (event, span) in parser.map_while(Result::ok) {
        reader.event(event, span);
    }
    reader.documents
}

struct Reader<'t> {
    /// Where the parser's text begins.
    offset: usize,
    text: &'t str,
    open: Vec<Open>,
    documents: Vec<Piece>,
}

/// A list or mapping whose end has not come; of a mapping, keys and values in turn.
struct Open {
    start: usize,
    anchor: usize,
    flow: bool,
    mapping: bool,
    pieces: Vec<Piece>,
}

impl Reader<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) {
        let span = self.range(span);
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let style = style_of(style);
                let span = match style {
                    Style::Block => self.block(span),
                    Style::Plain | Style::Single | Style::Double => span,
                };
                let shape = Shape::Scalar(Written { text: text.into_owned(), style });
                self.add(Piece { span, shape, anchor });
            }
            Event::Alias(id) => self.add(Piece { span, shape: Shape::Alias(id), anchor: 0 }),
            Event::SequenceStart(style, anchor, _) => self.begin(&span, style, anchor, false),
            Event::MappingStart(style, anchor, _) => self.begin(&span, style, anchor, true),
            Event::SequenceEnd | Event::MappingEnd => self.end(&span),
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd => {}
            // Only on demand, and not demanded.
            Event::Anchor(..) | Event::UnresolvedAlias(_) | _ => {}
        }
    }

    fn range(&self, span: Span) -> Range<usize> {
        let range = span.byte_range().unwrap_or_default();
        range.start + self.offset..range.end + self.offset
    }

    /// From the `|` or `>` to the end of the last line; the parser's span is that of the lines.
    fn block(&self, lines: Range<usize>) -> Range<usize> {
        let written = self.text.get(lines.clone()).unwrap_or_default();
        let end = lines.start + written.trim_end().len();
        let before = self.text.get(..lines.start).unwrap_or_default().trim_end();
        let line = before.rfind('\n').map_or(0, |at| at + 1);
        let start = header_start(&before[line..]).map_or(lines.start, |at| line + at);
        start..end.max(start)
    }

    fn begin(&mut self, span: &Range<usize>, style: StructureStyle, anchor: usize, mapping: bool) {
        let flow = style == StructureStyle::Flow;
        self.open.push(Open { start: span.start, anchor, flow, mapping, pieces: Vec::new() });
    }

    fn end(&mut self, span: &Range<usize>) {
        let Some(Open { start, anchor, flow, mapping, pieces }) = self.open.pop() else { return };
        let start = match pieces.first() {
            Some(first) if !flow && mapping => first.span.start.min(start),
            Some(_) | None => start,
        };
        let last = pieces.last().map_or(start, |piece| piece.span.end);
        let end = if flow { span.end } else { last.max(start) };
        let shape = match mapping {
            false => Shape::Sequence { flow, items: pieces },
            true => Shape::Mapping { flow, entries: paired(pieces) },
        };
        self.add(Piece { span: start..end, shape, anchor });
    }

    fn add(&mut self, piece: Piece) {
        match self.open.last_mut() {
            Some(open) => open.pieces.push(piece),
            None => self.documents.push(piece),
        }
    }
}

fn paired(pieces: Vec<Piece>) -> Vec<Entry> {
    let mut entries = Vec::with_capacity(pieces.len() / 2);
    let mut pieces = pieces.into_iter();
    while let (Some(key), Some(value)) = (pieces.next(), pieces.next()) {
        entries.push(Entry { key, value });
    }
    entries
}

/// Where the header of a block begins in its line: an indicator, at most two more signs, maybe a comment.
fn header_start(line: &str) -> Option<usize> {
    let is_header = |at: &usize| {
        let rest =
            line[at + 1..].trim_start_matches(|c: char| "+-".contains(c) || c.is_ascii_digit());
        let comment = rest.trim_start();
        rest.is_empty()
            || comment.is_empty()
            || (comment.len() < rest.len() && comment.starts_with('#'))
    };
    line.match_indices(['|', '>']).map(|(at, _)| at).find(is_header)
}

fn style_of(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::Single,
        ScalarStyle::DoubleQuoted => Style::Double,
        ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every value of `text` that is no list or mapping, as it is written there.
    fn written(text: &str) -> Vec<&str> {
        fn walk<'t>(piece: &Piece, text: &'t str, found: &mut Vec<&'t str>) {
            match &piece.shape {
                Shape::Scalar(_) | Shape::Alias(_) => found.push(&text[piece.span.clone()]),
                Shape::Sequence { items, .. } => items.iter().for_each(|i| walk(i, text, found)),
                Shape::Mapping { entries, .. } => {
                    for entry in entries {
                        walk(&entry.key, text, found);
                        walk(&entry.value, text, found);
                    }
                }
            }
        }
        let mut found = Vec::new();
        layout(text).iter().for_each(|piece| walk(piece, text, &mut found));
        found
    }

    #[test]
    fn a_single_value_takes_up_its_own_bytes_and_no_more() {
        let text = "a: &x b c  # d\n'e': \"f\\n\" # g\nh: *x\ni:\nj: !!str k\n";
        assert_eq!(written(text), ["a", "b c", "'e'", "\"f\\n\"", "h", "*x", "i", "", "j", "k"]);
    }

    #[test]
    fn a_value_of_several_lines_ends_with_its_last_line() {
        let text = "a: | # x\n  b\n  c\n\n# d\ne: f\n  g\nh: !t >-\n\n  i\nj: |+\n  k\n";
        let expected = ["a", "| # x\n  b\n  c", "e", "f\n  g", "h", ">-\n\n  i", "j", "|+\n  k"];
        assert_eq!(written(text), expected);
    }

    #[test]
    fn places_count_bytes_behind_a_byte_order_mark_and_wide_letters() {
        assert_eq!(
            written("\u{feff}ä: [ö, \"ü\"]\r\nx: {y: z}\r\n"),
            ["ä", "ö", "\"ü\"", "x", "y", "z"]
        );
    }

    #[test]
    fn a_list_or_mapping_reaches_to_the_end_of_its_last_value() {
        let text = "a:\n  - b: c\n    d: e # f\n\ng: [h, i] # j\n";
        let documents = layout(text);
        let span = |key: &str| text[documents[0].get(key).unwrap().span.clone()].to_owned();
        assert_eq!(span("a"), "- b: c\n    d: e");
        assert_eq!(span("g"), "[h, i]");
    }
}
