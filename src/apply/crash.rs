//! Points at which a test kills the program, to see that the next pass puts everything in order.
//!
//! Compiled only with the feature `crash-points`; without it, a point is nothing.

/// Dies by SIGKILL here if the environment says so: `EVENKEEL_CRASH_AT` holds the number of the point,
/// counted from 1 in the order in which they are passed.
#[cfg(feature = "crash-points")]
pub fn point() {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static AT: LazyLock<Option<u64>> = LazyLock::new(|| {
        #[expect(
            clippy::disallowed_methods,
            reason = "a switch for tests, compiled for them alone"
        )]
        let at = std::env::var("EVENKEEL_CRASH_AT").ok()?;
        at.parse().ok()
    });
    static PASSED: AtomicU64 = AtomicU64::new(0);

    let number = PASSED.fetch_add(1, Ordering::SeqCst) + 1;
    if *AT == Some(number) {
        let own = rustix::process::getpid();
        // Death is what is wanted; where even that fails, the test sees a pass that did not die.
        let _ = rustix::process::kill_process(own, rustix::process::Signal::KILL);
    }
}

/// Nothing.
#[cfg(not(feature = "crash-points"))]
pub fn point() {}
