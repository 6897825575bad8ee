//! Tokens for registries that ask for them: fetched once per repository, kept until they expire.
//!
//! Distribution's token authentication specification; identity tokens by its OAuth2 variant.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode};
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::{Url, form_urlencoded};

use super::answer;
use super::host::{causes, is_private};
use crate::model::Hidden;
use crate::model::login::Login;

/// A token's life where the server does not say (the specification's default).
const DEFAULT_LIFE: Duration = Duration::from_secs(60);
/// The longest life believed.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3600);
/// Not used any more so shortly before its end.
const MARGIN: Duration = Duration::from_secs(10);
/// The largest answer of a token server that is read, bytes.
const LARGEST: usize = 256 * 1024;

/// The tokens of one registry, by scope.
#[derive(Default)]
pub(super) struct Tokens(std::sync::Mutex<BTreeMap<String, Slot>>);

type Slot = Arc<Mutex<Option<Token>>>;

#[derive(Clone)]
struct Token {
    text: Hidden,
    until: Instant,
}

/// What is asked of the token server.
pub(super) struct Request<'a> {
    pub realm: &'a Url,
    pub service: Option<&'a str>,
    /// `repository:library/nginx:pull`
    pub scope: &'a str,
    pub login: Option<&'a Login>,
}

/// Why there is no token.
pub(super) enum TokenError {
    /// The server refuses.
    Denied(String),
    /// No usable answer.
    Unknown(String),
}

impl Tokens {
    /// The token for `scope` if one is at hand.
    pub async fn at_hand(&self, scope: &str) -> Option<Hidden> {
        let slot = self.slot(scope);
        let token = slot.lock().await;
        token.as_ref().filter(|token| token.until > Instant::now()).map(|token| token.text.clone())
    }

    /// The token for the request's scope: the one at hand, else a new one.
    pub async fn get(&self, client: &Client, request: &Request<'_>) -> Result<Hidden, TokenError> {
        let slot = self.slot(request.scope);
        // Held while asking: several questions about one repository need one token.
        let mut token = slot.lock().await;
        if let Some(token) = token.as_ref().filter(|token| token.until > Instant::now()) {
            return Ok(token.text.clone());
        }
        let new = fetch(client, request).await?;
        *token = Some(new.clone());
        Ok(new.text)
    }

    /// Drops a token that the registry refused; another one, fetched in the meantime, stays.
    pub async fn forget(&self, scope: &str, refused: &Hidden) {
        let slot = self.slot(scope);
        let mut token = slot.lock().await;
        if token.as_ref().is_some_and(|token| token.text == *refused) {
            *token = None;
        }
    }

    fn slot(&self, scope: &str) -> Slot {
        let mut slots = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(slots.entry(scope.to_owned()).or_default())
    }
}

async fn fetch(client: &Client, request: &Request<'_>) -> Result<Token, TokenError> {
    if request.login.is_some() && !is_private(request.realm) {
        let why = format!(
            "credentials are not sent to its token server {} over plain http",
            request.realm.host_str().unwrap_or_default()
        );
        return Err(TokenError::Denied(why));
    }
    let sent = to_send(client, request).send().await;
    let response = sent.map_err(|error| {
        TokenError::Unknown(format!("token server: {}", causes(&error.without_url())))
    })?;
    match response.status() {
        StatusCode::OK => {}
        // 400 is what OAuth2 answers to a refresh token that is no longer valid (RFC 6749, section 5.2).
        status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST) => {
            return Err(TokenError::Denied(format!("its token server answers {status}")));
        }
        status => return Err(TokenError::Unknown(format!("its token server answers {status}"))),
    }
    let body = answer::read(response, LARGEST).await.map_err(TokenError::Unknown)?;
    read_token(&body)
        .ok_or_else(|| TokenError::Unknown("its token server gives no token".to_owned()))
}

fn to_send(client: &Client, request: &Request<'_>) -> RequestBuilder {
    let mut fields = vec![("scope", request.scope)];
    fields.extend(request.service.map(|service| ("service", service)));
    let Some(login) = request.login else {
        return client.get(request.realm.clone()).query(&fields);
    };
    let Some(identity) = &login.identity_token else {
        return client
            .get(request.realm.clone())
            .query(&fields)
            .basic_auth(&login.username, Some(login.password.reveal()));
    };
    fields.extend([("grant_type", "refresh_token"), ("client_id", "evenkeel")]);
    fields.push(("refresh_token", identity.reveal()));
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    client
        .post(request.realm.clone())
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form)
}

#[derive(serde::Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

fn read_token(body: &[u8]) -> Option<Token> {
    let answer: TokenAnswer = serde_json::from_slice(body).ok()?;
    let text = answer.token.or(answer.access_token).filter(|text| !text.is_empty())?;
    let life = answer.expires_in.map_or(DEFAULT_LIFE, Duration::from_secs).min(LONGEST_LIFE);
    Some(Token { text: Hidden::new(text), until: Instant::now() + life.saturating_sub(MARGIN) })
}
