//! Whether images may run here that do not run yet (`policy.images`): questions are asked until that is clear for each.
//!
//! [`judge`] says what is to be known next, [`ask`] finds it out, this file does both in turn and says what came of it.
//! What runs already is not asked about: it is never stopped for what is said here.

mod ask;
mod judge;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use indexmap::IndexMap;
use jiff::Timestamp;

use super::{AT_ONCE, Context, choose};
use crate::inspector::Programs;
use crate::model::desired::{Barred, Pinned};
use crate::model::image_policy::ImageRule;
use crate::model::polls::{Polls, Repository};
use crate::model::proofs::{Found, Proof, ProofKey, Proofs};
use crate::model::spec::MountSource;
use crate::model::{
    DesiredService, DesiredStack, Digest, ImageRef, Masks, ObservedContainer, ObservedState,
    PinnedImage, Platform, Service, ServiceId, ServiceName, StackContent, StackName,
};
use crate::signature::Keys;
pub(super) use ask::Answer;
pub(super) use judge::{Question, Standing};

/// An image whose program is at work is looked at again after so long.
const AT_WORK: Duration = Duration::from_secs(5);

/// What is asked of images, and what asking takes.
#[derive(Clone, Copy)]
pub struct Gate<'a> {
    /// What the operator asks.
    pub rules: &'a [ImageRule],
    /// What was found out in earlier passes.
    pub proofs: &'a Proofs,
    /// Who may be asked.
    pub asks: Asks,
    /// Programs at work.
    pub programs: &'a Programs,
    /// Whether what failed before is tried again.
    pub tries: Tries,
    /// Whether images are those of an earlier generation: however young they are, they ran here.
    pub goes_back: bool,
    /// How often registries are asked.
    pub interval: Duration,
    /// Now.
    pub now: Timestamp,
}

/// Who may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// Registries, and programs of the operator.
    All,
    /// Nobody; what is not known may not run.
    Nobody,
    /// Registries, for somebody who only wants to know: what programs would say is left open.
    Registries,
    /// Nobody, for somebody who only wants to know.
    Memory,
}

/// Whether a question that brought nothing good is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tries {
    /// When its time has come.
    WhenDue,
    /// In this pass.
    AtOnce,
    /// Not at all.
    Never,
}

impl Gate<'_> {
    /// Whether this image was not let in, and is to be looked at again now.
    pub(super) fn doubts(&self, image: &ImageRef, digest: &Digest) -> bool {
        let (repository, digest) = (Repository::from(image), digest.clone());
        let first = ProofKey { repository, digest, about: String::new() };
        let proofs = self.proofs.0.range(first.clone()..);
        let mut proofs = proofs.take_while(|(key, _)| {
            (&key.repository, &key.digest) == (&first.repository, &first.digest)
        });
        let asks = self.asks.registries() && !self.goes_back;
        asks && proofs.any(|(_, proof)| proof.found != Found::Good && self.is_due(proof))
    }

    /// Whether to ask again; never twice in a pass.
    fn is_due(&self, proof: &Proof) -> bool {
        proof.at != self.now
            && match self.tries {
                Tries::WhenDue => proof.is_due(self.now),
                Tries::AtOnce => proof.again.is_some(),
                Tries::Never => false,
            }
    }
}

impl Asks {
    fn registries(self) -> bool {
        matches!(self, Self::All | Self::Registries)
    }

    fn programs(self) -> bool {
        self == Self::All
    }

    /// Whether something is deployed by what is found.
    fn acts(self) -> bool {
        matches!(self, Self::All | Self::Nobody)
    }
}

/// An image of a service.
pub(super) struct Subject<'a> {
    /// Whose.
    pub id: ServiceId,
    /// Which.
    pub image: PinnedImage,
    /// As people may see it.
    pub shown: String,
    /// For which platform.
    pub platform: Platform,
    /// What is blotted out of what others say.
    pub masks: &'a Masks,
}

impl Subject<'_> {
    fn repository(&self) -> Repository {
        Repository::from(&self.image.reference())
    }

    fn key(&self, about: String) -> ProofKey {
        let (repository, digest) = (self.repository(), self.image.digest().clone());
        ProofKey { repository, digest, about }
    }
}

/// Questions and answers of one pass.
pub(super) struct Inquiry<'a> {
    gate: Gate<'a>,
    /// The keys of each file that a rule names, or why it cannot be used.
    keys: BTreeMap<&'a Path, Result<Keys, String>>,
    proofs: Proofs,
    /// What a program is at work on.
    open: BTreeSet<ProofKey>,
}

impl<'a> Inquiry<'a> {
    /// Reads the keys, anew in each pass: a key that is taken away counts no more.
    pub(super) async fn new(gate: Gate<'a>) -> Self {
        let mut keys = BTreeMap::new();
        for file in gate.rules.iter().filter_map(|rule| rule.cosign_key.as_deref()) {
            if !keys.contains_key(file) {
                keys.insert(file, ask::keys(file).await);
            }
        }
        let proofs = gate.proofs.clone();
        Self { gate, keys, proofs, open: BTreeSet::new() }
    }

    /// What is known by now.
    pub(super) fn into_proofs(self) -> Proofs {
        self.proofs
    }

    /// Takes note of what was found out; `None` is what does not count any more.
    pub(super) fn remember(&mut self, found: Vec<(ProofKey, Option<Proof>)>) {
        for (key, proof) in found {
            match proof {
                Some(proof) => self.proofs.0.insert(key, proof),
                None => self.proofs.0.remove(&key),
            };
        }
    }
}

/// What became of one service.
struct Verified {
    stack: StackName,
    service: ServiceName,
    barred: Option<Barred>,
    remark: Option<String>,
}

/// Bars what may not run of `stacks`, and says when that is to be looked at again though nothing else happens.
pub(super) async fn verify(
    stacks: &mut IndexMap<StackName, DesiredStack>,
    inquiry: &mut Inquiry<'_>,
    polls: &mut Polls,
    context: &Context<'_>,
) -> Option<Timestamp> {
    let verified = look(stacks, inquiry, polls, context).await;
    let mut next: Option<Timestamp> = None;
    for Verified { stack, service, barred, remark } in verified {
        let ahead = barred.as_ref().and_then(Barred::again);
        next = next.into_iter().chain(ahead.filter(|at| *at > inquiry.gate.now)).min();
        let desired = stacks.get_mut(&stack).and_then(|stack| match &mut stack.content {
            StackContent::Usable(deployment) => deployment.services.get_mut(&service),
            StackContent::Invalid(_) => None,
        });
        if let Some(DesiredService { image: Ok(pinned), .. }) = desired {
            (pinned.barred, pinned.unverified) = (barred, remark);
        }
    }
    next
}

async fn look(
    stacks: &IndexMap<StackName, DesiredStack>,
    inquiry: &mut Inquiry<'_>,
    polls: &mut Polls,
    context: &Context<'_>,
) -> Vec<Verified> {
    let all: Vec<(bool, Subject<'_>)> = subjects(stacks, context);
    loop {
        let mut questions = BTreeMap::new();
        let mut verified = Vec::new();
        for (runs, subject) in &all {
            let ServiceId { stack, service } = subject.id.clone();
            if *runs {
                let remark = inquiry.unproven(subject);
                verified.push(Verified { stack, service, barred: None, remark });
                continue;
            }
            match inquiry.judge(polls, subject) {
                Err(question) => {
                    let (repository, digest) = (subject.repository(), subject.image.digest());
                    questions.entry((repository, digest.clone(), question)).or_insert(subject);
                }
                Ok(Standing::Good) => {}
                Ok(Standing::Open(remark)) => {
                    verified.push(Verified { stack, service, barred: None, remark: Some(remark) })
                }
                Ok(Standing::Barred(barred)) => {
                    let barred = Some(barred);
                    verified.push(Verified { stack, service, barred, remark: None });
                }
            }
        }
        if questions.is_empty() {
            // One image that may not run bars the service, whatever is said of the others.
            verified.sort_by_key(|one| one.barred.is_some());
            return verified;
        }
        let asking = questions.into_iter().map(|((_, _, question), subject)| {
            let (inquiry, polls) = (&*inquiry, &*polls);
            async move {
                let answer = inquiry.ask(context.registry, polls, subject, question).await;
                (subject, answer)
            }
        });
        let answers: Vec<_> =
            futures_util::stream::iter(asking).buffer_unordered(AT_ONCE).collect().await;
        for (subject, answer) in answers {
            inquiry.take(answer, polls, subject);
        }
    }
}

/// All images that services ask for, and whether they run them already.
fn subjects<'a>(
    stacks: &'a IndexMap<StackName, DesiredStack>,
    context: &Context<'_>,
) -> Vec<(bool, Subject<'a>)> {
    let usable = stacks.values().filter_map(|stack| match &stack.content {
        StackContent::Usable(deployment) => Some(deployment),
        StackContent::Invalid(_) => None,
    });
    let mut all = Vec::new();
    for deployment in usable {
        let masks = &deployment.stack.masks;
        for desired in deployment.services.values() {
            let (Ok(pinned), service) = (&desired.image, &desired.service) else { continue };
            let id = ServiceId::new(&deployment.stack.name, &service.name);
            let platform = service.settings.platform.as_ref().unwrap_or(context.platform).clone();
            let own = std::iter::once((&pinned.image, shown(service, pinned)));
            for (image, shown) in own.chain(mounted(service)) {
                let runs = runs(&id, image, context.observed);
                let (id, image, platform) = (id.clone(), image.clone(), platform.clone());
                all.push((runs, Subject { id, image, shown, platform, masks }));
            }
        }
    }
    all
}

/// Images whose files a service sees: what is in them can be run as well.
fn mounted(service: &Service) -> impl Iterator<Item = (&PinnedImage, String)> {
    service.settings.mounts.iter().filter_map(|mount| match &mount.source {
        MountSource::Image { image, .. } => Some((image, format!("`{}`", image.familiar()))),
        MountSource::Bind { .. } | MountSource::Volume { .. } | MountSource::Anonymous => None,
    })
}

fn shown(service: &Service, pinned: &Pinned) -> String {
    let (reference, digest) = (pinned.image.reference(), pinned.image.digest().short());
    match reference.tag() {
        Some(tag) if !reference.same_tag(&service.image) => {
            format!("`{}`, as {} ({digest}),", service.image_shown, service.shown_tag(tag))
        }
        Some(_) | None => format!("`{}` ({digest})", service.image_shown),
    }
}

/// Whether a container of the service has run this very image, or sees its files.
fn runs(id: &ServiceId, image: &PinnedImage, observed: &ObservedState) -> bool {
    observed
        .containers_of(id)
        .filter(|container| container.state != crate::model::ContainerState::Created)
        .any(|container| is_of(container, image, observed))
}

fn is_of(container: &ObservedContainer, image: &PinnedImage, observed: &ObservedState) -> bool {
    let sees = container.settings.mounts.iter().any(|mount| {
        matches!(&mount.source, MountSource::Image { image: seen, .. } if seen.digest() == image.digest())
    });
    sees || choose::made_of(container, &image.reference(), observed)
        .any(|digest: Digest| digest == *image.digest())
}
