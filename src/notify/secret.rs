//! Secrets in files, read anew for each delivery so that a new one needs no restart.

use std::path::Path;

use super::Undelivered;
use crate::config::notify::Address;

/// The largest file that may hold a secret, bytes.
const LARGEST: u64 = 64 * 1024;

/// What the file holds, without the blanks around it.
pub(super) async fn read(path: &Path) -> Result<String, Undelivered> {
    let unreadable = |why: String| Undelivered::new(format!("{}: {why}", path.display()));
    let size = tokio::fs::metadata(path).await.map_err(|error| unreadable(error.to_string()))?;
    if size.len() > LARGEST {
        return Err(unreadable("too large for a secret".to_owned()));
    }
    let text = tokio::fs::read_to_string(path).await;
    let text = text.map_err(|error| unreadable(error.to_string()))?;
    match text.trim() {
        "" => Err(unreadable("is empty".to_owned())),
        secret => Ok(secret.to_owned()),
    }
}

/// What is there, if a file is named.
pub(super) async fn read_some(path: Option<&Path>) -> Result<Option<String>, Undelivered> {
    match path {
        Some(path) => read(path).await.map(Some),
        None => Ok(None),
    }
}

/// The URL that is written, or that the file holds.
pub(super) async fn url(address: &Address) -> Result<url::Url, Undelivered> {
    let text = match address {
        Address::Url(url) => url.clone(),
        Address::File(path) => read(path).await?,
    };
    // The text itself may be a secret.
    url::Url::parse(&text).map_err(|error| Undelivered::new(format!("this is no URL: {error}")))
}
