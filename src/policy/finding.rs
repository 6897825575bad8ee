//! What a stack asks for and a rule is about, and the lines that would allow it.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::rule::{Level, Rule};
use super::words::Exception;
use crate::model::{Place, ServiceName, StackName};

/// One thing that a stack asks for and that this host does not simply grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// What becomes of it: never [`Level::Allow`].
    pub level: Level,
    /// Who asks; `None` for what stands at the top of the manifest and belongs to no service.
    pub service: Option<ServiceName>,
    /// Where it stands.
    pub place: Option<Place>,
    /// The path of the value: `services.web.volumes[1]`.
    pub path: String,
    /// What is asked for, in one line. No value of the server's.
    pub what: String,
    /// What could come of it, in one line.
    pub why: &'static str,
    /// What an exception can be narrowed to; `None` where the rule has no values, and where the value is one of
    /// the server's.
    pub value: Option<String>,
    /// An item of `policy.exceptions` that allows this, as YAML on one line.
    pub allow: String,
    /// The last day of an exception that allowed this until then.
    pub over: Option<Date>,
}

/// What came of a stack that was gone through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// What is not simply granted, in the order of its services.
    pub found: Vec<Finding>,
    /// The exceptions that something was granted by, and the values of theirs that meant it, by their numbers.
    pub used: BTreeSet<(usize, Option<usize>)>,
}

/// The item of `policy.exceptions` for this.
pub fn exception(
    stack: &StackName,
    service: Option<&ServiceName>,
    rule: Rule,
    value: Option<&str>,
) -> String {
    let exception = Exception {
        stack: stack.clone(),
        service: service.cloned(),
        rule,
        values: value.into_iter().map(str::to_owned).collect(),
        reason: "why it needs it".to_owned(),
        until: None,
    };
    exception.line()
}

impl Exception {
    /// An item of `policy.exceptions`, as YAML on one line.
    pub fn line(&self) -> String {
        let Self { stack, service, rule, values, reason, until } = self;
        let service = service.as_ref();
        let service =
            service.map(|it| format!(", service: {}", scalar(it.as_str()))).unwrap_or_default();
        let values: Vec<String> = values.iter().map(|value| scalar(value)).collect();
        let values = match values.as_slice() {
            [] => String::new(),
            values => format!(", values: [{}]", values.join(", ")),
        };
        // JSON is YAML.
        let reason = serde_json::Value::from(reason.as_str());
        let until = until.map(|day| format!(", until: {day}")).unwrap_or_default();
        let (stack, rule) = (scalar(stack.as_str()), rule.word());
        format!("- {{stack: {stack}{service}, rule: {rule}{values}, reason: {reason}{until}}}")
    }
}

/// A text as YAML has it within braces: bare where nothing else could be meant.
pub fn scalar(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/_.-".contains(c);
    let begins = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '/');
    let words = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    let is_word = words.contains(&text.to_ascii_lowercase().as_str());
    match begins && !is_word && text.chars().all(is_plain) {
        true => text.to_owned(),
        // JSON is YAML.
        false => serde_json::Value::from(text).to_string(),
    }
}
