//! An image is written into the files of a revision, and nothing else in them changes, not a byte.
//!
//! The loader tells where the image of a service stands, whatever files, anchors, `extends` or variables lead to
//! it (`spot`); only the part that changes is replaced there (`parts`, `scalar`). Then all of the repository is
//! read again: the services that were named must have just the images that were wanted, and whatever else there is
//! must be as it was (`forms`). Where that cannot be, nothing is written, and a problem says why.

mod forms;
mod overlay;
mod parts;
mod scalar;
mod spot;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use self::forms::{Forms, Found};
use self::overlay::over;
use super::discover;
use super::keys::nearest;
use super::options::Options;
use crate::model::tree::Revision;
use crate::model::{ImageRef, Place, Problem, ServiceId};

/// The code of everything that keeps an image from being written.
const CANNOT_PIN: &str = "cannot-pin";

/// What became of the images that were to be written.
#[derive(Debug, Default)]
pub struct Edited {
    /// The files that change, each as it is to be, by their paths in the repository.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Services whose image changes, sorted.
    pub changes: Vec<Change>,
    /// Services of which the files say already what was wanted.
    pub unchanged: Vec<ServiceId>,
    /// Services that nothing can be written for, each with the reason.
    pub refused: Vec<(ServiceId, Problem)>,
}

/// One image that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The service.
    pub service: ServiceId,
    /// What the files said before; it may have a value of the server's in it.
    pub from: ImageRef,
    /// What they say now.
    pub to: ImageRef,
    /// Where.
    pub place: Place,
    /// Whether a value of the server's is part of it.
    pub is_hidden: bool,
}

impl Change {
    /// It in one line, for a commit: `shop/api: 1.4.2 → 1.4.7`. The repository is named only where it is another
    /// one, and where nothing of it is the server's.
    pub fn line(&self) -> String {
        let (from, to) = match self.is_hidden || self.from.same_repository(&self.to) {
            true => (version(&self.from), version(&self.to)),
            false => (self.from.to_string(), self.to.to_string()),
        };
        format!("{}: {from} → {to}", self.service)
    }
}

/// The tag and the digest of an image, for people.
fn version(image: &ImageRef) -> String {
    let digest = image.digest().map(|digest| format!("@{}", digest.short())).unwrap_or_default();
    match (image.tag(), digest.is_empty()) {
        (None, false) => digest,
        (_, _) => format!("{}{digest}", image.tag_or_latest()),
    }
}

/// Writes the images of `pins` into the stacks below the revision's path.
///
/// A pin that cannot be written alone may be written together with others: services that share an anchor or a
/// variable. Variables are looked up as `options` say, so that on a server its own files count; which host a
/// stack is for, and which profiles are active, does not matter. May block on the disk.
///
/// # Errors
/// The revision's path is not in it, or cannot be read.
pub fn edit(
    revision: &Revision,
    options: &Options<'_>,
    pins: &[(ServiceId, ImageRef)],
) -> Result<Edited, Box<Problem>> {
    let mut edited = Edited::default();
    let before = Forms::read(revision, options)?;
    let mut wanted: BTreeMap<ServiceId, ImageRef> = BTreeMap::new();
    for (service, image) in pins {
        match before.find(service) {
            Ok(found) => drop(wanted.insert(service.clone(), as_written(image, found))),
            Err(problem) => edited.refused.push((service.clone(), *problem)),
        }
    }
    let mut now = State { files: BTreeMap::new(), revision: revision.clone(), forms: before };
    let mut first = BTreeMap::new();
    for service in wanted.keys() {
        first.insert(service, now.forms.image(service));
    }
    for (service, image) in &wanted {
        // What it shares with another one may have been written already.
        if now.forms.image(service).as_ref() == Some(image) {
            continue;
        }
        match now.with(options, service, image, &wanted) {
            Ok(next) => now = next,
            Err(problem) => edited.refused.push((service.clone(), *problem)),
        }
    }
    let refused: BTreeSet<&ServiceId> = edited.refused.iter().map(|(service, _)| service).collect();
    for (service, from) in first.into_iter().filter(|(service, _)| !refused.contains(service)) {
        let to = now.forms.image(service);
        match (from, to, now.forms.find(service)) {
            (Some(from), Some(to), Ok(found)) if from != to => {
                let (place, is_hidden) = (found.image.place.clone(), found.image.sensitive);
                edited.changes.push(Change {
                    service: service.clone(),
                    from,
                    to,
                    place,
                    is_hidden,
                });
            }
            (_, _, _) => edited.unchanged.push(service.clone()),
        }
    }
    edited.files = now.files;
    Ok(edited)
}

/// The images that the files of `revision` give to `services`; of what is not there or no image, nothing.
///
/// Of other stacks no more is read than their names. May block on the disk.
///
/// # Errors
/// The revision's path is not in it, or cannot be read.
pub fn images(
    revision: &Revision,
    options: &Options<'_>,
    services: &[ServiceId],
) -> Result<BTreeMap<ServiceId, ImageRef>, Box<Problem>> {
    let stacks = services.iter().map(|service| &service.stack).collect();
    let forms = Forms::below(revision, options, &stacks)?;
    let image = |service: &ServiceId| Some((service.clone(), forms.image(service)?));
    Ok(services.iter().filter_map(image).collect())
}

/// A revision, with what has been written so far.
struct State {
    files: BTreeMap<String, Vec<u8>>,
    revision: Revision,
    forms: Forms,
}

impl State {
    /// The same with one more image written.
    fn with(
        &self,
        options: &Options<'_>,
        service: &ServiceId,
        image: &ImageRef,
        wanted: &BTreeMap<ServiceId, ImageRef>,
    ) -> Result<Self, Box<Problem>> {
        let found = self.forms.find(service)?;
        let place = &found.image.place;
        let changed = spot::write(&self.revision, options, service, found, image)?;
        if found.reference().is_none() {
            let problem = refusal(format!("what {service} has as `image` is none"), place);
            return Err(problem.hint(format!("write `image: {image}`")).into());
        }
        let revision = over(&self.revision, changed.clone());
        let forms = self.forms.again(&revision, options, &changed)?;
        if forms.image(service).as_ref() != Some(image) {
            let text = format!("`image` of {service} would not be `{image}` in the end");
            return Err(refusal(text, place)
                .note("something else says what it is: another file, or a variable of the server's")
                .hint("write the image at the service itself")
                .into());
        }
        let others = self.forms.others_changed(&forms, wanted);
        if !others.is_empty() {
            return Err(shared(service, image, place, &others).into());
        }
        let mut files = self.files.clone();
        files.extend(changed);
        Ok(Self { files, revision, forms })
    }
}

fn shared(service: &ServiceId, image: &ImageRef, place: &Place, others: &[String]) -> Problem {
    let others = others.join(", ");
    let text = format!("`image` of {service} cannot be written without changing {others} too");
    let hint =
        format!("pin them to the same together, or write `image: {image}` at the service itself");
    let note = "they share an anchor, a variable or a service that is extended";
    refusal(text, place).note(note).hint(hint)
}

/// `image` under the name that the file gives the repository already.
fn as_written(image: &ImageRef, found: &Found) -> ImageRef {
    let same = found.reference().filter(|written| written.same_repository(image));
    let renamed = same.and_then(|written| {
        let tag = image.tag().map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = image.digest().map(|digest| format!("@{digest}")).unwrap_or_default();
        ImageRef::parse(&format!("{}{tag}{digest}", written.name())).ok()
    });
    renamed.unwrap_or_else(|| image.clone())
}

fn refusal(text: impl Into<String>, place: &Place) -> Problem {
    Problem::new(CANNOT_PIN, text).at(place.clone())
}

/// The problem that `name` is not there, which `text` says; `names` are those that are.
fn no_such<'n>(text: String, name: &str, names: impl Iterator<Item = &'n str>) -> Box<Problem> {
    let names: BTreeSet<&str> = names.collect();
    let problem = Problem::new(CANNOT_PIN, text);
    let hint = match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => "a stack is a directory with a compose.yaml".to_owned(),
        None => format!("there are {}", names.into_iter().take(20).collect::<Vec<_>>().join(", ")),
    };
    Box::new(problem.hint(hint))
}

/// Where stacks are looked for that an edit must not change: all over the repository.
fn everywhere(revision: &Revision) -> Revision {
    Revision { path: String::new(), ..revision.clone() }
}

/// The stacks below the revision's path, and all others of the repository behind them.
fn candidates(
    revision: &Revision,
    options: &Options<'_>,
) -> Result<(Vec<discover::Candidate>, usize), Box<Problem>> {
    let mut own = discover::candidates(revision, options)?;
    let count = own.len();
    let others = discover::candidates(&everywhere(revision), options)?;
    let others: Vec<_> = others.into_iter().filter(|other| !own.contains(other)).collect();
    own.extend(others);
    Ok((own, count))
}
