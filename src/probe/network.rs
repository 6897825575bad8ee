//! Asking over the network.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Answer, Prober};

/// The time for an answer, the connection included.
const PATIENCE: Duration = Duration::from_secs(2);
/// The largest body that is read, in bytes.
const LARGEST_BODY: usize = 64 * 1024;

/// Asks over the network of this host.
pub struct Network {
    client: Result<Client, String>,
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

impl Network {
    /// Connects to nobody yet.
    pub fn new() -> Self {
        let client = Client::builder()
            .user_agent(concat!("evenkeel/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            // A container's address is none of a proxy's, and another container may get it next.
            .no_proxy()
            .pool_max_idle_per_host(0)
            .build();
        Self { client: client.map_err(|error| cause(&error)) }
    }
}

#[async_trait]
impl Prober for Network {
    async fn get(&self, url: &str) -> Result<Answer, String> {
        let client = self.client.as_ref().map_err(Clone::clone)?;
        in_time(async {
            let response = client.get(url).send().await.map_err(|error| cause(&error))?;
            let status = response.status().as_u16();
            Ok(Answer { status, body: body(response).await? })
        })
        .await
    }

    async fn connect(&self, address: &str) -> Result<(), String> {
        in_time(async {
            TcpStream::connect(address).await.map(drop).map_err(|error| error.to_string())
        })
        .await
    }
}

async fn in_time<T>(asking: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let late = |_| Err(format!("no answer within {} s", PATIENCE.as_secs()));
    timeout(PATIENCE, asking).await.unwrap_or_else(late)
}

async fn body(mut response: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| cause(&error))? {
        if body.len() + chunk.len() > LARGEST_BODY {
            return Err(format!("an answer of more than {} KiB", LARGEST_BODY / 1024));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What is at the bottom of `error`: the operating system's word for it, mostly. The URL may hold a secret.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    match cause.downcast_ref::<reqwest::Error>() {
        Some(_) => "no answer that could be read".to_owned(),
        None => cause.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::StatusCode;
    use axum::response::Redirect;
    use axum::routing::get;
    use tokio::net::TcpListener;

    use super::*;

    fn network() -> Network {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Network::new()
    }

    /// Serves `router` on loopback; gives its address.
    async fn serve(router: Router) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    #[tokio::test]
    async fn any_answer_is_an_answer() {
        let sick = get(|| async { (StatusCode::SERVICE_UNAVAILABLE, "no database") });
        let moved = get(|| async { Redirect::to("/health") });
        let address = serve(Router::new().route("/health", sick).route("/moved", moved)).await;
        let ask = async |path| network().get(&format!("http://{address}{path}")).await.unwrap();
        assert_eq!(ask("/health").await, Answer { status: 503, body: b"no database".into() });
        assert_eq!(ask("/moved").await.status, 303, "a redirect is not followed");
        assert_eq!(ask("/nowhere").await.status, 404);
        assert_eq!(network().connect(&address).await, Ok(()));
    }

    #[tokio::test]
    async fn a_body_that_is_too_long_is_no_answer() {
        let long = |bytes: usize| get(move || async move { "x".repeat(bytes) });
        let router = Router::new().route("/fits", long(LARGEST_BODY));
        let address = serve(router.route("/long", long(LARGEST_BODY + 1))).await;
        let ask = async |path| network().get(&format!("http://{address}{path}")).await;
        assert_eq!(ask("/fits").await.unwrap().body.len(), LARGEST_BODY);
        assert_eq!(ask("/long").await.unwrap_err(), "an answer of more than 64 KiB");
    }

    #[tokio::test]
    async fn who_does_not_answer_in_time_has_not_answered() {
        // It takes connections, and that is all.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let url = format!("http://{address}/");
        assert_eq!(network().get(&url).await.unwrap_err(), "no answer within 2 s");
        drop(listener);
        let refused = network().get(&url).await.unwrap_err();
        assert!(refused.contains("refused"), "{refused}");
        assert_eq!(network().connect(&address).await.unwrap_err(), refused);
    }
}
