//! Programs as they are: shells that answer, hang, crash and talk too much.

use std::os::unix::process::ExitStatusExt as _;

use super::watch::watch;
use super::*;

const LONG: Duration = Duration::from_secs(60);

fn shell(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).into()
}

#[tokio::test]
async fn what_cannot_be_run_says_so() {
    let missing = watch(&["/nonexistent".to_owned()], "", LONG).await;
    assert!(matches!(missing, Err(Failure::NotRun(_))));
    assert!(matches!(watch(&[], "", LONG).await, Err(Failure::NotRun(_))));
}

#[tokio::test]
async fn a_program_that_is_watched_is_heard_on_both_outputs() {
    let heard = watch(&shell("cat; echo on >&2; exit 3"), "told ", LONG).await.unwrap();
    assert_eq!((heard.status.code(), heard.text.as_str()), (Some(3), "told on\n"));
    let heard = watch(&shell("kill -SEGV $$"), "", LONG).await.unwrap();
    assert_eq!((heard.status.code(), heard.status.signal()), (None, Some(11)));
}

#[tokio::test]
async fn of_a_hundred_mebibytes_the_beginning_and_the_end_are_kept() {
    let script = "echo begin; head -c 104857600 /dev/zero | tr '\\0' x; echo; echo end >&2";
    let heard = watch(&shell(script), "", LONG).await.unwrap();
    assert!(heard.status.success());
    assert!(heard.text.starts_with("begin\nxxx"));
    assert!(heard.text.contains("end"), "{}", heard.text.len());
    assert!(heard.text.len() <= 64 * 1024 + 100, "{}", heard.text.len());
}

#[tokio::test]
async fn what_a_program_leaves_running_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let script = format!("sleep 1000 & echo $! >{}; echo done", pid.display());
    let heard = watch(&shell(&script), "", LONG).await.unwrap();
    assert_eq!((heard.status.success(), heard.text.as_str()), (true, "done\n"));
    let pid = std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn one_that_hangs_is_ended_with_all_that_it_started() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let script = format!("sleep 1000 & echo $! >{}; wait", pid.display());
    let hung = watch(&shell(&script), "", Duration::from_secs(2)).await;
    assert!(matches!(hung, Err(Failure::TooSlow)));
    is_ended(&std::fs::read_to_string(&pid).unwrap());
}

/// Waits until the process is gone, or nothing but its number.
fn is_ended(pid: &str) {
    let started = std::time::Instant::now();
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    while !state().map_or(true, |stat| stat.contains(") Z ")) {
        assert!(started.elapsed() < LONG, "the sleep goes on");
        std::thread::yield_now();
    }
}

fn key(digit: char) -> ProofKey {
    let image = crate::model::ImageRef::parse("ghcr.io/acme/web").unwrap();
    let digest = crate::model::Digest::parse(&format!("sha256:{}", digit.to_string().repeat(64)));
    let repository = crate::model::polls::Repository::from(&image);
    ProofKey { repository, digest: digest.unwrap(), about: "check".into() }
}

#[tokio::test]
async fn whoever_has_no_patience_goes_on_and_finds_the_end_later() {
    let dir = tempfile::tempdir().unwrap();
    let (count, go) = (dir.path().join("count"), dir.path().join("go"));
    let script = format!(
        "echo >>{}; while ! test -e {}; do sleep 0.05; done; echo done",
        count.display(),
        go.display()
    );
    let programs = Programs::new(Some(Duration::from_millis(50)));
    let run = async || programs.run(&key('a'), shell(&script), String::new(), LONG).await;
    assert!(run().await.is_none() && run().await.is_none(), "it is at work");
    std::fs::write(&go, "").unwrap();
    let ended = loop {
        if let Some(ended) = run().await {
            break ended.unwrap();
        }
    };
    assert_eq!((ended.status.success(), ended.text.as_str()), (true, "done\n"));
    assert_eq!(std::fs::read_to_string(&count).unwrap().lines().count(), 1, "it ran once");
}

#[tokio::test]
async fn programs_end_with_whoever_runs_them() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let script = format!("sleep 1000 & echo $! >{}; wait", pid.display());
    let programs = Programs::new(Some(Duration::from_millis(50)));
    let read = || std::fs::read_to_string(&pid).ok().filter(|text| text.ends_with('\n'));
    let text = loop {
        assert!(programs.run(&key('a'), shell(&script), String::new(), LONG).await.is_none());
        if let Some(text) = read() {
            break text;
        }
    };
    drop(programs);
    tokio::task::yield_now().await;
    is_ended(&text);
}
