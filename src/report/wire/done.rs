//! `evenkeel.done/v1`: what became of an operator's word.

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::memory::HoldScope;

/// What became of `hold`, `unhold` or `retry`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DoneReport {
    /// `evenkeel.done/v1`
    pub schema: &'static str,
    /// What it was about: `STACK`, `STACK/SERVICE`, or `this host`.
    pub scope: String,
    /// How many holds, rejections or waits it concerned; 0 where there were none.
    pub changed: usize,
    /// The same in words, as the command prints them.
    pub says: Vec<String>,
}

impl DoneReport {
    /// What became of a word about `scope`.
    pub fn new(scope: &HoldScope, changed: usize, says: Vec<String>) -> Self {
        Self { schema: "evenkeel.done/v1", scope: scope.to_string(), changed, says }
    }
}
