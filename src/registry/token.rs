//! Tokens for registries that ask for them: one request for all repositories that are asked about, kept until they
//! expire.
//!
//! Distribution's token authentication specification; identity tokens by its OAuth2 variant.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode};
use tokio::time::Instant;
use url::{Url, form_urlencoded};

use super::answer;
use super::exchange::{lock, retry_after, trouble_of};
use super::host::{causes, is_private};
use super::manners::Trouble;
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
/// The most repositories that one token is asked for: the request is an address, and those have limits.
const MOST_SCOPES: usize = 32;
/// Refused requests for several repositories after which a server is asked for one at a time.
const REFUSED_BATCHES: u32 = 2;

/// The tokens of one registry, by scope (`repository:library/nginx:pull`).
#[derive(Default)]
pub(super) struct Tokens {
    slots: Mutex<BTreeMap<String, Slot>>,
    refused_batches: AtomicU32,
    /// Whoever asks the token server holds it.
    pub turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Slot {
    token: Option<Token>,
    /// Questions under way about this repository.
    questions: usize,
    company: Company,
}

/// Whether a token may be good for other repositories too.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Company {
    #[default]
    Welcome,
    /// A batch with it was refused; not known yet whether because of it.
    Suspected,
    /// It needs a token of its own.
    Alone,
}

#[derive(Clone)]
pub(super) struct Token {
    pub text: Hidden,
    until: Instant,
    /// It was asked for with other scopes.
    is_shared: bool,
}

/// A question under way about a scope; ends with this value.
pub(super) struct Interest<'a>(&'a Tokens, String);

impl Drop for Interest<'_> {
    fn drop(&mut self) {
        if let Some(slot) = lock(&self.0.slots).get_mut(&self.1) {
            slot.questions = slot.questions.saturating_sub(1);
        }
    }
}

/// What is asked of the token server.
pub(super) struct Request<'a> {
    pub realm: &'a Url,
    pub service: Option<&'a str>,
    pub scopes: &'a [String],
    pub login: Option<&'a Login>,
}

/// Why there is no token.
pub(super) enum TokenError {
    /// The server refuses.
    Denied(String),
    /// No usable answer.
    Unknown { why: String, trouble: Trouble, retry_after: Option<Duration> },
}

impl Tokens {
    /// Says that `scope` is asked about, so that a token fetched meanwhile is good for it too.
    pub fn interest(&self, scope: String) -> Interest<'_> {
        lock(&self.slots).entry(scope.clone()).or_default().questions += 1;
        Interest(self, scope)
    }

    /// The token for `scope` if one is at hand.
    pub fn at_hand(&self, scope: &str) -> Option<Hidden> {
        let slots = lock(&self.slots);
        let token = slots.get(scope)?.token.as_ref()?;
        (token.until > Instant::now()).then(|| token.text.clone())
    }

    /// `scope` with those that a token is wanted for as well.
    pub fn batch(&self, scope: &str) -> Vec<String> {
        let mut batch = vec![scope.to_owned()];
        let slots = lock(&self.slots);
        let alone = slots.get(scope).is_some_and(|slot| slot.company != Company::Welcome);
        if alone || self.refused_batches.load(Ordering::Relaxed) >= REFUSED_BATCHES {
            return batch;
        }
        let now = Instant::now();
        let wanted = slots.iter().filter(|(other, slot)| {
            let has_one = slot.token.as_ref().is_some_and(|token| token.until > now);
            *other != scope && slot.questions > 0 && !has_one && slot.company == Company::Welcome
        });
        batch.extend(wanted.map(|(other, _)| other.clone()).take(MOST_SCOPES - 1));
        batch
    }

    /// Keeps a token for all that it was asked for.
    pub fn keep(&self, scopes: &[String], token: &Token) {
        let mut slots = lock(&self.slots);
        for scope in scopes {
            let slot = slots.entry(scope.clone()).or_default();
            if slot.company == Company::Suspected {
                slot.company = Company::Welcome;
            }
            slot.token = Some(token.clone());
        }
    }

    /// Takes note that no token is given for all of `scopes` at once.
    pub fn refuse_batch(&self, scopes: &[String]) {
        self.refused_batches.fetch_add(1, Ordering::Relaxed);
        let mut slots = lock(&self.slots);
        for scope in scopes {
            slots.entry(scope.clone()).or_default().company = Company::Suspected;
        }
    }

    /// Whether the token was fetched for several repositories; it may then lack this one.
    pub fn is_shared(&self, scope: &str, token: &Hidden) -> bool {
        let slots = lock(&self.slots);
        let held = slots.get(scope).and_then(|slot| slot.token.as_ref());
        held.is_some_and(|held| held.text == *token && held.is_shared)
    }

    /// Drops a token that the registry refused; another one, fetched in the meantime, stays.
    pub fn forget(&self, scope: &str, refused: &Hidden) {
        let mut slots = lock(&self.slots);
        let slot = slots.entry(scope.to_owned()).or_default();
        if let Some(token) = slot.token.take_if(|token| token.text == *refused)
            && token.is_shared
        {
            slot.company = Company::Alone;
        }
    }
}

/// Asks for one token, once.
pub(super) async fn fetch(client: &Client, request: &Request<'_>) -> Result<Token, TokenError> {
    if request.login.is_some() && !is_private(request.realm) {
        let why = format!(
            "credentials are not sent to its token server {} over plain http",
            request.realm.host_str().unwrap_or_default()
        );
        return Err(TokenError::Denied(why));
    }
    let failed = |why| TokenError::Unknown { why, trouble: Trouble::Failed, retry_after: None };
    let sent = to_send(client, request).send().await;
    let response =
        sent.map_err(|error| failed(format!("token server: {}", causes(&error.without_url()))))?;
    match response.status() {
        StatusCode::OK => {}
        // 400 is what OAuth2 answers to a refresh token that is no longer valid (RFC 6749, section 5.2).
        status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST) => {
            return Err(TokenError::Denied(format!("its token server answers {status}")));
        }
        status => {
            return Err(TokenError::Unknown {
                why: format!("its token server answers {status}"),
                trouble: trouble_of(&response).unwrap_or(Trouble::Failed),
                retry_after: retry_after(&response),
            });
        }
    }
    let body = answer::read(response, LARGEST).await.map_err(failed)?;
    read_token(&body, request.scopes.len() > 1)
        .ok_or_else(|| failed("its token server gives no token".to_owned()))
}

fn to_send(client: &Client, request: &Request<'_>) -> RequestBuilder {
    let service = request.service.map(|service| ("service", service));
    let scopes = request.scopes.iter().map(|scope| ("scope", scope.as_str()));
    let query: Vec<(&str, &str)> = scopes.chain(service).collect();
    let Some(login) = request.login else {
        return client.get(request.realm.clone()).query(&query);
    };
    let Some(identity) = &login.identity_token else {
        return client
            .get(request.realm.clone())
            .query(&query)
            .basic_auth(&login.username, Some(login.password.reveal()));
    };
    // A form has one scope, with spaces (RFC 6749, section 3.3).
    let scope = request.scopes.join(" ");
    let mut fields = vec![("scope", scope.as_str())];
    fields.extend(service);
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

fn read_token(body: &[u8], is_shared: bool) -> Option<Token> {
    let answer: TokenAnswer = serde_json::from_slice(body).ok()?;
    let text = answer.token.or(answer.access_token).filter(|text| !text.is_empty())?;
    let life = answer.expires_in.map_or(DEFAULT_LIFE, Duration::from_secs).min(LONGEST_LIFE);
    let until = Instant::now() + life.saturating_sub(MARGIN);
    Some(Token { text: Hidden::new(text), until, is_shared })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str, is_shared: bool) -> Token {
        let until = Instant::now() + Duration::from_secs(60);
        Token { text: Hidden::new(text), until, is_shared }
    }

    fn scopes(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn one_token_is_asked_for_all_that_are_asked_about_and_have_none() {
        let tokens = Tokens::default();
        let _a = tokens.interest("a".into());
        let _b = tokens.interest("b".into());
        let c = tokens.interest("c".into());
        let d = tokens.interest("d".into());
        drop(c);
        tokens.keep(&scopes(&["d"]), &token("d's", false));
        assert_eq!(tokens.batch("b"), scopes(&["b", "a"]));
        drop(d);
        tokens.keep(&tokens.batch("b"), &token("shared", true));
        assert_eq!(tokens.at_hand("a"), Some(Hidden::new("shared")));
        assert_eq!(tokens.at_hand("c"), None);
    }

    #[test]
    fn a_repository_that_a_shared_token_lacks_gets_its_own_from_then_on() {
        let tokens = Tokens::default();
        let _both = (tokens.interest("a".into()), tokens.interest("b".into()));
        tokens.keep(&tokens.batch("a"), &token("shared", true));
        assert!(tokens.is_shared("a", &Hidden::new("shared")));
        tokens.forget("a", &Hidden::new("another"));
        assert!(tokens.at_hand("a").is_some(), "another one was refused");
        tokens.forget("a", &Hidden::new("shared"));
        assert_eq!(tokens.batch("a"), scopes(&["a"]));
        tokens.keep(&scopes(&["a"]), &token("a's", false));
        tokens.forget("a", &Hidden::new("a's"));
        tokens.forget("b", &Hidden::new("shared"));
        let _c = tokens.interest("c".into());
        assert_eq!(tokens.batch("c"), scopes(&["c"]), "the others are not asked for with it");
    }

    #[test]
    fn who_spoils_a_batch_is_found_and_a_server_that_takes_none_is_offered_no_more() {
        let tokens = Tokens::default();
        let _all = ["a", "b", "c"].map(|name| tokens.interest(name.into()));
        tokens.refuse_batch(&tokens.batch("a"));
        assert_eq!(tokens.batch("a"), scopes(&["a"]));
        // The server gives a and b what they ask for alone.
        tokens.keep(&scopes(&["a"]), &token("a's", false));
        tokens.keep(&scopes(&["b"]), &token("b's", false));
        for (scope, token) in [("a", "a's"), ("b", "b's")] {
            tokens.forget(scope, &Hidden::new(token));
        }
        assert_eq!(tokens.batch("a"), scopes(&["a", "b"]), "c stays suspected");
        tokens.refuse_batch(&tokens.batch("a"));
        tokens.keep(&scopes(&["a"]), &token("a's", false));
        tokens.keep(&scopes(&["b"]), &token("b's", false));
        tokens.forget("a", &Hidden::new("a's"));
        assert_eq!(tokens.batch("a"), scopes(&["a"]));
    }

    #[test]
    fn a_token_without_a_word_about_its_end_lives_for_a_minute() {
        let left = |body: &str| {
            let token = read_token(body.as_bytes(), false)?;
            Some(token.until.saturating_duration_since(Instant::now()).as_secs_f64().round())
        };
        assert_eq!(left(r#"{"token": "t"}"#), Some(50.0));
        assert_eq!(left(r#"{"access_token": "t", "expires_in": 300}"#), Some(290.0));
        assert_eq!(left(r#"{"token": "t", "expires_in": 5}"#), Some(0.0));
        assert_eq!(left(r#"{"token": "t", "expires_in": 18446744073709551615}"#), Some(86390.0));
        for nothing in ["", "{}", r#"{"token": ""}"#, r#"{"token": 1}"#] {
            assert_eq!(left(nothing), None, "{nothing}");
        }
    }
}
