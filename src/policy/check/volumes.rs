//! Volumes whose options say what lies behind them: directories of the host in disguise, other machines, plugins.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use indexmap::IndexMap;

use super::{Judge, mounts};
use crate::model::spec::MountSource;
use crate::model::stack::Volume;
use crate::model::{ServiceName, VolumeName};
use crate::policy::matching::Value;
use crate::policy::rule::Rule;
use crate::policy::seams::Spot;

/// Words of `o` with which the kernel takes `device` for a path, whatever the `type` (`mount(8)`).
const BINDS: [&str; 4] = ["bind", "rbind", "move", "remount"];

/// The volumes that services mount; each that does is asking for it.
pub fn check(volumes: &IndexMap<String, Volume>, judge: &mut Judge<'_>) {
    let mut users: BTreeMap<&VolumeName, BTreeSet<&ServiceName>> = BTreeMap::new();
    let (stack, borrowed) = (judge.stack, std::mem::take(&mut judge.borrowed));
    borrowed.iter().for_each(|(name, service)| {
        users.entry(name).or_default().insert(service);
    });
    for service in stack.services.values() {
        for mount in &service.settings.mounts {
            match &mount.source {
                MountSource::Volume { name, .. } => {
                    users.entry(name).or_default().insert(&service.name);
                }
                MountSource::Bind { .. } | MountSource::Anonymous | MountSource::Image { .. } => {}
            }
        }
    }
    for (key, volume) in volumes {
        for service in users.get(&volume.name).into_iter().flatten() {
            one(key, volume, service, judge);
        }
    }
}

fn one(key: &str, volume: &Volume, service: &ServiceName, judge: &mut Judge<'_>) {
    let Volume { name, external, driver, driver_opts, labels: _ } = volume;
    if *external || name.as_str() != format!("{}_{key}", judge.name) {
        let spot = Spot::Volume(key.to_owned(), "name");
        judge.word(service, Rule::External, format!("volume={name}"), &spot, |it| {
            format!("mounts a volume that is not named after this stack: {it}")
        });
    }
    if !external {
        described(key, service, driver.as_deref(), &Options::new(driver_opts), judge);
    }
}

/// The options of the engine's own driver (Docker Engine, "Create a volume using a volume driver").
struct Options<'a> {
    kind: &'a str,
    device: &'a str,
    flags: &'a str,
    all: Vec<(String, &'a str)>,
}

impl<'a> Options<'a> {
    fn new(written: &'a BTreeMap<String, String>) -> Self {
        let all: Vec<(String, &str)> =
            written.iter().map(|(key, value)| (key.to_ascii_lowercase(), value.trim())).collect();
        let one = |wanted: &str| {
            all.iter().find(|(key, _)| key == wanted).map(|(_, value)| *value).unwrap_or_default()
        };
        Self { kind: one("type"), device: one("device"), flags: one("o"), all: all.clone() }
    }

    fn is_bind(&self) -> bool {
        let mut flags = self.flags.split(',').map(|word| word.trim().to_ascii_lowercase());
        flags.any(|flag| BINDS.contains(&flag.as_str()))
            || ["none", "bind", "rbind"].contains(&self.kind.to_ascii_lowercase().as_str())
    }

    fn is_read_only(&self) -> bool {
        self.flags.split(',').any(|word| word.trim() == "ro")
    }

    /// All of them in one text, but for passwords.
    fn written(&self) -> String {
        let is_secret = |word: &str| {
            let word = word.trim().to_ascii_lowercase();
            word.starts_with("pass") || word.starts_with("cred")
        };
        let text = |(key, value): &(String, &str)| {
            let words = value.split(',').filter(|word| !is_secret(word));
            let words: Vec<&str> = words.map(str::trim).collect();
            format!("{key}={}", words.join(","))
        };
        self.all.iter().map(text).collect::<Vec<_>>().join(",")
    }
}

fn described(
    key: &str,
    service: &ServiceName,
    driver: Option<&str>,
    options: &Options<'_>,
    judge: &mut Judge<'_>,
) {
    if let Some(driver) = driver.filter(|driver| !["", "local"].contains(driver)) {
        let rest = options.written();
        let comma = if rest.is_empty() { "" } else { "," };
        let spot = Spot::Volume(key.to_owned(), "driver");
        let word = Value::Word(format!("driver={driver}{comma}{rest}"));
        return judge.find(Some(service), Rule::HostBinds, &word, &spot, |it| {
            format!("mounts a volume that a program on the host makes: {it}")
        });
    }
    let spot = Spot::Volume(key.to_owned(), "driver_opts.device");
    if options.is_bind() && options.device.starts_with('/') {
        let path = Path::new(options.device);
        return mounts::bind(service, path, options.is_read_only(), &spot, judge);
    }
    let is_plain = options.kind.is_empty() && options.device.is_empty() && options.flags.is_empty();
    let is_memory = options.kind.eq_ignore_ascii_case("tmpfs") && !options.is_bind();
    if is_plain || is_memory {
        return;
    }
    let word = Value::Word(options.written());
    judge.find(Some(service), Rule::HostBinds, &word, &spot, |it| {
        format!("mounts a volume that is a file system of its own: {it}")
    });
}
