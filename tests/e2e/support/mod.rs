//! What the scenarios stand on: an engine, a registry, a repository, a host of their own, and one way to wait.
//!
//! Nothing is asserted here but that the set-up itself worked.

#[cfg(feature = "compose-oracle")]
pub mod compose;
pub mod docker;
pub mod host;
pub mod own_engine;
pub mod proxy;
pub mod registry;
pub mod repo;
pub mod run;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Asks `probe` until it has an answer; panics, naming `what`, when there is none after `within`.
///
/// The only place in the tests that waits.
pub fn eventually<T>(within: Duration, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(answer) = probe() {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        pause();
    }
}

#[expect(clippy::disallowed_methods, reason = "other processes have no clock that a test can turn")]
fn pause() {
    std::thread::sleep(Duration::from_millis(25));
}

/// Runs a script of `tests/support`.
pub fn script(name: &str) -> Command {
    Command::new(format!("{}/tests/support/{name}", env!("CARGO_MANIFEST_DIR")))
}

/// What a successful command printed, without the last line's end; panics with its errors otherwise.
pub fn stdout_of(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", both_streams(&output));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

fn both_streams(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

/// A port of this host that nobody listens on.
///
/// Taken below the range that the kernel gives to outgoing connections, so that it stays free until used.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 10_000;
    let start = std::process::id().wrapping_mul(61);
    loop {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(FIRST + start.wrapping_add(step) % COUNT).unwrap();
        if TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
}

/// The body of `GET path` on a loopback port; `None` where the answer is not 200, or there is none.
pub fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.split(' ').nth(1).filter(|status| *status == "200").map(|_| body.to_owned())
}
