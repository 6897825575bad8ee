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
    /// Its name; the kind's where it is left out.
    pub(super) name: Option<String>,
    /// What it is told of; all of it where this is left out.
    pub(super) events: Option<Vec<EventWord>>,
    /// Globs of stacks; with it, what concerns no stack is not told.
    pub(super) stacks: Option<Vec<String>>,
    /// JSON by HTTP.
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

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Webhook {
    pub(super) url: Option<String>,
    /// Holds the URL, where it is a secret.
    pub(super) url_file: Option<PathBuf>,
    /// Holds the key of the signature in `X-Evenkeel-Signature` (HMAC-SHA256).
    pub(super) secret_file: Option<PathBuf>,
    /// A minijinja template of the JSON to send; every value is written as JSON.
    pub(super) template: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Hook {
    /// Holds the URL, which is a secret.
    pub(super) url_file: Option<PathBuf>,
}

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

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Gotify {
    /// The server: `https://gotify.example.org`.
    pub(super) url: Option<String>,
    /// Holds the application's token.
    pub(super) token_file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Telegram {
    /// The Bot API's server, where it is one of your own.
    pub(super) url: Option<String>,
    /// Holds the bot's token.
    pub(super) token_file: Option<PathBuf>,
    /// The chat's id, or a channel's `@name`, in quotes.
    pub(super) chat: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Email {
    /// The mail server.
    pub(super) host: Option<String>,
    /// 465 with implicit TLS, 587 with STARTTLS and 25 without where it is left out.
    pub(super) port: Option<u16>,
    /// `starttls` where it is left out.
    pub(super) tls: Option<Tls>,
    /// Certificates to trust besides the system's (PEM).
    pub(super) ca_file: Option<PathBuf>,
    pub(super) username: Option<String>,
    pub(super) password_file: Option<PathBuf>,
    /// The sender; `evenkeel@<host>` where it is left out.
    pub(super) from: Option<String>,
    /// The receivers.
    pub(super) to: Option<Vec<String>>,
}
