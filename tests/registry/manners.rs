//! A registry in trouble: it is asked less, and what it does not say stays unknown.

use std::sync::{Arc, Mutex};

use futures_util::future::join_all;

use super::*;

/// Asks about ten tags at once.
async fn ask_ten(of: &Distribution, host: &str) -> Vec<RegistryError> {
    let images = (0..10).map(|number| format!("acme/web:{number}"));
    let asked = join_all(images.map(async |image| check(of, host, &image).await)).await;
    asked.into_iter().filter_map(Result::err).collect()
}

fn is_unknown(error: &RegistryError) -> bool {
    matches!(error, RegistryError::Unknown { .. } | RegistryError::NotAsked { .. })
}

#[tokio::test]
async fn a_registry_that_was_asked_too_often_is_left_alone_until_it_says() {
    let registry = Registry::start(Auth::None);
    let gateway = Gateway::start(registry.host(), Door::Open).await;
    let (asking, host) = (anonymous(), gateway.host());
    registry.push("acme/web", "1", Kind::OciManifest);
    assert!(check(&asking, &host, "acme/web:1").await.is_ok());
    gateway.log();

    gateway.fail(Fault::Status(429));
    let errors = ask_ten(&asking, &host).await;
    assert!(errors.len() == 10 && errors.iter().all(is_unknown), "{errors:?}");
    let storm = gateway.log().len();
    assert!(storm <= 8, "{storm} requests, not more than were under way");
    gateway.mend();
    let errors = ask_ten(&asking, &host).await;
    for error in &errors {
        assert!(matches!(error, RegistryError::NotAsked { .. }), "{error}");
        let wait = error.retry_after().expect("a time").as_secs();
        assert!((55..=66).contains(&wait), "{error}");
    }
    assert_eq!((errors.len(), gateway.log().len()), (10, 0));
}

#[tokio::test]
async fn a_registry_that_fails_is_asked_three_times_and_others_go_on() {
    let registry = Registry::start(Auth::None);
    let gateway = Gateway::start(registry.host(), Door::Open).await;
    let asking = anonymous().within(Duration::from_millis(300));
    gateway.fail(Fault::Silence);
    // The first goes alone, and what happens to it is the answer to all that came with it.
    let errors = ask_ten(&asking, &gateway.host()).await;
    assert!(errors.len() == 10 && errors.iter().all(is_unknown), "{errors:?}");
    assert_eq!(gateway.log().len(), 1);
    for _ in 0..2 {
        ask_ten(&asking, &gateway.host()).await;
    }
    assert_eq!(gateway.log().len(), 2);
    let errors = ask_ten(&asking, &gateway.host()).await;
    let not_asked = |error: &RegistryError| matches!(error, RegistryError::NotAsked { .. });
    assert!(errors.iter().all(not_asked), "the circuit is open: {errors:?}");
    assert_eq!(gateway.log(), [""; 0]);
    assert_eq!(ask_ten(&asking, registry.host()).await.len(), 10, "another one is asked");
}

#[tokio::test]
async fn a_token_server_that_fails_is_left_alone_and_the_registry_with_it() {
    let registry = Registry::start(Auth::None);
    let realm = Some("http://127.0.0.1:1/token".to_owned());
    let gateway = Gateway::start(registry.host(), Door::Token { realm }).await;
    let asking = anonymous();
    for _ in 0..4 {
        let errors = ask_ten(&asking, &gateway.host()).await;
        assert!(errors.len() == 10 && errors.iter().all(is_unknown), "{errors:?}");
        assert_eq!(gateway.log().len(), 1, "the first, which is told that a token is wanted");
    }
    let errors = ask_ten(&asking, &gateway.host()).await;
    assert!(errors.iter().all(|error| error.to_string().contains("token server")), "{errors:?}");
    assert_eq!(gateway.log(), [""; 0]);
}

#[tokio::test]
async fn the_last_of_what_a_registry_allows_is_left_for_pulls() {
    let registry = Registry::start(Auth::None);
    let gateway = Gateway::start(registry.host(), Door::Open).await;
    registry.push("acme/web", "1", Kind::OciManifest);
    let (asking, host) = (anonymous(), gateway.host());
    gateway.fail(Fault::Left(11));
    assert!(check(&asking, &host, "acme/web:1").await.is_ok());
    gateway.fail(Fault::Left(10));
    assert!(check(&asking, &host, "acme/web:1").await.is_ok());
    gateway.log();
    let error = check(&asking, &host, "acme/web:1").await.expect_err("the low-water mark");
    assert!(matches!(error, RegistryError::NotAsked { .. }), "{error}");
    // A hundred in an hour come back one in 36 seconds.
    let wait = error.retry_after().expect("a time").as_secs();
    assert!((30..=36).contains(&wait), "{error}");
    assert_eq!(gateway.log(), [""; 0]);
}

#[tokio::test]
async fn whoever_listens_hears_of_each_request_and_of_nothing_that_is_not_asked() {
    let registry = Registry::start(Auth::None);
    let gateway = Gateway::start(registry.host(), Door::Open).await;
    registry.push("acme/web", "1", Kind::OciManifest);
    let heard: Arc<Mutex<Vec<_>>> = Arc::default();
    let hearing = Arc::clone(&heard);
    let asking = anonymous().heard_by(Arc::new(move |it| {
        hearing.lock().unwrap().push((it.registry.to_owned(), it.status, it.remaining));
    }));
    let host = gateway.host();
    let taken = || std::mem::take(&mut *heard.lock().unwrap());
    assert!(check(&asking, &host, "acme/web:1").await.is_ok());
    assert_eq!(taken(), [(host.clone(), Some(200), None)]);
    assert!(check(&asking, &host, "acme/web:2").await.is_err());
    assert_eq!(taken(), [(host.clone(), Some(404), None)]);
    gateway.fail(Fault::Left(3));
    assert!(check(&asking, &host, "acme/web:1").await.is_ok());
    assert_eq!(taken(), [(host.clone(), Some(200), Some(3))]);
    assert!(check(&asking, &host, "acme/web:1").await.is_err(), "the rest is for pulls");
    assert!(taken().is_empty());
    let nobody = "127.0.0.1:1";
    assert!(check(&asking, nobody, "acme/web:1").await.is_err());
    assert_eq!(taken(), [(nobody.to_owned(), None, None)]);
}

#[tokio::test]
async fn over_tls_one_connection_serves_all_questions() {
    registry::install_crypto();
    let certificate = Certificate::make();
    let registry = Registry::start_tls(&certificate);
    let relay = relay::Relay::start(registry.host()).await;
    let settings = HostSettings { ca_file: Some(certificate.file()), ..HostSettings::default() };
    let asking = Distribution::new(None, BTreeMap::from([(relay.host(), settings)]));
    for _ in 0..2 {
        let errors = ask_ten(&asking, &relay.host()).await;
        let absent = |error: &RegistryError| matches!(error, RegistryError::NoSuchImage { .. });
        assert!(errors.len() == 10 && errors.iter().all(absent), "{errors:?}");
    }
    assert_eq!(relay.connections(), 1, "HTTP/2");
}

mod relay {
    //! Hands bytes on, and counts connections.

    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::net::{TcpListener, TcpStream};

    pub struct Relay {
        host: String,
        connections: Arc<AtomicUsize>,
        task: tokio::task::JoinHandle<()>,
    }

    impl Relay {
        pub async fn start(behind: &str) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let host = listener.local_addr().expect("an address").to_string();
            let connections = Arc::new(AtomicUsize::new(0));
            let (counted, behind) = (Arc::clone(&connections), behind.to_owned());
            let task = tokio::spawn(async move {
                while let Ok((mut here, _)) = listener.accept().await {
                    counted.fetch_add(1, Ordering::Relaxed);
                    let mut there = TcpStream::connect(&behind).await.expect("it listens");
                    tokio::spawn(async move {
                        tokio::io::copy_bidirectional(&mut here, &mut there).await
                    });
                }
            });
            Self { host, connections, task }
        }

        pub fn host(&self) -> String {
            self.host.clone()
        }

        pub fn connections(&self) -> usize {
            self.connections.load(Ordering::Relaxed)
        }
    }

    impl Drop for Relay {
        fn drop(&mut self) {
            self.task.abort();
        }
    }
}
