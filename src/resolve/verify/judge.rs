//! Whether an image has what is asked of it, from what is known; or what has to be known first.
//!
//! Pure, and closed where something is not known: such an image does not run.

use std::path::Path;

use jiff::{Timestamp, Unit};

use super::{AT_WORK, Inquiry, Subject};
use crate::model::desired::Barred;
use crate::model::image_policy::{ImageRule, check_id, rule_of};
use crate::model::polls::{Built, Polls};
use crate::model::proofs::{Found, Proof};
use crate::model::update::ripe_at;

/// What has to be known of an image, of what the rule at this place asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::resolve) struct Question {
    pub place: usize,
    pub demand: Demand,
}

/// What is asked of an image. What costs least comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::resolve) enum Demand {
    /// One of the keys has signed it.
    Key,
    /// It is old enough.
    Age,
    /// Somebody has signed it whom Sigstore vouches for.
    Keyless,
    /// A program lets it pass.
    Check,
}

/// How an image stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::resolve) enum Standing {
    /// It may run.
    Good,
    /// It may run as far as that is known, for those who only want to know; what is found out first.
    Open(String),
    /// It may not.
    Barred(Barred),
}

/// What is known of one demand.
enum Met {
    Yes,
    /// Nobody was asked, and somebody only wants to know.
    Open(&'static str),
    No(Barred),
}

impl Inquiry<'_> {
    /// Judges the image; the error is what has to be known first.
    pub(in crate::resolve) fn judge(
        &self,
        polls: &Polls,
        subject: &Subject<'_>,
    ) -> Result<Standing, Question> {
        let Some((place, rule)) = rule_of(self.gate.rules, &subject.image.reference()) else {
            return Ok(Standing::Good);
        };
        let mut open = Vec::new();
        for demand in [Demand::Key, Demand::Age, Demand::Keyless, Demand::Check] {
            let question = Question { place, demand };
            let met = match (demand, rule) {
                (Demand::Key, ImageRule { cosign_key: Some(file), .. }) => {
                    self.key(file, subject, question)?
                }
                (Demand::Age, ImageRule { min_age: Some(_), .. }) if !self.gate.goes_back => {
                    self.age(rule, polls, subject, question)?
                }
                (Demand::Keyless, ImageRule { keyless: Some(keyless), .. }) => {
                    self.consent(keyless.id(), "cosign", subject, question)?
                }
                (Demand::Check, ImageRule { check: Some(command), .. }) => {
                    let program = command.first().map_or("", String::as_str);
                    self.consent(check_id(command), program, subject, question)?
                }
                (Demand::Key | Demand::Age | Demand::Keyless | Demand::Check, _) => Met::Yes,
            };
            match met {
                Met::Yes => {}
                Met::Open(what) => open.push(what),
                Met::No(barred) => return Ok(Standing::Barred(barred)),
            }
        }
        Ok(match open.is_empty() {
            true => Standing::Good,
            false => Standing::Open(format!(
                "{} runs only if {}, which the next pass finds out",
                subject.shown,
                open.join(" and ")
            )),
        })
    }

    /// What to say of an image that runs, where it is not known to have what is asked of it.
    pub(super) fn unproven(&self, subject: &Subject<'_>) -> Option<String> {
        let (place, rule) = rule_of(self.gate.rules, &subject.image.reference())?;
        let is_good = |proof: Option<&Proof>| proof.is_some_and(|it| it.found == Found::Good);
        let key = rule.cosign_key.as_deref().is_none_or(|file| self.signed(file, subject));
        let keyless = rule.keyless.as_ref().is_none_or(|it| is_good(self.proof(subject, it.id())));
        let check = rule.check.as_ref().is_none_or(|it| is_good(self.proof(subject, check_id(it))));
        let missing = [(key && keyless, "its signature"), (check, "its check")];
        let missing: Vec<&str> =
            missing.into_iter().filter(|(is_met, _)| !is_met).map(|(_, what)| what).collect();
        (!missing.is_empty()).then(|| {
            format!(
                "{} runs unverified: {} was not asked for as `policy.images[{place}]` has it when it was deployed",
                subject.shown,
                missing.join(" and ")
            )
        })
    }

    fn key(&self, file: &Path, subject: &Subject<'_>, question: Question) -> Result<Met, Question> {
        if self.signed(file, subject) {
            return Ok(Met::Yes);
        }
        match self.keys.get(file) {
            Some(Ok(keys)) => self.settle(self.proof(subject, keys.id()), subject, question),
            Some(Err(why)) => Ok(Met::No(self.without_keys(subject, file, why))),
            None => Ok(Met::No(self.without_keys(subject, file, "it was not read"))),
        }
    }

    /// Whether one of the keys in `file` is known to have signed the image.
    fn signed(&self, file: &Path, subject: &Subject<'_>) -> bool {
        let Some(Ok(keys)) = self.keys.get(file) else { return false };
        let mut proofs = keys.iter().filter_map(|key| self.proof(subject, key.id().to_owned()));
        proofs.any(|proof| proof.found == Found::Good)
    }

    fn without_keys(&self, subject: &Subject<'_>, file: &Path, why: &str) -> Barred {
        Barred::Unknown {
            why: format!(
                "whether {} is signed is not known: the keys in {}: {why}",
                subject.shown,
                file.display()
            ),
            hint: Some("put public keys there that evenkeel may read (PEM)".to_owned()),
            since: self.gate.now,
            again: None,
        }
    }

    pub(super) fn proof(&self, subject: &Subject<'_>, about: String) -> Option<&Proof> {
        self.proofs.0.get(&subject.key(about))
    }

    /// What follows from the word of a program, or from its absence.
    fn consent(
        &self,
        about: String,
        program: &str,
        subject: &Subject<'_>,
        question: Question,
    ) -> Result<Met, Question> {
        let key = subject.key(about);
        if self.open.contains(&key) {
            let why = format!("{} is being looked at by `{program}`", subject.shown);
            let until = self.gate.now.checked_add(AT_WORK).unwrap_or(Timestamp::MAX);
            return Ok(Met::No(Barred::Young { why, until }));
        }
        self.settle(self.proofs.0.get(&key), subject, question)
    }

    /// What follows from what was found out about a demand, or was not.
    fn settle(
        &self,
        proof: Option<&Proof>,
        subject: &Subject<'_>,
        question: Question,
    ) -> Result<Met, Question> {
        let may_ask = match question.demand {
            Demand::Key | Demand::Age => self.gate.asks.registries(),
            Demand::Keyless | Demand::Check => self.gate.asks.programs(),
        };
        match proof {
            Some(proof) if proof.found == Found::Good => Ok(Met::Yes),
            Some(proof) if !may_ask || !self.gate.is_due(proof) => {
                Ok(Met::No(barred(proof, subject, question)))
            }
            Some(_) | None if may_ask => Err(question),
            Some(_) | None if self.gate.asks.acts() => Ok(Met::No(Barred::Unknown {
                why: format!("{} was not verified yet, and nobody is asked offline", subject.shown),
                hint: Some("run again without `--offline`".to_owned()),
                since: self.gate.now,
                again: None,
            })),
            Some(_) | None => Ok(Met::Open(match question.demand {
                Demand::Key | Demand::Keyless => "it is signed",
                Demand::Age => "it is old enough",
                Demand::Check => "it passes its check",
            })),
        }
    }

    fn age(
        &self,
        rule: &ImageRule,
        polls: &Polls,
        subject: &Subject<'_>,
        question: Question,
    ) -> Result<Met, Question> {
        let (now, min_age) = (self.gate.now, rule.min_age.unwrap_or_default());
        let key = (subject.repository(), subject.image.digest().clone());
        let facts = polls.images.get(&key);
        let built = match facts.and_then(|facts| facts.built) {
            Some(Built::At(at)) => Some(at),
            Some(Built::Unsaid) => None,
            None => {
                let unknown = facts.and_then(|facts| facts.unknown.as_ref());
                let waits = unknown.is_some_and(|unknown| now < unknown.again);
                let may_ask = self.gate.asks.registries() && !waits;
                let Some(unknown) = unknown.filter(|_| !may_ask) else {
                    return self.settle(None, subject, question);
                };
                return Ok(Met::No(Barred::Unknown {
                    why: format!(
                        "how old {} is is not known: its registry {}",
                        subject.shown, unknown.why
                    ),
                    hint: Some(AGAIN.to_owned()),
                    since: unknown.since,
                    again: Some(unknown.again),
                }));
            }
        };
        let first_seen = facts.map_or(now, |facts| facts.first_seen);
        let until = ripe_at(min_age, built, first_seen);
        Ok(match until > now {
            true => Met::No(Barred::Young {
                why: format!("{} is too young until {}", subject.shown, minute(until)),
                until,
            }),
            false => Met::Yes,
        })
    }
}

const AGAIN: &str = "nothing to do if the registry comes back: it is asked again";

/// Why an image does not run, from what was found out.
fn barred(proof: &Proof, subject: &Subject<'_>, question: Question) -> Barred {
    let Proof { says, since, again, .. } = proof;
    let (shown, place) = (&subject.shown, question.place);
    if proof.found == Found::Refused {
        let hint = match question.demand {
            Demand::Key | Demand::Keyless | Demand::Age => format!(
                "sign it: it is deployed by itself then; `policy.images[{place}]` says who has to"
            ),
            Demand::Check => format!(
                "deploy another image; after a change that `policy.images[{place}]` does not show, run `evenkeel retry {}`",
                subject.id
            ),
        };
        let why = format!("{shown} {says}");
        return Barred::Refused { why, hint: Some(hint), since: *since, again: *again };
    }
    let (what, hint) = match question.demand {
        Demand::Key => ("is signed is not known: its registry", AGAIN),
        Demand::Keyless => ("is signed is not known:", PROGRAM),
        Demand::Age => ("is old enough is not known:", AGAIN),
        Demand::Check => ("passes its check is not known:", PROGRAM),
    };
    let why = format!("whether {shown} {what} {says}");
    Barred::Unknown { why, hint: Some(hint.to_owned()), since: *since, again: *again }
}

const PROGRAM: &str = "run the program by hand as the user that evenkeel runs as to see why";

/// A time as people read it, to the minute.
fn minute(at: Timestamp) -> impl std::fmt::Display {
    at.round(Unit::Minute).unwrap_or(at)
}
