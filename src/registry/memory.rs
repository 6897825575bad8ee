//! What is worth keeping about registries over a restart: how they want to be approached.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use url::Url;

use super::challenge::Challenge;

/// How each registry wants to be approached, by its host. Holds no token and no password.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Memory(BTreeMap<String, Wants>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Wants {
    Password,
    Token { realm: String, service: Option<String> },
}

impl Memory {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn challenge(&self, registry: &str) -> Option<Challenge> {
        match self.0.get(registry)? {
            Wants::Password => Some(Challenge::Basic),
            Wants::Token { realm, service } => {
                Some(Challenge::Bearer { realm: Url::parse(realm).ok()?, service: service.clone() })
            }
        }
    }

    pub(super) fn set(&mut self, registry: &str, challenge: Option<Challenge>) {
        let wants = match challenge {
            None => {
                self.0.remove(registry);
                return;
            }
            Some(Challenge::Basic) => Wants::Password,
            Some(Challenge::Bearer { realm, service }) => {
                Wants::Token { realm: realm.into(), service }
            }
        };
        self.0.insert(registry.to_owned(), wants);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_can_be_written_down_and_read_again() {
        let realm = Url::parse("https://auth.docker.io/token").unwrap();
        let bearer = Challenge::Bearer { realm, service: Some("registry.docker.io".into()) };
        let mut memory = Memory::default();
        memory.set("docker.io", Some(bearer.clone()));
        memory.set("registry.lan:5000", Some(Challenge::Basic));
        memory.set("ghcr.io", Some(Challenge::Basic));
        memory.set("ghcr.io", None);
        let text = serde_json::to_string(&memory).unwrap();
        let read: Memory = serde_json::from_str(&text).unwrap();
        assert_eq!(read, memory);
        assert_eq!(read.challenge("docker.io"), Some(bearer));
        assert_eq!(read.challenge("registry.lan:5000"), Some(Challenge::Basic));
        assert_eq!(read.challenge("ghcr.io"), None);
    }
}
