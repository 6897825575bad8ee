//! What goes wrong, and what people do.

use super::chance::Chance;
use crate::apply::tests::bench::*;
use crate::engine::EngineError;
use crate::engine::fake::{Fault, Matcher, Verb};
use crate::model::spec::{Mount, MountSource, Protocol};
use crate::model::{ContainerSpec, PinnedImage};

const VERBS: [Verb; 18] = [
    Verb::Observe,
    Verb::ImageDefaults,
    Verb::Inspect,
    Verb::Logs,
    Verb::Pull,
    Verb::CreateNetwork,
    Verb::RemoveNetwork,
    Verb::Connect,
    Verb::Disconnect,
    Verb::CreateVolume,
    Verb::CreateContainer,
    Verb::Start,
    Verb::Stop,
    Verb::Unpause,
    Verb::Rename,
    Verb::RemoveContainer,
    Verb::Update,
    Verb::Exec,
];

/// Lets something happen; what it was.
pub fn strike(host: &Bench, chance: &mut Chance, images: &[PinnedImage]) -> String {
    match chance.below(5) {
        0 | 1 => fault(host, chance),
        2 => death(host, chance),
        _ => person(host, chance, images),
    }
}

fn fault(host: &Bench, chance: &mut Chance) -> String {
    let verb = *chance.one_of(&VERBS);
    let error = match chance.below(4) {
        0 => EngineError::DiskFull("no space left on device".into()),
        1 => EngineError::PortTaken("port is already allocated".into()),
        _ => EngineError::Other("something went wrong".into()),
    };
    let (word, fault) = match chance.below(3) {
        0 => ("refused", Fault::Refused(error)),
        1 => ("done, but an error", Fault::DoneButError(error)),
        _ => ("timed out", Fault::TimesOutBefore),
    };
    host.world.fail_next(Matcher::any(verb), fault);
    format!("{verb:?} {word}")
}

fn death(host: &Bench, chance: &mut Chance) -> String {
    let at = 1 + chance.below(25);
    match chance.once_in(2) {
        true => {
            host.world.crash_before(at);
            "death before a call".to_owned()
        }
        false => {
            host.world.crash_after(at);
            "death after a call".to_owned()
        }
    }
}

/// Nothing that a person does need succeed.
fn person(host: &Bench, chance: &mut Chance, images: &[PinnedImage]) -> String {
    let world = &host.world;
    let names: Vec<String> =
        world.names().into_iter().filter(|name| name.starts_with("shop-")).collect();
    let name = if names.is_empty() { "none" } else { chance.one_of(&names).as_str() };
    let (what, done) = match chance.below(14) {
        0 => ("a process is killed", world.kill(name, 137)),
        1 => ("docker stop", world.docker_stop(name)),
        2 => ("docker start", world.docker_start(name)),
        3 | 4 => ("docker rm --force", world.docker_rm_force(name)),
        5 => ("docker rename", world.docker_rename(name, &format!("{name}-mine"))),
        6 => ("docker pause", world.pause(name)),
        7 => ("docker update", world.set_memory(name, 1 << 27)),
        8 => ("docker network disconnect", world.docker_disconnect(name, "shop_default")),
        9 => ("docker network rm", world.docker_network_rm("shop_default")),
        10 => ("docker image rm", world.remove_image(chance.one_of(images))),
        11 => {
            world.engine_restart();
            ("the machine is started again", Ok(()))
        }
        12 => {
            world.registry_down(chance.once_in(2));
            ("the registry goes or comes", Ok(()))
        }
        _ => {
            world.occupy_port(8000 + u16::try_from(chance.below(3)).unwrap(), Protocol::Tcp);
            ("a port is taken", Ok(()))
        }
    };
    let ended = if done.is_ok() { "" } else { ", which the engine refuses" };
    format!("{what}{ended}")
}

/// Somebody else's container, with a volume of its own.
pub fn stranger(host: &Bench, image: &PinnedImage) {
    let settings = ContainerSpec {
        mounts: vec![Mount::new("/data", MountSource::volume("theirs"), false)],
        restart: crate::model::spec::RestartPolicy::Always,
        ..ContainerSpec::default()
    };
    host.world.add_foreign("stranger", image, settings, Default::default()).unwrap();
}
