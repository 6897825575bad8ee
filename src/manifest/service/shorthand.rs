//! The short form of a volume: `[source:]target[:options]`.

/// A volume as it is written in short.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShortVolume {
    /// What is mounted; `None` for an anonymous volume.
    pub source: Option<String>,
    /// Where, in the container.
    pub target: String,
    /// The words after the second colon.
    pub options: Vec<String>,
}

/// Cuts `text` at its colons, but for one behind a single letter, which Compose takes for a drive.
///
/// # Errors
/// A sentence for people.
pub fn parse(text: &str) -> Result<ShortVolume, String> {
    let parts = sections(text);
    if text.len() > 2 && parts.iter().any(String::is_empty) {
        return Err(format!("`{text}` has nothing between two colons"));
    }
    let mut parts = parts.into_iter();
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(target), None, None, None) => Ok(ShortVolume { target, ..ShortVolume::default() }),
        (Some(source), Some(target), options, None) => {
            let options = options.iter().flat_map(|options| options.split(','));
            let options = options.map(str::to_owned).collect();
            Ok(ShortVolume { source: Some(source), target, options })
        }
        _ => Err(format!("`{text}` has too many colons")),
    }
}

fn sections(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    // Colons in a `${…:-…}` that was not meant to be replaced cut nothing.
    let mut braces = 0_usize;
    for letter in text.chars() {
        let part = parts.last().map_or("", String::as_str);
        let is_drive = part.len() == 1 && part.chars().all(|c| c.is_ascii_alphabetic());
        let opens = letter == '{' && (braces > 0 || part.ends_with('$'));
        let cuts = letter == ':' && braces == 0 && !is_drive && text.len() > 2;
        if opens {
            braces += 1;
        } else if letter == '}' {
            braces = braces.saturating_sub(1);
        }
        match (cuts, parts.last_mut()) {
            (false, Some(part)) => part.push(letter),
            (true, _) | (false, None) => parts.push(String::new()),
        }
    }
    parts
}

/// Whether a source is a path, and not the name of a volume.
pub fn is_path(source: &str) -> bool {
    source.starts_with(['.', '/', '~'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, source: Option<&str>, target: &str, options: &[&str]) {
        let found = parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!((found.source.as_deref(), found.target.as_str()), (source, target), "{text}");
        assert_eq!(found.options, options, "{text}");
    }

    #[test]
    fn a_volume_is_cut_as_compose_cuts_it() {
        check("/data", None, "/data", &[]);
        check("data:/data", Some("data"), "/data", &[]);
        check("./a:/b:ro,z", Some("./a"), "/b", &["ro", "z"]);
        check("a:b:c:d", Some("a:b"), "c:d", &[]);
        check("d:", None, "d:", &[]);
        check("/a:/b/${C:-{d}}:ro", Some("/a"), "/b/${C:-{d}}", &["ro"]);
    }

    #[test]
    fn a_volume_with_a_gap_or_too_many_parts_is_refused() {
        for text in [":/data", "/foo::ro", "/foo:/foo:ro:foo"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
