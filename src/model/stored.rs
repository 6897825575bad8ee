//! What lies in one repository of a registry: manifests, their tags, and what leads from one to the other.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Digest;

/// The manifests of one repository, as far as a registry tells: all that have a tag, all that those point at, and
/// whatever else is known to be there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The manifests.
    pub manifests: BTreeMap<Digest, Stored>,
    /// Digests that something speaks of and that the registry has no more.
    pub absent: BTreeSet<Digest>,
}

/// One manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// The tags that point at it.
    pub tags: BTreeSet<String>,
    /// When it was pushed, or where nobody says that, when it was built; `None` where that is not known either.
    pub pushed: Option<Timestamp>,
    /// What it is.
    pub kind: Kind,
    /// All that it is made of, however deep indexes lie in indexes; attestations too.
    pub children: BTreeSet<Digest>,
    /// What it says something about (OCI Image Specification, `subject`).
    pub subject: Option<Digest>,
    /// The number under which the registry keeps it, where it counts versions (GitHub's packages).
    pub version: Option<u64>,
}

/// What a manifest is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// An image or an index.
    #[default]
    Known,
    /// Something in a format that is not understood: what it points at is not known.
    Strange,
}

impl Stored {
    /// What it speaks of, where it is there for the sake of another manifest only: a referrer, or something under
    /// tags made of a digest (`sha256-….sig`, as cosign has it; `sha256-…`, the OCI Distribution Specification's
    /// "Referrers Tag Schema").
    pub fn about(&self) -> Option<Digest> {
        if self.tags.is_empty() {
            return self.subject.clone();
        }
        let named: BTreeSet<Option<Digest>> = self.tags.iter().map(|tag| named(tag)).collect();
        // Under two such names, or under one that people gave it, it stands for itself.
        let mut named = named.into_iter();
        named.next().filter(|_| named.next().is_none()).flatten()
    }

    /// Whether it has a tag that stands for itself.
    pub fn is_tagged(&self) -> bool {
        !self.tags.is_empty() && self.about().is_none()
    }
}

/// The digest that a tag is made of.
fn named(tag: &str) -> Option<Digest> {
    let name = tag.split_once('.').map_or(tag, |(name, _)| name);
    let (algorithm, hex) = name.split_once('-')?;
    Digest::parse(&format!("{algorithm}:{hex}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_made_of_a_digest_speaks_of_that_and_any_other_for_itself() {
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        let check = |tags: &[&str], subject: Option<&str>, expected: Option<&str>| {
            let digest = |hex: &str| Digest::parse(&format!("sha256:{hex}")).unwrap();
            let stored = Stored {
                tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
                subject: subject.map(digest),
                ..Stored::default()
            };
            assert_eq!(stored.about(), expected.map(digest), "{tags:?}");
        };
        let (signature, plain) = (format!("sha256-{a}.sig"), format!("sha256-{a}"));
        check(&[&signature], None, Some(&a));
        check(&[&plain, &signature], None, Some(&a));
        check(&[&plain, &format!("sha256-{b}")], None, None);
        check(&[&plain, "1.0"], None, None);
        check(&["sha256-abc.sig"], None, None);
        check(&["1.0"], Some(&a), None);
        check(&[], Some(&b), Some(&b));
        check(&[], None, None);
    }
}
