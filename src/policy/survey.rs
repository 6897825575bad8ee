//! What all stacks of a host together ask of its policy: who is refused, what would have to be allowed, and what is
//! allowed in vain.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::finding::Judged;
use super::rule::{Level, Preset, Rule};
use super::words::{Exception, Policy};
use crate::model::{ServiceName, StackName};

/// The stacks of a host, each with what `policy` makes of it on `today` (UTC).
#[derive(Debug)]
pub struct Survey<'a> {
    /// What they were judged by.
    pub policy: &'a Policy,
    /// The day that exceptions are measured by.
    pub today: Date,
    /// Those that make sense.
    pub stacks: BTreeMap<StackName, Judged>,
    /// Those that do not, of which nobody knows what they ask for.
    pub unknown: BTreeSet<StackName>,
    /// Whether there may be others besides, as a source could not be read.
    pub is_complete: bool,
}

/// An exception, or values of it, that nothing asks for any more.
#[derive(Debug, PartialEq, Eq)]
pub struct NoLonger<'a> {
    /// Its number in `policy.exceptions`, from 0.
    pub number: usize,
    /// The exception.
    pub exception: &'a Exception,
    /// The values; empty where it is the exception as a whole.
    pub values: Vec<&'a str>,
}

impl Policy {
    /// The same, `standard` in the place of `open`: what a host that lets everything through has ahead of it.
    #[must_use]
    pub fn at_least_standard(&self) -> Self {
        let preset = match self.preset {
            Preset::Open => Preset::Standard,
            Preset::Standard | Preset::Strict => self.preset,
        };
        Self { preset, ..self.clone() }
    }
}

impl<'a> Survey<'a> {
    /// The stacks that are refused, by the rules that are against them.
    pub fn refused(&self) -> BTreeMap<Rule, BTreeSet<&StackName>> {
        let mut refused: BTreeMap<Rule, BTreeSet<&StackName>> = BTreeMap::new();
        for (stack, judged) in &self.stacks {
            for finding in judged.found.iter().filter(|finding| finding.level == Level::Deny) {
                refused.entry(finding.rule).or_default().insert(stack);
            }
        }
        refused
    }

    /// The exceptions that would let every stack through, and nothing that none of them asks for: one for each service
    /// and rule, with the values. `reason` is given for all of them.
    pub fn lacking(&self, reason: &str) -> Vec<Exception> {
        // Whose value is one of the server's needs an exception without values.
        type Values<'a> = Option<BTreeSet<&'a str>>;
        type Whose<'a> = (&'a StackName, Option<&'a ServiceName>, Rule);
        let mut needed: BTreeMap<Whose<'_>, Values<'_>> = BTreeMap::new();
        for (stack, judged) in &self.stacks {
            for finding in judged.found.iter().filter(|finding| finding.level == Level::Deny) {
                let whose = (stack, finding.service.as_ref(), finding.rule);
                let values = needed.entry(whose).or_insert_with(|| Some(BTreeSet::new()));
                match (&finding.value, values.as_mut()) {
                    (Some(value), Some(values)) => drop(values.insert(value)),
                    (None, _) => *values = None,
                    (Some(_), None) => {}
                }
            }
        }
        let exception = |((stack, service, rule), values): (Whose<'_>, Values<'_>)| Exception {
            stack: stack.clone(),
            service: service.cloned(),
            rule,
            values: values.into_iter().flatten().map(str::to_owned).collect(),
            reason: reason.to_owned(),
            until: None,
        };
        needed.into_iter().map(exception).collect()
    }

    /// The exceptions that are over.
    pub fn over(&self) -> impl Iterator<Item = &'a Exception> {
        let today = self.today;
        self.policy.exceptions.iter().filter(move |exception| !exception.holds(today))
    }

    /// The exceptions that hold, and will be over within `days`.
    pub fn soon_over(&self, days: i32) -> impl Iterator<Item = &'a Exception> {
        let (today, soon) = (self.today, self.today.saturating_add(jiff::Span::new().days(days)));
        let exceptions = self.policy.exceptions.iter();
        exceptions.filter(move |exception| exception.holds(today) && !exception.holds(soon))
    }

    /// What is allowed and nothing asks for. Of a stack that may be there and is not known, nothing is told.
    pub fn no_longer(&self) -> Vec<NoLonger<'a>> {
        let used: BTreeSet<(usize, Option<usize>)> =
            self.stacks.values().flat_map(|judged| judged.used.iter().copied()).collect();
        let is_known = |stack: &StackName| {
            self.stacks.contains_key(stack) || (self.is_complete && !self.unknown.contains(stack))
        };
        let all = self.policy.exceptions.iter().enumerate();
        let all = all.filter(|(_, it)| it.holds(self.today) && is_known(&it.stack));
        all.filter_map(|(number, exception)| {
            let is_used = |index: usize| used.contains(&(number, Some(index)));
            let values = exception.values.iter().enumerate();
            let unused = values.filter(|(index, _)| !is_used(*index));
            let unused: Vec<&str> = unused.map(|(_, value)| value.as_str()).collect();
            let none = unused.len() == exception.values.len();
            match (exception.values.is_empty(), none) {
                (true, _) if used.contains(&(number, None)) => None,
                (false, false) if unused.is_empty() => None,
                (false, false) => Some(NoLonger { number, exception, values: unused }),
                (true, _) | (false, true) => {
                    Some(NoLonger { number, exception, values: Vec::new() })
                }
            }
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Finding;
    use super::*;

    const TODAY: Date = Date::constant(2027, 3, 1);

    fn exception(stack: &str, values: &[&str], until: Option<Date>) -> Exception {
        Exception {
            stack: StackName::new(stack),
            service: Some(ServiceName::new("web")),
            rule: Rule::HostBinds,
            values: values.iter().map(|value| (*value).to_owned()).collect(),
            reason: "a".to_owned(),
            until,
        }
    }

    fn finding(service: &str, rule: Rule, level: Level, value: Option<&str>) -> Finding {
        Finding {
            rule,
            level,
            service: Some(ServiceName::new(service)),
            place: None,
            path: String::new(),
            what: String::new(),
            why: rule.risk(),
            value: value.map(str::to_owned),
            allow: String::new(),
            over: None,
        }
    }

    fn survey<'a>(policy: &'a Policy, stacks: &[(&str, Judged)]) -> Survey<'a> {
        let stacks = stacks.iter().cloned();
        let stacks = stacks.map(|(name, judged)| (StackName::new(name), judged)).collect();
        Survey { policy, today: TODAY, stacks, unknown: BTreeSet::new(), is_complete: true }
    }

    #[test]
    fn what_is_lacking_is_one_exception_for_each_service_and_rule_with_its_values() {
        let policy = Policy::default();
        let found = vec![
            finding("web", Rule::HostBinds, Level::Deny, Some("/srv/b")),
            finding("web", Rule::HostBinds, Level::Deny, Some("/srv/a")),
            finding("web", Rule::HostBinds, Level::Deny, Some("/srv/b")),
            finding("web", Rule::Privileged, Level::Deny, None),
            finding("web", Rule::Latest, Level::Warn, None),
            finding("db", Rule::CapAdd, Level::Deny, Some("SYS_ADMIN")),
            // One of the server's values, which must not be written down.
            finding("db", Rule::CapAdd, Level::Deny, None),
            finding("db", Rule::CapAdd, Level::Deny, Some("NET_ADMIN")),
        ];
        let survey = survey(&policy, &[("shop", Judged { found, ..Judged::default() })]);
        let lines: Vec<String> = survey.lacking("so").iter().map(Exception::line).collect();
        assert_eq!(
            lines,
            [
                "- {stack: shop, service: db, rule: cap_add, reason: \"so\"}",
                "- {stack: shop, service: web, rule: privileged, reason: \"so\"}",
                "- {stack: shop, service: web, rule: host_binds, values: [/srv/a, /srv/b], reason: \"so\"}",
            ]
        );
        let refused: Vec<&str> = survey.refused().keys().map(|rule| rule.word()).collect();
        assert_eq!(refused, ["privileged", "host_binds", "cap_add"]);
    }

    #[test]
    fn what_nothing_asks_for_is_told_and_not_what_may_be_asked_for() {
        let policy = Policy {
            exceptions: vec![
                exception("shop", &[], None),
                exception("shop", &["/a", "/b", "/c"], None),
                exception("shop", &["/a", "/b"], None),
                exception("gone", &["/a"], None),
                exception("broken", &["/a"], None),
                exception("shop", &["/x"], Some(Date::constant(2027, 2, 28))),
            ],
            ..Policy::default()
        };
        let used = [(0, None), (1, Some(1))].into();
        let mut survey = survey(&policy, &[("shop", Judged { used, ..Judged::default() })]);
        survey.unknown.insert(StackName::new("broken"));
        let told = |survey: &Survey<'_>| -> Vec<(usize, String)> {
            let told = survey.no_longer().into_iter();
            told.map(|it| (it.number, it.values.join(" "))).collect()
        };
        let none = String::new();
        let all = [(1, "/a /c".to_owned()), (2, none.clone()), (3, none.clone())];
        assert_eq!(told(&survey), all);
        survey.is_complete = false;
        assert_eq!(told(&survey), all[..2]);
    }

    #[test]
    fn exceptions_end_with_their_last_day_and_are_told_of_before() {
        let day = |day| Some(Date::constant(2027, 3, day));
        let exceptions = [None, Some(Date::constant(2027, 2, 28)), day(1), day(14), day(15)];
        let exceptions = exceptions.map(|until| exception("shop", &[], until)).to_vec();
        let policy = Policy { exceptions, ..Policy::default() };
        let survey = survey(&policy, &[]);
        let days = |all: Vec<&Exception>| -> Vec<String> {
            all.iter().map(|it| it.until.unwrap().to_string()).collect()
        };
        assert_eq!(days(survey.over().collect()), ["2027-02-28"]);
        assert_eq!(days(survey.soon_over(14).collect()), ["2027-03-01", "2027-03-14"]);
    }

    #[test]
    fn open_is_measured_by_standard() {
        for (preset, expected) in [
            (Preset::Open, Preset::Standard),
            (Preset::Standard, Preset::Standard),
            (Preset::Strict, Preset::Strict),
        ] {
            let policy = Policy { preset, ..Policy::default() };
            assert_eq!(policy.at_least_standard().preset, expected);
        }
    }
}
