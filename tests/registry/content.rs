//! What stands behind a tag: children of indexes, dates, lists of tags.

use evenkeel::model::{PinnedImage, Platform};
use evenkeel::registry::{FakeRegistry, Polled, TagList};
use serde_json::json;

use super::*;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn pinned(host: &str, path: &str, digest: &Digest) -> PinnedImage {
    let image = ImageRef::parse(&format!("{host}/{path}:1")).expect("a reference");
    PinnedImage::new(&image, digest.clone())
}

fn linux(architecture: &str) -> Platform {
    Platform(format!("linux/{architecture}"))
}

#[tokio::test]
async fn a_nested_index_is_followed_and_attestations_are_not() {
    let registry = Registry::start(Auth::None);
    let gateway = Gateway::start(registry.host(), Door::Open).await;
    let child = |architecture, created| registry.push_child("acme/web", architecture, created);
    let (amd64, arm64) = (child("amd64", Some("2026-01-01T00:00:00Z")), child("arm64", None));
    let unix = child("riscv64", Some("1970-01-01T00:00:00Z"));
    let attestation = child("unknown", None);
    let mut about_amd64 = entry(&attestation, Some("amd64"));
    about_amd64["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
    let mut unknown = entry(&attestation, None);
    unknown["platform"] = json!({"architecture": "unknown", "os": "unknown"});
    let inner = [unknown.clone(), about_amd64.clone(), entry(&amd64, Some("amd64"))];
    let inner = registry.push_entries("acme/web", None, &inner);
    let nested = json!({"digest": inner.as_str(), "mediaType": INDEX, "size": 1});
    let mut of_arm64 = entry(&arm64, Some("arm64"));
    of_arm64["platform"]["variant"] = json!("v8");
    let entries = [about_amd64, unknown, nested, of_arm64, entry(&unix, Some("riscv64"))];
    let outer = registry.push_entries("acme/web", Some("1"), &entries);

    let (asking, host) = (anonymous(), gateway.host());
    let image = pinned(&host, "acme/web", &outer);
    assert_eq!(asking.child(&image, &linux("amd64")).await, Ok(amd64.clone()));
    assert_eq!(gateway.log().len(), 2, "the index and the one in it");
    assert_eq!(asking.child(&image, &linux("arm64")).await, Ok(arm64.clone()));
    assert_eq!(asking.child(&image, &linux("arm64/v8")).await, Ok(arm64));
    assert_eq!(gateway.log(), [""; 0], "what stands behind a digest never changes");
    let absent = asking.child(&image, &linux("s390x")).await;
    assert!(matches!(absent, Err(RegistryError::NotForPlatform { .. })), "{absent:?}");
    let plain = pinned(&host, "acme/web", &amd64);
    assert_eq!(asking.child(&plain, &linux("arm64")).await, Ok(amd64), "an image is its own child");

    let built = asking.created(&image, &linux("amd64")).await.expect("an answer");
    assert_eq!(built.map(|built| built.to_string()).as_deref(), Some("2026-01-01T00:00:00Z"));
    for architecture in ["arm64", "riscv64"] {
        assert_eq!(asking.created(&image, &linux(architecture)).await, Ok(None), "{architecture}");
    }
}

#[tokio::test]
async fn indexes_without_an_end_are_not_followed_to_it() {
    let registry = Registry::start(Auth::None);
    let mut inner = registry.push("acme/web", "1", Kind::OciIndex);
    for _ in 0..5 {
        let nested = json!({"digest": inner.as_str(), "mediaType": INDEX, "size": 1});
        inner = registry.push_entries("acme/web", None, &[nested]);
    }
    let image = pinned(registry.host(), "acme/web", &inner);
    let error = anonymous().child(&image, &linux("amd64")).await.expect_err("too deep");
    assert!(error.to_string().contains("too deep"), "{error}");
}

#[tokio::test]
async fn what_breaks_off_in_the_middle_is_unknown_and_not_shorter() {
    let registry = Registry::start(Auth::None);
    let gateway = Gateway::start(registry.host(), Door::Open).await;
    let digest = registry.push("acme/web", "1", Kind::OciIndex);
    registry.push("acme/web", "2", Kind::OciIndex);
    gateway.fail(Fault::Halfway);
    let (asking, host) = (anonymous(), gateway.host());
    let image = pinned(&host, "acme/web", &digest);
    let child = asking.child(&image, &linux("amd64")).await;
    assert!(matches!(child, Err(RegistryError::Unknown { .. })), "{child:?}");
    let tags = asking.tags(&image.reference()).await;
    assert!(matches!(tags, Err(RegistryError::Unknown { .. })), "{tags:?}");
    gateway.mend();
    assert!(asking.child(&image, &linux("amd64")).await.is_ok());
}

#[tokio::test]
async fn all_tags_are_listed_whatever_the_pages_or_none() {
    let registry = Registry::start(Auth::None);
    let gateway = Gateway::start(registry.host(), Door::Open).await;
    let expected: TagList = (1..=7).map(|number| format!("1.{number}")).collect();
    for tag in expected.iter() {
        registry.push("acme/web", tag, Kind::OciManifest);
    }
    let (asking, host) = (anonymous(), gateway.host());
    let image = ImageRef::parse(&format!("{host}/acme/web")).expect("a reference");
    assert_eq!(asking.tags(&image).await, Ok(expected.clone()));
    assert_eq!(gateway.log(), ["GET /v2/acme/web/tags/list"]);

    gateway.fail(Fault::Pages(3));
    assert_eq!(asking.tags(&image).await, Ok(expected));
    assert_eq!(gateway.log().len(), 3);

    gateway.fail(Fault::EndlessPages(3));
    let error = asking.tags(&image).await.expect_err("no end");
    assert!(error.to_string().contains("does not come to an end"), "{error}");

    gateway.fail(Fault::BrokenPages(3));
    let error = asking.tags(&image).await.expect_err("a part is not the list");
    assert!(matches!(error, RegistryError::Unknown { .. }), "{error}");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(60)));

    gateway.mend();
    let absent = ImageRef::parse(&format!("{}/acme/none", registry.host())).expect("a reference");
    let error = asking.tags(&absent).await.expect_err("no such repository");
    assert!(matches!(error, RegistryError::NoSuchImage { .. }), "{error}");
}

/// All that can be asked about one repository, as it was answered.
async fn told(of: &dyn evenkeel::registry::Registry, host: &str, index: &Digest) -> Vec<String> {
    let reference = |tag: &str| ImageRef::parse(&format!("{host}/acme/web:{tag}")).expect("valid");
    let image = PinnedImage::new(&reference("1"), index.clone());
    let first = of.poll(&reference("1"), None).await;
    let Ok(Polled::Now { etag, .. }) = &first else { panic!("{first:?}") };
    let mut told = vec![
        format!("{:?}", of.poll(&reference("1"), etag.as_ref()).await),
        format!("{:?}", of.poll(&reference("2"), etag.as_ref()).await),
        format!("{:?}", of.poll(&reference("3"), None).await),
        format!("{:?}", of.poll(&image.reference(), None).await),
        format!("{:?}", of.tags(&reference("1")).await),
        format!("{first:?}"),
    ];
    for architecture in ["amd64", "arm64", "s390x"] {
        told.push(format!("{:?}", of.child(&image, &linux(architecture)).await));
        told.push(format!("{:?}", of.created(&image, &linux(architecture)).await));
    }
    told.into_iter().map(|text| text.replace(host, "HOST")).collect()
}

#[tokio::test]
async fn the_fake_answers_as_a_registry_does() {
    let registry = Registry::start(Auth::None);
    let amd64 = registry.push_child("acme/web", "amd64", Some("2026-01-01T00:00:00Z"));
    let arm64 = registry.push_child("acme/web", "arm64", None);
    let entries = [entry(&amd64, Some("amd64")), entry(&arm64, Some("arm64"))];
    let index = registry.push_entries("acme/web", Some("1"), &entries);
    let other = registry.push("acme/web", "2", Kind::OciManifest);

    let fake = FakeRegistry::default();
    let put = |tag: &str, digest: &Digest| {
        let image = ImageRef::parse(&format!("registry.test/acme/web:{tag}")).expect("valid");
        fake.put(&image, digest.clone());
    };
    put("1", &index);
    put("2", &other);
    fake.put_child(&index, "linux/amd64", amd64.clone());
    fake.put_child(&index, "linux/arm64", arm64);
    fake.put_created(&amd64, "2026-01-01T00:00:00Z".parse().expect("a date"));

    let real = told(&anonymous(), registry.host(), &index).await;
    assert_eq!(told(&fake, "registry.test", &index).await, real);
}
