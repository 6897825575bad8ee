//! What goes and what stays, on a strict host in memory.

use std::sync::Arc;

use super::*;
use crate::apply::tests::bench::*;
use crate::config::{Ambient, Config};
use crate::decrypt::Vault;
use crate::engine::fake::{FakeEngine, Fault, ImageBehaviour, Matcher, Verb};
use crate::engine::{Engine as _, Labels};
use crate::history::{NewGeneration, ServiceResult};
use crate::model::retention::Pulled;
use crate::model::stack::StackRecord;
use crate::model::{
    CommitId, ContainerSpec, GenerationOutcome, PinnedImage, Problem, ServiceId, SourceName,
    StackContent, StackName, Trigger,
};
use crate::notify::network::Network;
use crate::probe::{Answer, Prober};
use crate::reconcile::rounds::Rounds;
use crate::registry::fake::FakeRegistry;

/// Nothing is asked of containers here.
struct Nobody;

#[async_trait::async_trait]
impl Prober for Nobody {
    async fn get(&self, _: &str) -> Result<Answer, String> {
        Err("nobody".to_owned())
    }

    async fn connect(&self, _: &str) -> Result<(), String> {
        Err("nobody".to_owned())
    }
}

/// Bytes of an image.
const SIZE: u64 = 10_000_000;

/// A host on which `shop/web` is deployed over and over.
struct Host {
    bench: Bench,
    world: World,
    history: History,
    stop: CancellationToken,
    now: Timestamp,
    directory: tempfile::TempDir,
}

impl Host {
    fn new(settings: &str) -> Self {
        // The first one to install it wins.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (bench, directory) = (Bench::new(), tempfile::tempdir().unwrap());
        let path = directory.path().display();
        let text = format!(
            "sources: [{{repo: /srv/infra}}]\nstate_dir: {path}/state\ndata_dir: {path}/data\n\
             retention: {{{settings}}}\n"
        );
        let ambient = Ambient { hostname: "web-1".into(), ..Ambient::default() };
        let config = Config::parse("config.yaml", &text, &ambient).unwrap();
        let world = World {
            vault: Arc::new(Vault::new(config.decrypt.clone())),
            config,
            engine: Arc::new(bench.world.clone()),
            prober: Arc::new(Nobody),
            registry: Arc::new(FakeRegistry::default()),
            courier: Arc::new(Network::new()),
            mail: Arc::default(),
            metrics: Arc::default(),
            sources: Vec::new(),
            rounds: Rounds::default(),
            programs: crate::inspector::Programs::new(None),
        };
        let (history, stop) = (History::in_memory().unwrap(), CancellationToken::new());
        let now = bench.now;
        Self { bench, world, history, stop, now, directory }
    }

    fn engine(&self) -> &FakeEngine {
        &self.bench.world
    }

    fn keeper(&self) -> Keeper<'_> {
        let Self { bench, world, history, stop, now, .. } = self;
        Keeper { world, history, desired: &bench.desired, stop, now: *now }
    }

    async fn free(&self) -> Freed {
        self.keeper().free(Foreign::Stay).await.unwrap()
    }

    /// What is left of these images.
    async fn left<'i>(&self, images: &'i [PinnedImage]) -> Vec<&'i PinnedImage> {
        let observed = self.engine().observe(&[]).await.unwrap();
        let there = |image: &&PinnedImage| {
            let name = image.pull_reference();
            observed.images.iter().any(|one| one.digests.contains(&name))
        };
        images.iter().filter(there).collect()
    }

    /// The tags of an image, each of which somebody gave.
    async fn tags(&self, image: &PinnedImage) -> Vec<String> {
        let observed = self.engine().observe(&[]).await.unwrap();
        let name = image.pull_reference();
        let found = observed.images.into_iter().find(|one| one.digests.contains(&name));
        found.map(|image| image.tags).unwrap_or_default()
    }

    /// Deploys `shop/web` with an image; a minute passes.
    async fn deploy(&mut self, image: &PinnedImage) {
        self.deploy_as(service("web", image), image).await;
    }

    async fn deploy_as(&mut self, wanted: Wanted, image: &PinnedImage) {
        self.bench.want("shop", [wanted]);
        self.bench.converge().await;
        self.now += Duration::from_secs(60);
        self.write_down_pulls();
        self.write_down(image, "");
    }

    /// What the journal of a pass writes down.
    fn write_down_pulls(&self) {
        for image in std::mem::take(&mut *self.bench.pulls.lock().unwrap()) {
            let pulled = Pulled {
                digest: image.digest().clone(),
                shown: image.familiar(),
                at: self.now,
                last_used: self.now,
            };
            let key = pull_key(&image.reference()).unwrap();
            self.history.record_pull(&key, &pulled).unwrap();
        }
    }

    /// A generation of `shop` that left `web` well.
    fn write_down(&self, image: &PinnedImage, manifest: &str) {
        let files = [("shop/compose.yaml".to_owned(), manifest.as_bytes().to_vec())];
        let number = self.history.begin(&NewGeneration {
            stack: &"shop".into(),
            source: &SourceName::new("git"),
            commit: &CommitId::new("c1"),
            words: None,
            directory: "shop",
            trigger: Trigger::Commit,
            started_at: self.now,
            services: Vec::new(),
            record: &StackRecord { manifest: files.into(), ..StackRecord::default() },
            mounted: &BTreeMap::new(),
        });
        let result = ServiceResult {
            service: "web".into(),
            verdict: "update".to_owned(),
            outcome: ServiceOutcome::Done,
            image_shown: Some(image.familiar()),
            digest: Some(image.digest().clone()),
            reasons: Vec::new(),
            error: None,
            logs: Vec::new(),
            seconds: 0.0,
            spec: Some(self.bench.hash("shop/web")),
        };
        let ended = GenerationOutcome::Converged;
        self.history.finish(number.unwrap(), ended, self.now, &[result]).unwrap();
    }

    /// So many versions, deployed one after the other and looked through after each.
    async fn versions(&mut self, many: usize) -> Vec<PinnedImage> {
        let images: Vec<PinnedImage> = (0..many).map(|_| self.bench.app()).collect();
        for image in &images {
            self.deploy(image).await;
            self.free().await;
        }
        images
    }

    fn calls(&self) -> Vec<(Verb, String)> {
        let calls = self.engine().mutating_calls().into_iter();
        calls.map(|call| (call.verb, call.subject)).collect()
    }
}

fn last(images: &[PinnedImage], many: usize) -> Vec<&PinnedImage> {
    images[images.len() - many..].iter().collect()
}

fn name(text: &str) -> ImageName {
    ImageName::parse(text).unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_can_be_gone_back_to_stays_and_all_else_that_was_pulled_goes() {
    let mut host = Host::new("");
    let images = host.versions(5).await;
    assert_eq!(host.left(&images).await, last(&images, 3));
    // What stays is named, so that a prune does not take it for left over.
    assert_eq!(host.tags(&images[3]).await, ["evenkeel/shop-web:g4"]);
    host.engine().docker_image_prune();
    assert_eq!(host.left(&images).await, last(&images, 3));
    // What has been settled is left alone.
    host.engine().forget_calls();
    host.free().await;
    assert_eq!(host.calls(), []);
    // Without a registry there is a way back.
    host.engine().registry_down(true);
    host.deploy(&images[2]).await;
    host.free().await;
    assert_eq!(host.left(&images).await, last(&images, 3));
}

#[tokio::test(start_paused = true)]
async fn distinct_images_count_and_not_generations() {
    let mut host = Host::new("keep: 2");
    let images = host.versions(2).await;
    for value in ["1", "2", "3"] {
        host.deploy_as(service("web", &images[1]).env("V", value), &images[1]).await;
        host.free().await;
    }
    assert_eq!(host.left(&images).await, last(&images, 2));
    assert_eq!(host.tags(&images[1]).await, ["evenkeel/shop-web:g2"], "named once");
}

#[tokio::test(start_paused = true)]
async fn a_service_says_how_many_stay() {
    let mut host = Host::new("keep: 3");
    let images: Vec<PinnedImage> = (0..4).map(|_| host.bench.app()).collect();
    for image in &images {
        let wanted = service("web", image).with(|service| service.keep = Some(1));
        host.deploy_as(wanted, image).await;
        host.free().await;
    }
    assert_eq!(host.left(&images).await, last(&images, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_others_is_left_alone() {
    let mut host = Host::new("keep: 1");
    let foreign = host.engine().load_image("registry.test/foreign", "1", ImageBehaviour::default());
    host.engine().docker_tag(&foreign, &name("evenkeel/shop-web:g9")).unwrap();
    let images: Vec<PinnedImage> = (0..4).map(|_| host.bench.app()).collect();
    host.deploy_as(service("web", &images[0]).volume("shop_data"), &images[0]).await;
    // Somebody's stopped container is made from the first image, and the second has somebody's name.
    let settings = ContainerSpec::default();
    host.engine().add_foreign("theirs", &images[0], settings, Labels::new()).unwrap();
    host.engine().docker_stop("theirs").unwrap();
    host.deploy(&images[1]).await;
    host.engine().docker_tag(&images[1], &name("mine/copy:1")).unwrap();
    for image in &images[2..] {
        host.deploy(image).await;
    }
    host.engine().forget_calls();
    let freed = host.free().await;
    assert_eq!(host.left(&images).await, [&images[0], &images[3]]);
    assert_eq!(host.left(std::slice::from_ref(&foreign)).await, [&foreign]);
    let observed = host.engine().observe(&[]).await.unwrap();
    let tags: Vec<&String> = observed.images.iter().flat_map(|image| &image.tags).collect();
    assert!(tags.contains(&&"mine/copy:1".to_owned()), "{tags:?}");
    assert!(tags.contains(&&"evenkeel/shop-web:g9".to_owned()), "a name that was given by others");
    assert!(observed.foreign.iter().any(|one| one.names == ["theirs".into()]));
    assert!(host.engine().volume_labels("shop_data").is_some());
    let stays = |gone: &Gone| gone.stays;
    assert_eq!(freed.gone.iter().map(stays).collect::<Vec<_>>(), [true, false]);
    // Names and nothing else: no id, nothing of a container or a volume.
    for (verb, subject) in host.calls() {
        assert!(matches!(verb, Verb::NameImage | Verb::DropImageName), "{verb:?} {subject}");
        assert!(name(&subject).to_string() == subject);
    }
}

#[tokio::test(start_paused = true)]
async fn those_that_others_pulled_go_where_somebody_asks_and_nobody_uses_them() {
    let host = Host::new("");
    let unused = host.engine().load_image("registry.test/a", "1", ImageBehaviour::default());
    let used = host.engine().load_image("registry.test/b", "1", ImageBehaviour::default());
    host.engine().add_foreign("theirs", &used, ContainerSpec::default(), Labels::new()).unwrap();
    let images = [unused, used];
    host.free().await;
    assert_eq!(host.left(&images).await.len(), 2);
    host.keeper().free(Foreign::Go).await.unwrap();
    assert_eq!(host.left(&images).await, [&images[1]]);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_not_known_removes_nothing() {
    let mut host = Host::new("keep: 1");
    let images: Vec<PinnedImage> = (0..3).map(|_| host.bench.app()).collect();
    for image in &images {
        host.deploy(image).await;
    }
    host.engine().forget_calls();
    let refused = Fault::Refused(EngineError::Other("the list is broken".into()));
    host.engine().fail_next(Matcher::any(Verb::Observe), refused);
    assert!(host.keeper().free(Foreign::Go).await.is_err());
    assert_eq!(host.calls(), []);
    assert_eq!(host.left(&images).await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn one_that_the_engine_keeps_is_told_and_the_others_go() {
    let mut host = Host::new("keep: 1");
    let images: Vec<PinnedImage> = (0..4).map(|_| host.bench.app()).collect();
    for image in &images {
        host.deploy(image).await;
    }
    let busy = Fault::Refused(EngineError::Conflict("image is being used".into()));
    host.engine().fail_next(Matcher::any(Verb::DropImageName), busy);
    let freed = host.free().await;
    let errors: Vec<bool> = freed.gone.iter().map(|gone| gone.error.is_some()).collect();
    assert_eq!(errors, [true, false, false]);
    // The one first that was not used for the longest time.
    assert_eq!(freed.gone[0].names, [images[0].pull_reference()]);
    assert_eq!(host.left(&images).await, [&images[0], &images[3]]);
    host.free().await;
    assert_eq!(host.left(&images).await, [&images[3]]);
}

#[tokio::test(start_paused = true)]
async fn what_an_interrupted_pass_pulled_goes_too() {
    let mut host = Host::new("");
    let images = host.versions(1).await;
    let half = host.bench.app();
    host.bench.pulls.lock().unwrap().insert(half.clone());
    host.write_down_pulls();
    host.engine().load(&half);
    assert_eq!(host.left(std::slice::from_ref(&half)).await, [&half]);
    host.free().await;
    assert_eq!(host.left(std::slice::from_ref(&half)).await, Vec::<&PinnedImage>::new());
    assert_eq!(host.left(&images).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pull_that_left_nothing_behind_is_forgotten_after_a_day() {
    let mut host = Host::new("");
    let image = host.bench.app();
    host.bench.pulls.lock().unwrap().insert(image);
    host.write_down_pulls();
    host.now += Duration::from_secs(23 * 3600);
    host.free().await;
    assert_eq!(host.history.pulled().unwrap().len(), 1);
    host.now += Duration::from_secs(3600);
    host.free().await;
    assert_eq!(host.history.pulled().unwrap().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_cannot_be_read_keeps_all_and_one_that_is_gone_nothing() {
    let mut host = Host::new("keep: 1");
    let images: Vec<PinnedImage> = (0..3).map(|_| host.bench.app()).collect();
    for image in &images {
        host.deploy(image).await;
    }
    let usable = host.bench.desired.stacks[&StackName::new("shop")].content.clone();
    host.bench.desired.stacks[&StackName::new("shop")].content =
        StackContent::Invalid(vec![Problem::new("yaml", "unreadable")]);
    host.free().await;
    assert_eq!(host.left(&images).await.len(), 3);
    host.bench.desired.stacks[&StackName::new("shop")].content = usable;
    host.bench.forget("shop");
    let sources = std::mem::take(&mut host.bench.desired.sources_read);
    host.free().await;
    assert_eq!(host.left(&images).await.len(), 3, "its source was not read");
    host.bench.desired.sources_read = sources;
    host.free().await;
    assert_eq!(host.left(&images).await, [&images[2]], "its container is still there");
}

#[tokio::test(start_paused = true)]
async fn an_image_stays_that_the_record_of_a_way_back_mounts() {
    let mut host = Host::new("keep: 2");
    let (app, mounted) = (host.bench.app(), host.bench.app());
    host.deploy(&app).await;
    host.write_down(&app, &format!("volumes: [{{source: 'x@{}'}}]", mounted.digest()));
    host.bench.pulls.lock().unwrap().insert(mounted.clone());
    host.write_down_pulls();
    host.engine().load(&mounted);
    let mounted = [mounted];
    host.free().await;
    assert_eq!(host.left(&mounted).await.len(), 1);
    for _ in 0..2 {
        let newer = host.bench.app();
        host.deploy(&newer).await;
    }
    host.free().await;
    assert_eq!(host.left(&mounted).await.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn on_a_full_disk_less_can_be_gone_back_to_until_there_is_room() {
    let mut host = Host::new("keep: 5, disk: {high: 80%, low: 70%}");
    let images = host.versions(5).await;
    // 5 of 10 images fit beside the rest: 80 percent are no more than 80.
    host.engine().has_disk(10 * SIZE, 3 * SIZE, 0);
    host.free().await;
    assert_eq!(host.left(&images).await.len(), 5);
    host.engine().has_disk(10 * SIZE, 3 * SIZE + 1, 0);
    let freed = host.free().await;
    // Two have to go for 70 percent and less.
    assert_eq!(host.left(&images).await, last(&images, 3));
    assert_eq!((freed.gone.len(), freed.pressure), (2, None));
    assert_eq!(host.history.retained().unwrap().unwrap().pressure, None);
}

#[tokio::test(start_paused = true)]
async fn what_runs_and_what_ran_before_stays_on_the_fullest_disk_and_it_is_said() {
    let mut host = Host::new("keep: 5");
    let images = host.versions(4).await;
    host.engine().has_disk(10 * SIZE, 7 * SIZE, SIZE);
    let freed = host.free().await;
    assert_eq!(host.left(&images).await, last(&images, 2));
    assert_eq!(freed.build_cache, 0, "nobody says that it may go");
    let says = freed.pressure.unwrap();
    assert!(says.contains("/var/lib/docker is 100 % full (80 % is the limit)"), "{says}");
    assert!(says.contains("needed take up 19 MiB (2)"), "{says}");
    assert!(says.contains("all else 76 MiB"), "{says}");
    let since = host.now;
    host.now += Duration::from_secs(60);
    host.free().await;
    let pressure = host.history.retained().unwrap().unwrap().pressure.unwrap();
    assert_eq!((pressure.since, pressure.says), (since, says));
    host.engine().has_disk(100 * SIZE, 7 * SIZE, SIZE);
    host.free().await;
    assert_eq!(host.history.retained().unwrap().unwrap().pressure, None);
}

#[tokio::test(start_paused = true)]
async fn the_build_cache_goes_last_and_only_where_it_may() {
    let mut host = Host::new("keep: 5, disk: {build_cache: true}");
    let images = host.versions(3).await;
    host.engine().has_disk(10 * SIZE, 5 * SIZE, SIZE);
    let freed = host.free().await;
    assert_eq!((host.left(&images).await, freed.build_cache), (last(&images, 2), SIZE));
    host.engine().has_disk(10 * SIZE, 4 * SIZE, 0);
    assert_eq!(host.free().await.build_cache, 0);
}

#[tokio::test(start_paused = true)]
async fn before_a_pull_room_is_made_only_on_a_disk_that_is_too_full() {
    let mut host = Host::new("keep: 2");
    let images: Vec<PinnedImage> = (0..4).map(|_| host.bench.app()).collect();
    for image in &images {
        host.deploy(image).await;
    }
    host.keeper().make_room().await.unwrap();
    host.engine().has_disk(10 * SIZE, 4 * SIZE, 0);
    host.keeper().make_room().await.unwrap();
    assert_eq!(host.left(&images).await.len(), 4, "80 percent are not too much");
    host.engine().has_disk(10 * SIZE, 4 * SIZE + 1, 0);
    host.keeper().make_room().await.unwrap();
    assert_eq!(host.left(&images).await, last(&images, 2));
}

#[tokio::test(start_paused = true)]
async fn images_are_looked_through_when_something_new_is_good_and_now_and_then() {
    let mut host = Host::new("keep: 1, interval: 1h");
    let quiet = Outcome::default();
    let image = [host.bench.app()];
    let half = |host: &Host| {
        host.bench.pulls.lock().unwrap().insert(image[0].clone());
        host.write_down_pulls();
        host.engine().load(&image[0]);
    };
    half(&host);
    host.keeper().after_pass(&quiet).await;
    assert_eq!(host.left(&image).await.len(), 0, "it was never done before");
    half(&host);
    host.now += Duration::from_secs(3599);
    host.keeper().after_pass(&quiet).await;
    assert_eq!(host.left(&image).await.len(), 1);
    host.now += Duration::from_secs(1);
    host.keeper().after_pass(&quiet).await;
    assert_eq!(host.left(&image).await.len(), 0);
    half(&host);
    let app = host.bench.app();
    host.bench.want("shop", [service("web", &app)]);
    let outcome = host.bench.pass().await.outcome;
    host.keeper().after_pass(&Outcome { stopped: true, ..outcome.clone() }).await;
    assert_eq!(host.left(&image).await.len(), 1, "somebody ends the program");
    host.keeper().after_pass(&outcome).await;
    assert_eq!(host.left(&image).await.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn files_that_no_container_mounts_go() {
    let host = Host::new("");
    let exported = host.directory.path().join("data/.exported");
    std::fs::create_dir_all(exported.join("old")).unwrap();
    std::fs::write(exported.join("old/conf"), "x").unwrap();
    assert_eq!(host.free().await.files, 1);
    assert!(!exported.join("old").exists() && exported.exists());
}

#[tokio::test(start_paused = true)]
async fn what_this_host_needs_is_what_runs_what_git_asks_for_and_the_ways_back() {
    let mut host = Host::new("keep: 2");
    let images = host.versions(3).await;
    let foreign = host.engine().load_image("registry.test/b", "1", ImageBehaviour::default());
    host.engine().add_foreign("theirs", &foreign, ContainerSpec::default(), Labels::new()).unwrap();
    let wanted = host.bench.app();
    host.bench.want("shop", [service("web", &wanted)]);
    let look = host.keeper().look().await.unwrap();
    let needed: BTreeSet<&Digest> = look.needed.keys().collect();
    let expected = [&images[1], &images[2], &foreign, &wanted];
    assert_eq!(needed, expected.map(PinnedImage::digest).into());
    let id = ServiceId::new(&"shop".into(), &"web".into());
    let why = |image: &PinnedImage| look.needed[image.digest()].clone();
    assert_eq!(why(&images[1]), retention::Why::GoBack(id.clone(), GenerationNumber(2)));
    assert_eq!(why(&wanted), retention::Why::Wanted(id));
    assert_eq!(why(&foreign), retention::Why::Used(vec!["theirs".to_owned()]));
    assert_eq!(look.spare, BTreeSet::new());
}
