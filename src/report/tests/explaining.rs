use std::collections::BTreeMap;

use super::world::*;
use crate::engine::EngineError;
use crate::history::{GenerationRow, GoodService};
use crate::model::desired::Followed;
use crate::model::memory::{HeldBy, Hold, HoldScope, Memory};
use crate::model::observed::{EngineInfo, ObservedContainer, ObservedImage};
use crate::model::spec::{
    Attachment, Endpoint, ExposedPort, Mount, MountSource, PortBinding, Protocol,
};
use crate::model::stack::{Condition, Dependency, Suspension};
use crate::model::{
    DesiredState, GenerationNumber, GenerationOutcome, ObservedState, ServiceName, SpecHash, Stack,
    StackContent, StackName, Window,
};
use crate::plan::windows::Windows;
use crate::plan::{Block, Plan, Verdict};
use crate::report::wire::{ExplainReport, Explained, Next, Standing};
use crate::report::{Style, text, wire};

/// A shop whose api does everything that a page tells of.
fn shop() -> DesiredState {
    let mut desired = desired(&["shop/api", "shop/web", "blog/web"]);
    with_stack(&mut desired, "blog", |stack| stack.after = vec!["shop".into()]);
    with_stack(&mut desired, "shop", |stack| {
        stack.after = vec!["proxy".into()];
        let on = |condition| Dependency { condition, restart: false, required: true };
        let web = stack.services.get_mut(&ServiceName::new("web")).unwrap();
        web.depends_on.insert("api".into(), on(Condition::Healthy));
        let api = stack.services.get_mut(&ServiceName::new("api")).unwrap();
        api.depends_on.insert("migrate".into(), on(Condition::Completed));
        let names = ["DATABASE_URL", "TAG"].map(str::to_owned);
        api.server_files.insert("/etc/evenkeel/env/shop.env".to_owned(), names.into());
        let target = ExposedPort { port: 80, protocol: Protocol::Tcp };
        api.settings.ports =
            vec![PortBinding { target, host_ip: String::new(), published: "8080".to_owned() }];
        api.settings.network = Attachment::Networks(vec![Endpoint::plain("shop_default".into())]);
        api.settings.mounts = vec![Mount::new("/data", MountSource::volume("shop_data"), false)];
        api.pull_policy = crate::model::PullPolicy::Always;
    });
    let stack = desired.stacks.get_mut(&StackName::new("shop")).unwrap();
    let StackContent::Usable(deployment) = &mut stack.content else { panic!("usable") };
    let pinned =
        deployment.services.get_mut(&ServiceName::new("api")).unwrap().image.as_mut().unwrap();
    let again = Some("2026-11-21T12:04:00Z".parse().unwrap());
    pinned.followed = Some(Followed { again, ..Followed::default() });
    desired
}

fn with_stack(desired: &mut DesiredState, name: &str, change: impl FnOnce(&mut Stack)) {
    let StackContent::Usable(deployment) =
        &mut desired.stacks.get_mut(&StackName::new(name)).unwrap().content
    else {
        panic!("usable")
    };
    change(&mut deployment.stack);
    for (name, service) in &deployment.stack.services {
        deployment.services.get_mut(name).unwrap().service = service.clone();
    }
}

fn attempts() -> Vec<GenerationRow> {
    let failed = super::pasts::row(9, Some(GenerationOutcome::RolledBack), Some("it\nsaid no"));
    vec![failed, super::pasts::row(8, Some(GenerationOutcome::Converged), None)]
}

fn good() -> BTreeMap<ServiceName, Vec<GoodService>> {
    let good = GoodService {
        generation: GenerationNumber(8),
        digest: digest(),
        spec: SpecHash::new("1:old"),
        image: Some("ghcr.io/acme/app:1.4.1".to_owned()),
    };
    [("api".into(), vec![good])].into()
}

struct Scene {
    desired: DesiredState,
    observed: ObservedState,
    plan: Option<Plan>,
    memory: Memory,
    unknown: Vec<String>,
}

impl Scene {
    fn new(verdict: Verdict) -> Self {
        let mut observed = observed(vec![container("shop/api"), container("shop/web")]);
        observed.images.push(ObservedImage {
            id: observed.containers[0].image_id.to_string(),
            digests: vec![format!("ghcr.io/acme/app@{}", digest())],
            created_at: Some("2026-11-19T08:00:00Z".parse().unwrap()),
            ..ObservedImage::default()
        });
        let plan = plan([("shop/api", verdict), ("shop/web", Verdict::InSync)]);
        let (memory, unknown) = (Memory::default(), Vec::new());
        Self { desired: shop(), observed, plan: Some(plan), memory, unknown }
    }

    fn explain(&self, scope: &str) -> ExplainReport {
        let scope = match scope.contains('/') {
            true => HoldScope::Service(id(scope)),
            false => HoldScope::Stack(scope.into()),
        };
        let (engine, silent) =
            (EngineInfo::default(), EngineError::Unreachable("no such file".to_owned()));
        let status = wire::status(&Standing {
            pressure: None,
            host: &self.desired.host,
            engine: if self.plan.is_some() { Ok(&engine) } else { Err(&silent) },
            sources: &super::standings::sources(),
            desired: self.plan.as_ref().map(|_| &self.desired),
            observed: &self.observed,
            plan: self.plan.as_ref(),
            recorded: &[],
            generations: &BTreeMap::new(),
            now: now(),
        });
        let told = self.plan.as_ref().map(|plan| wire::plan(&self.desired, plan));
        let stacks: Vec<&Stack> = self.desired.deployments().map(|it| &it.stack).collect();
        let problems =
            scope.stack().and_then(|name| match &self.desired.stacks.get(name)?.content {
                StackContent::Invalid(problems) => Some(problems.as_slice()),
                StackContent::Usable(_) => None,
            });
        let attempts = attempts();
        let window = Window::parse("Sat,Sun 02:00-05:00").unwrap();
        wire::explain(&Explained {
            scope: &scope,
            status: &status,
            next: self.plan.as_ref().zip(told.as_ref()).map(|(plan, told)| Next {
                desired: &self.desired,
                observed: &self.observed,
                plan,
                told,
            }),
            stacks: &stacks,
            problems: problems.unwrap_or_default(),
            memory: &self.memory,
            windows: &Windows { host: Some(window), ..Windows::default() },
            attempts: &attempts,
            good: &good(),
            back: &[&attempts[1]],
            unknown: &self.unknown,
            now: now(),
        })
    }

    fn page(&self, scope: &str) -> String {
        let report = self.explain(scope);
        json(&report);
        text(|out| text::explain(out, &report, Style::PLAIN))
    }
}

#[test]
fn a_page_tells_what_git_says_what_runs_why_what_comes_and_what_there_is_to_go_back_to() {
    let mut scene = Scene::new(image_update());
    let steps = vec![create("shop-api-1.next")];
    scene.plan = scene.plan.map(|plan| with_steps(plan, "shop/api", steps));
    insta::assert_snapshot!(scene.page("shop/api"), @r"
    shop/api  pending
      git       compose.yaml:2
                image ghcr.io/acme/app:${TAG} (compose.yaml:3)
                source infra at 0123456, read 40 s ago
                env file /etc/evenkeel/env/shop.env: DATABASE_URL, TAG
                networks shop_default
                ports 8080 → 80/tcp
                volumes shop_data → /data
                depends on migrate (completed)
                needed by web (healthy)
                its stack comes after proxy
      runs      ghcr.io/acme/app:${TAG}@abababababab, built 2026-11-19 08:00 UTC, generation 7
                shop-api-1  running, healthy, started 3 h ago
      last      generation 9 at 2026-11-21 11:00 UTC, rolled-back in 2m 5s
                because git changed; commit 0123456, Raise the api to 1.4.2, which no longer loses its place when the clock is set (Ada)
                api: update, done  image: app:1.4.1 → app:1.4.2
                it said no
      next      update
                image: app:1.4.1 → app:1.4.2
                env.TOKEN changed
                1. create-container  shop-api-1.next  # image changed
      registry  git asks for what the written tag is now: the written tag
                looked at again at 2026-11-21 12:04 UTC
      window    `Sat,Sun 02:00-05:00` of this host, opens at 2026-11-22 02:00 UTC
      back      evenkeel rollback shop/api --to 8  2026-11-21 11:00 UTC  ghcr.io/acme/app:1.4.1@abababababab
    ");
}

#[test]
fn a_stack_is_told_with_its_services_in_a_table() {
    let mut scene = Scene::new(rejected());
    with_stack(&mut scene.desired, "shop", |stack| {
        stack.atomic = true;
        stack.suspended = Some(Suspension { until: None, reason: Some("the move".to_owned()) });
    });
    insta::assert_snapshot!(scene.page("shop"), @r"
    shop  rejected
      git       shop/compose.yaml
                source infra at 0123456, read 40 s ago
                after proxy
                awaited by blog
                changed as a whole or not at all
      suspended nothing of it is changed: the move
      services  api  rejected  ghcr.io/acme/app:${TAG}@abababababab  failed with this spec at 2026-11-21 12:00 UTC: it said •••
                web  in-sync   ghcr.io/acme/app:${TAG}@abababababab
      last      generation 9 at 2026-11-21 11:00 UTC, rolled-back in 2m 5s
                because git changed; commit 0123456, Raise the api to 1.4.2, which no longer loses its place when the clock is set (Ada)
                api: update, done  image: app:1.4.1 → app:1.4.2
                it said no
      window    `Sat,Sun 02:00-05:00` of this host, opens at 2026-11-22 02:00 UTC
      back      evenkeel rollback shop --to 8  2026-11-21 11:00 UTC
    ");
}

#[test]
fn a_page_says_what_keeps_a_service_since_when_and_what_ends_that() {
    let check = |verdict: Verdict, how: &str, expected: &str| {
        let scene = Scene::new(verdict);
        let kept = scene.explain("shop/api").services[0].kept.clone().unwrap();
        assert_eq!(kept.how, how);
        let page = scene.page("shop/api");
        assert!(page.contains(expected), "no `{expected}` in\n{page}");
    };
    check(
        held(HeldBy::Operator, true),
        "held",
        "kept      held by operator since 2026-11-21 12:00 UTC: held until the move is done",
    );
    check(
        rejected(),
        "rejected",
        "kept      rejected since 2026-11-21 12:00 UTC: failed with this spec",
    );
    check(rejected(), "rejected", "`evenkeel retry shop/api`");
    check(
        waiting(),
        "waiting",
        "kept      waiting until 2026-11-28 02:00 UTC: waits for the window",
    );
    let trouble = crate::model::memory::Trouble {
        about: "1:abc".to_owned(),
        since: now(),
        times: 3,
        next_try: "2026-11-21T12:05:00Z".parse().unwrap(),
        error: "no space".to_owned(),
    };
    check(
        Verdict::Blocked(Block::Trouble(trouble)),
        "waiting",
        "since 2026-11-21 12:00 UTC and tried again at 2026-11-21 12:05 UTC",
    );
    assert_eq!(Scene::new(Verdict::InSync).explain("shop/api").services[0].kept, None);
}

#[test]
fn without_an_engine_the_page_tells_what_git_and_memory_know_and_says_what_it_cannot_know() {
    let mut scene = Scene::new(Verdict::InSync);
    scene.plan = None;
    scene.observed = ObservedState::default();
    scene.unknown = vec!["what runs: the engine does not answer".to_owned()];
    scene.memory.holds = vec![Hold {
        scope: HoldScope::Stack("shop".into()),
        by: HeldBy::Operator,
        since: now(),
        until: None,
        reason: Some("the move".to_owned()),
        image: None,
        going_to: None,
    }];
    insta::assert_snapshot!(scene.page("shop/api"), @r"
    shop/api  unknown
      git       compose.yaml:2
                image ghcr.io/acme/app:${TAG} (compose.yaml:3)
                source infra at 0123456, read 40 s ago
                env file /etc/evenkeel/env/shop.env: DATABASE_URL, TAG
                networks shop_default
                ports 8080 → 80/tcp
                volumes shop_data → /data
                depends on migrate (completed)
                needed by web (healthy)
                its stack comes after proxy
      runs      not known
      last      generation 9 at 2026-11-21 11:00 UTC, rolled-back in 2m 5s
                because git changed; commit 0123456, Raise the api to 1.4.2, which no longer loses its place when the clock is set (Ada)
                api: update, done  image: app:1.4.1 → app:1.4.2
                it said no
      kept      held by operator since 2026-11-21 12:00 UTC: the move
                `evenkeel unhold shop` ends the hold
      next      not known
      registry  git asks for what the written tag is now
                asked by the next pass
      window    `Sat,Sun 02:00-05:00` of this host, opens at 2026-11-22 02:00 UTC
      back      evenkeel rollback shop/api --to 8  2026-11-21 11:00 UTC  ghcr.io/acme/app:1.4.1@abababababab
      unknown   what runs: the engine does not answer
    ");
    let report = scene.explain("shop/api");
    assert_eq!((report.stack.state, report.services[0].state), (None, None));
}

#[test]
fn a_page_shows_no_value_of_the_server() {
    let mut scene = Scene::new(rejected());
    with_stack(&mut scene.desired, "shop", |stack| {
        let api = stack.services.get_mut(&ServiceName::new("api")).unwrap();
        api.settings.mounts =
            vec![Mount::new(SECRET, MountSource::bind(format!("/srv/{SECRET}")), true)];
        api.settings.ports[0].host_ip = "10.9.8.7".to_owned();
        api.sensitive.insert("ports".to_owned());
    });
    for scope in ["shop", "shop/api"] {
        let page = scene.page(scope) + &serde_json::to_string(&scene.explain(scope)).unwrap();
        assert!(!page.contains(SECRET), "{page}");
        assert!(!page.contains("10.9.8.7"), "{page}");
    }
    assert!(scene.page("shop/api").contains("/srv/••• → •••, read-only"));
}

#[test]
fn a_service_that_only_the_history_knows_has_a_page_too() {
    let page = Scene::new(Verdict::InSync).page("shop/old");
    assert!(page.contains("git does not name it"), "{page}");
    assert!(page.contains("runs      nothing"), "{page}");
}

#[test]
fn a_container_that_was_restarted_says_so() {
    let mut scene = Scene::new(Verdict::InSync);
    scene.observed.containers[0] = ObservedContainer { restarts: 3, ..container("shop/api") };
    assert!(scene.page("shop/api").contains("shop-api-1  running, healthy, 3 restarts"));
}
