//! How many requests it takes: thirty references on three registries, which ask for nothing, for a password and for
//! a token.

#![expect(clippy::print_stdout, reason = "the counts are to be read")]

use futures_util::future::join_all;

use evenkeel::model::{PinnedImage, Platform};
use evenkeel::registry::{Etag, Memory, Polled};

use super::registry::docker_configs;
use super::token_server::TokenServer;
use super::*;

/// Repositories at each registry.
const EACH: usize = 10;

/// Three registries, each behind a gateway that counts.
struct Three {
    open: Registry,
    password: Registry,
    _guarded: Registry,
    tokens: TokenServer,
    gateways: Vec<Gateway>,
}

impl Three {
    async fn start() -> Self {
        let (open, password) = (Registry::start(Auth::None), Registry::start(Auth::Basic));
        let tokens = TokenServer::start().await;
        for number in 0..EACH {
            for registry in [&open, &password] {
                registry.push(&format!("acme/app-{number}"), "1", Kind::OciManifest);
            }
        }
        // The same images as at the open one, for those with a token.
        let guarded = open.guarded_by(&tokens);
        let mut gateways = Vec::new();
        for registry in [&open, &password, &guarded] {
            gateways.push(Gateway::start(registry.host(), Door::Open).await);
        }
        Self { open, password, _guarded: guarded, tokens, gateways }
    }

    fn references(&self) -> Vec<ImageRef> {
        let hosts = self.gateways.iter().map(Gateway::host);
        let of =
            |host: String| (0..EACH).map(move |it| reference(&host, &format!("acme/app-{it}:1")));
        hosts.flat_map(of).collect()
    }

    fn config(&self) -> String {
        let hosts: Vec<String> = self.gateways.iter().map(Gateway::host).collect();
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        docker_configs(&hosts[1..], USER, PASSWORD)
    }

    /// The requests since the last call: all of them, and the GETs among them, token servers left out.
    fn count(&self, what: &str) -> (usize, Vec<String>) {
        let logs: Vec<Vec<String>> = self.gateways.iter().map(Gateway::log).collect();
        let tokens = self.tokens.log();
        let of_each: Vec<usize> = logs.iter().map(Vec::len).chain([tokens.len()]).collect();
        let all = of_each.iter().sum();
        println!("{what}: {all} requests (open, password, token, token server: {of_each:?})");
        let gets = logs.into_iter().flatten().filter(|line| line.starts_with("GET")).collect();
        (all, gets)
    }
}

fn reference(host: &str, image: &str) -> ImageRef {
    ImageRef::parse(&format!("{host}/{image}")).expect("a reference")
}

async fn poll_all(
    asking: &Distribution,
    images: &[ImageRef],
    known: &[Option<Etag>],
) -> Vec<Polled> {
    let polls = images.iter().zip(known).map(|(image, known)| asking.poll(image, known.as_ref()));
    let answers = join_all(polls).await;
    answers.into_iter().map(|answer| answer.expect("an answer")).collect()
}

fn etags(polled: &[Polled]) -> Vec<Option<Etag>> {
    let etag = |polled: &Polled| match polled {
        Polled::Now { etag, .. } => etag.clone(),
        Polled::Same => panic!("nothing was known"),
    };
    polled.iter().map(etag).collect()
}

#[tokio::test]
async fn thirty_references_on_three_registries_take_no_more_requests_than_they_must() {
    let three = Three::start().await;
    let images = three.references();
    let (asking, home) = logged_in(&three.config());

    let first = poll_all(&asking, &images, &vec![None; images.len()]).await;
    let (requests, gets) = three.count("first poll");
    assert!(requests <= 36 && gets.is_empty(), "{requests} requests, {gets:?}");
    // One to learn that a password is wanted; one that a token is, and one for the token of all ten.
    assert_eq!(requests, 30 + 1 + 2);
    let connections: Vec<usize> = three.gateways.iter().map(Gateway::connections).collect();
    assert!(connections.iter().all(|count| *count <= 10), "{connections:?}");

    let known = etags(&first);
    let next = poll_all(&asking, &images, &known).await;
    let (requests, gets) = three.count("next poll, nothing moved");
    assert!(requests <= 30 && gets.is_empty(), "{requests} requests, {gets:?}");
    assert!(next.iter().all(|polled| *polled == Polled::Same), "{next:?}");
    let kept: Vec<usize> = three.gateways.iter().map(Gateway::connections).collect();
    assert_eq!(kept, connections, "connections are kept");

    moved_references_cost_one_index_each(&three, &asking, &images, &known).await;
    pinned_ones_cost_nothing(&three, &asking, &images).await;

    // Another life of the program, with what this one wrote down.
    let memory = serde_json::to_string(&asking.memory()).expect("it can be written");
    assert!(!memory.contains(PASSWORD) && !memory.contains("eyJ"), "no secret: {memory}");
    let memory: Memory = serde_json::from_str(&memory).expect("and read");
    let file = home.path().join("config.json");
    let again = Distribution::new(Some(file), BTreeMap::new()).with_memory(memory);
    poll_all(&again, &images, &known).await;
    let (requests, gets) = three.count("first poll after a restart");
    assert!(requests == 31 && gets.is_empty(), "{requests} requests, {gets:?}");
}

/// One reference on each registry moves to an index.
async fn moved_references_cost_one_index_each(
    three: &Three,
    asking: &Distribution,
    images: &[ImageRef],
    known: &[Option<Etag>],
) {
    for registry in [&three.open, &three.password] {
        let child = registry.push_child("acme/app-3", "amd64", Some("2026-11-29T08:00:00Z"));
        registry.push_entries("acme/app-3", Some("1"), &[entry(&child, Some("amd64"))]);
    }
    let polled = poll_all(asking, images, known).await;
    let moved: Vec<PinnedImage> = images
        .iter()
        .zip(&polled)
        .filter_map(|(image, polled)| match polled {
            Polled::Now { digest, .. } => Some(PinnedImage::new(image, digest.clone())),
            Polled::Same => None,
        })
        .collect();
    assert_eq!(moved.len(), 3, "{moved:?}");
    let (requests, gets) = three.count("next poll, three moved");
    assert!(requests <= 30 && gets.is_empty(), "{requests} requests, {gets:?}");

    let platform = Platform("linux/amd64".to_owned());
    for image in &moved {
        asking.child(image, &platform).await.expect("a child");
    }
    let (_, gets) = three.count("which child of the three");
    assert_eq!(gets.len(), 3, "one index each: {gets:?}");
    for image in &moved {
        assert!(asking.created(image, &platform).await.expect("an answer").is_some());
        asking.child(image, &platform).await.expect("a child");
    }
    let (_, gets) = three.count("when they were built");
    let of = |kind: &str| gets.iter().filter(|line| line.contains(kind)).count();
    assert_eq!((of("/manifests/"), of("/blobs/"), gets.len()), (3, 3, 6), "{gets:?}");
}

async fn pinned_ones_cost_nothing(three: &Three, asking: &Distribution, images: &[ImageRef]) {
    let digest = Digest::parse(&format!("sha256:{}", "a".repeat(64))).expect("a digest");
    for image in images {
        let pinned = PinnedImage::new(image, digest.clone()).reference();
        let polled = asking.poll(&pinned, None).await;
        assert_eq!(polled, Ok(Polled::Now { digest: digest.clone(), etag: None }));
    }
    assert_eq!(three.count("thirty pinned ones").0, 0);
}

#[tokio::test]
async fn a_token_is_fetched_again_once_it_has_expired() {
    let three = Three::start().await;
    // Shorter than the time before its end at which a token is not used any more.
    three.tokens.rule(|rules| rules.life = 5);
    let (asking, _home) = logged_in(&three.config());
    let host = three.gateways[2].host();
    for _ in 0..3 {
        check(&asking, &host, "acme/app-1:1").await.expect("a digest");
    }
    assert_eq!(three.tokens.log(), ["acme/app-1"; 3]);
    three.tokens.rule(|rules| rules.life = 300);
    for _ in 0..3 {
        check(&asking, &host, "acme/app-1:1").await.expect("a digest");
    }
    assert_eq!(three.tokens.log(), ["acme/app-1"]);
}

#[tokio::test]
async fn where_one_token_for_all_is_not_to_be_had_each_repository_gets_its_own() {
    let three = Three::start().await;
    let images = &three.references()[2 * EACH..];
    let ask_all = async |asking: &Distribution| {
        join_all(images.iter().map(|image| asking.poll(image, None))).await
    };

    // One repository may not be asked about: the others are not to suffer for it.
    three.tokens.rule(|rules| rules.refused = ["acme/app-3".to_owned()].into());
    let (asking, _home) = logged_in(&three.config());
    let answers = ask_all(&asking).await;
    for (number, answer) in answers.iter().enumerate() {
        match number {
            3 => assert!(matches!(answer, Err(RegistryError::Denied { .. })), "{answer:?}"),
            _ => assert!(answer.is_ok(), "{number}: {answer:?}"),
        }
    }

    // It gives a token for all, which is not good for one of them.
    three.tokens.rule(|rules| {
        rules.refused.clear();
        rules.left_out = ["acme/app-0".to_owned(), "acme/app-5".to_owned()].into();
    });
    let (asking, _home) = logged_in(&three.config());
    three.tokens.log();
    let answers = ask_all(&asking).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let mut log = three.tokens.log();
    log.sort_by_key(String::len);
    assert_eq!(log[..2], ["acme/app-0", "acme/app-5"]);
    assert_eq!(log.len(), 3, "{log:?}");

    three.tokens.rule(|rules| {
        rules.left_out.clear();
        rules.one_at_a_time = true;
    });
    let (asking, _home) = logged_in(&three.config());
    assert!(ask_all(&asking).await.iter().all(Result::is_ok));
}
