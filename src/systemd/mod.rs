//! The seam to systemd: what the service manager is told about the daemon, and the journal ([`journal`]).
//!
//! Every message to the manager is one datagram to the socket that the manager named (`sd_notify(3)`). Nothing here can fail a
//! pass: who cannot be told is not told.

pub mod journal;

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The most bytes of a status that are sent; `systemctl status` shows one line.
const LONGEST_STATUS: usize = 500;

/// Who started this program, and wants to know how it does.
#[derive(Debug, Default)]
pub struct Manager {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Manager {
    /// Nobody: all messages go nowhere.
    pub fn none() -> Self {
        Self::default()
    }

    /// The manager that listens at `address` (`NOTIFY_SOCKET`: a path, or an abstract name after `@`). It ends and
    /// starts this program again when [`Manager::alive`] is not called within `watchdog`.
    pub fn at(address: &OsStr, watchdog: Option<Duration>) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        let address = match address.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            path => SocketAddr::from_pathname(OsStr::from_bytes(path))?,
        };
        socket.connect_addr(&address)?;
        // A manager that does not read must not hold up the loop.
        socket.set_nonblocking(true)?;
        Ok(Self { socket: Some(socket), watchdog: watchdog.filter(|time| !time.is_zero()) })
    }

    /// How often at least [`Manager::alive`] is to be called; `None` where nobody waits for it.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// The daemon has read its configuration and listens to signals.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// The daemon is about to end.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Something went on since the last time.
    pub fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    /// How things stand, for `systemctl status`; of several lines only the first is shown.
    pub fn status(&self, line: &str) {
        let line = line.lines().next().unwrap_or_default();
        let ends = line.char_indices().map(|(start, letter)| start + letter.len_utf8());
        let end = ends.take_while(|end| *end <= LONGEST_STATUS).last().unwrap_or(0);
        self.tell(&format!("STATUS={}", &line[..end]));
    }

    fn tell(&self, message: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.send(message.as_bytes()) {
            tracing::debug!("systemd cannot be told `{message}`: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn messages_go_to_the_socket_that_was_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let manager = Manager::at(path.as_os_str(), None).unwrap();
        manager.ready();
        manager.status("infra@4f2c9e1 · 12 in sync\nand more");
        manager.alive();
        manager.stopping();
        let told: Vec<String> = (0..4).map(|_| heard(&socket)).collect();
        let expected = ["READY=1", "STATUS=infra@4f2c9e1 · 12 in sync", "WATCHDOG=1", "STOPPING=1"];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_name_after_an_at_sign_is_an_abstract_one() {
        let name = format!("evenkeel-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        Manager::at(OsStr::new(&format!("@{name}")), None).unwrap().ready();
        assert_eq!(heard(&socket), "READY=1");
    }

    #[test]
    fn a_long_status_is_cut_between_characters() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        Manager::at(path.as_os_str(), None).unwrap().status(&"·".repeat(1_000));
        assert_eq!(heard(&socket), format!("STATUS={}", "·".repeat(250)));
    }

    #[test]
    fn a_manager_that_has_gone_or_does_not_read_holds_up_nobody() {
        assert!(Manager::at(OsStr::new("/nowhere/notify"), None).is_err());
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let manager = Manager::at(path.as_os_str(), None).unwrap();
        for _ in 0..10_000 {
            manager.alive();
        }
        drop(socket);
        manager.alive();
    }

    #[test]
    fn a_watchdog_of_no_time_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let _socket = UnixDatagram::bind(&path).unwrap();
        let watchdog = |time| Manager::at(path.as_os_str(), Some(time)).unwrap().watchdog();
        assert_eq!(watchdog(Duration::ZERO), None);
        assert_eq!(watchdog(Duration::from_secs(60)), Some(Duration::from_secs(60)));
    }
}
