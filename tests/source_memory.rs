//! A repository of 50,000 files is fetched and read within a bounded amount of memory.
//!
//! In a program of its own, because the peak is measured for the whole process.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "source/upstream.rs"]
#[expect(dead_code, reason = "shared with the other tests of sources")]
mod upstream;
#[path = "source/web_server.rs"]
#[expect(dead_code, reason = "shared with the other tests of sources")]
mod web_server;

use std::fmt::Write as _;

use evenkeel::model::tree::{EntryKind, Tree};
use evenkeel::source::{Credentials, Reference, Source, SourceSpec};

const FILES: u32 = 50_000;
const LIMIT_KIB: u64 = 64 * 1024;

#[tokio::test]
async fn fifty_thousand_files_are_fetched_and_read_in_64_mib() {
    let upstream = upstream::Upstream::empty();
    // The server would otherwise look for similar files for a long time.
    upstream.git(&["config", "pack.window", "0"]);
    upstream.import(&history());
    let server = web_server::WebServer::start(upstream.root()).await;
    let state = tempfile::tempdir().unwrap();
    let spec = SourceSpec {
        name: "large".into(),
        repo: server.url(),
        reference: Reference::DefaultBranch,
        path: String::new(),
        credentials: Credentials::None,
    };

    // Writing 5 makes the kernel forget the peak so far (proc(5), "clear_refs").
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let source = Source::open(spec, state.path());
    let revision = source.latest().await.unwrap().revision;
    let fetched = peak_kib();
    let read = tokio::task::spawn_blocking(move || read_all(&*revision.tree, "")).await.unwrap();
    let peak = peak_kib();

    println!("peak: {fetched} KiB after the fetch, {peak} KiB after reading all files");
    assert_eq!(read, FILES);
    assert!(peak < LIMIT_KIB, "{peak} KiB");
}

/// One commit of files that share little, about a kibibyte each.
fn history() -> Vec<u8> {
    let mut stream =
        "commit refs/heads/main\ncommitter T <t@example.org> 1700000000 +0000\ndata 1\nm\n"
            .to_owned();
    let mut state = 1_u64;
    for number in 0..FILES {
        let mut content = format!("# file {number}\n");
        for _ in 0..60 {
            // Knuth's generator (MMIX): the same files on every run.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            writeln!(content, "{state:016x}").unwrap();
        }
        let path = format!("d{}/e{}/f{number}.txt", number % 50, number / 50 % 20);
        writeln!(stream, "M 100644 inline {path}\ndata {}\n{content}", content.len()).unwrap();
    }
    stream.into_bytes()
}

fn read_all(tree: &dyn Tree, path: &str) -> u32 {
    let mut count = 0;
    for entry in tree.list(path).unwrap() {
        let below = if path.is_empty() { entry.name } else { format!("{path}/{}", entry.name) };
        count += match entry.kind {
            EntryKind::Directory => read_all(tree, &below),
            EntryKind::File { .. } => u32::from(tree.read(&below, 1 << 20).unwrap().is_some()),
            EntryKind::Symlink | EntryKind::Other => 0,
        };
    }
    count
}

/// The most memory this process has had at once.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
