//! The policy as it was decided: a preset, what is different, and exceptions.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::rule::{Level, Preset, Rule};
use crate::model::{ServiceName, StackName};

/// What git may ask of this host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// What holds for rules of which nothing is written.
    pub preset: Preset,
    /// What is written of single rules.
    pub rules: BTreeMap<Rule, Setting>,
    /// Who may do what nobody else may.
    pub exceptions: Vec<Exception>,
}

/// What is written of one rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// In place of the preset's; a list alone makes a rule that allows everything deny the rest.
    pub level: Option<Level>,
    /// Values that are always fine.
    pub allow: Vec<String>,
}

/// One thing that one stack may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// The stack.
    pub stack: StackName,
    /// The service; `None` is all of the stack, and what stands at the top of its manifest.
    pub service: Option<ServiceName>,
    /// The rule that it does not hold to.
    pub rule: Rule,
    /// For what alone; empty is anything that the rule is about.
    pub values: Vec<String>,
    /// Why, in the operator's words.
    pub reason: String,
    /// The last day on which it holds, in UTC; `None` is for good.
    pub until: Option<Date>,
}

impl Policy {
    /// How strict `rule` is on this host.
    pub fn level(&self, rule: Rule) -> Level {
        let usual = rule.level(self.preset);
        match self.rules.get(&rule) {
            None => usual,
            Some(Setting { level: Some(level), .. }) => *level,
            // Whoever lists what is fine means that the rest is not.
            Some(_) if usual == Level::Allow => Level::Deny,
            Some(_) => usual,
        }
    }

    /// The values of `rule` that are fine for every stack.
    pub fn allowed(&self, rule: Rule) -> &[String] {
        self.rules.get(&rule).map(|setting| setting.allow.as_slice()).unwrap_or_default()
    }
}

impl Exception {
    /// Whether `service` of `stack` need not hold to `rule` by it, for some value. `None` is what stands at the top
    /// of the manifest.
    pub fn is_for(&self, stack: &StackName, service: Option<&ServiceName>, rule: Rule) -> bool {
        self.stack == *stack
            && self.rule == rule
            && (self.service.is_none() || self.service.as_ref() == service)
    }

    /// Whether it still holds on `today` (UTC): its last day counts.
    pub fn holds(&self, today: Date) -> bool {
        self.until.is_none_or(|until| today <= until)
    }
}
