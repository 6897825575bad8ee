//! Which commit of a source is followed, where commits have to be vouched for: the newest one, or the last that was
//! accepted.
//!
//! Whether one is signed, and by whom, is found out in [`crate::source::verify`]; here it is decided what becomes of
//! that. The host goes on with what was accepted last, so that a bad commit keeps nothing from being mended.

use std::time::Duration;

use jiff::Timestamp;

use super::World;
use super::sources::{Fetched, Found, SourceSeen, fail};
use crate::config::{self, SignedScope};
use crate::history::{Accepted, RefusedCommit, SourceState};
use crate::manifest::LoadedStack;
use crate::model::tree::Revision;
use crate::model::{CommitId, Place, Problem, Service};
use crate::source::verify::{Demands, Refusal, Verdict};
use crate::source::{Source, SourceError};

/// What an operator's word is called in place of a signature.
pub const OPERATOR: &str = "an operator (accept)";

/// What a source follows, in words: what was accepted of another repository or branch says nothing about this one.
pub fn followed(source: &Source, settings: &config::Source) -> String {
    format!("{} {}", settings.repo.shown(), source.spec().reference)
}

/// The revision of a source that is to be read. Asks nobody where nothing newer was fetched.
pub(super) async fn judge(
    world: &World,
    source: &Source,
    settings: &config::Source,
    fetched: Fetched,
    accepted: Option<&Accepted>,
    now: Timestamp,
) -> (SourceSeen, Option<Revision>) {
    let Fetched { seen, found } = fetched;
    let accepted = accepted.filter(|it| it.followed == followed(source, settings));
    let bench = Bench { source, settings, accepted, now };
    match found {
        Found::Nothing => (seen, None),
        Found::Revision(revision) => (seen, Some(revision)),
        Found::Claim(commit) => bench.judged(world, seen, commit).await,
        Found::Accepted => match &seen.report.refused {
            // What an operator has accepted meanwhile changes what the refused one is held against.
            Some(refused) if accepted.map(|it| &it.commit) != seen.report.commit.as_ref() => {
                let commit = refused.commit.clone();
                bench.judged(world, seen, commit).await
            }
            Some(_) | None => bench.go_on(seen).await,
        },
    }
}

/// One source before its judge.
struct Bench<'a> {
    source: &'a Source,
    settings: &'a config::Source,
    accepted: Option<&'a Accepted>,
    now: Timestamp,
}

impl Bench<'_> {
    /// Judges `commit`, and remembers how that came out until the repository is asked again.
    async fn judged(
        &self,
        world: &World,
        mut seen: SourceSeen,
        commit: CommitId,
    ) -> (SourceSeen, Option<Revision>) {
        (seen.report.refused, seen.report.error, seen.hint) = (None, None, None);
        let judged = match self.verdict(&commit).await {
            Ok(Verdict::Accepted(by)) => self.follow(seen, commit, by).await,
            Ok(Verdict::Refused(refusal)) => self.refuse(seen, commit, refusal).await,
            Err(error) => {
                fail(&mut seen, &error);
                (seen, None)
            }
        };
        world.rounds.know(&judged.0);
        judged
    }

    async fn verdict(&self, commit: &CommitId) -> Result<Verdict, SourceError> {
        if let Some(known) = self.accepted.filter(|it| it.commit == *commit) {
            return Ok(Verdict::Accepted(known.by.clone()));
        }
        let Some(verify) = self.settings.demands() else {
            return Err(SourceError::NothingRecorded {
                repo: self.settings.repo.shown(),
                wanted: self.source.spec().reference.clone(),
            });
        };
        let demands = Demands {
            allowed_signers: verify.allowed_signers.clone(),
            keyring: verify.keyring.clone(),
            whole_range: verify.scope == SignedScope::Range,
            fast_forward: verify.fast_forward,
            before: self.accepted.map(|it| it.commit.clone()),
            now: self.now,
        };
        self.source.judge(commit, &demands).await
    }

    async fn follow(
        &self,
        mut seen: SourceSeen,
        commit: CommitId,
        by: String,
    ) -> (SourceSeen, Option<Revision>) {
        let revision = match self.source.kept(&commit).await {
            Ok(revision) => revision,
            Err(error) => {
                fail(&mut seen, &error);
                return (seen, None);
            }
        };
        seen.report.commit = Some(commit.clone());
        seen.report.state = SourceState::Ok;
        seen.report.signed_by = Some(by.clone());
        seen.report.alarm = self.alarm(&commit).await;
        if self.accepted.is_none_or(|it| it.commit != commit) {
            let followed = followed(self.source, self.settings);
            seen.accepted = Some(Accepted { followed, commit, by, at: self.now });
        }
        (seen, Some(revision))
    }

    async fn refuse(
        &self,
        mut seen: SourceSeen,
        commit: CommitId,
        refusal: Refusal,
    ) -> (SourceSeen, Option<Revision>) {
        let short = commit.short();
        let goes_on = match self.accepted {
            Some(accepted) => format!("{} is followed on", accepted.commit.short()),
            None => {
                "nothing of this source was accepted before, and nothing of it is touched".into()
            }
        };
        let reason = refusal.reason;
        let error = format!("the newest commit {short} is refused: {reason}; {goes_on}");
        let accept = format!("`evenkeel accept {} {short}` takes it as it is", self.settings.name);
        let hint = refusal.hint.unwrap_or_else(|| "have it signed by somebody who may".to_owned());
        seen.report.error = Some(error);
        seen.hint = Some(format!("{hint}; {accept}"));
        seen.report.refused = Some(RefusedCommit { commit, reason });
        self.go_on(seen).await
    }

    /// Goes on with what was accepted last.
    async fn go_on(&self, mut seen: SourceSeen) -> (SourceSeen, Option<Revision>) {
        // What the newest commit says of itself is not what this one says.
        seen.words = None;
        seen.report.commit = self.accepted.map(|it| it.commit.clone());
        seen.report.signed_by = self.accepted.map(|it| it.by.clone());
        let is_refused = seen.report.refused.is_some();
        let Some(accepted) = self.accepted else {
            seen.report.state = SourceState::Failing;
            if !is_refused {
                fail(
                    &mut seen,
                    &SourceError::NothingRecorded {
                        repo: self.settings.repo.shown(),
                        wanted: self.source.spec().reference.clone(),
                    },
                );
            }
            return (seen, None);
        };
        let revision = match self.source.kept(&accepted.commit).await {
            Err(SourceError::NoSuchCommit { .. }) if is_refused => {
                self.source.at(&accepted.commit).await
            }
            other => other,
        };
        match revision {
            Ok(revision) => {
                let state = if is_refused { SourceState::Failing } else { SourceState::Ok };
                seen.report.state = state;
                seen.report.fetched_at.get_or_insert(self.now);
                (seen, Some(revision))
            }
            Err(error) => {
                let before = seen.report.error.take();
                fail(&mut seen, &error);
                let all = before.into_iter().chain(seen.report.error.take());
                seen.report.error = Some(all.collect::<Vec<_>>().join("; "));
                (seen, None)
            }
        }
    }

    /// What there is to say of a newest commit that is older than it may be: somebody may hold newer ones back.
    async fn alarm(&self, commit: &CommitId) -> Option<String> {
        let most = self.settings.demands()?.max_age?;
        let at = self.source.committed_at(commit).await?;
        let age = self.now.duration_since(at).unsigned_abs();
        let is_old = at < self.now && age > most;
        is_old.then(|| {
            let (age, most) = (whole(age), whole(most));
            format!(
                "the newest commit {} is {age} old, more than {most} (`max_age`)",
                commit.short()
            )
        })
    }
}

/// Has the mirrors hold what was accepted. Where one cannot, only its being made anew would tell.
pub(super) async fn keep(world: &World, sources: &[SourceSeen]) {
    let all = world.sources.iter().zip(&world.config.sources);
    for (source, _) in all.filter(|(_, settings)| settings.demands().is_some()) {
        let seen = sources.iter().find(|seen| seen.name == source.spec().name);
        let commit = seen.filter(|seen| seen.report.signed_by.is_some());
        let Some(commit) = commit.and_then(|seen| seen.report.commit.as_ref()) else { continue };
        if let Err(error) = source.keep(commit).await {
            tracing::warn!("commit {} is not marked to be kept: {error}", commit.short());
        }
    }
}

/// What writes images back makes commits that nobody signs, and that would be refused.
pub(super) fn unsigned_write_back(
    settings: &config::Source,
    stacks: &[LoadedStack],
) -> Vec<Problem> {
    if settings.demands().is_none() {
        return Vec::new();
    }
    let mut problems = Vec::new();
    for (loaded, stack) in stacks.iter().filter_map(|it| Some((it, it.result.as_ref().ok()?))) {
        let writes = |service: &&Service| service.update.as_ref().is_some_and(|it| it.write_back);
        for service in stack.services.values().filter(writes) {
            let message = format!(
                "{}/{} asks for `write_back`, and commits of source {} have to be signed: those of evenkeel are not",
                stack.name, service.name, settings.name
            );
            let problem = Problem::new("unsigned-write-back", message).hint(
                "leave out `write_back`, or have a pipeline `evenkeel pin` and sign what it commits",
            );
            let file = loaded.files.first().unwrap_or(&loaded.directory);
            problems.push(problem.at(Place::file(file.as_str())));
        }
    }
    problems
}

/// A length of time in days, where it is so long.
fn whole(length: Duration) -> String {
    match length.as_secs() / 86_400 {
        0 | 1 => humantime::format_duration(Duration::from_secs(length.as_secs())).to_string(),
        days => format!("{days} days"),
    }
}
