//! Made-up sequences: what can happen to a host, and how a seed becomes a row of it.

use evenkeel::model::spec::RestartPolicy;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

pub const CONTAINERS: [&str; 3] = ["a", "b", "c"];
pub const NETWORKS: [&str; 2] = ["front", "back"];

/// One step of a sequence.
#[derive(Clone, Debug)]
pub enum Step {
    Asked(Call),
    ByHand(Deed),
}

/// What evenkeel asks of an engine.
#[derive(Clone, Debug)]
pub enum Call {
    Create(&'static str, Made),
    Start(&'static str),
    Stop(&'static str),
    Unpause(&'static str),
    Rename(&'static str, &'static str),
    Remove(&'static str),
    UpdateRestart(&'static str, RestartPolicy),
    UpdateMemory(&'static str, i64),
    Connect(&'static str, &'static str),
    Disconnect(&'static str, &'static str),
    CreateNetwork(&'static str),
    RemoveNetwork(&'static str),
    CreateVolume,
    Exec(&'static str),
    Logs(&'static str),
}

/// What people and the machine do.
#[derive(Clone, Debug)]
pub enum Deed {
    Start(&'static str),
    Stop(&'static str),
    Kill(&'static str),
    ProcessDies(&'static str),
    Pause(&'static str),
    Rename(&'static str, &'static str),
    RemoveByForce(&'static str),
    Disconnect(&'static str, &'static str),
    CreateNetwork(&'static str),
    RemoveNetwork(&'static str),
}

/// The settings of a container, as far as the engines may differ about them.
#[derive(Clone, Debug)]
pub struct Made {
    pub program: Program,
    pub place: Place,
    pub restart: RestartPolicy,
    pub port: Option<u16>,
    pub has_volume: bool,
    pub has_health: bool,
    pub owner: Owner,
}

/// What runs in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Program {
    /// For ever, and hears no signal.
    Runs,
    EndsWell,
    Fails,
    Missing,
}

/// Where it is on the network.
#[derive(Clone, Debug)]
pub enum Place {
    Anywhere,
    Mode(&'static str),
    On(&'static [&'static str]),
    JoinedTo(&'static str),
}

/// Whose it says it is.
#[derive(Clone, Copy, Debug)]
pub enum Owner {
    Nobody,
    Ours,
    Compose,
    ComposeRun,
}

/// All of them.
pub const PROGRAMS: [Program; 4] =
    [Program::Runs, Program::EndsWell, Program::Fails, Program::Missing];

/// A network, a container that was started, and some steps more.
pub fn sequence(seed: u64) -> Vec<Step> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let begin = (any::<bool>(), made()).prop_map(|(has_network, made)| {
        let mut steps = vec![Call::Create("a", made), Call::Start("a")];
        if has_network {
            steps.insert(0, Call::CreateNetwork("front"));
        }
        steps.into_iter().map(Step::Asked).collect::<Vec<_>>()
    });
    let rest = proptest::collection::vec(step(), 3..8);
    let all = (begin, rest).prop_map(|(begin, rest)| [begin, rest].concat());
    all.new_tree(&mut runner).unwrap().current()
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![5 => call().prop_map(Step::Asked), 3 => deed().prop_map(Step::ByHand)]
}

/// The first container most of the time, so that much happens to it.
fn container() -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => Just("a"), 2 => Just("b"), 1 => Just("c")]
}

fn network() -> impl Strategy<Value = &'static str> {
    prop_oneof![3 => Just("front"), 1 => Just("back")]
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        4 => (container(), made()).prop_map(|(one, made)| Call::Create(one, made)),
        5 => container().prop_map(Call::Start),
        3 => container().prop_map(Call::Stop),
        2 => container().prop_map(Call::Unpause),
        2 => (container(), container()).prop_map(|(one, name)| Call::Rename(one, name)),
        3 => container().prop_map(Call::Remove),
        // A program that ends at once must not come back for ever.
        1 => (container(), select(&[RestartPolicy::No, RestartPolicy::OnFailure(2)][..]))
            .prop_map(|(one, policy)| Call::UpdateRestart(one, policy)),
        1 => (container(), select(&[1_i64, 64 << 20][..]))
            .prop_map(|(one, bytes)| Call::UpdateMemory(one, bytes)),
        3 => (container(), network()).prop_map(|(one, network)| Call::Connect(one, network)),
        3 => (container(), network()).prop_map(|(one, network)| Call::Disconnect(one, network)),
        2 => network().prop_map(Call::CreateNetwork),
        2 => network().prop_map(Call::RemoveNetwork),
        1 => Just(Call::CreateVolume),
        1 => container().prop_map(Call::Exec),
        1 => container().prop_map(Call::Logs),
    ]
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        container().prop_map(Deed::Start),
        container().prop_map(Deed::Stop),
        container().prop_map(Deed::Kill),
        container().prop_map(Deed::ProcessDies),
        container().prop_map(Deed::Pause),
        (container(), container()).prop_map(|(one, name)| Deed::Rename(one, name)),
        container().prop_map(Deed::RemoveByForce),
        (container(), network()).prop_map(|(one, network)| Deed::Disconnect(one, network)),
        network().prop_map(Deed::CreateNetwork),
        network().prop_map(Deed::RemoveNetwork),
    ]
}

fn made() -> impl Strategy<Value = Made> {
    let program = prop_oneof![5 => Just(Program::Runs), 2 => select(&PROGRAMS[..])];
    let place = prop_oneof![
        2 => Just(Place::Anywhere),
        1 => select(&["none", "host", "bridge"][..]).prop_map(Place::Mode),
        4 => select(vec![&NETWORKS[..1], &NETWORKS[1..], &NETWORKS]).prop_map(Place::On),
        1 => container().prop_map(Place::JoinedTo),
    ];
    let owner = [Owner::Nobody, Owner::Ours, Owner::Compose, Owner::ComposeRun];
    let port = proptest::option::weighted(0.4, 0..2_u16);
    let flags = (port, any::<bool>(), proptest::bool::weighted(0.3));
    (program, place, restart(), flags, select(owner.to_vec())).prop_map(
        |(program, place, restart, (port, has_volume, has_health), owner)| Made {
            // A program that ends at once must not come back for ever.
            restart: if program == Program::Runs { restart } else { RestartPolicy::OnFailure(2) },
            // The engine refuses ports in another's network.
            port: port.filter(|_| !matches!(place, Place::JoinedTo(_))),
            program,
            place,
            has_volume,
            has_health,
            owner,
        },
    )
}

fn restart() -> impl Strategy<Value = RestartPolicy> {
    select(vec![
        RestartPolicy::Unset,
        RestartPolicy::No,
        RestartPolicy::Always,
        RestartPolicy::UnlessStopped,
        RestartPolicy::OnFailure(0),
        RestartPolicy::OnFailure(1),
    ])
}
