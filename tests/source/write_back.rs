//! Images that hosts write back into a real repository, also several hosts at once.

use evenkeel::config::{Ambient, Config};
use evenkeel::model::tree::Revision;
use evenkeel::model::{ImageRef, ServiceId};
use evenkeel::reconcile::World;
use evenkeel::reconcile::places::Places;
use evenkeel::reconcile::write_back::{Fate, WriteBackError, WrittenBack, write_back};

use crate::upstream::Upstream;
use crate::web_server::WebServer;

const SHOP: &str = "# The shop.\r\nservices:\r\n  api:\r\n    image: 'acme/api:1.4.2'   # the api\r\n\
                    \r\n  web: {image: \"acme/web:${WEB:-1}\"}\t# tab\r\n";
const AT: &str = "hosts/web-1/shop/compose.yaml";

/// A host that follows a path of a repository.
struct Host {
    world: World,
    _state: tempfile::TempDir,
}

impl Host {
    fn new(name: &str, repo: &str) -> Self {
        Self::following(name, &format!("hosts/{name}"), repo)
    }

    fn following(name: &str, path: &str, repo: &str) -> Self {
        let state = tempfile::tempdir().unwrap();
        let at = |below: &str| state.path().join(below).display().to_string();
        let text = format!(
            "sources: [{{name: infra, repo: '{repo}', branch: main, path: '{path}'}}]\n\
             state_dir: {}\nenv_dir: {}\ndata_dir: {}\n",
            at("state"),
            at("env"),
            at("data"),
        );
        let ambient = Ambient { hostname: name.into(), ..Ambient::default() };
        let config = Config::parse("config.yaml", &text, &ambient).unwrap();
        // As the program does when it starts; another test may have.
        rustls::crypto::ring::default_provider().install_default().ok();
        Self { world: World::new(config).unwrap(), _state: state }
    }

    async fn latest(&self) -> Revision {
        self.world.sources[0].latest().await.unwrap().revision
    }

    /// Writes `pins` (`shop/api acme/api:2`) that were chosen for `chosen_at`.
    async fn try_write(
        &self,
        chosen_at: &Revision,
        pins: &[&str],
    ) -> Result<WrittenBack, WriteBackError> {
        let pins: Vec<_> = pins.iter().map(|text| pin(text)).collect();
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        write_back(&self.world, chosen_at, &Places::new(), &pins, now).await
    }

    async fn write(&self, chosen_at: &Revision, pins: &[&str]) -> WrittenBack {
        self.try_write(chosen_at, pins).await.unwrap()
    }
}

fn pin(text: &str) -> (ServiceId, ImageRef) {
    let (service, image) = text.split_once(' ').unwrap();
    let (stack, service) = service.split_once('/').unwrap();
    (ServiceId::new(&stack.into(), &service.into()), ImageRef::parse(image).unwrap())
}

/// The repository over http, where mirrors are shallow, and as a directory.
async fn repositories() -> Vec<(Upstream, String, Option<WebServer>)> {
    let mut found = Vec::new();
    for over_http in [true, false] {
        let upstream = Upstream::empty();
        upstream.git(&["config", "http.receivepack", "true"]);
        upstream.commit("main", &[(AT, SHOP), ("hosts/web-2/blog/compose.yaml", SHOP)]);
        let server = if over_http { Some(WebServer::start(upstream.root()).await) } else { None };
        let directory = format!("file://{}", upstream.path().display());
        let repo = server.as_ref().map_or(directory, WebServer::url);
        found.push((upstream, repo, server));
    }
    found
}

fn fates(written: &WrittenBack) -> Vec<&Fate> {
    written.pins.iter().map(|(_, fate)| fate).collect()
}

#[tokio::test]
async fn several_images_are_one_commit_and_the_rest_stays_byte_for_byte() {
    for (upstream, repo, _server) in repositories().await {
        let host = Host::new("web-1", &repo);
        let chosen_at = host.latest().await;
        let pins = ["shop/web acme/web:2", "shop/api acme/api:1.4.7", "shop/none a:1"];
        let written = host.write(&chosen_at, &pins).await;
        assert!(matches!(
            fates(&written)[..],
            [Fate::Written, Fate::Written, Fate::Overtaken { now: None }]
        ));
        let expected = SHOP.replace("1.4.2", "1.4.7").replace(":-1}", ":-2}");
        let read = |revision: &Revision| revision.tree.read(AT, 1 << 20).unwrap().unwrap();
        assert_eq!(String::from_utf8(read(&written.revision)).unwrap(), expected);
        assert_eq!(upstream.git(&["rev-parse", "main"]), written.revision.commit.as_str());
        assert_eq!(upstream.git(&["diff", "--numstat", "main^", "main"]), format!("2\t2\t{AT}"));
        assert_eq!(
            upstream.git(&["log", "-1", "--format=%an <%ae>: %B", "main"]),
            "evenkeel <evenkeel@web-1>: 2 images (evenkeel on web-1)\n\n\
             shop/api: 1.4.2 → 1.4.7\nshop/web: 1 → 2"
        );

        // The commit is what is followed now, and gives no reason for another one.
        let again = host.write(&host.latest().await, &pins[..2]).await;
        assert!(!again.is_new && fates(&again) == [&Fate::Known, &Fate::Known]);
        assert_eq!(upstream.git(&["rev-list", "--count", "main"]), "2");
    }
}

#[tokio::test]
async fn hosts_that_push_at_once_all_get_their_commit() {
    for (upstream, repo, _server) in repositories().await {
        let (one, two) = (Host::new("web-1", &repo), Host::new("web-2", &repo));
        for number in 2..6 {
            let (at_one, at_two) = tokio::join!(one.latest(), two.latest());
            let (api, web) =
                (format!("shop/api acme/api:{number}"), format!("blog/web acme/web:{number}"));
            let (ours, theirs) = ([api.as_str()], [web.as_str()]);
            let both = tokio::join!(one.write(&at_one, &ours), two.write(&at_two, &theirs));
            assert!(both.0.is_new && both.1.is_new);
        }
        let show = |file: &str| upstream.git(&["show", &format!("main:{file}")]);
        assert!(show(AT).contains("acme/api:5") && show(AT).contains("WEB:-1"));
        assert!(show("hosts/web-2/blog/compose.yaml").contains("WEB:-5"));
        assert_eq!(upstream.git(&["rev-list", "--count", "main"]), "9", "no merge, nothing lost");
        assert_eq!(upstream.git(&["rev-list", "--count", "--merges", "main"]), "0");
    }
}

#[tokio::test]
async fn two_hosts_with_one_stack_write_its_image_once() {
    for (upstream, repo, _server) in repositories().await {
        let (one, two) =
            (Host::new("web-1", &repo), Host::following("spare", "hosts/web-1", &repo));
        let (at_one, at_two) = tokio::join!(one.latest(), two.latest());
        let pins = ["shop/api acme/api:1.4.7"];
        let (first, second) = tokio::join!(one.write(&at_one, &pins), two.write(&at_two, &pins));
        assert_eq!([first.is_new, second.is_new].iter().filter(|new| **new).count(), 1);
        assert_eq!(first.revision.commit, second.revision.commit, "both deploy the same");
        assert_eq!(upstream.git(&["rev-list", "--count", "main"]), "2");
    }
}

#[tokio::test]
async fn what_a_person_has_written_meanwhile_stays() {
    for (upstream, repo, _server) in repositories().await {
        let host = Host::new("web-1", &repo);
        let chosen_at = host.latest().await;
        upstream.commit("main", &[(AT, &SHOP.replace("1.4.2", "1.5.0"))]);
        let written =
            host.write(&chosen_at, &["shop/api acme/api:1.4.7", "shop/web acme/web:2"]).await;
        let now = Some(ImageRef::parse("acme/api:1.5.0").unwrap());
        assert_eq!(fates(&written), [&Fate::Overtaken { now }, &Fate::Written]);
        let content = upstream.git(&["show", &format!("main:{AT}")]);
        assert!(content.contains("api:1.5.0") && content.contains(":-2}"), "{content}");

        upstream.commit("main", &[(AT, "services: {web: {image: 'acme/web:2'}}\n")]);
        let gone = host.write(&chosen_at, &["shop/api acme/api:1.4.7"]).await;
        assert_eq!(fates(&gone), [&Fate::Overtaken { now: None }]);
        assert!(!gone.is_new);
    }
}

#[tokio::test]
async fn an_image_that_was_taken_back_in_git_is_never_written_again() {
    for (upstream, repo, _server) in repositories().await {
        let pins = ["shop/api acme/api:1.4.7"];
        let host = Host::new("web-1", &repo);
        let written = host.write(&host.latest().await, &pins).await;
        let had_it = written.revision.commit.clone();
        upstream.commit("main", &[(AT, SHOP)]);
        upstream.commit("main", &[("README", "more")]);
        // Also by a host that was never told: git itself remembers.
        for host in [host, Host::new("web-1", &repo)] {
            let after = host.write(&host.latest().await, &pins).await;
            assert_eq!(fates(&after), [&Fate::TakenBack { had_it: had_it.clone() }]);
            assert!(!after.is_new);
        }
        assert_eq!(upstream.git(&["show", &format!("main:{AT}")]), SHOP.trim());
        let newer = Host::new("web-1", &repo);
        let newer = newer.write(&newer.latest().await, &["shop/api acme/api:1.4.8"]).await;
        assert_eq!(fates(&newer), [&Fate::Written]);
    }
}

#[tokio::test]
async fn an_image_that_the_server_sets_is_refused_and_the_others_are_written() {
    for (_upstream, repo, _server) in repositories().await {
        let host = Host::new("web-1", &repo);
        let env_dir = &host.world.config.env_dir;
        crate::write(&env_dir.join("shop.env"), "WEB=7\n");
        let pins = ["shop/web acme/web:8", "shop/api acme/api:1.4.7"];
        let written = host.write(&host.latest().await, &pins).await;
        assert!(written.is_new);
        let [Fate::Refused(problem), Fate::Written] = fates(&written)[..] else {
            panic!("{:?}", written.pins)
        };
        assert!(problem.notes[0].contains("shop.env:1"), "{problem:?}");
    }
}

#[tokio::test]
async fn a_repository_that_takes_nothing_is_an_error_with_a_next_move() {
    for (upstream, repo, server) in repositories().await {
        upstream.git(&["config", "http.receivepack", "false"]);
        if server.is_none() {
            continue;
        }
        let host = Host::new("web-1", &repo);
        let error =
            host.try_write(&host.latest().await, &["shop/api acme/api:2"]).await.unwrap_err();
        assert!(error.to_string().contains("refuses access"), "{error}");
        assert!(error.hint().unwrap().contains("may write"));
    }
}
