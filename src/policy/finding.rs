//! What a stack asks for and a rule is about, and the lines that would allow it.

use crate::model::{Place, ServiceName, StackName};

use super::rule::{Level, Rule};

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
}

/// The item of `policy.exceptions` for this.
pub fn exception(
    stack: &StackName,
    service: Option<&ServiceName>,
    rule: Rule,
    value: Option<&str>,
) -> String {
    let service =
        service.map(|name| format!(", service: {}", scalar(name.as_str()))).unwrap_or_default();
    let values = value.map(|value| format!(", values: [{}]", scalar(value))).unwrap_or_default();
    let (stack, rule) = (scalar(stack.as_str()), rule.word());
    format!("- {{stack: {stack}{service}, rule: {rule}{values}, reason: \"why it needs it\"}}")
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
