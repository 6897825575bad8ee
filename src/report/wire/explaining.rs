//! How an [`ExplainReport`] is made: what git says, what runs, what was done, what comes, side by side.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::explain::{
    ExplainBack, ExplainFollowing, ExplainKept, ExplainNext, ExplainPlace, ExplainReport,
    ExplainRunning, ExplainService, ExplainStack, ExplainSuspension, ExplainWindow, ExplainWritten,
};
use super::shared::{followed_words, name_masked, wired};
use super::{
    HistoryGeneration, PlanReport, PlanService, StatusReport, StatusService, StatusStack,
    WireRemark, history,
};
use crate::history::{GenerationRow, GoodService};
use crate::model::desired::Barred;
use crate::model::memory::{HeldBy, HoldScope, Memory};
use crate::model::spec::{Attachment, ExposedPort, Mount, MountSource, PortBinding};
use crate::model::stack::Condition;
use crate::model::{
    DesiredService, DesiredState, Digest, Masks, ObservedState, Place, Problem, Service, ServiceId,
    ServiceName, Stack, Window,
};
use crate::plan::windows::{Owner, Windows};
use crate::plan::{Block, Change, Plan, Verdict};
use crate::report::state;

/// All that a page is made from.
#[derive(Clone, Copy)]
pub struct Explained<'a> {
    /// What was asked for.
    pub scope: &'a HoldScope,
    /// How things stand, narrowed to the scope.
    pub status: &'a StatusReport,
    /// What a pass would do, or `None` where nobody can tell.
    pub next: Option<Next<'a>>,
    /// The stacks as git has them, of every source that could be read.
    pub stacks: &'a [&'a Stack],
    /// What is wrong with the stack, where it cannot be used.
    pub problems: &'a [Problem],
    /// What is remembered.
    pub memory: &'a Memory,
    /// When deployments may start.
    pub windows: &'a Windows,
    /// Attempts at the stack, newest first.
    pub attempts: &'a [GenerationRow],
    /// What each service was well with and runs no more, newest first.
    pub good: &'a BTreeMap<ServiceName, Vec<GoodService>>,
    /// Generations that the whole stack can go back to, newest first.
    pub back: &'a [&'a GenerationRow],
    /// What cannot be known, each with the reason.
    pub unknown: &'a [String],
    /// Now.
    pub now: Timestamp,
}

/// What a pass would do.
#[derive(Clone, Copy)]
pub struct Next<'a> {
    /// What is wanted, pinned.
    pub desired: &'a DesiredState,
    /// What is.
    pub observed: &'a ObservedState,
    /// The plan.
    pub plan: &'a Plan,
    /// The plan as it is told.
    pub told: &'a PlanReport,
}

/// One page.
pub fn explain(explained: &Explained<'_>) -> ExplainReport {
    let page = Page::new(explained);
    ExplainReport {
        schema: "evenkeel.explain/v1",
        host: explained.status.host.clone(),
        at: explained.now,
        scope: explained.scope.to_string(),
        unknown: explained.unknown.to_vec(),
        services: page.services().iter().map(|name| page.service(name)).collect(),
        stack: page.stack(),
    }
}

/// What a page is made from, found.
struct Page<'a> {
    of: &'a Explained<'a>,
    name: String,
    status: Option<&'a StatusStack>,
    written: Option<&'a Stack>,
    masks: Masks,
}

impl<'a> Page<'a> {
    fn new(of: &'a Explained<'a>) -> Self {
        let name = match of.scope {
            HoldScope::Host => String::new(),
            HoldScope::Stack(name) => name.to_string(),
            HoldScope::Service(id) => id.stack.to_string(),
        };
        let written = of.stacks.iter().find(|stack| stack.name.as_str() == name).copied();
        let masks = written.map(|stack| stack.masks.clone()).unwrap_or_default();
        let status = of.status.stacks.iter().find(|stack| stack.stack == name);
        Self { of, name, status, written, masks }
    }

    fn id(&self, service: &ServiceName) -> ServiceId {
        ServiceId::new(&self.name.as_str().into(), service)
    }

    /// The services in git's order, then those that git does not name.
    fn services(&self) -> Vec<ServiceName> {
        let mut names: Vec<ServiceName> =
            self.written.into_iter().flat_map(|stack| stack.services.keys().cloned()).collect();
        let seen = self.status.into_iter().flat_map(|stack| &stack.services);
        for name in seen.map(|service| ServiceName::new(service.service.as_str())) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names.retain(|name| self.of.scope.covers(&self.id(name)));
        // One that only the history knows still has a page.
        if let (HoldScope::Service(id), true) = (self.of.scope, names.is_empty()) {
            names.push(id.service.clone());
        }
        names
    }

    fn stack(&self) -> ExplainStack {
        let of = self.of;
        let is_known = of.next.is_some() || !of.problems.is_empty();
        let recorded = self.status.and_then(|stack| stack.source.as_deref());
        let source = self.written.map(|stack| stack.source.as_str()).or(recorded);
        let sources = of.status.sources.iter();
        let waits = |other: &&&Stack| other.after.iter().any(|name| name.as_str() == self.name);
        let waiting = of.stacks.iter().filter(waits);
        let commit = self.written.map(|stack| stack.commit.to_string());
        ExplainStack {
            stack: self.name.clone(),
            state: self.status.filter(|_| is_known).map(|stack| stack.state),
            source: source.and_then(|name| sources.clone().find(|it| it.name == name).cloned()),
            commit: commit.or_else(|| self.status.and_then(|stack| stack.commit.clone())),
            files: self.written.map(|stack| stack.files.clone()).unwrap_or_default(),
            problems: wired(Some(of.problems)),
            remarks: self.remarks(),
            after: self.written.map(|stack| strings(&stack.after)).unwrap_or_default(),
            awaited_by: waiting.map(|stack| stack.name.to_string()).collect(),
            atomic: self.written.is_some_and(|stack| stack.atomic),
            suspended: self.suspended(),
            windows: self.windows(),
            last: of.attempts.first().map(|row| told(row, None)),
            back: of.back.iter().map(|row| self.back_to_stack(row)).collect(),
        }
    }

    /// What is worth saying about the manifest; of a service, about that one.
    fn remarks(&self) -> Vec<WireRemark> {
        let is_meant = |service: Option<&ServiceName>| match self.of.scope {
            HoldScope::Service(id) => service.is_none_or(|name| *name == id.service),
            HoldScope::Host | HoldScope::Stack(_) => true,
        };
        let remarks = self.written.into_iter().flat_map(|stack| &stack.remarks);
        let meant = remarks.filter(|remark| is_meant(remark.service.as_ref()));
        meant.map(WireRemark::from).collect()
    }

    fn suspended(&self) -> Option<ExplainSuspension> {
        let suspension = self.written?.suspended.as_ref()?;
        let is_over = suspension.until.is_some_and(|until| until <= self.of.now);
        let reason = suspension.reason.as_deref().map(|reason| self.masks.mask(reason));
        (!is_over).then_some(ExplainSuspension { until: suspension.until, reason })
    }

    fn windows(&self) -> Vec<ExplainWindow> {
        let of_operator = self.of.windows.of_operator(&self.name.as_str().into());
        let of_manifest = self.written.and_then(|stack| stack.window.as_ref());
        let all = of_operator.into_iter().chain(of_manifest.map(|it| (Owner::Manifest, it)));
        all.map(|(owner, window)| self.window(owner, window)).collect()
    }

    fn window(&self, owner: Owner, window: &Window) -> ExplainWindow {
        let (now, zone) = (self.of.now, &self.of.windows.zone);
        let open = window.is_open(now, zone);
        ExplainWindow {
            window: self.masks.mask(&window.to_string()),
            of: owner.to_string(),
            open,
            opens_at: (!open).then(|| window.opens(now, zone)),
        }
    }

    fn back_to_stack(&self, row: &GenerationRow) -> ExplainBack {
        ExplainBack {
            generation: row.number.0,
            started_at: Some(row.started_at),
            image: None,
            digest: None,
            on_host: None,
            command: format!("evenkeel rollback {} --to {}", self.name, row.number),
        }
    }

    fn service(&self, name: &ServiceName) -> ExplainService {
        let id = self.id(name);
        let service = self.written.and_then(|stack| stack.services.get(name));
        let plan = self.of.next.map(|next| next.plan);
        let change = plan.and_then(|it| it.changes.iter().find(|change| change.service == id));
        let seen = self.status.into_iter().flat_map(|stack| &stack.services);
        let seen = seen.into_iter().find(|seen| seen.service == name.as_str());
        ExplainService {
            service: name.to_string(),
            state: seen.map(|seen| seen.state),
            git: service.map(|service| self.written(service)),
            runs: self.of.next.map(|next| running(seen, &next)),
            last: self.of.attempts.iter().find_map(|row| attempt(row, name)),
            kept: match change {
                Some(change) => self.kept(change),
                None => self.remembered(&id),
            },
            next: change.and_then(|change| self.next(change)),
            registry: service.and_then(|service| self.registry(service, seen)),
            back: self.back(&id),
        }
    }

    fn written(&self, service: &Service) -> ExplainWritten {
        let stack = self.written.into_iter().flat_map(|stack| stack.services.values());
        let needs = |other: &Service| Some(word(other.depends_on.get(&service.name)?.condition));
        let needed_by = stack.filter_map(|other| Some((other.name.to_string(), needs(other)?)));
        let depends_on = service.depends_on.iter();
        let server_files = service.server_files.iter();
        let update = service.update.as_ref().and_then(|update| update.window.as_ref());
        ExplainWritten {
            at: place(&service.place),
            image: service.image_shown.clone(),
            image_at: place(&service.image_place),
            replicas: service.replicas,
            server_files: server_files
                .map(|(file, names)| (file.clone(), names.iter().cloned().collect()))
                .collect(),
            networks: self.shown(service, &["networks", "network_mode"], networks(service)),
            ports: self.shown(service, &["ports"], ports(service)),
            volumes: self.shown(
                service,
                &["volumes", "tmpfs", "configs", "secrets"],
                volumes(service),
            ),
            depends_on: depends_on
                .map(|(name, dependency)| (name.to_string(), word(dependency.condition)))
                .collect(),
            needed_by: needed_by.collect(),
            update_window: update.map(|window| self.window(Owner::Update, window)),
        }
    }

    /// Lines made from fields of a service; none of them where a value of the server is part of one.
    fn shown(&self, service: &Service, keys: &[&str], lines: Vec<String>) -> Vec<String> {
        if !lines.is_empty() && keys.iter().any(|key| service.sensitive.contains(*key)) {
            return vec!["not shown, since a value of the server is part of it".to_owned()];
        }
        let stack = self.name.as_str().into();
        lines.iter().map(|line| name_masked(&self.masks, &stack, line)).collect()
    }

    fn next(&self, change: &Change) -> Option<ExplainNext> {
        let told = self.of.next?.told.stacks.iter().find(|stack| stack.stack == self.name)?;
        let name = change.service.service.as_str();
        let of_service = |service: &&PlanService| service.service == name;
        let PlanService { verdict, order, reasons, hint, .. } =
            told.services.iter().find(of_service)?.clone();
        let steps = told.steps.iter();
        let steps = steps.filter(|step| step.service.as_deref() == Some(name)).cloned();
        Some(ExplainNext { verdict, order, reasons, steps: steps.collect(), hint })
    }

    /// Why a service is left as it is, as the plan has it.
    fn kept(&self, change: &Change) -> Option<ExplainKept> {
        let (why, release) = state::why(change, &self.masks);
        let kept = ExplainKept {
            how: "waiting",
            held_by: None,
            why: why?,
            since: None,
            until: None,
            next_try_at: None,
            release,
        };
        Some(match &change.verdict {
            Verdict::Held(held) => ExplainKept {
                how: "held",
                held_by: state::held_by(&change.verdict),
                since: held.since,
                until: held.until,
                ..kept
            },
            Verdict::Rejected { since, .. } => {
                ExplainKept { how: "rejected", since: Some(*since), ..kept }
            }
            Verdict::Blocked(Block::Trouble(trouble)) => ExplainKept {
                since: Some(trouble.since),
                next_try_at: Some(trouble.next_try),
                ..kept
            },
            Verdict::Blocked(Block::Barred(barred)) => ExplainKept {
                how: if matches!(barred, Barred::Refused { .. }) { "rejected" } else { kept.how },
                since: barred.since(),
                next_try_at: barred.again(),
                ..kept
            },
            Verdict::Blocked(Block::Window(waiting)) => {
                ExplainKept { until: waiting.until, ..kept }
            }
            Verdict::Blocked(_)
            | Verdict::InSync
            | Verdict::Create
            | Verdict::Start(_)
            | Verdict::Mend(_)
            | Verdict::Update(_)
            | Verdict::Recreate(_)
            | Verdict::CleanUp
            | Verdict::Remove => kept,
        })
    }

    /// What is remembered against a change, where no plan can be made.
    fn remembered(&self, id: &ServiceId) -> Option<ExplainKept> {
        let memory = self.of.memory;
        if let Some(hold) = memory.hold(id, self.of.now) {
            return Some(ExplainKept {
                how: "held",
                held_by: Some(match hold.by {
                    HeldBy::Operator => "operator",
                    HeldBy::Rollback => "rollback",
                    HeldBy::Adoption => "adoption",
                }),
                why: hold.reason.clone().unwrap_or_else(|| "no reason given".to_owned()),
                since: Some(hold.since),
                until: hold.until,
                next_try_at: None,
                release: Some(format!("`evenkeel unhold {}` ends the hold", hold.scope.argument())),
            });
        }
        let trouble = memory.troubles.get(id)?;
        Some(ExplainKept {
            how: "waiting",
            held_by: None,
            why: trouble.error.clone(),
            since: Some(trouble.since),
            until: None,
            next_try_at: Some(trouble.next_try),
            release: Some(format!("wait, or try at once: `evenkeel retry {id}`")),
        })
    }

    fn registry(
        &self,
        service: &Service,
        seen: Option<&StatusService>,
    ) -> Option<ExplainFollowing> {
        let update = service.update.as_ref();
        let min_age = update.and_then(|update| update.min_age);
        let pinned = self.desired(&service.name).and_then(|desired| desired.image.as_ref().ok());
        Some(ExplainFollowing {
            follows: seen.and_then(|seen| seen.follows.clone()),
            asks: followed_words(service)?,
            min_age_seconds: min_age.map(|age| age.as_secs()),
            write_back: update.is_some_and(|update| update.write_back),
            next_at: pinned.and_then(|pinned| pinned.followed.as_ref()?.again),
        })
    }

    fn desired(&self, service: &ServiceName) -> Option<&'a DesiredService> {
        let deployment = self.of.next?.desired.deployment(&self.name.as_str().into())?;
        deployment.services.get(service)
    }

    fn back(&self, id: &ServiceId) -> Vec<ExplainBack> {
        let attempts = self.of.attempts.iter();
        let at = |number| attempts.clone().find(|row| row.number == number);
        let good = self.of.good.get(&id.service).into_iter().flatten();
        let back = good.map(|good| ExplainBack {
            generation: good.generation.0,
            started_at: at(good.generation).map(|row| row.started_at),
            image: good.image.clone(),
            digest: Some(good.digest.to_string()),
            on_host: self.of.next.map(|next| is_on_host(next.observed, &good.digest)),
            command: format!("evenkeel rollback {id} --to {}", good.generation),
        });
        back.collect()
    }
}

fn strings(names: &[impl ToString]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

fn place(place: &Place) -> ExplainPlace {
    ExplainPlace { file: place.file.to_string(), line: place.line }
}

/// A generation, with one of its services alone where one is meant.
fn told(row: &GenerationRow, only: Option<&ServiceName>) -> HistoryGeneration {
    let mut row = row.clone();
    row.services.retain(|service| only.is_none_or(|name| service.service == *name));
    history(std::slice::from_ref(&row)).generations.remove(0)
}

/// The generation, where it did something to the service.
fn attempt(row: &GenerationRow, name: &ServiceName) -> Option<HistoryGeneration> {
    use crate::model::ServiceOutcome::Unchanged;
    let is_changed = |it: &&crate::history::ServiceRow| it.outcome != Some(Unchanged);
    let found = row.services.iter().filter(is_changed).any(|service| service.service == *name);
    found.then(|| told(row, Some(name)))
}

fn is_on_host(observed: &ObservedState, digest: &Digest) -> bool {
    let names = observed.images.iter().flat_map(|image| &image.digests);
    names.into_iter().any(|name| name.ends_with(digest.as_str()))
}

fn running(seen: Option<&StatusService>, next: &Next<'_>) -> ExplainRunning {
    let Some(seen) = seen.filter(|seen| !seen.containers.is_empty()) else {
        return ExplainRunning {
            image: None,
            digest: None,
            image_created_at: None,
            generation: None,
            containers: Vec::new(),
        };
    };
    let observed = next.observed;
    let ids: Vec<&str> = seen.containers.iter().map(|one| one.id.as_str()).collect();
    let ours = observed.containers.iter().find(|found| ids.contains(&found.id.as_str()));
    let image = ours
        .and_then(|found| observed.images.iter().find(|image| image.id == found.image_id.as_str()));
    ExplainRunning {
        image: seen.image.clone(),
        digest: seen.digest.clone(),
        image_created_at: image.and_then(|image| image.created_at),
        generation: seen.generation,
        containers: seen.containers.clone(),
    }
}

fn word(condition: Condition) -> &'static str {
    match condition {
        Condition::Started => "started",
        Condition::Healthy => "healthy",
        Condition::Completed => "completed",
    }
}

fn networks(service: &Service) -> Vec<String> {
    match &service.settings.network {
        Attachment::Mode(mode) => vec![format!("network mode {mode}")],
        Attachment::Networks(endpoints) => {
            endpoints.iter().map(|endpoint| endpoint.network.to_string()).collect()
        }
    }
}

fn ports(service: &Service) -> Vec<String> {
    let published = |port: &PortBinding| {
        let PortBinding { target, host_ip, published } = port;
        let host = if published.is_empty() { "any free port" } else { published.as_str() };
        match host_ip.is_empty() {
            true => format!("{host} → {target}"),
            false => format!("{host_ip}:{host} → {target}"),
        }
    };
    let is_published =
        |port: &&ExposedPort| service.settings.ports.iter().any(|binding| binding.target == **port);
    let inside = service.settings.expose.iter().filter(|port| !is_published(port));
    let inside = inside.map(|port| format!("{port}, within its networks"));
    service.settings.ports.iter().map(published).chain(inside).collect()
}

fn volumes(service: &Service) -> Vec<String> {
    let mounted = |mount: &Mount| {
        let source = match &mount.source {
            MountSource::Bind { path, .. } => path.display().to_string(),
            MountSource::Volume { name, .. } => name.to_string(),
            MountSource::Anonymous => "a volume without a name".to_owned(),
            MountSource::Image { image, .. } => format!("image {}", image.digest().short()),
        };
        let how = if mount.read_only { ", read-only" } else { "" };
        format!("{source} → {}{how}", mount.target)
    };
    let tmpfs = service.settings.tmpfs.keys().map(|target| format!("tmpfs → {target}"));
    service.settings.mounts.iter().map(mounted).chain(tmpfs).collect()
}
