//! One run of the program: how it ended and what it printed.

use std::process::Output;

use serde_json::Value;

/// A run that is over.
pub struct Run {
    /// The exit code.
    pub code: i32,
    /// Data.
    pub stdout: String,
    /// Progress, logs and errors.
    pub stderr: String,
    id: String,
}

impl Run {
    /// Takes the host's `id` out of all names, so that expectations can be written down.
    pub fn new(output: &Output, id: &str) -> Self {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().unwrap_or(-1);
        Self { code, stdout: text(&output.stdout), stderr: text(&output.stderr), id: id.to_owned() }
    }

    /// Asserts the exit code.
    #[track_caller]
    pub fn ends(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "exit code\n{}", self.everything());
        self
    }

    /// Asserts what happened to the services that something happened to, as `stack/service verdict outcome`.
    #[track_caller]
    pub fn does(&self, expected: &[&str]) -> &Self {
        let idle =
            |line: &String| line.ends_with(" in-sync unchanged") || line.ends_with(" in-sync");
        let mut done = self.services();
        done.retain(|line| !idle(line));
        assert_eq!(done, expected, "what was done\n{}", self.everything());
        self
    }

    /// Asserts that `text` stands somewhere in what was printed.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        let everything = self.everything();
        assert!(everything.contains(text), "nothing says `{text}`\n{everything}");
        self
    }

    /// Asserts that a difference of `field` is among the reasons given for `service` (`stack/service`).
    #[track_caller]
    pub fn because(&self, service: &str, field: &str) -> &Self {
        let reasons = self.reasons(service);
        let named = reasons
            .iter()
            .any(|reason| reason["field"].as_str().is_some_and(|name| name.starts_with(field)));
        assert!(named, "{service} has no reason `{field}`: {reasons:?}\n{}", self.everything());
        self
    }

    /// The answer of a run with `--output json`.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON: {error}\n{}", self.everything()))
    }

    /// The stack as the JSON answer has it.
    #[track_caller]
    pub fn stack(&self, name: &str) -> Value {
        let answer = self.json();
        let stacks = answer["stacks"].as_array().cloned().unwrap_or_default();
        let found = stacks.into_iter().find(|stack| self.short(&stack["stack"]) == name);
        found.unwrap_or_else(|| panic!("no stack {name}\n{}", self.everything()))
    }

    /// Both streams, for messages.
    pub fn everything(&self) -> String {
        format!("exit code {}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
            .replace(&format!("-{}", self.id), "")
    }

    fn services(&self) -> Vec<String> {
        let answer = self.json();
        let stacks = answer["stacks"].as_array().unwrap();
        let mut lines: Vec<String> =
            stacks.iter().flat_map(|stack| self.services_of(stack)).collect();
        lines.sort();
        lines
    }

    fn services_of(&self, stack: &Value) -> Vec<String> {
        let services = stack["services"].as_array().cloned().unwrap_or_default();
        let line = |service: &Value| {
            let name = service["service"].as_str().unwrap_or_default();
            let words = ["verdict", "outcome"].map(|key| service[key].as_str().unwrap_or_default());
            format!("{}/{name} {}", self.short(&stack["stack"]), words.join(" "))
                .trim_end()
                .to_owned()
        };
        services.iter().map(line).collect()
    }

    fn reasons(&self, service: &str) -> Vec<Value> {
        let (stack, service) = service.split_once('/').unwrap();
        let services = self.stack(stack)["services"].as_array().cloned().unwrap_or_default();
        let found = services.iter().find(|candidate| candidate["service"] == service);
        found.and_then(|service| service["reasons"].as_array().cloned()).unwrap_or_default()
    }

    fn short(&self, name: &Value) -> String {
        name.as_str().unwrap_or_default().replace(&format!("-{}", self.id), "")
    }
}
