//! A question that a new container has to answer before it counts as good (`x-evenkeel.probe`).

use std::fmt;

use serde_json::Value;

use super::NetworkName;

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
