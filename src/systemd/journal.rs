//! Log lines for the journal, with fields of their own (`systemd.journal-fields(7)`, Native Journal Protocol).
//!
//! Whatever a line says of itself becomes a field in capitals: `stack` is `STACK=`, so that
//! `journalctl STACK=shop` finds what concerns it.

use std::fmt::{self, Write as _};
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Where the journal listens.
pub const SOCKET: &str = "/run/systemd/journal/socket";

/// Bytes kept of a field: a datagram has to hold them all.
const LONGEST: usize = 16 * 1024;

/// Writes events to the journal; what it does not take is lost.
pub struct Journal(UnixDatagram);

impl Journal {
    /// The journal that listens at `socket`.
    pub fn at(socket: &Path) -> io::Result<Self> {
        let journal = UnixDatagram::unbound()?;
        journal.connect(socket)?;
        Ok(Self(journal))
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut entry = Entry(Vec::new());
        entry.add("PRIORITY", priority(*event.metadata().level()));
        entry.add("SYSLOG_IDENTIFIER", "evenkeel");
        event.record(&mut entry);
        // Nobody is left to be told.
        let _ = self.0.send(&entry.0);
    }
}

/// As `syslog(3)` counts.
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        Level::DEBUG | Level::TRACE => "7",
    }
}

/// One entry, as it is sent.
struct Entry(Vec<u8>);

impl Entry {
    /// A value is sent with its length, so that it may hold line breaks.
    fn add(&mut self, name: &str, value: &str) {
        let ends = value.char_indices().map(|(start, letter)| start + letter.len_utf8());
        let value = &value[..ends.take_while(|end| *end <= LONGEST).last().unwrap_or(0)];
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(b'\n');
        self.0.extend_from_slice(&(value.len() as u64).to_le_bytes());
        self.0.extend_from_slice(value.as_bytes());
        self.0.push(b'\n');
    }
}

impl Visit for Entry {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(&field.name().to_ascii_uppercase().replace('.', "_"), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        // Nothing can fail while it is written to memory.
        let _ = write!(text, "{value:?}");
        self.record_str(field, &text);
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// Name and value of each field of an entry.
    fn parsed(mut bytes: &[u8]) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut fields = Vec::new();
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (name, rest) = (text(&bytes[..end]), &bytes[end + 1..]);
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            fields.push((name, text(&rest[8..8 + length])));
            assert_eq!(rest[8 + length], b'\n');
            bytes = &rest[9 + length..];
        }
        fields
    }

    fn check(write: impl FnOnce(), expected: &[(&str, &str)]) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let socket = UnixDatagram::bind(&path).unwrap();
        let subscriber = tracing_subscriber::registry().with(Journal::at(&path).unwrap());
        tracing::subscriber::with_default(subscriber, write);
        let mut buffer = vec![0; 128 * 1024];
        let length = socket.recv(&mut buffer).unwrap();
        let fields = parsed(&buffer[..length]);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (&**n, &**v)).collect();
        assert_eq!(fields, expected);
    }

    #[test]
    fn what_a_line_concerns_becomes_fields() {
        check(
            || {
                let (generation, service): (Option<u64>, Option<&str>) = (Some(12), None);
                tracing::warn!(stack = "shop", service, generation, "web: {}\nback", "went");
            },
            &[
                ("PRIORITY", "4"),
                ("SYSLOG_IDENTIFIER", "evenkeel"),
                ("MESSAGE", "web: went\nback"),
                ("STACK", "shop"),
                ("GENERATION", "12"),
            ],
        );
    }

    #[test]
    fn a_line_of_any_length_fits() {
        let cut = "é".repeat(LONGEST / 2);
        check(
            || tracing::info!("{}", "é".repeat(100_000)),
            &[("PRIORITY", "6"), ("SYSLOG_IDENTIFIER", "evenkeel"), ("MESSAGE", &cut)],
        );
    }
}
