//! Which names Compose and the engine take.

/// The project name that Compose makes of a directory's name; empty if nothing is left of it.
pub fn normalise_project(text: &str) -> String {
    text.to_lowercase()
}

/// Checks a project name that is written out.
///
/// # Errors
/// A sentence for people.
pub fn check_project(_text: &str) -> Result<(), String> {
    Ok(())
}

/// Checks the key of a service, network, volume, config or secret.
///
/// # Errors
/// A sentence for people.
pub fn check_key(_text: &str) -> Result<(), String> {
    Ok(())
}

/// Checks the name a container is to carry at the engine.
///
/// # Errors
/// A sentence for people.
pub fn check_container(_text: &str) -> Result<(), String> {
    Ok(())
}
