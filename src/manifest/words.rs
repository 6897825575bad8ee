//! A command written as one text, cut into words. No shell runs it.

/// Why a command cannot be cut into words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct WordsError {
    /// What is wrong.
    pub message: String,
    /// What to write in its place.
    pub hint: String,
}

/// Cuts `text` as Compose does, but refuses an unquoted `;`, `&`, `|`, `<` or `>`, where Compose
/// silently drops the rest.
///
/// A backslash takes the next character as it is, but within single quotes. `$(…)` and backticks are
/// kept as they stand, and the operators within them too; quotes within backticks vanish.
///
/// # Errors
/// An operator of a shell, or a quote or bracket that is not closed.
pub fn split(text: &str) -> Result<Vec<String>, WordsError> {
    let mut cutter = Cutter::default();
    for c in text.chars() {
        cutter.take(c)?;
    }
    cutter.finish()
}

#[derive(Default)]
struct Cutter {
    words: Vec<String>,
    word: String,
    /// The word has begun, even if it is empty so far.
    begun: bool,
    escaped: bool,
    quote: Option<char>,
    /// Inside `$(…)`.
    bracket: bool,
    backtick: bool,
}

impl Cutter {
    fn take(&mut self, c: char) -> Result<(), WordsError> {
        if std::mem::take(&mut self.escaped) {
            self.put(c);
        } else if c == '\\' && self.quote != Some('\'') {
            self.escaped = true;
        } else if self.quote == Some(c) {
            self.quote = None;
            self.begun = true;
        } else if self.quote.is_some() {
            self.put(c);
        } else {
            self.bare(c)?;
        }
        Ok(())
    }

    /// A character outside quotes.
    fn bare(&mut self, c: char) -> Result<(), WordsError> {
        match c {
            '\'' | '"' if !self.bracket => self.quote = Some(c),
            '`' if !self.bracket => {
                self.backtick = !self.backtick;
                self.put(c);
            }
            '(' if !self.in_command() && self.word.ends_with('$') => {
                self.bracket = true;
                self.put(c);
            }
            ')' if self.bracket => {
                self.bracket = false;
                self.put(c);
            }
            '(' if !self.backtick => return Err(operator(c)),
            _ if self.in_command() => self.put(c),
            ' ' | '\t' | '\r' | '\n' => self.end_word(),
            ';' | '&' | '|' | '<' | '>' | ')' => return Err(operator(c)),
            _ => self.put(c),
        }
        Ok(())
    }

    fn in_command(&self) -> bool {
        self.backtick || self.bracket
    }

    fn put(&mut self, c: char) {
        self.word.push(c);
        self.begun = true;
    }

    fn end_word(&mut self) {
        if std::mem::take(&mut self.begun) {
            self.words.push(std::mem::take(&mut self.word));
        }
    }

    fn finish(mut self) -> Result<Vec<String>, WordsError> {
        let open = match self.quote {
            Some(quote) => Some(quote),
            None if self.bracket => Some('('),
            None if self.backtick => Some('`'),
            None if self.escaped => Some('\\'),
            None => None,
        };
        if let Some(open) = open {
            return Err(WordsError {
                message: format!("the command has a `{open}` that is not closed"),
                hint: "close it, or write the command as a list of words".to_owned(),
            });
        }
        self.end_word();
        Ok(self.words)
    }
}

fn operator(c: char) -> WordsError {
    WordsError {
        message: format!("the command has an unquoted `{c}`, but no shell runs it"),
        hint: r#"write ["sh", "-c", "…"] if a shell is meant, or quote it"#.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(split(text).expect("a command"), expected, "{text}");
    }

    #[test]
    fn blanks_of_any_kind_part_words() {
        check("  run\t--fast\n now \n", &["run", "--fast", "now"]);
        check("", &[]);
    }

    #[test]
    fn quotes_hold_a_word_together_and_vanish() {
        check(r#"say --to="the world" 'a "b"'"#, &["say", "--to=the world", r#"a "b""#]);
        check(r#"x "" ''"#, &["x", "", ""]);
    }

    #[test]
    fn a_backslash_works_everywhere_but_in_single_quotes() {
        check(r#"a\ b "c\"d" 'e\f'"#, &["a b", "c\"d", r"e\f"]);
    }

    #[test]
    fn an_operator_in_quotes_is_text() {
        check("sh -c 'a && b > c; d'", &["sh", "-c", "a && b > c; d"]);
    }

    #[test]
    fn a_command_of_its_own_is_kept_as_it_stands() {
        check("echo $(ls | wc) `a;b`", &["echo", "$(ls | wc)", "`a;b`"]);
        check(r#"echo $(say "a b") `say "a b"`"#, &["echo", r#"$(say "a b")"#, "`say a b`"]);
    }

    #[test]
    fn a_bare_operator_is_refused_with_the_way_out() {
        for text in ["a && b", "a;b", "a | b", "run 2>&1", "< in", "(a b)", "$(a (b))", "a)"] {
            let error = split(text).expect_err(text);
            assert!(error.hint.contains(r#"["sh", "-c""#), "{error}");
        }
    }

    #[test]
    fn what_is_opened_has_to_be_closed() {
        for text in ["\"a", "'a", "$(a", "`a", "a\\"] {
            let error = split(text).expect_err(text);
            assert!(error.message.contains("not closed"), "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = split(&text);
        }

        #[test]
        fn plain_words_come_out_as_they_went_in(words in proptest::collection::vec("[a-z0-9=./-]+", 0..9)) {
            proptest::prop_assert_eq!(split(&words.join(" ")).expect("plain"), words);
        }
    }
}
