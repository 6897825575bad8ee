//! Delivering over the network, and by programs of this server.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};
use ring::hmac;
use tokio::time::timeout;
use url::Url;

use super::{
    Courier, Message, PATIENCE, Undelivered, body, commit_status, email, secret, template,
};
use crate::config::notify::{Address, Way};
use crate::config::{CommitStatus, Forge, Recipient};
use crate::program::{self, Call, Complaints, Environment, Failure, Output};

/// Delivers for real.
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
            // A message that was signed for one place is not for another.
            .redirect(Policy::none())
            .build();
        Self { client: client.map_err(|error| error.without_url().to_string()) }
    }

    async fn by_way(&self, way: &Way, message: &Message) -> Result<(), Undelivered> {
        match way {
            Way::Webhook { url, secret_file, template } => {
                self.webhook(url, secret_file.as_deref(), template.as_deref(), message).await
            }
            Way::Slack(url) => self.hook(url, &body::slack(message)).await,
            Way::Discord(url) => self.hook(url, &body::discord(message)).await,
            Way::Ntfy { url, token_file } => {
                let (server, topic) = topic(secret::url(url).await?)?;
                let request = self.post(server)?.json(&body::ntfy(message, &topic));
                match secret::read_some(token_file.as_deref()).await? {
                    Some(token) => send(request.bearer_auth(token)).await,
                    None => send(request).await,
                }
            }
            Way::Gotify { url, token_file } => {
                let url = below(secret::url(url).await?, &["message"])?;
                let token = secret_header(&secret::read(token_file).await?)?;
                let request = self.post(url)?.header("X-Gotify-Key", token);
                send(request.json(&body::gotify(message))).await
            }
            Way::Telegram { api, token_file, chat } => {
                let bot = format!("bot{}", secret::read(token_file).await?);
                let api = secret::url(&Address::Url(api.clone())).await?;
                let url = below(api, &[&bot, "sendMessage"])?;
                send(self.post(url)?.json(&body::telegram(message, chat))).await
            }
            Way::Email(settings) => email::send(settings, message).await,
            Way::Command(command) => tell(command, message).await,
            Way::CommitStatus(status) => self.commit_status(status, message).await,
        }
    }

    async fn webhook(
        &self,
        url: &Address,
        secret_file: Option<&Path>,
        own: Option<&str>,
        message: &Message,
    ) -> Result<(), Undelivered> {
        let text = match own {
            Some(own) => template::render(own, message)?,
            // Serialising texts and numbers into memory cannot fail.
            None => serde_json::to_string(message).unwrap_or_default(),
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let plain = [("X-Evenkeel-Event", &message.event), ("X-Evenkeel-Delivery", &message.id)];
        for (name, value) in plain {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        let mut request = self.post(secret::url(url).await?)?.headers(headers);
        if let Some(key) = secret::read_some(secret_file).await? {
            request = request.header("X-Evenkeel-Signature", signature(&key, text.as_bytes()));
        }
        send(request.body(text)).await
    }

    async fn commit_status(
        &self,
        status: &CommitStatus,
        message: &Message,
    ) -> Result<(), Undelivered> {
        let commit = message.commit.as_deref();
        let commit = commit.ok_or_else(|| Undelivered::new("the message is about no commit"))?;
        let api = secret::url(&Address::Url(status.api.clone())).await?;
        let url = below(api, &commit_status::path(status, commit))?;
        let request = self.post(url)?.json(&commit_status::body(status, message));
        let token = secret::read(&status.token_file).await?;
        let (name, value) = match status.forge {
            Forge::Github => ("Authorization", format!("Bearer {token}")),
            Forge::Gitea => ("Authorization", format!("token {token}")),
            Forge::Gitlab => ("PRIVATE-TOKEN", token),
        };
        let request = request.header(name, secret_header(&value)?);
        let request = match status.forge {
            Forge::Github => request.header(header::ACCEPT, "application/vnd.github+json"),
            Forge::Gitea | Forge::Gitlab => request.header(header::ACCEPT, "application/json"),
        };
        send(request).await
    }

    async fn hook(&self, url: &Address, body: &serde_json::Value) -> Result<(), Undelivered> {
        send(self.post(secret::url(url).await?)?.json(body)).await
    }

    fn post(&self, url: Url) -> Result<RequestBuilder, Undelivered> {
        let client = self.client.as_ref().map_err(Undelivered::new)?;
        Ok(client.post(url))
    }
}

#[async_trait]
impl Courier for Network {
    async fn deliver(&self, recipient: &Recipient, message: &Message) -> Result<(), Undelivered> {
        let late = |_| Err(Undelivered::new(format!("not done within {} s", PATIENCE.as_secs())));
        timeout(PATIENCE, self.by_way(&recipient.way, message)).await.unwrap_or_else(late)
    }
}

/// `sha256=` and the HMAC-SHA256 of `body` in hexadecimal, as GitHub signs what it sends.
pub fn signature(key: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let digits = hmac::sign(&key, body).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let digits: String = digits;
    format!("sha256={digits}")
}

/// The server of an ntfy topic's address, and the topic.
fn topic(mut url: Url) -> Result<(Url, String), Undelivered> {
    let mut segments = url.path_segments().into_iter().flatten();
    let topic = segments.rfind(|part| !part.is_empty()).map(str::to_owned);
    let topic = topic.ok_or_else(|| Undelivered::new("the address names no topic"))?;
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().pop().push("");
    }
    Ok((url, topic))
}

/// `url` with `parts` at the end of its path.
fn below(mut url: Url, parts: &[&str]) -> Result<Url, Undelivered> {
    match url.path_segments_mut() {
        Ok(mut path) => path.pop_if_empty().extend(parts),
        Err(()) => return Err(Undelivered::new("this is no address on the web")),
    };
    Ok(url)
}

/// A program of this server gets the message as JSON on its standard input.
async fn tell(command: &[String], message: &Message) -> Result<(), Undelivered> {
    // Serialising texts and numbers into memory cannot fail.
    let text = serde_json::to_string(message).unwrap_or_default();
    let call = Call {
        command,
        environment: Environment::Own,
        input: text.as_bytes(),
        output: Output::Dropped,
        complaints: Complaints::Passed,
        within: None,
    };
    let status = match program::run(call).await {
        Ok(printed) => printed.status,
        Err(Failure::NotRun(error)) => {
            return Err(Undelivered::new(format!("cannot be run: {error}")));
        }
        Err(Failure::TooSlow | Failure::TooMuch) => {
            return Err(Undelivered::new("did not end in time"));
        }
    };
    if status.success() { Ok(()) } else { Err(Undelivered::new(format!("ended with {status}"))) }
}

fn secret_header(text: &str) -> Result<HeaderValue, Undelivered> {
    let value = HeaderValue::from_str(text);
    let mut value = value.map_err(|_| Undelivered::new("the token is no plain line of text"))?;
    value.set_sensitive(true);
    Ok(value)
}

async fn send(request: RequestBuilder) -> Result<(), Undelivered> {
    let response = request.send().await.map_err(|error| Undelivered::new(cause(error)))?;
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    Err(Undelivered { why: format!("answered with {status}"), retry_after: retry_after(&response) })
}

/// The seconds that the answer asks for (RFC 9110, `Retry-After`; a date is not heeded).
fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// What is at the bottom of `error`: the operating system's word for it, mostly. The URL may be a secret.
fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
