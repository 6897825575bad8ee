//! A question that a new container has to answer before it counts as good (`x-evenkeel.probe`).

use std::fmt;

use serde_json::Value;

use super::NetworkName;

/// Stands in what is expected for the tag of the image that the container is made from.
pub const IMAGE_TAG: &str = "${IMAGE_TAG}";

/// A question from the host to a container. It is no part of the spec: a new question makes no new container.
#[derive(Clone, PartialEq)]
pub struct Probe {
    /// Who is asked.
    pub host: ProbeHost,
    /// The port.
    pub port: u16,
    /// What is asked.
    pub question: Question,
    /// Whether a value of the server's is part of it: then neither it nor the answer may be shown.
    pub hidden: bool,
}

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeHost {
    /// The container itself, at its address on this network.
    OnNetwork(NetworkName),
    /// Whoever is at this name or address.
    At(String),
}

/// What is asked.
#[derive(Clone, PartialEq)]
pub enum Question {
    /// Whether the port takes a TCP connection.
    Connect,
    /// `GET` by HTTP.
    Get {
        /// The path, with its query.
        path: String,
        /// The right answer.
        expects: Expected,
    },
}

/// The right answer to a `GET`.
#[derive(Clone, PartialEq)]
pub struct Expected {
    /// Its status.
    pub status: u16,
    /// Members that its JSON has to have; it may have others.
    pub json: Option<Value>,
    /// A text that has to be in it.
    pub body: Option<String>,
}

impl Probe {
    /// Whether what it expects depends on the tag of the image.
    pub fn asks_for_image_tag(&self) -> bool {
        match &self.question {
            Question::Connect => false,
            Question::Get { expects, .. } => expects.has_image_tag(),
        }
    }

    /// What a container is asked that is made from an image with this tag.
    #[must_use]
    pub fn for_image_tag(&self, tag: &str) -> Self {
        let mut probe = self.clone();
        if let Question::Get { expects, .. } = &mut probe.question {
            expects.put_image_tag(tag);
        }
        probe
    }
}

impl Expected {
    fn has_image_tag(&self) -> bool {
        fn within(json: &Value) -> bool {
            match json {
                Value::String(text) => text.contains(IMAGE_TAG),
                Value::Array(items) => items.iter().any(within),
                Value::Object(members) => members.values().any(within),
                Value::Null | Value::Bool(_) | Value::Number(_) => false,
            }
        }
        self.json.as_ref().is_some_and(within)
            || self.body.as_ref().is_some_and(|body| body.contains(IMAGE_TAG))
    }

    fn put_image_tag(&mut self, tag: &str) {
        fn within(json: &mut Value, tag: &str) {
            match json {
                Value::String(text) => *text = text.replace(IMAGE_TAG, tag),
                Value::Array(items) => items.iter_mut().for_each(|item| within(item, tag)),
                Value::Object(members) => {
                    members.values_mut().for_each(|member| within(member, tag));
                }
                Value::Null | Value::Bool(_) | Value::Number(_) => {}
            }
        }
        if let Some(json) = &mut self.json {
            within(json, tag);
        }
        if let Some(body) = &mut self.body {
            *body = body.replace(IMAGE_TAG, tag);
        }
    }
}

impl fmt::Display for Probe {
    /// What is asked, as far as it may be shown; a container's own address is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = match &self.host {
            _ if self.hidden => "…",
            ProbeHost::OnNetwork(_) => "",
            ProbeHost::At(host) => host,
        };
        match &self.question {
            Question::Connect => write!(f, "tcp {host}:{}", self.port),
            Question::Get { .. } if self.hidden => write!(f, "http {host}:{}", self.port),
            Question::Get { path, .. } => write!(f, "http {host}:{}{path}", self.port),
        }
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Probe({self})")
    }
}
