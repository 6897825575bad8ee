//! Watchtower's labels: what Compose has a word for is written in its place, and they are taken out.
//!
//! Their names are those of Watchtower's documentation, chapters "Container selection", "Lifecycle hooks",
//! "Stop signals" and "Linked containers".

mod read;

use self::read::{Label, is_watchtower, labels, policy, with_comma};
use super::edits::{Edits, indent, line_break, whole_lines};
use super::{Note, Source, Weight};
use crate::manifest::yaml::layout::{Entry, Piece};
use crate::model::ServiceName;

const PREFIXES: [&str; 2] = ["com.centurylinklabs.watchtower", "com.centurylinklabs.zodiac"];

/// Whether a label is one of Watchtower's.
pub fn is_label(name: &str) -> bool {
    PREFIXES.iter().any(|prefix| {
        name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// Takes the labels out of every service that has them of its own, and writes `pull_policy` for them.
pub fn convert(sources: &[Source], edits: &mut [Edits], notes: &mut Vec<Note>) {
    let policy = policy(sources);
    for (number, source) in sources.iter().enumerate() {
        for (service, piece) in source.services() {
            let mut conversion = Conversion {
                source,
                edits: &mut edits[number],
                number,
                service,
                policy: &policy,
                notes: &mut *notes,
            };
            conversion.service(piece);
        }
    }
}

struct Conversion<'a> {
    source: &'a Source,
    edits: &'a mut Edits,
    number: usize,
    service: &'a str,
    policy: &'a str,
    notes: &'a mut Vec<Note>,
}

impl Conversion<'_> {
    fn service(&mut self, service: &Piece) {
        if let Some(image) = service.get("image").and_then(Piece::text)
            && is_watchtower(image)
        {
            let at = service.entry("image").map_or(service.span.start, |e| e.value.span.start);
            let text =
                "Watchtower and evenkeel would both replace containers, each without the other";
            let next = "remove this service once evenkeel follows the host's stacks";
            self.note(Weight::Worth, at, text, Some(next));
        }
        let Some(entry) = service.entry("labels") else { return };
        let all = labels(&entry.value);
        let ours: Vec<&Label> = all.iter().filter(|label| is_label(&label.name)).collect();
        if ours.is_empty() {
            return;
        }
        let shared = entry.value.anchor != 0 && self.source.is_aliased(entry.value.anchor);
        let is_out = !shared && self.take_out(service, entry, &ours, ours.len() == all.len());
        if is_out {
            self.translate(service, &ours);
        } else {
            let text =
                "Watchtower's labels are left here: they cannot be taken out without the rest";
            let next = "take them out by hand; evenkeel pays no heed to them";
            self.note(Weight::Worth, ours[0].span.start, text, Some(next));
        }
    }

    fn take_out(&mut self, service: &Piece, entry: &Entry, ours: &[&Label], all: bool) -> bool {
        let text = &self.source.text;
        let whole = entry.key.span.start..entry.value.span.end;
        let mut gone = Edits::default();
        if all {
            let range = match service.is_flow() {
                true => Some(with_comma(text, &whole)),
                false => whole_lines(text, &whole),
            };
            return range.is_some_and(|range| self.edits.replace(range, ""));
        }
        for label in ours {
            let range = match entry.value.is_flow() {
                true => Some(with_comma(text, &label.span)),
                false => whole_lines(text, &label.span),
            };
            let Some(range) = range else { return false };
            if !gone.replace(range.clone(), "") {
                return false;
            }
        }
        self.edits.extend(gone)
    }

    fn translate(&mut self, service: &Piece, labels: &[&Label]) {
        let value = |name: &str| {
            let full = format!("{}.{name}", PREFIXES[0]);
            labels.iter().find(|label| label.name == full).map(|label| label.value.as_str())
        };
        let is = |name: &str, word: &str| value(name).is_some_and(|v| v.eq_ignore_ascii_case(word));
        // The labels are gone; what is said of them stands where the image is.
        let at = service.entry("image").map_or(service.span.start, |image| image.key.span.start);
        if is("enable", "true") && !is("monitor-only", "true") && !is("no-pull", "true") {
            self.follow(service, at);
        } else if value("enable").is_some()
            || value("monitor-only").is_some()
            || value("no-pull").is_some()
        {
            let text = "Watchtower's labels are taken out: a tag stays with the digest it had, as they asked for";
            self.note(Weight::Worth, at, text, None);
        }
        for label in labels {
            let short = label.name.rsplit("watchtower.").next().unwrap_or(&label.name);
            let next = match short {
                "stop-signal" => "write `stop_signal:` with the same signal on the service",
                "depends-on" => "write `depends_on:` with `restart: true`",
                "scope" => {
                    "nothing: evenkeel changes what its own repository describes, and nothing else"
                }
                hook if hook.starts_with("lifecycle.") => {
                    "put the work into the image's own start, or into a service that others await with `service_completed_successfully`"
                }
                _ => continue,
            };
            let text = format!("Watchtower's `{short}` is taken out; evenkeel has no such label");
            self.note(Weight::Worth, at, text, Some(next));
        }
    }

    fn follow(&mut self, service: &Piece, at: usize) {
        let image = service.entry("image").filter(|entry| entry.value.text().is_some());
        let pinned =
            image.and_then(|entry| entry.value.text()).is_some_and(|i| i.contains("@sha256:"));
        if pinned {
            let text =
                "Watchtower's labels are taken out; an image with a digest is never followed";
            return self.note(
                Weight::Worth,
                at,
                text,
                Some("take the digest away to follow the tag"),
            );
        }
        if service.entry("pull_policy").is_some() {
            let text =
                "Watchtower's labels are taken out; `pull_policy` says how the tag is followed";
            return self.note(Weight::Worth, at, text, None);
        }
        let policy = self.policy;
        if image.is_some_and(|image| self.write_policy(policy, service, image)) {
            let text = format!("Watchtower's `enable` became `pull_policy: {policy}`");
            return self.note(Weight::Worth, at, text, None);
        }
        let text = "Watchtower's labels are taken out, and nothing follows this tag now";
        let next = format!("write `pull_policy: {policy}` where its `image` is written");
        self.note(Weight::Worth, at, text, Some(&next));
    }

    fn write_policy(&mut self, policy: &str, service: &Piece, image: &Entry) -> bool {
        let text = &self.source.text;
        let end = image.value.span.end;
        if service.is_flow() {
            return self.edits.insert(end, format!(", pull_policy: {policy}"));
        }
        let (Some(blanks), Some(lines)) =
            (indent(text, image.key.span.start), whole_lines(text, &(image.key.span.start..end)))
        else {
            return false;
        };
        let line_break = line_break(text);
        match text[..lines.end].ends_with('\n') {
            true => {
                self.edits.insert(lines.end, format!("{blanks}pull_policy: {policy}{line_break}"))
            }
            false => {
                self.edits.insert(lines.end, format!("{line_break}{blanks}pull_policy: {policy}"))
            }
        }
    }

    fn note(&mut self, weight: Weight, at: usize, text: impl Into<String>, next: Option<&str>) {
        let service = Some(ServiceName::new(self.service));
        let next = next.map(str::to_owned);
        self.notes.push(Note::new(weight, (self.number, at), service, text, next));
    }
}
