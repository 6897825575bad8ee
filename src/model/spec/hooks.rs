//! Programs that are run in a container after it has started and before it is stopped.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::Hidden;

/// `post_start` and `pre_stop` (Compose Specification). A container carries them as a label, since it may be
/// stopped when its manifest says something else, or is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hooks {
    /// After every start of ours, in this order; one that fails fails the container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub post_start: Vec<Hook>,
    /// Before every stop of ours, in this order, within the grace period; a failure stops nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pre_stop: Vec<Hook>,
}

/// One program.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hook {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Who runs it; `None` is the container's own user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Whether it has nearly all rights of the host.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub privileged: bool,
    /// Where it runs; `None` is the container's own directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// Its variables, beside those of the container.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, Hidden>,
}

impl fmt::Debug for Hook {
    /// Names only what is harmless: any field may hold an interpolated server value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").field("environment", &self.environment).finish_non_exhaustive()
    }
}

impl Hooks {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The value of the label; `None` where there are no hooks.
    pub fn to_label(&self) -> Option<String> {
        // Serialising plain structs with string keys into memory cannot fail.
        (!self.is_default()).then(|| serde_json::to_string(self).unwrap_or_default())
    }

    /// What a container's label says; none where it says nothing, or nothing that can be read.
    pub fn from_label(label: Option<&str>) -> Self {
        label.and_then(|label| serde_json::from_str(label).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_come_back_from_the_label_as_they_were() {
        let hook = Hook {
            command: vec!["sync".into()],
            user: Some("root".into()),
            privileged: true,
            working_dir: Some("/data".into()),
            environment: [("A".to_owned(), Hidden::new("b"))].into(),
        };
        let hooks = Hooks { post_start: vec![hook.clone()], pre_stop: vec![hook, Hook::default()] };
        assert_eq!(Hooks::from_label(hooks.to_label().as_deref()), hooks);
        assert_eq!(Hooks::default().to_label(), None);
        assert_eq!(Hooks::from_label(Some("{")), Hooks::default());
    }
}
