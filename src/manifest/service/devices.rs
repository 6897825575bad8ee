//! `devices`, `device_cgroup_rules`, `gpus` and `deploy.resources.reservations.devices`.

use super::Draft;
use super::process::texts;
use super::settings::options;
use crate::manifest::read::At;
use crate::manifest::scene::Scene;
use crate::manifest::units;
use crate::model::spec::{CDI, Device, DeviceRequest};

/// What a container may do with a device where nothing is written.
const ALL_PERMISSIONS: &str = "rwm";

/// `devices`
pub fn devices(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    let mut named = Vec::new();
    for item in at.items() {
        let device = match item.is_scalar() {
            true => match item.filled() {
                Some(name) if is_cdi_name(name) => {
                    named.push(name.to_owned());
                    continue;
                }
                Some(text) => short(&item, text),
                None => continue,
            },
            false => long(&item, &mut named),
        };
        draft.settings.devices.mapped.extend(device);
    }
    draft.settings.devices.mapped.sort();
    if !named.is_empty() {
        let request =
            DeviceRequest { driver: CDI.to_owned(), device_ids: named, ..DeviceRequest::default() };
        draft.settings.devices.requests.push(request);
    }
}

/// A name of the Container Device Interface: `vendor.com/class=name`.
fn is_cdi_name(text: &str) -> bool {
    let kind = text.split_once('=').map(|(kind, name)| (kind, !name.is_empty()));
    kind.is_some_and(|(kind, has_name)| {
        has_name && !kind.starts_with('/') && kind.split('/').count() == 2
    })
}

fn short(at: &At<'_>, text: &str) -> Option<Device> {
    let Some([source, target, permissions]) = parts(text) else {
        at.wrong("is not `path:path-in-container:permissions`");
        return None;
    };
    device(at, source, target, permissions)
}

/// `source[:target[:permissions]]`, with what is meant where a part is missing.
pub fn parts(text: &str) -> Option<[&str; 3]> {
    let mut parts = text.split(':');
    let source = parts.next().unwrap_or_default();
    let target = parts.next().unwrap_or(source);
    let permissions = parts.next().unwrap_or(ALL_PERMISSIONS);
    parts.next().is_none().then_some([source, target, permissions])
}

fn long(at: &At<'_>, named: &mut Vec<String>) -> Option<Device> {
    if !at.is_mapping() {
        at.expected("a text or a mapping");
        return None;
    }
    at.only(&["source", "target", "permissions"], &[]);
    let Some(source) = at.value("source") else {
        at.problem("missing-key", "a device needs a `source`: its path on the host");
        return None;
    };
    let source = source.filled()?;
    if is_cdi_name(source) {
        named.push(source.to_owned());
        return None;
    }
    let text = |key: &str, or: &'static str| match at.value(key) {
        Some(at) => at.filled().map(str::to_owned),
        None => Some(or.to_owned()),
    };
    let target = text("target", "")?;
    let target = if target.is_empty() { source } else { &target };
    device(at, source, target, &text("permissions", ALL_PERMISSIONS)?)
}

fn device(at: &At<'_>, source: &str, target: &str, permissions: &str) -> Option<Device> {
    for path in [source, target] {
        if !path.starts_with('/') {
            let message = format!("{} is no absolute path of a device", at.quoted(path));
            let hint = "write `/dev/name:/dev/name:rwm`, the host's path first";
            at.report(at.trouble("wrong-path", message).hint(hint));
            return None;
        }
    }
    if permissions.is_empty() || !permissions.chars().all(|c| "rwm".contains(c)) {
        let message = format!("{} are no permissions of a device", at.quoted(permissions));
        at.report(at.trouble("wrong-value", message).hint("write some of `r`, `w` and `m`"));
        return None;
    }
    let path = |path: &str| path.to_owned();
    Some(Device { target: path(target), source: path(source), permissions: path(permissions) })
}

/// `device_cgroup_rules`
pub fn device_cgroup_rules(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    for item in at.items() {
        let Some(rule) = item.filled() else { continue };
        match is_rule(rule) {
            true => draft.settings.devices.cgroup_rules.push(rule.to_owned()),
            false => item.wrong("is no rule such as `c 1:3 mr`: type, numbers, permissions"),
        }
    }
}

fn is_rule(rule: &str) -> bool {
    let is_number =
        |text: &str| text == "*" || (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()));
    let [kind, numbers, permissions] = rule.split(' ').collect::<Vec<_>>()[..] else {
        return false;
    };
    let numbers = numbers.split_once(':');
    matches!(kind, "a" | "b" | "c")
        && numbers.is_some_and(|(major, minor)| is_number(major) && is_number(minor))
        && (1..=3).contains(&permissions.len())
        && permissions.chars().all(|c| "rwm".contains(c))
}

/// `gpus`: `all`, or a list.
pub fn gpus(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    if at.is_scalar() {
        let all = || DeviceRequest {
            count: -1,
            capabilities: vec![vec!["gpu".to_owned()]],
            ..DeviceRequest::default()
        };
        let asked = at.word(&[("all", true)]).map(|_| all());
        return draft.settings.devices.requests.extend(asked);
    }
    for item in at.items() {
        let Some(mut request) = request(&item) else { continue };
        let capabilities = request.capabilities.first_mut();
        if let Some(capabilities) = capabilities.filter(|all| !all.iter().any(|one| one == "gpu")) {
            capabilities.push("gpu".to_owned());
        }
        draft.settings.devices.requests.push(request);
    }
}

/// `deploy.resources.reservations.devices`
pub fn reserved(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    for item in at.items() {
        let Some(request) = request(&item) else { continue };
        if item.value("capabilities").is_none() {
            let problem = item.trouble("missing-key", "a reserved device needs `capabilities`");
            item.report(problem.hint("for graphics cards: `capabilities: [gpu]`"));
        }
        draft.settings.devices.requests.push(request);
    }
}

fn request(at: &At<'_>) -> Option<DeviceRequest> {
    if !at.is_mapping() {
        at.expected("a mapping");
        return None;
    }
    at.only(&["capabilities", "driver", "count", "device_ids", "options"], &[]);
    let list = |key: &str| at.value(key).map(|at| texts(&at)).unwrap_or_default();
    let device_ids = list("device_ids");
    let count = at.value("count");
    if let Some(count) = &count
        && !device_ids.is_empty()
    {
        count.problem("contradiction", "`count` and `device_ids` exclude each other");
        return None;
    }
    let count = match count {
        Some(count) => count.parse(how_many)?,
        None if device_ids.is_empty() => -1,
        None => 0,
    };
    Some(DeviceRequest {
        driver: at.value("driver").and_then(|at| at.text()).unwrap_or_default().to_owned(),
        count,
        device_ids,
        capabilities: vec![list("capabilities")],
        options: at.value("options").map(|at| option_map(&at)).unwrap_or_default(),
    })
}

/// `all`, which is -1, or a number.
///
/// # Errors
/// A sentence for people.
pub fn how_many(text: &str) -> Result<i64, String> {
    match text {
        "all" => Ok(-1),
        _ => units::integer(text)
            .ok()
            .filter(|count| *count >= -1)
            .ok_or_else(|| "expected `all` or a number of devices".to_owned()),
    }
}

/// A mapping, or a list of `K=V`.
fn option_map(at: &At<'_>) -> std::collections::BTreeMap<String, String> {
    match at.is_mapping() {
        true => options(at),
        false => {
            at.pairs().into_iter().map(|pair| (pair.key, pair.value.unwrap_or_default())).collect()
        }
    }
}
