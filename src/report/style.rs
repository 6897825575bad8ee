//! The palette of texts: five ways of writing, or none.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// A terminal that claims less cannot show a table anyway.
const NARROWEST: u16 = 20;

/// How texts are written. Whether there are colours (terminal, `--color`, `NO_COLOR`) is the caller's choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// With ANSI colours.
    pub color: bool,
    /// The columns of the terminal; `None` where tables are as wide as they are.
    pub width: Option<u16>,
}

impl Style {
    /// Without colours.
    pub const PLAIN: Self = Self { color: false, width: None };

    /// A line of a table, as much of it as the terminal has room for; without colours, which have no width.
    pub fn fit(self, line: &str) -> String {
        let room = self.width.map(|width| usize::from(width.max(NARROWEST)));
        let Some(room) = room.filter(|room| line.width() > *room) else { return line.to_owned() };
        let mut used = 1;
        let fits = |c: &char| {
            used += c.width().unwrap_or(0);
            used <= room
        };
        let kept: String = line.chars().take_while(fits).collect();
        format!("{}…", kept.trim_end())
    }

    /// What is well.
    pub fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// What changes or waits.
    pub fn warn(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// What is wrong.
    pub fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// Names and headings.
    pub fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// What stands back.
    pub fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// `text` on one line and without control characters, which could repaint a terminal.
pub fn one_line(text: &str) -> String {
    text.trim_end().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_at_the_terminals_edge_by_what_is_seen_of_it() {
        let check = |line: &str, width, expected: &str| {
            assert_eq!(Style { width, ..Style::PLAIN }.fit(line), expected);
        };
        let line = "12345 7890 234567890 2";
        check(line, None, line);
        check(line, Some(22), line);
        check(line, Some(21), "12345 7890 234567890…");
        check(line, Some(3), "12345 7890 23456789…");
        // Each of these takes two columns.
        check("漢字漢字漢字漢字漢字漢", Some(20), "漢字漢字漢字漢字漢…");
    }
}
