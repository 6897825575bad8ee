//! What a plain `cargo test` leaves out, so that its summary says so. `tests/run` leaves out nothing.

#[cfg(not(feature = "engine-tests"))]
#[test]
#[ignore = "needs a Docker Engine: tests/run brings one up and runs the scenarios"]
fn scenarios_on_a_real_engine() {
    panic!("cargo cannot bring an engine up; run tests/run");
}

#[cfg(not(feature = "compose-oracle"))]
#[test]
#[ignore = "needs Docker Compose beside the engine: tests/run switches it on where it can be had"]
fn comparisons_with_docker_compose() {
    panic!("run tests/run where benches/find-compose finds a program");
}
