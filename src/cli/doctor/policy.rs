//! What the policy of this host keeps from being deployed, and what in it is of no use.

use std::collections::BTreeSet;
use std::io::{self, Write};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{Finding, WITHIN, number};
use crate::cli::arguments::Global;
use crate::cli::{FAILED, Trouble, problems, style};
use crate::model::{Problem, StackName};
use crate::policy::{Exception, NoLonger, Policy, Preset, Survey};
use crate::reconcile::World;
use crate::reconcile::judging::{self, Judgements};
use crate::reconcile::sources::{self, Freshness};

const WHAT: &str = "policy";
/// So long before an exception is over, there is a word on it.
const DAYS: i32 = 14;
/// More names than this make a line that nobody reads.
const MOST_NAMED: usize = 5;
const EXCEPTIONS: &str =
    "`evenkeel doctor --policy` prints the exceptions that would let them through";

/// How the stacks of this host stand with its policy. Fetches nothing: that was done beside it.
pub(super) async fn look(world: &World, now: Timestamp) -> Vec<Finding> {
    let policy = world.config.policy.at_least_standard();
    let judgements = judged(world, &policy, Freshness::Recorded, now).await;
    findings(&survey(&policy, judgements, now), world.config.policy.preset)
}

/// Prints the exceptions that all stacks need, and says what keeps them from being known in full.
pub(super) async fn print(global: &Global, world: &World) -> Result<u8, Trouble> {
    let now = Timestamp::now();
    let Needed { mut exceptions, mut unknown, is_more } = needed(world, now).await;
    exceptions.retain(|exception| exception.holds(today(now)));
    let lines: Vec<String> = exceptions.iter().map(Exception::line).collect();
    let mut out = io::stdout().lock();
    match lines.is_empty() {
        true => writeln!(out, "exceptions: []")?,
        false => writeln!(out, "exceptions:\n  {}", lines.join("\n  "))?,
    }
    let mut told = io::stderr();
    if unknown.is_empty() {
        if !is_more && !global.quiet {
            writeln!(told, "nothing more is needed: all stacks keep to the policy")?;
        }
        return Ok(0);
    }
    let text = "what these ask for is not known, and no exception is printed for it";
    unknown.push(Problem::new("failed", text).hint("mend them, and run this again"));
    write!(told, "{}", problems::render(&unknown, style(global, &told)))?;
    Ok(FAILED)
}

/// What it takes for all stacks to be let through.
struct Needed {
    /// The exceptions that there are, and those that are needed besides.
    exceptions: Vec<Exception>,
    /// What keeps more from being known.
    unknown: Vec<Problem>,
    /// Whether there is one that is needed besides.
    is_more: bool,
}

/// Judges the stacks with what was found to be needed until nothing more is: of a stack that asks for very much, only a
/// part is told at a time.
async fn needed(world: &World, now: Timestamp) -> Needed {
    let mut policy = world.config.policy.at_least_standard();
    let (written, mut freshness) = (policy.exceptions.len(), Freshness::Latest);
    let mut unknown;
    loop {
        let judgements = judged(world, &policy, freshness, now).await;
        let of_stacks = judgements.unusable.values().flatten();
        unknown = judgements.problems.iter().chain(of_stacks).cloned().collect::<Vec<_>>();
        let lacking =
            survey(&policy, judgements, now).lacking(&format!("in use on {}", today(now)));
        let helpless: Vec<String> =
            lacking.iter().filter(|it| policy.exceptions.contains(it)).map(about).collect();
        if !helpless.is_empty() {
            let text = format!("no exception lets these through: {}", helpless.join(", "));
            unknown.push(Problem::new("bug", text).hint("please report this"));
        }
        if lacking.is_empty() || !helpless.is_empty() {
            break;
        }
        policy.exceptions.extend(lacking);
        freshness = Freshness::Recorded;
    }
    let is_more = policy.exceptions.len() > written;
    Needed { exceptions: policy.exceptions, unknown, is_more }
}

fn today(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

async fn judged(
    world: &World,
    policy: &Policy,
    freshness: Freshness,
    now: Timestamp,
) -> Judgements {
    let fetched = sources::fetch_within(world, freshness, now, WITHIN).await;
    judging::judge(world, fetched, policy).await
}

fn survey(policy: &Policy, judgements: Judgements, now: Timestamp) -> Survey<'_> {
    let Judgements { stacks, unusable, problems } = judgements;
    Survey {
        policy,
        today: today(now),
        stacks,
        unknown: unusable.into_keys().collect(),
        is_complete: problems.is_empty(),
    }
}

/// `preset` is what is written, where `open` is measured by `standard`.
fn findings(survey: &Survey<'_>, preset: Preset) -> Vec<Finding> {
    let mut findings = vec![refused(survey, preset)];
    findings.extend(survey.over().map(over));
    findings.extend(survey.soon_over(DAYS).filter_map(|one| soon_over(one, survey.today)));
    findings.extend(survey.no_longer().iter().map(no_longer));
    findings
}

fn refused(survey: &Survey<'_>, preset: Preset) -> Finding {
    let refused = survey.refused();
    let stacks: BTreeSet<&StackName> = refused.values().flatten().copied().collect();
    let rules: Vec<String> =
        refused.iter().map(|(rule, of)| format!("{} ({})", rule.word(), of.len())).collect();
    let which = match stacks.len() {
        0 => String::new(),
        count => format!("{}: {}; {}", number(count, "stack"), named(&stacks), rules.join(", ")),
    };
    let word = preset.word();
    match (preset, stacks.is_empty()) {
        (Preset::Open, true) => Finding::warning(
            WHAT,
            "`preset: open` lets everything through; no stack asks for what `standard` denies",
            "take `preset: open` out of the configuration: nothing changes by that",
        ),
        (Preset::Open, false) => Finding::warning(
            WHAT,
            format!("`preset: open` lets through what `standard` denies: {which}"),
            format!("{EXCEPTIONS}; then take `preset: open` out"),
        ),
        (Preset::Standard | Preset::Strict, true) => {
            let exceptions = number(survey.policy.exceptions.len(), "exception");
            Finding::ok(WHAT, format!("`{word}`, {exceptions}; no stack is refused"))
        }
        (Preset::Standard | Preset::Strict, false) => Finding::failed(
            WHAT,
            format!("`{word}` refuses {which}"),
            format!("`evenkeel plan` shows what they ask for; {EXCEPTIONS}"),
        ),
    }
}

fn named(stacks: &BTreeSet<&StackName>) -> String {
    let shown: Vec<&str> = stacks.iter().take(MOST_NAMED).map(|name| name.as_str()).collect();
    match stacks.len().saturating_sub(MOST_NAMED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn over(exception: &Exception) -> Finding {
    let until = exception.until.map(|day| format!(" since the end of {day}")).unwrap_or_default();
    Finding::warning(
        WHAT,
        format!("the exception of {} is over{until}", about(exception)),
        "set a later `until` if it is needed still, or remove the lines",
    )
}

fn soon_over(exception: &Exception, today: Date) -> Option<Finding> {
    let until = exception.until?;
    let days = (until - today).get_days();
    let when = match days {
        0 => "today".to_owned(),
        days => format!("in {}", number(usize::try_from(days).unwrap_or_default(), "day")),
    };
    Some(Finding::warning(
        WHAT,
        format!("the exception of {} holds until {until}, and is over {when}", about(exception)),
        "change the manifest by then, or set a later `until`: without it the stack is refused, and what runs of it stays",
    ))
}

fn no_longer(found: &NoLonger<'_>) -> Finding {
    let NoLonger { number, exception, values } = found;
    let (at, about) = (format!("policy.exceptions[{number}]"), about(exception));
    match values.as_slice() {
        [] => Finding::warning(
            WHAT,
            format!("nothing asks for the exception of {about} any more"),
            format!("remove the lines of `{at}`"),
        ),
        values => Finding::warning(
            WHAT,
            format!("nothing asks for {} any more, in the exception of {about}", values.join(", ")),
            format!("remove this from `values` of `{at}`"),
        ),
    }
}

/// `shop/web from host_binds`
fn about(exception: &Exception) -> String {
    let Exception { stack, service, rule, .. } = exception;
    let service = service.as_ref().map(|service| format!("/{service}")).unwrap_or_default();
    format!("{stack}{service} from `{}`", rule.word())
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use crate::config::{Ambient, Config};
    use crate::model::ServiceName;
    use crate::policy::{self, Judged, Level, Rule};

    fn policy(lines: &str) -> Policy {
        let text = format!("sources: [{{repo: /srv/infra}}]\npolicy: {lines}\n");
        let ambient = Ambient { hostname: "web-1".into(), ..Ambient::default() };
        Config::parse("config.yaml", &text, &ambient).unwrap().policy
    }

    /// The service `web` of `stack` asks for the host's processes, and is refused.
    fn asking(stack: &str) -> (StackName, Judged) {
        let rule = Rule::HostNamespaces;
        let finding = policy::Finding {
            rule,
            level: Level::Deny,
            service: Some(ServiceName::new("web")),
            place: None,
            path: "services.web.pid".to_owned(),
            what: "service `web` asks for a namespace of the host".to_owned(),
            why: rule.risk(),
            value: Some("pid".to_owned()),
            allow: String::new(),
            over: None,
        };
        (StackName::new(stack), Judged { found: vec![finding], ..Judged::default() })
    }

    /// What is said of these stacks on 2027-03-01, as `state says → remedy`.
    fn told(policy: &Policy, stacks: &[(StackName, Judged)], preset: Preset) -> Vec<String> {
        let judgements =
            Judgements { stacks: stacks.iter().cloned().collect(), ..Judgements::default() };
        let now: Timestamp = "2027-03-01T12:00:00Z".parse().unwrap();
        let line = |finding: Finding| {
            assert_eq!(finding.what, "policy");
            let state = match finding.state {
                State::Ok => "ok",
                State::Warning => "warn",
                State::Failed => "fail",
            };
            let remedy = finding.remedy.map(|remedy| format!(" → {remedy}")).unwrap_or_default();
            format!("{state} {}{remedy}", finding.says)
        };
        findings(&survey(policy, judgements, now), preset).into_iter().map(line).collect()
    }

    #[test]
    fn who_is_refused_is_told_with_the_rules_and_open_is_never_well() {
        let standard = policy("{}");
        let stacks = ["a", "b", "c", "d", "e", "f", "g"].map(asking);
        assert_eq!(
            told(&standard, &stacks, Preset::Standard),
            [
                "fail `standard` refuses 7 stacks: a, b, c, d, e and 2 more; host_namespaces (7) → `evenkeel plan` \
              shows what they ask for; `evenkeel doctor --policy` prints the exceptions that would let them through"
            ]
        );
        assert_eq!(
            told(&standard, &stacks[..1], Preset::Open),
            [
                "warn `preset: open` lets through what `standard` denies: 1 stack: a; host_namespaces (1) → `evenkeel \
              doctor --policy` prints the exceptions that would let them through; then take `preset: open` out"
            ]
        );
        let open = told(&standard, &[], Preset::Open);
        assert!(open.len() == 1 && open[0].starts_with("warn "), "{open:?}");
        assert_eq!(
            told(&standard, &[], Preset::Strict),
            ["ok `strict`, 0 exceptions; no stack is refused"]
        );
    }

    #[test]
    fn exceptions_that_end_and_that_nothing_asks_for_are_told() {
        let policy = policy(
            "{exceptions: [{stack: shop, service: web, rule: host_namespaces, reason: a, until: 2027-02-28}, \
             {stack: shop, rule: host_binds, values: [/srv/a, /srv/b], reason: a, until: 2027-03-02}, \
             {stack: shop, service: gone, rule: privileged, reason: a}]}",
        );
        let used = [(1, Some(0))].into();
        let stacks = [(StackName::new("shop"), Judged { used, ..Judged::default() })];
        assert_eq!(
            told(&policy, &stacks, Preset::Standard)[1..],
            [
                "warn the exception of shop/web from `host_namespaces` is over since the end of 2027-02-28 → set a \
                 later `until` if it is needed still, or remove the lines",
                "warn the exception of shop from `host_binds` holds until 2027-03-02, and is over in 1 day → change \
                 the manifest by then, or set a later `until`: without it the stack is refused, and what runs of it \
                 stays",
                "warn nothing asks for /srv/b any more, in the exception of shop from `host_binds` → remove this \
                 from `values` of `policy.exceptions[1]`",
                "warn nothing asks for the exception of shop/gone from `privileged` any more → remove the lines of \
                 `policy.exceptions[2]`",
            ]
        );
    }
}
