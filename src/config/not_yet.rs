//! Keys that are read and checked, and whose feature does not exist yet.

use super::Config;

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
        add(!self.policy.is_empty(), "policy");
        keys
    }
}
