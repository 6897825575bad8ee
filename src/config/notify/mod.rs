//! Who is told what happened (interface: `notify`): recipients, how each is reached, what each wants to hear of.
//!
//! Secrets are named by their files only; those are read when something is delivered.

mod resolve;
mod written;

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::CommitStatus;
use crate::model::Event;
use crate::model::event::Subject;

pub(super) use resolve::recipients;
pub(super) use written::Recipient as Written;

/// Somebody who is told what happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Unique on this host.
    pub name: String,
    /// How it is reached.
    pub way: Way,
    /// What it wants to hear of.
    pub events: BTreeSet<Event>,
    /// Globs of the stacks it wants to hear of; empty for all there is, the host itself among it.
    pub stacks: Vec<String>,
}

/// How a recipient is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// JSON by HTTP.
    Webhook {
        /// Where to.
        url: Address,
        /// Holds the key of the signature.
        secret_file: Option<PathBuf>,
        /// What is sent in place of the message as it is: a template of JSON.
        template: Option<String>,
    },
    /// An incoming webhook of Slack, or of what understands the same (Mattermost, Rocket.Chat).
    Slack(Address),
    /// A webhook of Discord.
    Discord(Address),
    /// A topic of an ntfy server.
    Ntfy {
        /// The topic's address.
        url: Address,
        /// Holds an access token.
        token_file: Option<PathBuf>,
    },
    /// An application of a Gotify server.
    Gotify {
        /// The server.
        url: Address,
        /// Holds the application's token.
        token_file: PathBuf,
    },
    /// A chat of a Telegram bot.
    Telegram {
        /// The Bot API's server.
        api: String,
        /// Holds the bot's token.
        token_file: PathBuf,
        /// The chat's id, or a channel's `@name`.
        chat: String,
    },
    /// Mail by SMTP.
    Email(Email),
    /// A program of this server, which gets the message as JSON.
    Command(Vec<String>),
    /// The status of a commit at its forge.
    CommitStatus(CommitStatus),
}

/// Mail by SMTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    /// The mail server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: Tls,
    /// Certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// User and file with the password.
    pub login: Option<(String, PathBuf)>,
    /// The sender.
    pub from: String,
    /// The receivers, at least one.
    pub to: Vec<String>,
}

/// How a connection to a mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Tls {
    /// From its beginning on; usually port 465.
    Implicit,
    /// After `STARTTLS`, which the server must offer; usually port 587.
    Starttls,
    /// Not at all: for a mail server on this machine or in a network of one's own.
    None,
}

/// A URL, or the file that holds it because whoever knows it may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// As written.
    Url(String),
    /// In a file.
    File(PathBuf),
}

impl Recipient {
    /// Whether it wants to hear of anything about `subject`. A limit to stacks leaves out the host's own affairs.
    pub fn cares_for(&self, subject: &Subject) -> bool {
        let matches = |glob: &String, name: &str| {
            globset::Glob::new(glob).is_ok_and(|glob| glob.compile_matcher().is_match(name))
        };
        self.stacks.is_empty()
            || subject
                .stack()
                .is_some_and(|name| self.stacks.iter().any(|glob| matches(glob, name.as_str())))
    }
}

impl Way {
    /// The key in the configuration.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::Slack(_) => "slack",
            Self::Discord(_) => "discord",
            Self::Ntfy { .. } => "ntfy",
            Self::Gotify { .. } => "gotify",
            Self::Telegram { .. } => "telegram",
            Self::Email(_) => "email",
            Self::Command(_) => "command",
            Self::CommitStatus(_) => "commit-status",
        }
    }
}
