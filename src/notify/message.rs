//! One message, as it waits in the outbox, is sent to webhooks and handed to commands.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{Event, HostName};

/// What a message's form is called; a field may be added to it, none goes or changes.
pub const SCHEMA: &str = "evenkeel.notification/v1";

/// What people are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// [`SCHEMA`]
    pub schema: String,
    /// The same for each try to deliver it, and for all recipients.
    pub id: String,
    /// The word of [`crate::model::Event`].
    pub event: String,
    /// This server.
    pub host: String,
    /// When it became known (RFC 3339).
    pub at: String,
    /// What it is about: `stack`, `source`, `registry` or `disk`; `test` where somebody only tries.
    pub kind: String,
    /// The name of that.
    pub name: String,
    /// All of it in one line.
    pub title: String,
    /// The rest in a few lines; may be empty.
    pub text: String,
    /// The services it concerns, where it is about a stack.
    pub services: Vec<Concerned>,
    /// The attempt to change the stack, where there was one.
    pub generation: Option<u64>,
    /// Why there was: `commit`, `image`, `env`, `drift`, ….
    pub trigger: Option<String>,
    /// The revision.
    pub commit: Option<String>,
    /// Its author.
    pub author: Option<String>,
    /// Its first line.
    pub subject: Option<String>,
    /// Where people look, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

impl Message {
    /// To see whether somebody can be reached.
    pub fn of_a_test(host: &HostName, now: Timestamp) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            id: format!("{host}/{now}/test"),
            event: Event::Deployed.word().to_owned(),
            host: host.to_string(),
            at: now.to_string(),
            kind: "test".to_owned(),
            name: String::new(),
            title: format!("{host}: a test"),
            text: "Nothing happened; somebody ran `evenkeel notify test`.".to_owned(),
            services: Vec::new(),
            generation: None,
            trigger: None,
            commit: None,
            author: None,
            subject: None,
            link: None,
        }
    }
}

/// A service that a message concerns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concerned {
    /// Its name.
    pub service: String,
    /// Why, masked; empty where all went well.
    pub why: String,
    /// A failed container's last lines, masked.
    pub logs: Vec<String>,
}
