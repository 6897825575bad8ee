//! Signatures beside images at the reference registry: where they are found, and what is made of them.

use std::process::Command;

use base64::Engine as _;
use evenkeel::model::PinnedImage;
use evenkeel::model::proofs::Attached;
use evenkeel::registry::Beside;
use evenkeel::signature::{self, Keys, Refusal};
use serde_json::Value;

use super::cosign::{Cosign, Layer, index};
use super::signer::{Signer, payload};
use super::*;

const WEB: &str = "acme/web";

/// An image at a registry of its own, and who signs it.
struct Scene {
    registry: Registry,
    digest: Digest,
    cosign: Cosign,
}

impl Scene {
    fn new() -> Self {
        let registry = Registry::start(Auth::None);
        let digest = registry.push(WEB, "1", Kind::OciManifest);
        let cosign = Cosign::new(registry.host(), WEB);
        Self { registry, digest, cosign }
    }

    fn image(&self, host: &str) -> PinnedImage {
        let image = ImageRef::parse(&format!("{host}/{WEB}:1")).expect("a reference");
        PinnedImage::new(&image, self.digest.clone())
    }

    async fn attached(&self, place: Beside) -> Vec<Attached> {
        let image = self.image(self.registry.host());
        anonymous().signatures(&image, place).await.expect("an answer").attached
    }

    /// What what lies at `place` is worth with this key.
    async fn check(&self, place: Beside, pem: &str) -> Result<(), Refusal> {
        let image = self.image(self.registry.host());
        let keys = Keys::read(pem.as_bytes()).expect("a key");
        let attached = self.attached(place).await;
        signature::verify(&keys, &image.reference(), image.digest(), &attached).map(drop)
    }

    fn good(&self, signer: &Signer) -> Layer {
        self.cosign.good(signer, self.digest.as_str())
    }
}

#[tokio::test]
async fn a_signature_under_the_tag_is_found_and_good() {
    for signer in [Signer::p256(), Signer::ed25519()] {
        let scene = Scene::new();
        assert_eq!(scene.check(Beside::Tag, &signer.pem()).await, Err(Refusal::NotSigned));
        scene.cosign.sign(&signer, scene.digest.as_str());
        scene.check(Beside::Tag, &signer.pem()).await.expect("it is good");
        let other = Signer::p256().pem();
        assert_eq!(scene.check(Beside::Tag, &other).await, Err(Refusal::OtherKey(1)));
    }
}

#[tokio::test]
async fn an_index_is_signed_as_a_whole() {
    let (mut scene, signer) = (Scene::new(), Signer::p256());
    let child = scene.digest.clone();
    scene.digest = scene.registry.push(WEB, "2", Kind::OciIndex);
    scene.cosign.sign(&signer, scene.digest.as_str());
    scene.check(Beside::Tag, &signer.pem()).await.expect("it is good");
    scene.digest = child;
    assert_eq!(scene.check(Beside::Tag, &signer.pem()).await, Err(Refusal::NotSigned));
}

#[tokio::test]
async fn of_several_signatures_one_good_one_will_do() {
    let (scene, ours, other) = (Scene::new(), Signer::p256(), Signer::ed25519());
    let of_other =
        Layer::of(&ours, payload(&scene.cosign.repository, &format!("sha256:{:064}", 1)));
    let garbage = Layer { payload: b"\0garbage".to_vec(), signature: "§§§".to_owned() };
    let mut changed = scene.good(&ours);
    changed.payload[40] ^= 1;
    let huge = Layer::of(&ours, vec![b' '; 70_000]);
    let bad = [scene.good(&other), of_other, garbage, changed, huge];
    scene.cosign.put(scene.digest.as_str(), &bad);
    let refusal = scene.check(Beside::Tag, &ours.pem()).await.expect_err("none is good");
    assert!(matches!(refusal, Refusal::OtherImage(_)), "{refusal}");
    for place in 0..=bad.len() {
        let mut layers = bad.to_vec();
        layers.insert(place, scene.good(&ours));
        scene.cosign.put(scene.digest.as_str(), &layers);
        scene.check(Beside::Tag, &ours.pem()).await.expect("one is good");
    }
}

#[tokio::test]
async fn a_signature_of_another_digest_or_repository_is_none() {
    let (scene, ours) = (Scene::new(), Signer::p256());
    let elsewhere = format!("{}/acme/api", scene.registry.host());
    for signed in [
        payload(&elsewhere, scene.digest.as_str()),
        payload(&scene.cosign.repository, &format!("sha256:{:064}", 7)),
    ] {
        scene.cosign.put(scene.digest.as_str(), &[Layer::of(&ours, signed)]);
        let refusal = scene.check(Beside::Tag, &ours.pem()).await.expect_err("it is not good");
        assert!(matches!(refusal, Refusal::OtherImage(_)), "{refusal}");
    }
}

#[tokio::test]
async fn more_is_not_read_than_a_signature_has_to_be() {
    let (scene, ours) = (Scene::new(), Signer::p256());
    // The list says that it is small.
    let mut lies = Layer::of(&ours, vec![b' '; 70_000]);
    let digest = scene.cosign.put_blob(&lies.payload);
    lies.payload = b"{}".to_vec();
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": media_type(Kind::OciManifest),
        "config": {"mediaType": "x", "digest": scene.cosign.put_blob(b"{}"), "size": 2},
        "layers": [{
            "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "digest": digest,
            "size": 100, "annotations": {"dev.cosignproject.cosign/signature": lies.signature},
        }],
    });
    let tag = format!("{}.sig", scene.digest.as_str().replace(':', "-"));
    scene.cosign.put_manifest(&tag, media_type(Kind::OciManifest), &manifest);
    let image = scene.image(scene.registry.host());
    let error = anonymous().signatures(&image, Beside::Tag).await.expect_err("it is too large");
    assert!(matches!(error, RegistryError::Unknown { .. }), "{error}");
    assert!(error.to_string().contains("larger than 65536 bytes"), "{error}");
    // Of very many the newest are looked at.
    let good = scene.good(&ours);
    let mut many = vec![scene.good(&Signer::ed25519()); 20];
    many.insert(0, good.clone());
    scene.cosign.put(scene.digest.as_str(), &many);
    assert_eq!(scene.attached(Beside::Tag).await.len(), 16);
    many.push(good);
    scene.cosign.put(scene.digest.as_str(), &many);
    scene.check(Beside::Tag, &ours.pem()).await.expect("the newest is good");
}

#[tokio::test]
async fn what_says_of_itself_that_it_signs_an_image_is_found_where_a_registry_lists_it_or_not() {
    let (scene, ours, other) = (Scene::new(), Signer::p256(), Signer::p256());
    let digest = scene.digest.as_str();
    assert_eq!(scene.check(Beside::Referrers, &ours.pem()).await, Err(Refusal::NotSigned));
    let good = scene.cosign.refer(digest, &[scene.good(&ours)]);
    let bad = scene.cosign.refer(digest, &[scene.good(&other)]);
    let mut bill = good.clone();
    bill["artifactType"] = "application/spdx+json".into();

    // This registry has no list of its own: a tag stands for it.
    scene.cosign.list(digest, &[good.clone(), bad.clone()]);
    scene.check(Beside::Referrers, &ours.pem()).await.expect("it is good");
    assert_eq!(scene.check(Beside::Tag, &ours.pem()).await, Err(Refusal::NotSigned));
    scene.cosign.list(digest, std::slice::from_ref(&bad));
    assert_eq!(scene.check(Beside::Referrers, &ours.pem()).await, Err(Refusal::OtherKey(1)));
    scene.cosign.list(digest, &[bill.clone()]);
    assert_eq!(scene.check(Beside::Referrers, &ours.pem()).await, Err(Refusal::NotSigned));
    let mut bundle = good.clone();
    bundle["artifactType"] = "application/vnd.dev.sigstore.bundle.v0.3+json".into();
    scene.cosign.list(digest, &[bundle]);
    let image = scene.image(scene.registry.host());
    let found = anonymous().signatures(&image, Beside::Referrers).await.expect("an answer");
    assert!(found.has_others && found.attached.is_empty(), "{found:?}");
    // What is about something else is not taken, whoever lists it.
    let elsewhere = scene.cosign.refer(&format!("sha256:{:064}", 9), &[scene.good(&ours)]);
    scene.cosign.list(digest, &[elsewhere]);
    assert_eq!(scene.check(Beside::Referrers, &ours.pem()).await, Err(Refusal::NotSigned));

    let gateway = Gateway::start(scene.registry.host(), Door::Open).await;
    let image = scene.image(&gateway.host());
    let keys = Keys::read(ours.pem().as_bytes()).expect("a key");
    let check = async |entries: &[Value]| {
        gateway.fail(Fault::Referrers(digest.to_owned(), index(entries).to_string()));
        let found = anonymous().signatures(&image, Beside::Referrers).await.expect("an answer");
        let repository = scene.image(scene.registry.host()).reference();
        assert!(!found.has_others);
        signature::verify(&keys, &repository, image.digest(), &found.attached).map(drop)
    };
    assert_eq!(check(&[bad, good]).await, Ok(()));
    assert_eq!(check(&[bill]).await, Err(Refusal::NotSigned));
    assert_eq!(check(&[]).await, Err(Refusal::NotSigned), "the tag is no list where there is one");
}

#[tokio::test]
async fn a_registry_that_does_not_answer_has_said_nothing_about_signatures() {
    let (scene, ours) = (Scene::new(), Signer::p256());
    scene.cosign.sign(&ours, scene.digest.as_str());
    let gateway = Gateway::start(scene.registry.host(), Door::Open).await;
    let image = scene.image(&gateway.host());
    for status in [500, 503, 403] {
        gateway.fail(Fault::Status(status));
        let error = anonymous().signatures(&image, Beside::Tag).await.expect_err("no answer");
        assert!(!matches!(error, RegistryError::NoSuchImage { .. }), "{error}");
    }
}

/// OpenSSL is another hand than the one that verifies here.
#[tokio::test]
async fn keys_and_signatures_of_openssl_are_understood() {
    let home = tempfile::tempdir().expect("a directory");
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).current_dir(home.path()).output();
        let output = output.expect("openssl runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let p256 = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    for (kind, sign) in [
        (&p256[..], &["dgst", "-sha256", "-sign", "key", "payload"][..]),
        (
            &["-algorithm", "ed25519"][..],
            &["pkeyutl", "-sign", "-rawin", "-inkey", "key", "-in", "payload"][..],
        ),
    ] {
        let scene = Scene::new();
        openssl(&[&["genpkey", "-out", "key"], kind].concat());
        let pem = String::from_utf8(openssl(&["pkey", "-in", "key", "-pubout"])).expect("text");
        let signed = payload(&scene.cosign.repository, scene.digest.as_str());
        std::fs::write(home.path().join("payload"), &signed).expect("the directory is ours");
        let signature = base64::engine::general_purpose::STANDARD.encode(openssl(sign));
        scene.cosign.put(scene.digest.as_str(), &[Layer { payload: signed, signature }]);
        scene.check(Beside::Tag, &pem).await.expect("it is good");
    }
    for kind in [
        &["-algorithm", "RSA"][..],
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"][..],
    ] {
        openssl(&[&["genpkey", "-out", "key"], kind].concat());
        let why = Keys::read(&openssl(&["pkey", "-in", "key", "-pubout"])).expect_err("no key");
        assert!(why.contains("neither ECDSA P-256 nor Ed25519"), "{why}");
    }
}
