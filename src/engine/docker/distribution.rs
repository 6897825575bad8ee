//! Asks the engine what a tag points at: it goes by its own mirrors, proxies and certificates.

use bollard::errors::Error;

use super::errors::explain;
use super::pull::credentials;
use super::session::Session;
use crate::engine::EngineError;
use crate::model::login::Login;
use crate::model::{Digest, ImageRef};

/// The digest that the registry, or a mirror of the engine, has for `image` (Docker Engine API,
/// `GET /distribution/{name}/json`).
pub(super) async fn distribution(
    session: &Session,
    image: &ImageRef,
    login: Option<&Login>,
) -> Result<Digest, EngineError> {
    let name = match image.digest() {
        Some(digest) => format!("{}@{digest}", image.name()),
        None => format!("{}:{}", image.name(), image.tag_or_latest()),
    };
    let asked = session.reading().inspect_registry_image(&name, login.map(credentials)).await;
    let answer = asked.map_err(|error| explain_registry(&error))?;
    let digest = answer.descriptor.digest.as_deref().and_then(Digest::parse);
    digest.ok_or_else(|| EngineError::Other(format!("the engine gives no digest for {name}")))
}

/// Access that a registry refuses comes with a status that says something else of the engine's own things.
fn explain_registry(error: &Error) -> EngineError {
    if let Error::DockerResponseServerError { status_code: 401 | 403, message } = error {
        return EngineError::Other(message.trim().to_owned());
    }
    explain(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_that_is_refused_is_trouble_and_no_conflict() {
        let check = |status_code, message: &str, expected: fn(String) -> EngineError| {
            let error = Error::DockerResponseServerError { status_code, message: message.into() };
            assert_eq!(explain_registry(&error), expected(message.into()));
        };
        check(403, "denied: access forbidden", EngineError::Other);
        check(401, "unauthorized: authentication required", EngineError::Other);
        check(404, "manifest unknown: manifest unknown", EngineError::NotFound);
        check(500, "dial tcp: connect: connection refused", EngineError::Other);
    }
}
