//! A stack gone through, field by field.

mod files;
mod image;
mod mounts;
mod network;
mod rights;
mod sharing;
mod volumes;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::finding::{Finding, Judged, exception};
use super::matching::{By, Value, means};
use super::paths::{Seen, clean};
use super::rule::{Level, Rule};
use super::seams::{Disk, Host, HostFile, Places, Spot, Spotted};
use super::words::{Exception, Policy};
use crate::model::spec::{ContainerSpec, Hooks};
use crate::model::stack::{Condition, Service, Stack};
use crate::model::{ServiceName, StackName, VolumeName};

/// Everything in `stack` that a rule of `policy` is about and that nothing allows on `today` (UTC), in the order
/// of its services. `files` are those of the server that it names by paths of their own.
pub fn check(
    stack: &Stack,
    files: &[HostFile],
    policy: &Policy,
    today: Date,
    host: &Host,
    places: &dyn Places,
    disk: &dyn Disk,
) -> Judged {
    let Stack {
        name,
        services,
        networks,
        volumes,
        working_dir: _,
        // Who it is, when it is its turn, and what was said of it.
        source: _,
        commit: _,
        directory: _,
        files: _,
        after: _,
        after_at: _,
        atomic: _,
        window: _,
        suspended: _,
        remarks: _,
        masks: _,
        record: _,
    } = stack;
    let completed = services.values().flat_map(|service| &service.depends_on);
    let completed = completed.filter(|(_, how)| how.condition == Condition::Completed);
    let mut judge = Judge {
        stack,
        name,
        policy,
        today,
        host,
        places,
        disk,
        sockets: host.sockets.iter().map(|path| see(path, disk)).collect(),
        jobs: completed.map(|(name, _)| name).collect(),
        borrowed: Vec::new(),
        judged: Judged::default(),
        told: BTreeMap::new(),
    };
    for service in services.values() {
        of_service(service, &mut judge);
    }
    volumes::check(volumes, &mut judge);
    network::check(networks, &mut judge);
    files::check(files, &mut judge);
    judge.judged
}

/// Of one level, findings beyond this many say nothing new, and looking for their lines takes time.
const MOST: usize = 500;

/// The stack, the words of the operator, and what was found so far.
struct Judge<'a> {
    stack: &'a Stack,
    name: &'a StackName,
    policy: &'a Policy,
    today: Date,
    host: &'a Host,
    places: &'a dyn Places,
    disk: &'a dyn Disk,
    /// Sockets of the engine besides the usual ones.
    sockets: Vec<Seen>,
    /// Services that others wait for to be done.
    jobs: BTreeSet<&'a ServiceName>,
    /// Volumes that services get by way of others.
    borrowed: Vec<(&'a VolumeName, ServiceName)>,
    judged: Judged,
    /// How many of each level.
    told: BTreeMap<Level, usize>,
}

/// Who has a word on what is asked for.
enum Said {
    /// A list: it is fine for everybody.
    Listed,
    /// The exception of this number; the value of this number of it, where it has any.
    Excepted(usize, Option<usize>),
    /// An exception that is over since this day.
    Over(Date),
    /// Nobody.
    Nothing,
}

/// `path` as it is written and as it is found on the disk.
fn see(path: &std::path::Path, disk: &dyn Disk) -> Seen {
    let text = clean(path);
    Seen { real: disk.real(&text), text }
}

impl Judge<'_> {
    /// Notes that `service` asks for `value`, unless it may. `what` makes a sentence of the value, quoted, that
    /// begins with who asks.
    fn find(
        &mut self,
        service: Option<&ServiceName>,
        rule: Rule,
        value: &Value,
        spot: &Spot,
        what: impl FnOnce(&str) -> String,
    ) {
        let level = self.policy.level(rule);
        if level == Level::Allow {
            return;
        }
        let over = match self.said(service, rule, value) {
            Said::Listed => return,
            Said::Excepted(exception, value) => {
                self.judged.used.insert((exception, value));
                return;
            }
            Said::Over(day) => Some(day),
            Said::Nothing => None,
        };
        if self.told.get(&level).is_some_and(|told| *told >= MOST) {
            return;
        }
        let spotted = self.places.find(service, spot);
        self.add(service, (rule, level, over), value, spotted, what);
    }

    fn add(
        &mut self,
        service: Option<&ServiceName>,
        (rule, level, over): (Rule, Level, Option<Date>),
        value: &Value,
        spotted: Spotted,
        what: impl FnOnce(&str) -> String,
    ) {
        let Spotted { place, path, hidden } = spotted;
        let value = value.written().filter(|_| !hidden);
        let shown =
            value.as_ref().map_or("what the server says".to_owned(), |it| format!("`{it}`"));
        let who = match service {
            Some(name) => format!("service `{name}`"),
            None => format!("stack `{}`", self.name),
        };
        let allow = exception(self.name, service, rule, value.as_deref());
        let what = format!("{who} {}", what(&shown));
        let (service, why) = (service.cloned(), rule.risk());
        let finding = Finding { rule, level, service, place, path, what, why, value, allow, over };
        if !self.judged.found.contains(&finding) {
            self.judged.found.push(finding);
            *self.told.entry(level).or_default() += 1;
        }
    }

    /// What the operator has said of it. An exception that holds goes before one that is over.
    fn said(&self, service: Option<&ServiceName>, rule: Rule, value: &Value) -> Said {
        let own = &self.stack.working_dir;
        let meant = |pattern: &String, by| means(rule, pattern, value, by, own, self.disk);
        if self.policy.allowed(rule).iter().any(|pattern| meant(pattern, By::List)) {
            return Said::Listed;
        }
        let mut over = None;
        for (number, exception) in self.policy.exceptions.iter().enumerate() {
            let Exception { values, until, .. } = exception;
            let index = values.iter().position(|pattern| meant(pattern, By::Exception));
            let covers = exception.is_for(self.name, service, rule);
            if !covers || (index.is_none() && !values.is_empty()) {
                continue;
            }
            if exception.holds(self.today) {
                return Said::Excepted(number, index);
            }
            over = over.max(*until);
        }
        over.map_or(Said::Nothing, Said::Over)
    }

    /// As [`Judge::find`], for a word.
    fn word(
        &mut self,
        service: &ServiceName,
        rule: Rule,
        word: impl Into<String>,
        spot: &Spot,
        what: impl FnOnce(&str) -> String,
    ) {
        self.find(Some(service), rule, &Value::Word(word.into()), spot, what);
    }
}

fn of_service<'a>(service: &'a Service, judge: &mut Judge<'a>) {
    let Service {
        name,
        image,
        settings,
        // Both are evenkeel's own to write, and are mounted; see `mounts`.
        exports: _,
        secret_files: _,
        // Told of as the files that they are; see `files`.
        server_files: _,
        // Where it stands and what may be shown.
        place: _,
        image_place: _,
        image_shown: _,
        sensitive: _,
        // Names of containers are checked by the engine, and foreign ones are never touched.
        container_name: _,
        probe,
        // How evenkeel goes about it.
        pull_policy: _,
        replicas: _,
        depends_on: _,
        rollout: _,
        rollback: _,
        keep: _,
        update: _,
        stamps: _,
        // Made below the stack's own directory, which `mounts` looks at.
        directories: _,
    } = service;
    image::check(name, image, judge);
    network::probe(name, probe.as_ref(), judge);
    of_container(service, name, settings, judge);
}

fn of_container<'a>(
    service: &'a Service,
    name: &'a ServiceName,
    settings: &'a ContainerSpec,
    judge: &mut Judge<'a>,
) {
    let ContainerSpec {
        environment,
        healthcheck,
        ports,
        mounts: own_mounts,
        network,
        volumes_from,
        extra_hosts,
        privileged,
        cap_add,
        security_opt,
        namespaces,
        devices,
        kernel,
        cgroup_parent,
        runtime,
        annotations,
        logging,
        resources,
        hooks,
        // Inside the container only.
        platform: _,
        command: _,
        entrypoint: _,
        user: _,
        working_dir: _,
        hostname: _,
        domainname: _,
        stdin_open: _,
        tty: _,
        expose: _,
        tmpfs: _,
        restart: _,
        stop_grace_period: _,
        stop_signal: _,
        init: _,
        read_only: _,
        cap_drop: _,
        dns: _,
        // An id counts on the host only for what is mounted.
        group_add: _,
        // Read by others than evenkeel and the engine.
        labels: _,
        // A quota.
        storage_opt: _,
        // What the mounts show, as fingerprints.
        contents: _,
    } = settings;
    rights::privileged(name, *privileged, hooks, judge);
    rights::capabilities(name, cap_add, judge);
    rights::security(name, security_opt, judge);
    rights::devices(name, devices, judge);
    rights::runtime(name, runtime.as_deref(), annotations, judge);
    rights::kernel(name, kernel, judge);
    rights::control_group(name, cgroup_parent.as_deref(), judge);
    sharing::namespaces(service, namespaces, network, judge);
    mounts::check(service, own_mounts, judge);
    mounts::from_others(service, volumes_from, judge);
    network::attachment(name, network, judge);
    network::ports(name, ports, judge);
    network::extra_hosts(name, extra_hosts, judge);
    files::logging(name, logging.as_ref(), judge);
    image::healthcheck(name, healthcheck.as_ref(), judge);
    image::limits(name, resources, judge);
    let Hooks { post_start, pre_stop } = hooks;
    let hooks = [("post_start", post_start.as_slice()), ("pre_stop", pre_stop.as_slice())];
    files::literal_secrets(service, environment, hooks, judge);
}
