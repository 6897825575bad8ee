//! What encrypted files hold, by what they are, so that a pass that finds nothing new runs no program.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

/// As many files are kept at most.
const MOST_FILES: usize = 4096;

/// As many bytes are kept at most, in all files.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// A hash of a file as it is in git, and of the identity that opens it.
pub type Key = [u8; 32];

/// The files that were opened; of too many, those go first that were not asked for the longest.
#[derive(Default)]
pub struct Keep {
    files: BTreeMap<Key, Kept>,
    bytes: usize,
    asked: u64,
}

struct Kept {
    plain: Zeroizing<Vec<u8>>,
    asked: u64,
}

impl Keep {
    /// What the file holds, where it was opened before.
    pub fn get(&mut self, key: &Key) -> Option<&[u8]> {
        self.asked += 1;
        let kept = self.files.get_mut(key)?;
        kept.asked = self.asked;
        Some(&kept.plain)
    }

    /// Keeps what a file holds.
    pub fn put(&mut self, key: Key, plain: Zeroizing<Vec<u8>>) {
        self.take_out(&key);
        while self.files.len() >= MOST_FILES || self.bytes + plain.len() > MOST_BYTES {
            let oldest = self.files.iter().min_by_key(|(_, kept)| kept.asked);
            let Some(oldest) = oldest.map(|(key, _)| *key) else { return };
            self.take_out(&oldest);
        }
        self.bytes += plain.len();
        self.asked += 1;
        self.files.insert(key, Kept { plain, asked: self.asked });
    }

    fn take_out(&mut self, key: &Key) {
        if let Some(kept) = self.files.remove(key) {
            self.bytes -= kept.plain.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Key {
        let mut key = Key::default();
        key[..8].copy_from_slice(&number.to_be_bytes());
        key
    }

    #[test]
    fn what_was_not_asked_for_the_longest_goes_first() {
        let mut keep = Keep::default();
        let much = || Zeroizing::new(vec![1; MOST_BYTES / 3]);
        for number in 0..3 {
            keep.put(key(number), much());
        }
        assert!(keep.get(&key(0)).is_some());
        keep.put(key(3), much());
        let kept = [0, 1, 2, 3].map(|number| keep.get(&key(number)).is_some());
        assert_eq!(kept, [true, false, true, true]);
        assert!(keep.bytes <= MOST_BYTES);
    }

    #[test]
    fn no_more_files_are_kept_than_may_be() {
        let mut keep = Keep::default();
        for number in 0..=MOST_FILES {
            keep.put(key(number), Zeroizing::new(b"a".to_vec()));
        }
        assert_eq!((keep.files.len(), keep.bytes), (MOST_FILES, MOST_FILES));
        keep.put(key(MOST_FILES + 1), Zeroizing::new(vec![0; MOST_BYTES + 1]));
        assert_eq!((keep.files.len(), keep.bytes), (0, 0), "one that is too large is not kept");
    }
}
