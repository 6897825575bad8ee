//! Who may come in by TCP: whoever shows the token of a file.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ring::hmac;

use crate::config::Http;

/// A token is a line, and nobody needs a long one.
const LONGEST_TOKEN: u64 = 4096;

/// What a route asks of who comes by TCP. By the unix socket everybody may do everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Nothing.
    Open,
    /// Either token.
    Read,
    /// The token with which things may be changed.
    Write,
}

/// What became of a token that was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// It is good for this.
    Good,
    /// It is good for reading only.
    ReadOnly,
    /// There is none, or it is wrong.
    Nobody,
}

/// The tokens, as their files were when they were last read.
#[derive(Debug)]
pub(super) struct Keys {
    key: hmac::Key,
    tags: Mutex<Tags>,
}

#[derive(Clone, Debug, Default)]
struct Tags {
    write: Option<hmac::Tag>,
    read: Option<hmac::Tag>,
    /// What was said of files that cannot be used, so that it is said once.
    trouble: Vec<String>,
}

impl Keys {
    /// The tokens that `http` names.
    pub fn of(http: &Http) -> Self {
        let keys =
            Self { key: hmac::Key::new(hmac::HMAC_SHA256, b"evenkeel"), tags: Mutex::default() };
        keys.read(http);
        keys
    }

    /// Reads the files anew. With one that cannot be read nobody gets in.
    pub fn read(&self, http: &Http) {
        let mut trouble = Vec::new();
        let mut tag = |path: Option<&Path>| match token(path?) {
            Ok(token) => Some(hmac::sign(&self.key, token.as_bytes())),
            Err(why) => {
                trouble.push(why);
                None
            }
        };
        let write = tag(http.token_file.as_deref());
        let read = tag(http.read_token_file.as_deref());
        let mut tags = self.tags();
        for why in trouble.iter().filter(|why| !tags.trouble.contains(why)) {
            tracing::error!("nobody gets in by http with this token: {why}");
        }
        *tags = Tags { write, read, trouble };
    }

    /// Whether `shown` is good for `access`. Takes the same time for every wrong token.
    pub fn check(&self, shown: Option<&str>, access: Access) -> Pass {
        let is = |tag: &Option<hmac::Tag>| match (tag, shown) {
            (Some(tag), Some(shown)) => {
                hmac::verify(&self.key, shown.as_bytes(), tag.as_ref()).is_ok()
            }
            (None | Some(_), _) => false,
        };
        let (writes, reads) = {
            let tags = self.tags();
            (is(&tags.write), is(&tags.read))
        };
        match access {
            Access::Open => Pass::Good,
            Access::Read | Access::Write if writes => Pass::Good,
            Access::Read if reads => Pass::Good,
            Access::Write if reads => Pass::ReadOnly,
            Access::Read | Access::Write => Pass::Nobody,
        }
    }

    fn tags(&self) -> MutexGuard<'_, Tags> {
        self.tags.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The token in the file at `path`, without white space around it.
pub(super) fn token(path: &Path) -> Result<String, String> {
    use std::io::Read as _;
    let unusable =
        |why: &dyn std::fmt::Display| format!("{} cannot be used: {why}", path.display());
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LONGEST_TOKEN).read_to_string(&mut text))
        .map_err(|error| unusable(&error))?;
    match text.trim() {
        "" => Err(unusable(&"it is empty")),
        token => Ok(token.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(directory: &Path) -> Http {
        Http {
            listen: ([127, 0, 0, 1], 0).into(),
            token_file: Some(directory.join("token")),
            read_token_file: Some(directory.join("read")),
            webhook_secret_file: None,
        }
    }

    #[test]
    fn the_second_token_only_reads_and_files_are_read_anew() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text);
        write("token", "all\n").unwrap();
        write("read", " some ").unwrap();
        let http = http(directory.path());
        let keys = Keys::of(&http);
        assert_eq!(keys.check(Some("all"), Access::Write), Pass::Good);
        assert_eq!(keys.check(Some("all"), Access::Read), Pass::Good);
        assert_eq!(keys.check(Some("some"), Access::Read), Pass::Good);
        assert_eq!(keys.check(Some("some"), Access::Write), Pass::ReadOnly);
        for wrong in [None, Some(""), Some("al"), Some("all "), Some("ALL")] {
            assert_eq!(keys.check(wrong, Access::Read), Pass::Nobody, "{wrong:?}");
            assert_eq!(keys.check(wrong, Access::Write), Pass::Nobody, "{wrong:?}");
            assert_eq!(keys.check(wrong, Access::Open), Pass::Good);
        }
        write("token", "other").unwrap();
        assert_eq!(keys.check(Some("all"), Access::Write), Pass::Good, "not read yet");
        keys.read(&http);
        assert_eq!(keys.check(Some("all"), Access::Write), Pass::Nobody);
        assert_eq!(keys.check(Some("other"), Access::Write), Pass::Good);
    }

    #[test]
    fn with_a_file_that_is_empty_or_gone_nobody_gets_in() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("token"), "\n").unwrap();
        let keys = Keys::of(&http(directory.path()));
        for shown in [None, Some(""), Some("\n")] {
            assert_eq!(keys.check(shown, Access::Read), Pass::Nobody, "{shown:?}");
        }
        assert_eq!(keys.tags().trouble.len(), 2);
    }
}
