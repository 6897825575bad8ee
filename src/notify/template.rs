//! The operator's own form of a webhook's body.

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Value};

use super::{Message, Undelivered};

/// The JSON that `template` makes of `message`; every value is written as JSON by itself.
pub(super) fn render(template: &str, message: &Message) -> Result<String, Undelivered> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Json);
    // The error's long form quotes the message.
    let made = environment.render_str(template, Value::from(Serde(message)));
    let made = made.map_err(|error| {
        let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        Undelivered::new(format!("line {} of the template: {detail}", error.line().unwrap_or(1)))
    })?;
    match serde_json::from_str::<serde::de::IgnoredAny>(&made) {
        Ok(_) => Ok(made),
        Err(error) => Err(Undelivered::new(format!(
            "what the template makes is not JSON (line {}, column {} of it); values bring their \
             own quotes",
            error.line(),
            error.column()
        ))),
    }
}
