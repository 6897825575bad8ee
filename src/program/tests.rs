use super::*;

fn shell(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).into()
}

async fn run_for(script: &str, input: &[u8], within: Duration) -> Result<Printed, Failure> {
    let call = Call {
        command: &shell(script),
        environment: Environment::Own,
        input,
        output: Output::Kept(1024 * 1024),
        complaints: Complaints::Kept,
        within: Some(within),
    };
    run(call).await
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_program_is_told_and_heard() {
    let printed = run_for("read it; echo \"$it!\"; echo no >&2", b"ghcr.io\n", LONG).await.unwrap();
    assert!(printed.status.success());
    assert_eq!((printed.text().as_str(), printed.complaints.as_str()), ("ghcr.io!\n", "no\n"));
    let printed = run_for("exit 1", b"unread", LONG).await.unwrap();
    assert!(!printed.status.success());
    let missing = Call {
        command: &["/nonexistent".to_owned()],
        environment: Environment::Own,
        input: b"",
        output: Output::Dropped,
        complaints: Complaints::Dropped,
        within: Some(LONG),
    };
    assert!(matches!(run(missing).await, Err(Failure::NotRun(_))));
}

#[tokio::test]
async fn one_that_answers_while_it_reads_is_heard_in_full() {
    // More than a pipe holds, both ways.
    let much = vec![b'x'; 700_000];
    let printed = run_for("cat; head -c 300000 /dev/zero >&2", &much, LONG).await.unwrap();
    assert_eq!(printed.output.len(), much.len());
    assert_eq!(printed.complaints.len(), 4096);
}

#[tokio::test]
async fn one_that_prints_without_end_is_ended() {
    assert!(matches!(run_for("yes", b"", LONG).await, Err(Failure::TooMuch)));
}

#[tokio::test]
async fn a_clean_environment_holds_what_was_put_into_it() {
    let variables = [("KEY_FILE", std::ffi::OsStr::new("/etc/key"))];
    let call = Call {
        command: &shell("env | sort | grep -v '^_='; pwd"),
        environment: Environment::Clean(&variables),
        input: b"",
        output: Output::Kept(4096),
        complaints: Complaints::Dropped,
        within: Some(LONG),
    };
    let printed = run(call).await.unwrap();
    assert_eq!(printed.text().as_str(), format!("KEY_FILE=/etc/key\nPATH={PATH}\nPWD=/\n/\n"));
}

#[test]
fn a_program_is_found_where_it_may_be_run() {
    assert!(find("sh").is_some_and(|path| path.ends_with("sh")));
    assert_eq!(find("/bin/sh"), Some("/bin/sh".into()));
    assert_eq!((find("/etc/passwd"), find("no-such-program")), (None, None));
}

#[tokio::test]
async fn one_that_hangs_is_ended_with_all_that_it_started() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let script = format!("sleep 1000 & echo $! >{}; wait", pid.display());
    let started = std::time::Instant::now();
    let hung = run_for(&script, b"", Duration::from_millis(500)).await;
    assert!(matches!(hung, Err(Failure::TooSlow)));
    let pid = std::fs::read_to_string(&pid).unwrap();
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    let is_gone = || state().map_or(true, |stat| stat.contains(") Z "));
    while !is_gone() {
        assert!(started.elapsed() < LONG, "the sleep goes on");
        tokio::task::yield_now().await;
    }
}
