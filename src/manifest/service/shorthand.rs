//! The short form of a volume: `[source:]target[:options]`. Whether the paths in it make sense is not decided here.

/// What a short form of a volume says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShortVolume {
    /// What is mounted; `None` for an anonymous volume.
    pub source: Option<String>,
    /// Where, in the container.
    pub target: String,
    /// `ro`
    pub read_only: bool,
    /// False for `nocopy`.
    pub copy: bool,
    /// `z` or `Z`
    pub selinux: Option<char>,
    /// `rslave` and the like; of several, the last.
    pub propagation: Option<String>,
    /// A word that means nothing; Compose takes any.
    pub unknown: bool,
}

/// The words for how mounts below a bind mount are shared.
pub const PROPAGATIONS: [&str; 6] = ["rprivate", "private", "rshared", "shared", "rslave", "slave"];

impl ShortVolume {
    fn new(source: Option<String>, target: String) -> Self {
        Self {
            source,
            target,
            read_only: false,
            copy: true,
            selinux: None,
            propagation: None,
            unknown: false,
        }
    }

    /// Whether a path of the host is mounted, and not a volume.
    pub fn is_bind(&self) -> bool {
        self.source.as_deref().is_some_and(is_path)
    }

    fn option(&mut self, option: &str) {
        match option {
            "ro" => self.read_only = true,
            "rw" => self.read_only = false,
            "nocopy" => self.copy = false,
            "z" => self.selinux = Some('z'),
            "Z" => self.selinux = Some('Z'),
            name if PROPAGATIONS.contains(&name) => self.propagation = Some(name.to_owned()),
            // These mean something on another system.
            "cached" | "delegated" | "consistent" | "copy" | "volume-nocopy" => {}
            _ => self.unknown = true,
        }
    }
}

/// Cuts `text` at its colons, but for one behind a single letter, which Compose takes for a drive.
///
/// # Errors
/// A sentence for people.
pub fn volume(text: &str) -> Result<ShortVolume, String> {
    let parts = sections(text);
    // Compose looks no closer at one or two characters.
    if text.is_empty() || (text.len() > 2 && parts.iter().any(String::is_empty)) {
        return Err(format!("`{text}` has nothing between two colons"));
    }
    let mut parts = parts.into_iter();
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(target), None, None, None) => Ok(ShortVolume::new(None, target)),
        (Some(source), Some(target), options, None) => {
            let mut volume = ShortVolume::new(Some(source), target);
            let options = options.iter().flat_map(|options| options.split(','));
            options.for_each(|option| volume.option(option));
            Ok(volume)
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

/// Whether a source is a path, and not the name of a volume; one with a drive or a pipe is one of Windows.
fn is_path(source: &str) -> bool {
    let mut letters = source.chars();
    let drive = letters.next().is_some_and(char::is_alphabetic) && letters.next() == Some(':');
    drive || source.starts_with(['.', '/', '~']) || source.starts_with(r"\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, source: Option<&str>, target: &str) -> ShortVolume {
        let found = volume(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!((found.source.as_deref(), found.target.as_str()), (source, target), "{text}");
        found
    }

    #[test]
    fn a_volume_is_cut_as_compose_cuts_it() {
        check("/data", None, "/data");
        check("data:/data", Some("data"), "/data");
        check("a:b:c:d", Some("a:b"), "c:d");
        check("d:", None, "d:");
        check("/a:/b/${C:-{d}}:ro", Some("/a"), "/b/${C:-{d}}");
    }

    #[test]
    fn a_path_is_told_from_the_name_of_a_volume() {
        for path in ["./a:/b", "~/a:/b", "/a:/b", r"C:\a:/b", r"\\.\pipe\a:/b"] {
            assert!(volume(path).unwrap().is_bind(), "{path}");
        }
        assert!(!check("a.b/c:/d", Some("a.b/c"), "/d").is_bind());
        assert!(!check("/data", None, "/data").is_bind());
    }

    #[test]
    fn the_last_option_of_a_kind_counts() {
        let found = check("./a:/b:ro,z,slave,shared", Some("./a"), "/b");
        assert!(found.read_only && found.copy && !found.unknown);
        assert_eq!((found.selinux, found.propagation.as_deref()), (Some('z'), Some("shared")));
        let found = check("a_b:/c:ro,nocopy,rw,mine", Some("a_b"), "/c");
        assert!(!found.read_only && !found.copy && found.unknown);
    }

    #[test]
    fn a_volume_with_a_gap_or_too_many_parts_is_refused() {
        for text in ["", ":/data", "/foo::ro", "/foo:/foo:ro:foo"] {
            assert!(volume(text).is_err(), "{text}");
        }
    }
}
