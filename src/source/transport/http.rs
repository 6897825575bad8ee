//! git's smart http protocol (git's documentation, "HTTP transfer protocols").

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use base64::Engine as _;
use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Method, Response, StatusCode};
use url::Url;

use super::heard::Heard;
use super::trust::{is_loopback, redirected, same_host};
use super::{CONNECT, Conversation, IDLE, Session};
use crate::model::Hidden;
use crate::source::location::Location;
use crate::source::{Credentials, Login, SourceError};

const REDIRECTS: usize = 5;

/// An http client, made at its first use and shared by its clones.
#[derive(Clone, Default)]
pub struct Client(Arc<Shared>);

#[derive(Default)]
struct Shared {
    client: OnceLock<reqwest::Client>,
    heard: Mutex<Option<Heard>>,
}

impl Client {
    /// What the server said last beside its answer.
    pub fn heard(&self) -> Option<Heard> {
        *self.0.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, response: &Response) {
        let heard = Heard::of(response.headers(), jiff::Timestamp::now());
        *self.0.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(heard);
    }

    /// When GitHub says that `token` expires, asked at `address`; `None` where it does not say.
    pub async fn expiry(&self, address: &Url, token: &Hidden) -> Option<jiff::Timestamp> {
        let request = self.get(address).ok()?.get(address.clone()).header(ACCEPT, "*/*");
        let response = request.bearer_auth(token.reveal()).send().await.ok()?;
        Heard::of(response.headers(), jiff::Timestamp::now()).expires
    }

    fn get(&self, base: &Url) -> Result<&reqwest::Client, reqwest::Error> {
        if let Some(client) = self.0.client.get() {
            return Ok(client);
        }
        // Fails where a provider is installed already, as it should be.
        rustls::crypto::ring::default_provider().install_default().ok();
        let builder = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .read_timeout(IDLE)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("git/2.0 (evenkeel ", env!("CARGO_PKG_VERSION"), ")"));
        let builder = if is_loopback(base) { builder.no_proxy() } else { builder };
        let client = builder.build()?;
        Ok(self.0.client.get_or_init(|| client))
    }
}

/// The server behind one connection of libgit2.
pub struct HttpPeer {
    session: Arc<Session>,
    /// Where the repository is; another address after a redirect of the listing.
    base: Arc<Mutex<Url>>,
}

impl HttpPeer {
    /// The server of `url`.
    pub fn new(session: Arc<Session>, url: Url) -> Self {
        Self { session, base: Arc::new(Mutex::new(url)) }
    }
}

impl SmartSubtransport for HttpPeer {
    fn action(
        &self,
        _url: &str,
        service: Service,
    ) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        let (conversation, listing) = Conversation::of(service);
        let (session, base) = (Arc::clone(&self.session), Arc::clone(&self.base));
        let (body, answer) = (Vec::new(), None);
        Ok(Box::new(HttpStream { session, base, conversation, listing, body, answer }))
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

/// One request and its answer. The request is sent when its answer is first read.
struct HttpStream {
    session: Arc<Session>,
    base: Arc<Mutex<Url>>,
    conversation: Conversation,
    listing: bool,
    body: Vec<u8>,
    answer: Option<Answer>,
}

struct Answer {
    response: Response,
    /// What has arrived and was not read yet.
    rest: Rest,
}

impl Read for HttpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.answer.is_none() {
            let response = self.send()?;
            self.answer = Some(Answer { response, rest: Rest::default() });
        }
        let Some(answer) = &mut self.answer else { return Ok(0) };
        while answer.rest.is_empty() {
            let chunk = self.session.wait(IDLE, answer.response.chunk())?;
            match chunk.map_err(|error| self.session.unreachable(causes(&error)))? {
                Some(chunk) => answer.rest = Rest { bytes: chunk.to_vec(), read: 0 },
                None => return Ok(0),
            }
        }
        Ok(answer.rest.take(buffer))
    }
}

impl Write for HttpStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.body.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl HttpStream {
    fn send(&mut self) -> io::Result<Response> {
        let body = std::mem::take(&mut self.body);
        let answer = self.session.wait(IDLE, self.exchange(&body))?;
        answer.map_err(|error| self.session.fail(error))
    }

    /// Asks, and once more if the credentials may just have run out.
    async fn exchange(&self, body: &[u8]) -> Result<Response, SourceError> {
        let response = self.ask(body).await?;
        if response.status() == StatusCode::UNAUTHORIZED && self.session.wallet.refused() {
            return self.accept(self.ask(body).await?);
        }
        self.accept(response)
    }

    async fn ask(&self, body: &[u8]) -> Result<Response, SourceError> {
        let mut base = self.base.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for _ in 0..=REDIRECTS {
            let response = self.ask_at(&base, body).await?;
            // Only the listing may move, as in git: a request is sent where the listing came from.
            if !(self.listing && response.status().is_redirection()) {
                *self.base.lock().unwrap_or_else(PoisonError::into_inner) = base;
                return Ok(response);
            }
            let target = redirect_target(&response).map_err(|why| self.unreachable(why))?;
            base = redirected(&base, target).map_err(|why| self.unreachable(why))?;
        }
        Err(self.unreachable(format!("it redirects more than {REDIRECTS} times")))
    }

    async fn ask_at(&self, base: &Url, body: &[u8]) -> Result<Response, SourceError> {
        let client =
            self.session.client.get(base).map_err(|error| self.unreachable(causes(&error)))?;
        let base_text = base.as_str().trim_end_matches('/');
        let word = self.conversation.word();
        let mut request = if self.listing {
            let listing = format!("{base_text}/info/refs?service={word}");
            client.request(Method::GET, listing).header(ACCEPT, "*/*")
        } else {
            client
                .request(Method::POST, format!("{base_text}/{word}"))
                .header(CONTENT_TYPE, format!("application/x-{word}-request"))
                .header(ACCEPT, format!("application/x-{word}-result"))
                .body(body.to_vec())
        };
        if let Some(login) = self.login_for(base).await? {
            request = request.header(AUTHORIZATION, basic(&login));
        }
        let response = request.send().await.map_err(|error| self.unreachable(causes(&error)))?;
        self.session.client.hear(&response);
        Ok(response)
    }

    /// The credentials to send to `base`: none to another host than the configured one, and none in the
    /// clear.
    async fn login_for(&self, base: &Url) -> Result<Option<Login>, SourceError> {
        let Location::Http { url, login } = &self.session.location else { return Ok(None) };
        let nothing_configured = matches!(self.session.wallet.credentials(), Credentials::None);
        if (nothing_configured && login.is_none()) || !same_host(url, base) {
            return Ok(None);
        }
        let repo = self.session.location.to_string();
        if base.scheme() != "https" && !is_loopback(base) {
            let why = "they are not sent over plain http; use https://".to_owned();
            return Err(SourceError::Credentials { repo, why });
        }
        let given = self.session.wallet.login().await;
        let given = given.map_err(|why| SourceError::Credentials { repo, why })?;
        Ok(given.or_else(|| login.clone()))
    }

    fn accept(&self, response: Response) -> Result<Response, SourceError> {
        let repo = self.session.location.to_string();
        let why = format!("it answers {}", response.status());
        match response.status() {
            StatusCode::OK => self.accept_type(response),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(SourceError::Denied { repo, why })
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                Err(SourceError::NoSuchRepository { repo, why })
            }
            _ => Err(SourceError::Unreachable { repo, why }),
        }
    }

    /// A login page is a success to http, and none to git.
    fn accept_type(&self, response: Response) -> Result<Response, SourceError> {
        let part = if self.listing { "advertisement" } else { "result" };
        let wanted = format!("application/x-{}-{part}", self.conversation.word());
        let given = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
        if given == wanted {
            return Ok(response);
        }
        let repo = self.session.location.to_string();
        let why = format!("it answers as no git server does (content type `{given}`)");
        Err(SourceError::NoSuchRepository { repo, why })
    }

    fn unreachable(&self, why: String) -> SourceError {
        SourceError::Unreachable { repo: self.session.location.to_string(), why }
    }
}

/// Bytes that arrived together and are read piece by piece.
#[derive(Default)]
struct Rest {
    bytes: Vec<u8>,
    read: usize,
}

impl Rest {
    fn is_empty(&self) -> bool {
        self.read == self.bytes.len()
    }

    /// Moves as many bytes as there are and fit.
    fn take(&mut self, buffer: &mut [u8]) -> usize {
        let rest = &self.bytes[self.read..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.read += count;
        count
    }
}

fn redirect_target(response: &Response) -> Result<Url, String> {
    let target = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let target = target.ok_or("it redirects to nowhere")?;
    response.url().join(target).map_err(|error| format!("its redirect: {error}"))
}

fn basic(login: &Login) -> HeaderValue {
    let pair = format!("{}:{}", login.username, login.password.reveal());
    let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
    let value = HeaderValue::from_str(&format!("Basic {encoded}"));
    let mut value = value.unwrap_or_else(|_| HeaderValue::from_static("Basic"));
    value.set_sensitive(true);
    value
}

/// An error with its causes: the outermost message alone says only that sending failed.
fn causes(error: &dyn std::error::Error) -> String {
    let mut told: Vec<String> = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        told.push(error.to_string());
        cause = error.source();
    }
    // The outermost message holds the address that was asked, which is named already.
    if told.is_empty() { "the exchange broke off".to_owned() } else { told.join(": ") }
}
