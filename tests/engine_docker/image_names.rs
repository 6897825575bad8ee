//! The names of an image on the fake host held against the real engine: every row of a few calls is tried on both, and
//! after each call its result and the names that are left have to be the same.

use evenkeel::engine::fake::{FakeEngine, ImageBehaviour};
use evenkeel::engine::{ContainerRef, Engine, EngineError};
use evenkeel::model::{ContainerSpec, ImageId, ImageName, ImageRef, PinnedImage};

use super::differential::kind;
use super::world::{World, docker};

/// What is done to the image, which is called by its digest at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    NameInItsRepository,
    NameElsewhere,
    DropDigest,
    DropInItsRepository,
    DropElsewhere,
}

use Call::{DropDigest, DropElsewhere, DropInItsRepository, NameElsewhere, NameInItsRepository};

const CALLS: [Call; 5] =
    [NameInItsRepository, NameElsewhere, DropDigest, DropInItsRepository, DropElsewhere];

/// Every row of so many calls that begins with giving a name, and no call twice running.
fn rows(calls: usize) -> Vec<Vec<Call>> {
    let begin = vec![vec![NameInItsRepository], vec![NameElsewhere]];
    (1..calls).fold(begin, |rows, _| {
        let longer = rows.iter().flat_map(|row| {
            let others = CALLS.into_iter().filter(|call| row.last() != Some(call));
            others.map(|call| [row.as_slice(), &[call]].concat())
        });
        longer.collect()
    })
}

/// An image on one of both engines.
struct Lane<'a> {
    engine: &'a dyn Engine,
    image: PinnedImage,
    elsewhere: ImageName,
}

impl Lane<'_> {
    fn in_its_repository(&self) -> ImageName {
        ImageName::parse(&format!("{}:named", self.image.reference().name())).unwrap()
    }

    async fn call(&self, id: &ImageId, call: Call) -> Result<(), EngineError> {
        let (own, digest) = (self.in_its_repository(), ImageName::from(&self.image));
        match call {
            NameInItsRepository => self.engine.name_image(id, &own).await,
            NameElsewhere => self.engine.name_image(id, &self.elsewhere).await,
            DropDigest => self.engine.drop_image_name(&digest).await,
            DropInItsRepository => self.engine.drop_image_name(&own).await,
            DropElsewhere => self.engine.drop_image_name(&self.elsewhere).await,
        }
    }

    async fn id(&self) -> Option<ImageId> {
        let name = self.image.pull_reference();
        let images = self.engine.observe(&[]).await.unwrap().images;
        let found = images.into_iter().find(|image| image.digests.contains(&name))?;
        Some(ImageId::new(found.id))
    }

    /// Which of the three names the image has; `None` where it is gone.
    async fn names(&self, id: &ImageId) -> Option<[bool; 3]> {
        let images = self.engine.observe(&[]).await.unwrap().images;
        let image = images.into_iter().find(|image| image.id == id.as_str())?;
        let has = |name: &ImageName| {
            let text = name.to_string();
            image.tags.contains(&text) || image.digests.contains(&text)
        };
        let own = self.in_its_repository();
        Some([&own, &self.elsewhere, &ImageName::from(&self.image)].map(has))
    }

    /// What comes of a row; the image goes at its end, as far as it is still there.
    async fn row(&self, row: &[Call]) -> Vec<(&'static str, Option<[bool; 3]>)> {
        if self.id().await.is_none() {
            self.engine.pull(&self.image, None, None, &|_| {}).await.unwrap();
        }
        let id = self.id().await.unwrap();
        let mut seen = Vec::new();
        for call in row {
            let result = kind(&self.call(&id, *call).await);
            seen.push((result, self.names(&id).await));
        }
        for call in [DropElsewhere, DropInItsRepository, DropDigest] {
            let _ = self.call(&id, call).await;
        }
        seen
    }
}

async fn compare(fake: &Lane<'_>, real: &Lane<'_>, rows: &[Vec<Call>]) {
    for row in rows {
        let (expected, found) = (real.row(row).await, fake.row(row).await);
        assert_eq!(found, expected, "{row:?}: the fake, and the engine");
    }
}

#[tokio::test]
async fn names_of_images_come_and_go_on_the_fake_as_on_the_engine() {
    let world = World::new("names");
    docker(&["rmi", &world.image.familiar()]);
    let host = FakeEngine::new();
    let tag = ImageRef::parse("registry.test/app:1").unwrap();
    let digest = host.add_image("registry.test/app", "1", ImageBehaviour::default());
    let elsewhere = ImageName::parse(&format!("{}:1", world.named("elsewhere"))).unwrap();
    let image = PinnedImage::new(&tag, digest);
    let fake = Lane { engine: &host, image: image.clone(), elsewhere: elsewhere.clone() };
    let real = Lane { engine: &world.engine, image: world.image.clone(), elsewhere };
    compare(&fake, &real, &rows(3)).await;

    // The same once more with a container that was made from it and never started.
    real.engine.pull(&real.image, None, None, &|_| {}).await.unwrap();
    fake.engine.pull(&fake.image, None, None, &|_| {}).await.unwrap();
    let container = world.create("a", ContainerSpec::default()).await;
    let mut request = world.request("a", ContainerSpec::default());
    request.image = image;
    let twin = ContainerRef::Id(host.create_container(&request).await.unwrap());
    compare(&fake, &real, &rows(3)).await;
    world.engine.remove_container(&container).await.unwrap();
    host.remove_container(&twin).await.unwrap();
    compare(&fake, &real, &rows(1)).await;
}
