//! `prune --registry` for people: a table.

use std::io;

use super::lines::{INDENT, count, pad, widest};
use crate::report::Style;
use crate::report::style::one_line;
use crate::report::wire::{RegistryFate, RegistryManifest, RegistryPruneReport};

/// Digits of a digest that are shown.
const DIGITS: usize = 12;

/// Writes what becomes of a repository, or became of it. Parts that stay are told with `verbose` only, and so is after
/// a run whatever stays.
pub fn registry_prune(
    out: &mut (impl io::Write + ?Sized),
    report: &RegistryPruneReport,
    style: Style,
    verbose: bool,
) -> io::Result<()> {
    let is_shown = |manifest: &&RegistryManifest| match manifest.verdict {
        RegistryFate::Goes => true,
        RegistryFate::Stays => verbose || report.dry_run && manifest.part_of.is_none(),
    };
    let shown: Vec<&RegistryManifest> = report.manifests.iter().filter(is_shown).collect();
    let tags: Vec<String> = shown.iter().map(|manifest| tags(manifest)).collect();
    let width = widest(tags.iter().map(String::as_str)).max("TAG".len());
    if !shown.is_empty() {
        let head = ["DIGEST", "PUSHED", "VERDICT"].map(String::from);
        let head = line("TAG", width, &head, "WHY");
        writeln!(out, "{}", style.faint(&head))?;
    }
    for (manifest, tags) in shown.iter().zip(&tags) {
        let facts = [short(&manifest.digest), pushed(manifest), word(manifest, report).to_owned()];
        let text = line(tags, width, &facts, &one_line(&manifest.because));
        writeln!(out, "{}", painted(manifest, &text, style))?;
        if let Some(error) = &manifest.error {
            writeln!(out, "{INDENT}{} {}", style.bad("error:"), one_line(error))?;
        }
    }
    writeln!(out, "{}", summary(report))
}

fn line(tags: &str, width: usize, [digest, pushed, word]: &[String; 3], why: &str) -> String {
    let digest = pad(digest, DIGITS);
    format!("{}  {digest}  {}  {}  {why}", pad(tags, width), pad(pushed, 16), pad(word, 7))
}

fn tags(manifest: &RegistryManifest) -> String {
    let name = match manifest.tags.is_empty() {
        true => "-".to_owned(),
        false => one_line(&manifest.tags.join(", ")),
    };
    if manifest.part_of.is_some() { format!("  {name}") } else { name }
}

/// The first digits of a digest.
fn short(digest: &str) -> String {
    let digits = digest.split_once(':').map_or(digest, |(_, digits)| digits);
    digits.chars().take(DIGITS).collect()
}

/// To the minute, UTC.
fn pushed(manifest: &RegistryManifest) -> String {
    let pushed = manifest.pushed.map(|pushed| pushed.strftime("%Y-%m-%d %H:%M").to_string());
    pushed.unwrap_or_else(|| "-".to_owned())
}

fn word(manifest: &RegistryManifest, report: &RegistryPruneReport) -> &'static str {
    match manifest.verdict {
        RegistryFate::Goes if manifest.error.is_some() => "stays",
        RegistryFate::Goes if !report.dry_run => "gone",
        RegistryFate::Goes | RegistryFate::Stays => manifest.verdict.word(),
    }
}

fn painted(manifest: &RegistryManifest, text: &str, style: Style) -> String {
    match manifest.verdict {
        RegistryFate::Goes => style.warn(text),
        RegistryFate::Stays => text.to_owned(),
    }
}

fn summary(report: &RegistryPruneReport) -> String {
    let going = report.manifests.iter().filter(|manifest| match report.dry_run {
        true => manifest.verdict == RegistryFate::Goes,
        false => manifest.deleted,
    });
    let (images, parts): (Vec<_>, Vec<_>) = going.partition(|manifest| manifest.part_of.is_none());
    let mut text = match (images.is_empty() && parts.is_empty(), report.dry_run) {
        (true, true) => return format!("{}: nothing would go", report.repository),
        (true, false) => return format!("{}: nothing was deleted", report.repository),
        (false, _) => format!("{}: {}", report.repository, count(images.len(), "image")),
    };
    text += &match parts.len() {
        0 => String::new(),
        1 => " with 1 part or signature".to_owned(),
        number => format!(" with {number} parts and signatures"),
    };
    text + if report.dry_run { " would go" } else { " deleted" }
}
