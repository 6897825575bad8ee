//! Messages on their way to real peers: HTTP servers, a mail server and programs.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::IntoResponse;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use super::network::{Network, signature};
use super::{Courier as _, Message, Undelivered, body};
use crate::config::notify::{Address, Email, Tls, Way};
use crate::config::{CommitStatus, Forge, Recipient};
use crate::model::Event;

fn message() -> Message {
    Message {
        schema: super::message::SCHEMA.into(),
        id: "web-1/2026-01-02T03:04:05Z/1".into(),
        event: "rolled-back".into(),
        host: "web-1".into(),
        at: "2026-01-02T03:04:05Z".into(),
        kind: "stack".into(),
        name: "shop".into(),
        title: "web-1: shop was rolled back".into(),
        text: "commit 0123: fix <a> & \"b\" (Ann)\napi: it exited with code 3".into(),
        services: Vec::new(),
        generation: Some(7),
        trigger: Some("commit".into()),
        commit: Some("0123".into()),
        author: Some("Ann".into()),
        subject: Some("fix <a> & \"b\"".into()),
        link: None,
    }
}

async fn deliver(way: Way) -> Result<(), Undelivered> {
    deliver_this(way, &message()).await
}

async fn deliver_this(way: Way, message: &Message) -> Result<(), Undelivered> {
    // The first one to install it wins.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let recipient =
        Recipient { name: "ops".into(), way, events: Event::ALL.into(), stacks: Vec::new() };
    Network::new().deliver(&recipient, message).await
}

/// A file that holds `text`, in a directory that lasts as long as the first value.
fn secret(text: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret");
    std::fs::write(&file, format!("{text}\n")).unwrap();
    (dir, file)
}

/// What a server was asked.
#[derive(Clone, Debug)]
struct Asked {
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Asked {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A server on loopback that answers every request in one way and remembers all of them.
#[derive(Clone)]
struct Peer {
    address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    status: StatusCode,
    headers: HeaderMap,
}

impl Peer {
    async fn new(status: u16, headers: &[(&'static str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let headers = headers.iter().map(|(name, value)| {
            (axum::http::HeaderName::from_static(name), value.parse().unwrap())
        });
        let peer = Self {
            address: format!("http://{}", listener.local_addr().unwrap()),
            asked: Arc::default(),
            status: StatusCode::from_u16(status).unwrap(),
            headers: headers.collect(),
        };
        let router = axum::Router::new().fallback(answer).with_state(peer.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        peer
    }

    fn url(&self, path: &str) -> Address {
        Address::Url(format!("{}{path}", self.address))
    }

    /// The one request there was.
    fn asked(&self) -> Asked {
        let asked = self.asked.lock().unwrap();
        let [asked] = &asked[..] else { panic!("{asked:?}") };
        asked.clone()
    }
}

async fn answer(
    State(peer): State<Peer>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    peer.asked.lock().unwrap().push(Asked { path: uri.to_string(), headers, body });
    (peer.status, peer.headers.clone())
}

#[tokio::test]
async fn a_webhook_gets_the_message_as_json_signed() {
    let peer = Peer::new(204, &[]).await;
    let (_dir, file) = secret("It's a Secret to Everybody");
    let way = Way::Webhook { url: peer.url("/in?a=b"), secret_file: Some(file), template: None };
    assert_eq!(deliver(way).await, Ok(()));
    let asked = peer.asked();
    assert_eq!(serde_json::from_slice::<Message>(&asked.body).unwrap(), message());
    assert_eq!(asked.path, "/in?a=b");
    assert_eq!(asked.header("content-type"), "application/json");
    assert_eq!(asked.header("x-evenkeel-event"), "rolled-back");
    assert_eq!(asked.header("x-evenkeel-delivery"), message().id);
    let expected = signature("It's a Secret to Everybody", &asked.body);
    assert_eq!(asked.header("x-evenkeel-signature"), expected);
}

/// The example in GitHub's documentation ("Validating webhook deliveries").
#[test]
fn the_signature_is_the_one_that_receivers_know() {
    assert_eq!(
        signature("It's a Secret to Everybody", b"Hello, World!"),
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    );
}

#[tokio::test]
async fn a_template_makes_json_whatever_the_values_hold() {
    let peer = Peer::new(200, &[]).await;
    let template = "{\"text\": {{ title ~ ': ' ~ subject }}, \"n\": {{ generation }}\
                    {% if event == 'failed' %}, \"loud\": true{% endif %}}";
    let way = |template: &str| Way::Webhook {
        url: peer.url("/"),
        secret_file: None,
        template: Some(template.to_owned()),
    };
    assert_eq!(deliver(way(template)).await, Ok(()));
    let expected = "web-1: shop was rolled back: fix <a> & \"b\"";
    assert_eq!(peer.asked().json(), serde_json::json!({ "text": expected, "n": 7 }));
    let error = deliver(way("\"{{ title }}\"")).await.unwrap_err();
    assert!(error.why.contains("is not JSON"), "{error}");
    let error = deliver(way("{{ title.nothing.at_all }}")).await.unwrap_err();
    assert!(error.why.starts_with("line 1 of the template"), "{error}");
    assert_eq!(peer.asked.lock().unwrap().len(), 1, "neither was sent");
}

#[tokio::test]
async fn chats_get_what_they_show() {
    let peer = Peer::new(200, &[]).await;
    let (_dir, file) = secret(&format!("{}/hook/T0/secret", peer.address));
    assert_eq!(deliver(Way::Slack(Address::File(file.clone()))).await, Ok(()));
    let asked = peer.asked();
    assert_eq!(asked.path, "/hook/T0/secret");
    assert_eq!(
        asked.json()["text"],
        "*web-1: shop was rolled back*\ncommit 0123: fix &lt;a&gt; &amp; \"b\" (Ann)\napi: it \
         exited with code 3"
    );
    peer.asked.lock().unwrap().clear();
    assert_eq!(deliver(Way::Discord(Address::File(file))).await, Ok(()));
    let json = peer.asked().json();
    assert_eq!(json["allowed_mentions"], serde_json::json!({ "parse": [] }));
    let content = json["content"].as_str().unwrap();
    assert!(content.starts_with("**web-1: shop was rolled back**\n```\ncommit 0123"), "{content}");
}

#[tokio::test]
async fn ntfy_gotify_and_telegram_get_their_tokens_and_json() {
    let (_dir, file) = secret("tk_1:AA");
    let peer = Peer::new(200, &[]).await;
    let way = Way::Ntfy { url: peer.url("/below/alerts"), token_file: Some(file.clone()) };
    assert_eq!(deliver(way).await, Ok(()));
    let asked = peer.asked();
    assert_eq!((asked.path.as_str(), asked.header("authorization")), ("/below/", "Bearer tk_1:AA"));
    assert_eq!((&asked.json()["topic"], &asked.json()["priority"]), (&"alerts".into(), &4.into()));

    let peer = Peer::new(200, &[]).await;
    let way = Way::Gotify { url: peer.url("/"), token_file: file.clone() };
    assert_eq!(deliver(way).await, Ok(()));
    let asked = peer.asked();
    assert_eq!((asked.path.as_str(), asked.header("x-gotify-key")), ("/message", "tk_1:AA"));
    assert_eq!(asked.json()["title"], "web-1: shop was rolled back");

    let peer = Peer::new(200, &[]).await;
    let (api, chat) = (peer.address.clone(), "-100".to_owned());
    assert_eq!(deliver(Way::Telegram { api, token_file: file, chat }).await, Ok(()));
    let asked = peer.asked();
    assert_eq!(asked.path, "/bottk_1:AA/sendMessage");
    assert_eq!(asked.json()["chat_id"], "-100");
    assert_eq!(asked.json()["text"], body::plain(&message()));
}

#[tokio::test]
async fn each_forge_is_told_of_a_commit_at_its_own_address_and_with_its_own_token() {
    let (_dir, file) = secret("tk_1:AA");
    let link = Some("https://git.lan/acme/infra/commit/0123".to_owned());
    let told = Message { event: "failure".into(), text: "api: no".into(), link, ..message() };
    for (forge, path, header, token, name, state) in [
        (
            Forge::Github,
            "/api/repos/acme/infra/statuses/0123",
            "authorization",
            "Bearer tk_1:AA",
            "context",
            "failure",
        ),
        (
            Forge::Gitea,
            "/api/repos/acme/infra/statuses/0123",
            "authorization",
            "token tk_1:AA",
            "context",
            "failure",
        ),
        (
            Forge::Gitlab,
            "/api/projects/acme%2Finfra/statuses/0123",
            "private-token",
            "tk_1:AA",
            "name",
            "failed",
        ),
    ] {
        let peer = Peer::new(201, &[]).await;
        let way = Way::CommitStatus(CommitStatus {
            forge,
            token_file: file.clone(),
            api: format!("{}/api", peer.address),
            project: "acme/infra".into(),
            context: "evenkeel/web-1".into(),
        });
        assert_eq!(deliver_this(way, &told).await, Ok(()));
        let asked = peer.asked();
        assert_eq!((asked.path.as_str(), asked.header(header)), (path, token));
        assert_eq!(asked.header("content-type"), "application/json");
        let expected = serde_json::json!({
            "state": state,
            name: "evenkeel/web-1",
            "description": "api: no",
            "target_url": "https://git.lan/acme/infra/commit/0123",
        });
        assert_eq!(asked.json(), expected);
    }
}

#[tokio::test]
async fn a_refusal_says_its_status_and_no_secret() {
    let (_dir, file) = secret("tk_1:AA");
    let refusing = |status, headers: &'static [(&'static str, &'static str)]| {
        let file = file.clone();
        async move {
            let peer = Peer::new(status, headers).await;
            let (api, chat) = (peer.address.clone(), "1".to_owned());
            deliver(Way::Telegram { api, token_file: file, chat }).await.unwrap_err()
        }
    };
    let error = refusing(429, &[("retry-after", "31")]).await;
    assert_eq!(error.why, "answered with 429 Too Many Requests");
    assert_eq!(error.retry_after, Some(Duration::from_secs(31)));
    let error = refusing(302, &[("location", "http://127.0.0.1:1/elsewhere")]).await;
    assert_eq!(error, Undelivered::new("answered with 302 Found"));
    // Nobody listens on the port of a listener that is gone.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (api, chat) = (format!("http://{gone}"), "1".to_owned());
    let error = deliver(Way::Telegram { api, token_file: file, chat }).await.unwrap_err();
    assert!(error.why.contains("refused") && !error.why.contains("tk_1"), "{error}");
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_named_by_its_file() {
    let way = Way::Slack(Address::File("/nonexistent/url".into()));
    let error = deliver(way).await.unwrap_err();
    assert!(error.why.starts_with("/nonexistent/url: No such file"), "{error}");
    let (_dir, file) = secret("");
    let error = deliver(Way::Slack(Address::File(file))).await.unwrap_err();
    assert!(error.why.ends_with("is empty"), "{error}");
    let (_dir, file) = secret("hooks.slack.com/T0/secret");
    let error = deliver(Way::Slack(Address::File(file))).await.unwrap_err();
    assert!(error.why.starts_with("this is no URL") && !error.why.contains("T0"), "{error}");
}

#[tokio::test]
async fn a_command_gets_the_message_on_its_standard_input() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("got");
    let shell = |script: String| Way::Command(vec!["sh".into(), "-c".into(), script]);
    assert_eq!(deliver(shell(format!("cat >{}", file.display()))).await, Ok(()));
    let got = std::fs::read(&file).unwrap();
    assert_eq!(serde_json::from_slice::<Message>(&got).unwrap(), message());
    let error = deliver(shell("exit 7".into())).await.unwrap_err();
    assert_eq!(error.why, "ended with exit status: 7");
    let error = deliver(Way::Command(vec!["/nonexistent".into()])).await.unwrap_err();
    assert!(error.why.starts_with("cannot be run"), "{error}");
}

/// A mail server for one mail: what it was told, line by line, or what a client saw instead.
async fn mail_server(answers: &'static [(&'static str, &'static str)]) -> (u16, Said) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let said = Said::default();
    let hearing = said.clone();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (reading, mut writing) = stream.into_split();
        let mut lines = BufReader::new(reading).lines();
        writing.write_all(b"220 mail.test ESMTP\r\n").await.unwrap();
        let mut in_mail = false;
        while let Ok(Some(line)) = lines.next_line().await {
            hearing.0.lock().unwrap().push(line.clone());
            if in_mail && line != "." {
                continue;
            }
            in_mail = line == "DATA";
            let verb = line.split(' ').next().unwrap_or_default();
            let answer = answers.iter().find(|(on, _)| *on == verb).map(|(_, answer)| *answer);
            let answer = answer.unwrap_or(match verb {
                "EHLO" => "250-mail.test\r\n250 AUTH PLAIN",
                "AUTH" => "235 ok",
                "DATA" => "354 go on",
                "QUIT" => "221 bye",
                _ => "250 ok",
            });
            writing.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
        }
    });
    (port, said)
}

#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<String>>>);

impl Said {
    fn has(&self, line: &str) {
        let lines = self.0.lock().unwrap();
        assert!(lines.iter().any(|one| one == line), "{line:?} is not among {lines:#?}");
    }
}

fn mail(port: u16, tls: Tls, login: Option<(String, PathBuf)>) -> Way {
    Way::Email(Email {
        host: "127.0.0.1".into(),
        port,
        tls,
        ca_file: None,
        login,
        from: "evenkeel@web-1.example".into(),
        to: vec!["Ops <ops@example.org>".into(), "two@example.org".into()],
    })
}

#[tokio::test]
async fn a_mail_goes_to_all_receivers_after_a_login() {
    let (port, said) = mail_server(&[]).await;
    let (_dir, file) = secret("pass word");
    assert_eq!(deliver(mail(port, Tls::None, Some(("me".into(), file)))).await, Ok(()));
    said.has("EHLO web-1");
    said.has("AUTH PLAIN AG1lAHBhc3Mgd29yZA==");
    said.has("MAIL FROM:<evenkeel@web-1.example>");
    said.has("RCPT TO:<ops@example.org>");
    said.has("RCPT TO:<two@example.org>");
    said.has("Subject: web-1: shop was rolled back");
    said.has("Message-ID: <web-1-2026-01-02T03-04-05Z-1@web-1>");
    said.has("Date: Fri, 2 Jan 2026 03:04:05 -0000");
    let lines = said.0.lock().unwrap().clone();
    let body = lines.iter().skip_while(|line| !line.is_empty()).skip(1);
    let body: String = body.take_while(|line| *line != ".").cloned().collect();
    let text = String::from_utf8(STANDARD.decode(body).unwrap()).unwrap();
    assert_eq!(text, format!("{}\r\n", body::plain(&message()).replace('\n', "\r\n")));
}

#[tokio::test]
async fn a_mail_that_is_refused_or_would_go_in_the_clear_is_not_sent() {
    let (port, _) = mail_server(&[("RCPT", "550 5.1.1 nobody here")]).await;
    let error = deliver(mail(port, Tls::None, None)).await.unwrap_err();
    assert!(error.why.contains("nobody here"), "{error}");
    let (port, said) = mail_server(&[]).await;
    let error = deliver(mail(port, Tls::Starttls, None)).await.unwrap_err();
    assert!(error.why.to_lowercase().contains("starttls"), "{error}");
    let lines = said.0.lock().unwrap().clone();
    assert!(!lines.iter().any(|line| line.starts_with("MAIL")), "{lines:?}");
}

#[test]
fn what_others_wrote_neither_calls_nor_breaks_out() {
    let long = Message { text: "```@everyone\n".repeat(1000), ..message() };
    let content = body::discord(&long)["content"].as_str().unwrap().to_owned();
    assert!(content.chars().count() <= 2000, "{}", content.chars().count());
    assert_eq!(content.matches("```").count(), 2);
    let text = body::telegram(&long, "1")["text"].as_str().unwrap().to_owned();
    assert_eq!(text.chars().count(), 4096);
    assert!(text.ends_with('…'));
    let text = Message { text: "<!channel>".into(), ..message() };
    assert!(!body::slack(&text)["text"].as_str().unwrap().contains("<!"));
    let bare = Message { text: String::new(), ..message() };
    assert_eq!(body::gotify(&bare)["message"], message().title);
    assert_eq!(body::slack(&bare)["text"], "*web-1: shop was rolled back*");
}
