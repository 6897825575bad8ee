//! What the program said when it was run, and how it ended.

#![expect(clippy::expect_used, reason = "what a test cannot do without ends it")]

use std::process::Output;

use serde_json::Value;

/// A run of the program that has ended.
pub struct Said {
    /// The exit code.
    pub code: i32,
    /// Data.
    pub stdout: String,
    /// Progress, logs and errors.
    pub stderr: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("it was not killed"),
            stdout: String::from_utf8(output.stdout).expect("text"),
            stderr: String::from_utf8(output.stderr).expect("text"),
        }
    }
}

impl Said {
    /// Asserts the exit code.
    #[track_caller]
    pub fn ends(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        self
    }

    /// Asserts that `text` stands somewhere in what was printed.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        let said = format!("{}{}", self.stdout, self.stderr);
        assert!(said.contains(text), "nothing says {text:?}:\n{said}");
        self
    }

    /// The answer of a run with `--output json`.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).expect("JSON")
    }
}
