//! `prune` and `images` for people and for programs that read lines.

use std::io;

use super::lines::{INDENT, count, pad, widest};
use crate::model::disk::shown;
use crate::report::Style;
use crate::report::style::one_line;
use crate::report::wire::{ImagesReport, PruneFate, PruneImage, PruneReport};

/// Writes what becomes of the images, or became of them. `verbose` names those that stay after a run, too.
pub fn prune(
    out: &mut (impl io::Write + ?Sized),
    report: &PruneReport,
    style: Style,
    verbose: bool,
) -> io::Result<()> {
    let is_shown = |image: &&PruneImage| {
        let changes = matches!(image.fate, PruneFate::Goes | PruneFate::Unnamed);
        report.dry_run || verbose || changes
    };
    let images: Vec<&PruneImage> = report.images.iter().filter(is_shown).collect();
    let sizes = widest(
        images.iter().map(|image| shown(image.size)).collect::<Vec<_>>().iter().map(String::as_str),
    );
    for image in images {
        let name = image.names.first().map_or(image.id.as_str(), String::as_str);
        let (size, word) = (pad(&shown(image.size), sizes), word(image, report.dry_run));
        writeln!(out, "{}  {size}  {}", painted(image, &pad(word, 7), style), one_line(name))?;
        for name in image.names.iter().skip(1) {
            writeln!(out, "{INDENT}{}", style.faint(&one_line(&format!("also {name}"))))?;
        }
        writeln!(out, "{INDENT}{}", one_line(&image.because))?;
        if let Some(error) = &image.error {
            writeln!(out, "{INDENT}{} {}", style.bad("error:"), one_line(error))?;
        }
    }
    writeln!(out, "{}", summary(report))?;
    if let Some(disk) = &report.disk {
        let (free, path) = (shown(disk.free), &disk.path);
        writeln!(out, "{path} is {} % full, {free} are free", disk.used_percent)?;
    }
    match &report.pressure {
        Some(pressure) => writeln!(out, "{} {}", style.bad("too full:"), one_line(pressure)),
        None => Ok(()),
    }
}

fn word(image: &PruneImage, dry_run: bool) -> &'static str {
    match image.fate {
        PruneFate::Goes | PruneFate::Unnamed if image.error.is_some() => "stays",
        PruneFate::Goes if !dry_run => "gone",
        PruneFate::Goes
        | PruneFate::Unnamed
        | PruneFate::Spare
        | PruneFate::Stays
        | PruneFate::Foreign => image.fate.word(),
    }
}

fn painted(image: &PruneImage, word: &str, style: Style) -> String {
    match image.fate {
        PruneFate::Goes | PruneFate::Unnamed => style.warn(word),
        PruneFate::Spare | PruneFate::Foreign => style.faint(word),
        PruneFate::Stays => style.good(word),
    }
}

fn summary(report: &PruneReport) -> String {
    let well = report.images.iter().filter(|image| image.error.is_none());
    let going: Vec<&PruneImage> = well.filter(|image| image.fate == PruneFate::Goes).collect();
    let size = shown(going.iter().map(|image| image.size).sum());
    let images = count(going.len(), "image");
    let mut summary = match (going.is_empty(), report.dry_run) {
        (true, true) => "nothing would go".to_owned(),
        (true, false) => "no image was let go of".to_owned(),
        (false, true) => format!("{images} would go ({size}, layers shared with others included)"),
        (false, false) => {
            format!("{images} let go of ({size}, layers shared with others included)")
        }
    };
    if report.files > 0 {
        summary +=
            &format!(", {} removed that no container mounts", count(report.files, "exported file"));
    }
    if report.build_cache > 0 {
        summary += &format!(", {} of build cache", shown(report.build_cache));
    }
    summary
}

/// Writes the images that the host needs, a line each.
pub fn images(out: &mut (impl io::Write + ?Sized), report: &ImagesReport) -> io::Result<()> {
    for line in report.images.iter().flat_map(|image| image.lines()) {
        writeln!(out, "{}", one_line(&line))?;
    }
    Ok(())
}
