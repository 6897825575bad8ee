# What one does here. CI calls the same scripts.

# This list.
default:
    @just --list

# All files of a release, for x86-64 and ARM64; installs what that needs, as root.
release *arguments:
    packaging/release {{arguments}}

# What has to hold of them: they run alone, install, upgrade, go, and deploy from a container.
release-test *arguments:
    packaging/test {{arguments}}

# The quick loop: unit tests, no engine.
test *names:
    cargo test --locked {{names}}

# Everything CI runs but the licence check; brings up an engine.
all *names:
    tests/run {{names}}

# A million made-up texts for everything that reads texts of others; about half an hour on two cores.
fuzz cases="1000000" *names:
    EVENKEEL_FUZZ_CASES={{cases}} cargo test --locked --release --test fuzz {{names}}

# A hundred thousand made-up days on the host in memory; about a minute on two cores.
simulate days="100000":
    EVENKEEL_SIMULATION_DAYS={{days}} cargo test --locked --release --lib whatever_happens -- --nocapture

# The scenarios on a real engine.
e2e *names:
    tests/support/engine
    cargo test --locked --features engine-tests --test e2e {{names}}

# Formatting and lints.
lint:
    cargo fmt --check
    cargo clippy --locked --all-targets --all-features -- -D warnings

# Licences, banned crates, sources, and known vulnerabilities (needs the network).
deny:
    cargo deny check

# Look at changed snapshots one by one.
review:
    cargo insta review

# The guided tour.
quickstart *arguments:
    examples/quickstart/run {{arguments}}
