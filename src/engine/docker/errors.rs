//! What bollard reports → [`EngineError`], by status and by the engine's words.
//!
//! The engine gives one status to very different failures, so its words are looked at first. bollard's
//! errors must not be shown by `Debug`: they hold whole answers, environments included.

use std::error::Error as _;
use std::io;

use bollard::errors::Error;

use crate::engine::EngineError;

type Kind = fn(String) -> EngineError;

/// Words of the engine that tell more than its status does, the strongest first.
const WORDS: [(&str, Kind); 9] = [
    // The engine was replaced since the version was agreed on.
    ("client version ", other_version),
    ("no space left on device", EngineError::DiskFull),
    ("port is already allocated", EngineError::PortTaken),
    // Lower-case; with a capital it is an address on a container network, which is a conflict.
    ("bind: address already in use", EngineError::PortTaken),
    ("executable file not found", EngineError::CannotStart),
    ("exec format error", EngineError::CannotStart),
    ("permission denied: unknown", EngineError::CannotStart),
    ("no such file or directory: unknown", EngineError::CannotStart),
    ("OCI runtime create failed", EngineError::CannotStart),
];

/// The kind and the words of a failed call.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the others are told by their causes, new ones too"
)]
pub(super) fn explain(error: &Error) -> EngineError {
    match error {
        Error::DockerResponseServerError { status_code, message } => {
            by_status(*status_code, message)
        }
        Error::DockerStreamError { error } => by_words(error).unwrap_or_else(EngineError::Other),
        Error::RequestTimeoutError => {
            EngineError::Unreachable("no answer within the time allowed".to_owned())
        }
        Error::SocketNotFoundError(path) => {
            EngineError::Unreachable(format!("there is no socket at {path}; is Docker running?"))
        }
        Error::JsonDataError { message, column, .. } => {
            // What stands behind a colon may be a value out of the answer.
            let message = message.split(": ").next().unwrap_or_default();
            EngineError::Other(format!(
                "the engine's answer cannot be read: {message} (column {column})"
            ))
        }
        other => match io_error(other) {
            Some(cause) => EngineError::Unreachable(io_words(cause)),
            None if is_transport(other) => EngineError::Unreachable(with_causes(other)),
            None => EngineError::Other(with_causes(other)),
        },
    }
}

fn other_version(words: String) -> EngineError {
    EngineError::Version(format!("the engine and this evenkeel speak different versions: {words}"))
}

/// Whether the engine says that it knows no such thing.
pub(super) fn is_not_found(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: 404, .. })
}

/// What went wrong while pulling: a registry's "not found" comes with several statuses, and trouble with
/// the registry is not trouble with the engine.
pub(super) fn explain_pull(error: &Error) -> EngineError {
    let absent = ["not found", "manifest unknown", "no matching manifest", "does not exist"];
    let explained = explain(error);
    if let EngineError::Other(words) = &explained
        && absent.iter().any(|word| words.contains(word))
    {
        return EngineError::NotFound(words.clone());
    }
    explained
}

fn by_status(status: u16, message: &str) -> EngineError {
    let message = message.trim();
    let message = if message.is_empty() {
        format!("the engine answered {status} without a word")
    } else {
        message.to_owned()
    };
    by_words(&message).unwrap_or_else(|message| match status {
        400 => EngineError::Refused(message),
        404 => EngineError::NotFound(message),
        // 403 is what networks say while something is attached, or when an address is taken.
        403 | 409 => EngineError::Conflict(message),
        _ => EngineError::Other(message),
    })
}

fn by_words(message: &str) -> Result<EngineError, String> {
    match WORDS.iter().find(|(words, _)| message.contains(words)) {
        Some((_, kind)) => Ok(kind(message.to_owned())),
        None => Err(message.to_owned()),
    }
}

fn is_transport(error: &Error) -> bool {
    matches!(error, Error::HyperResponseError { .. } | Error::HyperLegacyError { .. })
}

fn io_error(error: &Error) -> Option<&io::Error> {
    if let Error::IOError { err } = error {
        return Some(err);
    }
    std::iter::successors(error.source(), |&cause| cause.source())
        .find_map(|cause| cause.downcast_ref::<io::Error>())
}

fn io_words(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::PermissionDenied {
        return "permission denied at its socket; run as root or as a member of the group `docker`"
            .to_owned();
    }
    error.to_string()
}

fn with_causes(error: &Error) -> String {
    let mut words = error.to_string();
    for cause in std::iter::successors(error.source(), |&cause| cause.source()) {
        let cause = cause.to_string();
        if !words.contains(&cause) {
            words = format!("{words}: {cause}");
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, message: &str, expected: fn(String) -> EngineError) {
        let error =
            Error::DockerResponseServerError { status_code: status, message: message.to_owned() };
        assert_eq!(explain(&error), expected(message.to_owned()), "{status} {message}");
    }

    #[test]
    fn the_engines_words_count_more_than_its_status() {
        check(500, "Bind for 0.0.0.0:80 failed: port is already allocated", EngineError::PortTaken);
        check(500, "listen tcp4 0.0.0.0:80: bind: address already in use", EngineError::PortTaken);
        check(500, "write /var/lib/x: no space left on device", EngineError::DiskFull);
        let missing = "OCI runtime create failed: exec: \"x\": executable file not found in $PATH";
        check(400, missing, EngineError::CannotStart);
        check(404, missing, EngineError::CannotStart);
        check(500, "exec /bin/x: exec format error", EngineError::CannotStart);
        check(400, "client version 1.53 is too new", other_version);
    }

    #[test]
    fn without_telling_words_the_status_decides() {
        check(400, "invalid reference format", EngineError::Refused);
        check(403, "Address already in use", EngineError::Conflict);
        check(403, "network a has active endpoints", EngineError::Conflict);
        check(404, "No such container: a", EngineError::NotFound);
        check(409, "Conflict. The container name \"/a\" is already in use", EngineError::Conflict);
        check(500, "something broke", EngineError::Other);
    }

    #[test]
    fn an_unreadable_answer_is_reported_without_its_values() {
        let message = "invalid type: string \"hunter2\", expected a map".to_owned();
        let error = Error::JsonDataError { message, contents: "hunter2".to_owned(), column: 7 };
        assert!(!format!("{:?}", explain(&error)).contains("hunter2"));
    }

    #[test]
    fn a_full_disk_is_not_held_against_the_spec() {
        let words = "OCI runtime create failed: mkdir /x: no space left on device";
        check(500, words, EngineError::DiskFull);
    }

    #[test]
    fn a_socket_one_may_not_use_is_told_with_the_remedy() {
        let err = io::Error::from(io::ErrorKind::PermissionDenied);
        let explained = explain(&Error::IOError { err });
        assert!(
            matches!(&explained, EngineError::Unreachable(words) if words.contains("group `docker`")),
            "{explained}"
        );
    }

    #[test]
    fn what_a_registry_does_not_have_is_not_found_whatever_the_status() {
        let error = Error::DockerStreamError { error: "manifest unknown".to_owned() };
        assert!(matches!(explain_pull(&error), EngineError::NotFound(_)));
        let error = Error::DockerStreamError { error: "connection refused".to_owned() };
        assert!(matches!(explain_pull(&error), EngineError::Other(_)));
    }
}
