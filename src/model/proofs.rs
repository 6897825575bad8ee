//! What was found out about images that the operator asks something of, as it is remembered.
//!
//! Nothing is asked or decided here; both is done in [`crate::resolve`].

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::Digest;
use super::polls::Repository;

/// The first wait before a question is asked again that brought no answer; it doubles.
const FIRST: Duration = Duration::from_secs(10);
/// The longest such wait.
const PATIENCE: Duration = Duration::from_secs(300);
/// The longest wait before it is looked again for a signature, unless registries are asked less often than that.
const LONGEST: Duration = Duration::from_secs(3600);

/// A signature as it lies at a registry beside an image (cosign's `SIGNATURE_SPEC.md`). Nothing of it is to be
/// believed before its signature was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// What is signed, byte by byte.
    pub payload: Vec<u8>,
    /// The signature as it is written: base64.
    pub signature: String,
}

/// What lies at one place beside an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signatures {
    /// Signatures as they are read here, the newest first.
    pub attached: Vec<Attached>,
    /// Whether there is something that is signed in another way (Sigstore's bundles).
    pub has_others: bool,
}

/// All that is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proofs(pub BTreeMap<ProofKey, Proof>);

/// An image, and what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProofKey {
    /// Where it is.
    pub repository: Repository,
    /// Which it is.
    pub digest: Digest,
    /// What is asked, as a hash of it.
    pub about: String,
}

/// What a question came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It has what is asked.
    Good,
    /// It has not.
    Refused,
    /// The world was in the way: neither.
    Unknown,
}

/// What was found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// What the question came to.
    pub found: Found,
    /// To stand behind the image's name; of a program with what it printed. Masked.
    pub says: String,
    /// Since when that is so.
    pub since: Timestamp,
    /// When it was asked last.
    pub at: Timestamp,
    /// How often it came to that in a row.
    pub times: u32,
    /// When it is asked again; `None` where it is not.
    pub again: Option<Timestamp>,
}

/// When a question is asked again that an image did not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Never by itself: the same program says the same of the same image.
    Never,
    /// A signature may come: after the interval at which registries are asked, and later and later.
    Signature(Duration),
    /// The world may come right: soon, and later and later; not before the registry wants it.
    World(Option<Duration>),
}

impl Proof {
    /// What was found out `now`; `before` is what was known of it.
    pub fn new(
        found: Found,
        says: String,
        again: Again,
        before: Option<&Self>,
        now: Timestamp,
    ) -> Self {
        let row = before.filter(|before| before.found == found);
        let times = row.map_or(0, |row| row.times).saturating_add(1);
        let wait = match again {
            Again::Never => None,
            Again::Signature(every) => Some(doubled(every, times).min(every.max(LONGEST))),
            Again::World(asked) => {
                Some(doubled(FIRST, times).min(PATIENCE).max(asked.unwrap_or_default()))
            }
        };
        Self {
            found,
            says,
            since: row.map_or(now, |row| row.since),
            at: now,
            times,
            again: wait.map(|wait| now.checked_add(wait).unwrap_or(Timestamp::MAX)),
        }
    }

    /// Whether it is to be asked again `now`.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.again.is_some_and(|again| now >= again)
    }
}

fn doubled(wait: Duration, times: u32) -> Duration {
    let factor = 2_u32.checked_pow(times.saturating_sub(1));
    factor.and_then(|factor| wait.checked_mul(factor)).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(again: Again, rows: usize) -> Vec<i64> {
        let (mut before, mut waits, mut now) = (None, Vec::new(), Timestamp::UNIX_EPOCH);
        for _ in 0..rows {
            let proof = Proof::new(Found::Refused, "no".into(), again, before.as_ref(), now);
            let next = proof.again.unwrap();
            waits.push(next.duration_since(now).as_secs());
            assert_eq!(proof.since, Timestamp::UNIX_EPOCH);
            assert!(!proof.is_due(now) && proof.is_due(next));
            (now, before) = (next, Some(proof));
        }
        waits
    }

    #[test]
    fn a_signature_is_looked_for_later_and_later() {
        let of = |seconds| waits(Again::Signature(Duration::from_secs(seconds)), 5);
        assert_eq!(of(300), [300, 600, 1200, 2400, 3600]);
        assert_eq!(of(7200), [7200; 5]);
    }

    #[test]
    fn the_world_is_tried_soon_and_never_before_a_registry_wants_it() {
        assert_eq!(waits(Again::World(None), 7), [10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(waits(Again::World(Some(Duration::from_secs(60))), 4), [60, 60, 60, 80]);
    }

    #[test]
    fn what_a_program_refused_stays_refused() {
        let proof =
            Proof::new(Found::Refused, "no".into(), Again::Never, None, Timestamp::UNIX_EPOCH);
        assert!(!proof.is_due(Timestamp::MAX));
    }

    #[test]
    fn another_finding_begins_anew() {
        let second = Timestamp::from_second(1).unwrap();
        let unknown =
            Proof::new(Found::Unknown, "?".into(), Again::World(None), None, Timestamp::UNIX_EPOCH);
        let refused = Proof::new(
            Found::Refused,
            "no".into(),
            Again::Signature(Duration::from_secs(300)),
            Some(&unknown),
            second,
        );
        assert_eq!((refused.since, refused.times), (second, 1));
    }
}
