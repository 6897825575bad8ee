//! Reading answers: never more than a limit, whatever the other side sends.

use reqwest::Response;

use super::host::causes;

/// The body of `response`, at most `limit` bytes; the error is for people.
pub(super) async fn read(mut response: Response, limit: usize) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    loop {
        let chunk = response.chunk().await.map_err(|error| causes(&error.without_url()))?;
        let Some(chunk) = chunk else { return Ok(body) };
        if body.len() + chunk.len() > limit {
            return Err(format!("its answer is larger than {limit} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
}
