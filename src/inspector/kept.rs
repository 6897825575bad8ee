//! What is kept of what a program says: the beginning and the end.

use std::collections::VecDeque;

/// What is kept of either, bytes.
const HALF: usize = 32 * 1024;

/// The first and the last of many bytes.
#[derive(Default)]
pub(super) struct Kept {
    first: Vec<u8>,
    last: VecDeque<u8>,
    /// How many stood in between.
    lost: u64,
}

impl Kept {
    /// Adds what came next.
    pub fn add(&mut self, bytes: &[u8]) {
        let room = HALF.saturating_sub(self.first.len()).min(bytes.len());
        let (first, rest) = bytes.split_at(room);
        self.first.extend_from_slice(first);
        self.last.extend(rest);
        let over = self.last.len().saturating_sub(HALF);
        self.last.drain(..over);
        self.lost = self.lost.saturating_add(over as u64);
    }

    /// As text for people; what could steer a terminal is left out.
    pub fn text(&self) -> String {
        let mut bytes = self.first.clone();
        if self.lost > 0 {
            bytes.extend_from_slice(format!("\n… {} bytes …\n", self.lost).as_bytes());
        }
        bytes.extend(&self.last);
        let text = String::from_utf8_lossy(&bytes);
        text.chars().filter(|c| !c.is_control() || *c == '\n' || *c == '\t').collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_and_the_end_are_kept() {
        let mut kept = Kept::default();
        kept.add(b"begin\n");
        for _ in 0..1000 {
            kept.add(&[b'x'; 1000]);
        }
        kept.add(b"\nend");
        let text = kept.text();
        assert!(text.starts_with("begin\n") && text.ends_with("\nend"));
        assert!(kept.first.len() + kept.last.len() <= 2 * HALF);
        let lost = 1_000_010 - 2 * HALF;
        assert!(text.contains(&format!("\n… {lost} bytes …\n")), "{lost}");
    }

    #[test]
    fn little_is_kept_whole_and_steers_no_terminal() {
        let mut kept = Kept::default();
        kept.add(b"a\x1b[31mb\tc\r\nd\0\xff");
        assert_eq!(kept.text(), "a[31mb\tc\nd\u{fffd}");
    }
}
