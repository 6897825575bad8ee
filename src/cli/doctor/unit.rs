//! Whether systemd starts evenkeel, as this version means it to, and lets it write where it has to.

use std::fs;
use std::path::{Path, PathBuf};

use super::Finding;
use crate::config::Config;

const WHAT: &str = "unit file";
const NAME: &str = "evenkeel.service";
/// As it is shipped with this version.
const SHIPPED: &str = include_str!("../../../packaging/systemd/evenkeel.service");
/// Where systemd looks for units, the first one winning (systemd.unit(5)).
const PLACES: [&str; 5] = [
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];
/// What `StateDirectory=evenkeel` makes writable.
const OWN: &str = "/var/lib/evenkeel";

/// The unit below `root`, held against what is shipped and what `config` needs.
pub(super) fn look(root: &Path, config: &Config) -> Vec<Finding> {
    // sd_booted(3).
    if !root.join("run/systemd/system").is_dir() {
        return vec![Finding::ok(WHAT, "systemd does not run here")];
    }
    let found = PLACES.iter().map(|place| root.join(place).join(NAME)).find(|unit| unit.exists());
    let Some(unit) = found else {
        let says = format!("no {NAME} is installed, so nobody starts the daemon with the host");
        let remedy = "put packaging/systemd/evenkeel.service into /etc/systemd/system, then `systemctl enable --now evenkeel`; not needed where a timer or cron does passes";
        return vec![Finding::warning(WHAT, says, remedy)];
    };
    let Ok(text) = fs::read_to_string(&unit) else {
        let says = format!("{} cannot be read", unit.display());
        return vec![Finding::warning(WHAT, says, "run this as root")];
    };
    let mut findings = vec![compared(&unit, &text)];
    let whole = text + &drop_ins(root);
    findings.extend(missing_paths(&whole, config));
    findings
}

/// What differs is told, and may be meant: a package of a distribution, an older version.
fn compared(unit: &Path, text: &str) -> Finding {
    let shown = unit.display();
    if lines(text).eq(lines(SHIPPED)) {
        return Finding::ok(WHAT, format!("{shown}, as it is shipped"));
    }
    let lacking = lines(SHIPPED).filter(|line| !lines(text).any(|other| other == *line)).count();
    let says = format!(
        "{shown} differs from the one shipped with this version ({lacking} lines are not in it)"
    );
    let remedy = "put what is this host's own into evenkeel.service.d/*.conf, and install the shipped file anew";
    Finding::warning(WHAT, says, remedy)
}

/// What counts of a unit file.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';']))
}

/// All drop-ins, in the order of their names.
fn drop_ins(root: &Path) -> String {
    let directories = PLACES.iter().map(|place| root.join(place).join(format!("{NAME}.d")));
    let files = directories.filter_map(|directory| fs::read_dir(directory).ok()).flatten();
    let mut paths: Vec<PathBuf> = files.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "conf"));
    paths.sort_by_key(|path| path.file_name().map(ToOwned::to_owned));
    let texts = paths.iter().filter_map(|path| fs::read_to_string(path).ok());
    texts.map(|text| format!("\n{text}")).collect()
}

/// Directories that evenkeel writes to, and that the unit keeps it from.
fn missing_paths(unit: &str, config: &Config) -> Option<Finding> {
    let is_strict = lines(unit).filter_map(|line| line.strip_prefix("ProtectSystem=")).last();
    if is_strict != Some("strict") {
        return None;
    }
    let mut open: Vec<&str> = Vec::new();
    for line in lines(unit) {
        if let Some(paths) = line.strip_prefix("ReadWritePaths=") {
            // An empty assignment takes back those before it (systemd.exec(5)).
            if paths.trim().is_empty() {
                open.clear();
            }
            open.extend(paths.split_whitespace().map(|path| path.trim_start_matches(['-', '+'])));
        }
    }
    if lines(unit).any(|line| line == "StateDirectory=evenkeel") {
        open.push(OWN);
    }
    let of_stacks = config.stacks.iter();
    let of_stacks =
        of_stacks.filter_map(|(name, it)| Some((format!("stack {name}"), it.dir.as_ref()?)));
    let own = [("state_dir", &config.state_dir), ("data_dir", &config.data_dir)];
    let wanted = own.into_iter().map(|(what, path)| (what.to_owned(), path)).chain(of_stacks);
    let closed: Vec<(String, &PathBuf)> =
        wanted.filter(|(_, path)| !open.iter().any(|open| path.starts_with(open))).collect();
    let (_, first) = closed.first()?;
    let named: Vec<String> =
        closed.iter().map(|(what, path)| format!("{} ({what})", path.display())).collect();
    let says = format!("the unit lets evenkeel not write to {}", named.join(", "));
    let paths: Vec<String> = closed.iter().map(|(_, path)| path.display().to_string()).collect();
    let remedy = format!(
        "`systemctl edit evenkeel`: `[Service]`, then `ReadWritePaths={}`; {} has to be there",
        paths.join(" "),
        first.display()
    );
    Some(Finding::failed(WHAT, says, remedy))
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use crate::config::Ambient;

    const SYSTEM: &str = "etc/systemd/system/evenkeel.service";

    fn config(more: &str) -> Config {
        let text = format!(
            "sources: [{{repo: https://git.lan/acme/infra.git}}]\nstate_dir: /var/lib/evenkeel/state\n\
             data_dir: /var/lib/evenkeel/data\n{more}"
        );
        let ambient = Ambient { hostname: "web-1".into(), ..Ambient::default() };
        Config::parse("config.yaml", &text, &ambient).unwrap()
    }

    fn check(files: &[(&str, &str)], more: &str, expected: &[(State, &str)]) {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let found = look(root.path(), &config(more));
        assert_eq!(found.len(), expected.len());
        for (found, (state, part)) in found.iter().zip(expected) {
            assert_eq!(found.state, *state, "{}", found.says);
            let all = format!("{} {}", found.says, found.remedy.clone().unwrap_or_default());
            assert!(all.contains(part), "no `{part}` in: {all}");
        }
    }

    const BOOTED: (&str, &str) = ("run/systemd/system/other.service", "");

    #[test]
    fn a_unit_is_looked_for_only_where_systemd_runs() {
        check(&[], "", &[(State::Ok, "systemd does not run here")]);
        check(&[BOOTED], "", &[(State::Warning, "nobody starts the daemon")]);
        check(&[BOOTED, (SYSTEM, SHIPPED)], "", &[(State::Ok, "as it is shipped")]);
        let elsewhere = "usr/lib/systemd/system/evenkeel.service";
        check(&[BOOTED, (elsewhere, SHIPPED)], "", &[(State::Ok, "as it is shipped")]);
    }

    #[test]
    fn another_unit_than_the_shipped_one_is_a_warning_and_a_comment_makes_no_other() {
        let commented = format!("# ours\n{SHIPPED}\n");
        check(&[BOOTED, (SYSTEM, &commented)], "", &[(State::Ok, "as it is shipped")]);
        let older = SHIPPED.replace("WatchdogSec=2min\n", "");
        check(&[BOOTED, (SYSTEM, &older)], "", &[(State::Warning, "1 lines are not in it")]);
    }

    #[test]
    fn a_directory_that_the_unit_keeps_closed_is_a_failure() {
        let elsewhere = "stacks: {shop: {dir: /opt/shop}}";
        let shipped = (State::Ok, "as it is shipped");
        let closed = (State::Failed, "ReadWritePaths=/opt/shop");
        check(&[BOOTED, (SYSTEM, SHIPPED)], elsewhere, &[shipped, closed]);
        let own = "etc/systemd/system/evenkeel.service.d/dirs.conf";
        let open = (own, "[Service]\nReadWritePaths=-/opt/shop /srv\n");
        check(&[BOOTED, (SYSTEM, SHIPPED), open], elsewhere, &[shipped]);
        let taken_back = ("etc/systemd/system/evenkeel.service.d/z.conf", "ReadWritePaths=\n");
        check(&[BOOTED, (SYSTEM, SHIPPED), open, taken_back], elsewhere, &[shipped, closed]);
    }
}
