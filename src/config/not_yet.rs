//! Keys that are read and checked, and whose feature does not exist yet.

use super::{Config, GitCredentials};

impl Config {
    /// The keys that are set and have no effect in this version, for a warning: nothing that an operator
    /// writes is dropped in silence.
    pub fn not_yet(&self) -> Vec<String> {
        let mut keys = Vec::new();
        let mut add = |set: bool, key: &str| {
            if set {
                keys.push(key.to_owned());
            }
        };
        for (index, source) in self.sources.iter().enumerate() {
            let command = matches!(source.credentials, Some(GitCredentials::Command(_)));
            add(command, &format!("sources[{index}].credentials.credential_command"));
        }
        add(!self.policy.is_empty(), "policy");
        add(self.http.is_some(), "http");
        keys
    }
}
