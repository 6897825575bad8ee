//! `notify` as it is written, key by key.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Tls;

/// Somebody who is told what happened: one of `webhook`, `slack`, `discord`, `ntfy`, `gotify`, `telegram`, `email`
/// and `command`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Recipient {
    /// What `evenkeel notify test` and log lines call it; the word of its kind where it is left out.
    pub(super) name: Option<String>,
    /// What it is told of; all of it where it is left out.
    pub(super) events: Option<Vec<EventWord>>,
    /// Globs of stacks it is told of; everything where it is left out. With it, what concerns no stack is not told.
    pub(super) stacks: Option<Vec<String>>,
    /// JSON by HTTP, to a program of your own.
    pub(super) webhook: Option<Webhook>,
    /// An incoming webhook of Slack.
    pub(super) slack: Option<Hook>,
    /// A webhook of Discord.
    pub(super) discord: Option<Hook>,
    /// A topic of an ntfy server.
    pub(super) ntfy: Option<Ntfy>,
    /// An application of a Gotify server.
    pub(super) gotify: Option<Gotify>,
    /// A chat of a Telegram bot.
    pub(super) telegram: Option<Telegram>,
    /// Mail by SMTP.
    pub(super) email: Option<Email>,
    /// A program, with its arguments; it gets the message as JSON.
    pub(super) command: Option<Vec<String>>,
}

/// The words of [`crate::model::Event`].
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum EventWord {
    Deployed,
    Failed,
    RolledBack,
    Drift,
    Held,
    Stale,
    Disk,
    Recovered,
}

/// JSON by HTTP; `url` or `url_file`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Webhook {
    /// Where to.
    pub(super) url: Option<String>,
    /// Holds the URL, where it is a secret.
    pub(super) url_file: Option<PathBuf>,
    /// Holds the key of the signature in `X-Evenkeel-Signature` (HMAC-SHA256).
    pub(super) secret_file: Option<PathBuf>,
    /// A minijinja template of the JSON to send in place of the message; every value is written as JSON.
    pub(super) template: Option<String>,
}

/// An incoming webhook of Slack or Discord, or of what understands the same.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Hook {
    /// Holds the URL, which is a secret.
    pub(super) url_file: Option<PathBuf>,
}

/// A topic of an ntfy server; `url` or `url_file`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Ntfy {
    /// The topic's address: `https://ntfy.sh/my-topic`.
    pub(super) url: Option<String>,
    /// Holds the address, where the topic is a secret.
    pub(super) url_file: Option<PathBuf>,
    /// Holds an access token.
    pub(super) token_file: Option<PathBuf>,
}

/// An application of a Gotify server.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Gotify {
    /// The server: `https://gotify.example.org`.
    pub(super) url: Option<String>,
    /// Holds the application's token.
    pub(super) token_file: Option<PathBuf>,
}

/// A chat of a Telegram bot.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Telegram {
    /// The server of the Bot API, where it is one of your own.
    #[schemars(extend("default" = "https://api.telegram.org"))]
    pub(super) url: Option<String>,
    /// Holds the bot's token.
    pub(super) token_file: Option<PathBuf>,
    /// The chat's id, or a channel's `@name`, in quotes.
    pub(super) chat: Option<String>,
}

/// Mail by SMTP.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Email {
    /// The mail server.
    pub(super) host: Option<String>,
    /// 465 with `implicit`, 587 with `starttls` and 25 with `none` where it is left out.
    pub(super) port: Option<u16>,
    /// How the connection is encrypted.
    #[schemars(extend("default" = "starttls"))]
    pub(super) tls: Option<Tls>,
    /// Certificates to trust besides the system's (PEM).
    pub(super) ca_file: Option<PathBuf>,
    /// The user, with `password_file`; without a login where both are left out.
    pub(super) username: Option<String>,
    /// Holds the password of `username`.
    pub(super) password_file: Option<PathBuf>,
    /// The sender; `evenkeel@<host>` where it is left out.
    pub(super) from: Option<String>,
    /// The receivers.
    pub(super) to: Option<Vec<String>>,
}
