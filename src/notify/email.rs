//! Mail by SMTP.
//!
//! lettre speaks SMTP; the mail itself is so plain that it is written here, which saves lettre's builder with two
//! crates, one of them under a licence that is not among the accepted ones.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use lettre::address::Envelope;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls as Encryption, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use super::{Message, PATIENCE, Undelivered, body, secret};
use crate::config::notify::{Email, Tls};

/// The longest line of an encoded body (RFC 2045, 6.8).
const LINE: usize = 76;
/// Bytes in one encoded word, whose longest form has 75 characters (RFC 2047, 2).
const WORD: usize = 42;

/// Sends `message` to all receivers in one mail.
pub(super) async fn send(settings: &Email, message: &Message) -> Result<(), Undelivered> {
    let from = address(&settings.from)?;
    let to = settings.to.iter().map(|to| address(to)).collect::<Result<_, _>>()?;
    let envelope = Envelope::new(Some(from), to);
    let envelope = envelope.map_err(|error| Undelivered::new(error.to_string()))?;
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.host)
        .port(settings.port)
        .timeout(Some(PATIENCE))
        .hello_name(ClientId::Domain(message.host.clone()))
        .tls(encryption(settings).await?);
    if let Some((user, file)) = &settings.login {
        let password = secret::read(file).await?;
        transport = transport.credentials(Credentials::new(user.clone(), password));
    }
    let mail = mail(settings, message);
    let sent = transport.build().send_raw(&envelope, mail.as_bytes()).await;
    sent.map(drop).map_err(|error| Undelivered::new(in_one_line(&error)))
}

/// The mail (RFC 5322), with a body in base64: its lines are short and of ASCII whatever was said.
pub(super) fn mail(settings: &Email, message: &Message) -> String {
    let to: Vec<String> = settings.to.iter().map(|to| mailbox(to)).collect();
    let at = message.at.parse::<Timestamp>().ok();
    let date = at.and_then(|at| rfc2822::DateTimePrinter::new().timestamp_to_string(&at).ok());
    let (id, host) = (safe(&message.id), safe(&message.host));
    let headers = [
        ("From", Some(mailbox(&settings.from))),
        ("To", Some(to.join(",\r\n "))),
        ("Subject", Some(words(&message.title))),
        ("Date", date),
        // The same for each try, so that a second copy can be told.
        ("Message-ID", Some(format!("<{id}@{host}>"))),
        // Nobody is on holiday from a machine (RFC 3834, 5).
        ("Auto-Submitted", Some("auto-generated".to_owned())),
        ("MIME-Version", Some("1.0".to_owned())),
        ("Content-Type", Some("text/plain; charset=utf-8".to_owned())),
        ("Content-Transfer-Encoding", Some("base64".to_owned())),
    ];
    let mut mail = String::new();
    for (name, value) in headers {
        if let Some(value) = value {
            mail.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    mail.push_str("\r\n");
    let text = body::plain(message).replace('\n', "\r\n") + "\r\n";
    let encoded: Vec<char> = STANDARD.encode(text).chars().collect();
    for line in encoded.chunks(LINE) {
        mail.extend(line);
        mail.push_str("\r\n");
    }
    mail
}

/// `Ops <ops@example.org>` in two parts, the first one empty where there is only an address.
fn split(written: &str) -> (&str, &str) {
    let inner = written.trim().strip_suffix('>').and_then(|rest| rest.rsplit_once('<'));
    inner.map_or(("", written.trim()), |(name, address)| (name.trim(), address.trim()))
}

fn address(written: &str) -> Result<Address, Undelivered> {
    let (_, address) = split(written);
    let wrong = |error| Undelivered::new(format!("`{written}` is no mail address: {error}"));
    address.parse().map_err(|error: lettre::address::AddressError| wrong(error))
}

fn mailbox(written: &str) -> String {
    match split(written) {
        ("", address) => address.to_owned(),
        (name, address) => format!("{} <{address}>", words(name.trim_matches('"'))),
    }
}

/// The text of a header: as it is, or in encoded words where it is not plain (RFC 2047).
fn words(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " -_./:".contains(c);
    if text.chars().all(is_plain) && text.len() <= LINE {
        return text.to_owned();
    }
    let (mut words, mut word) = (Vec::new(), String::new());
    for c in text.chars() {
        if word.len() + c.len_utf8() > WORD {
            words.push(std::mem::take(&mut word));
        }
        word.push(c);
    }
    words.push(word);
    let encoded = words.iter().map(|word| format!("=?utf-8?B?{}?=", STANDARD.encode(word)));
    encoded.collect::<Vec<_>>().join("\r\n ")
}

/// Only what may stand in a message id (RFC 5322, 3.6.4).
fn safe(text: &str) -> String {
    text.replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "-")
}

async fn encryption(settings: &Email) -> Result<Encryption, Undelivered> {
    if settings.tls == Tls::None {
        return Ok(Encryption::None);
    }
    let no = |error: lettre::transport::smtp::Error| Undelivered::new(in_one_line(&error));
    let mut parameters = TlsParameters::builder(settings.host.clone());
    if let Some(file) = &settings.ca_file {
        let pem = secret::read(file).await?;
        let certificate = Certificate::from_pem(pem.as_bytes()).map_err(no)?;
        parameters = parameters.add_root_certificate(certificate);
    }
    let parameters = parameters.build_rustls().map_err(no)?;
    Ok(match settings.tls {
        Tls::Implicit => Encryption::Wrapper(parameters),
        Tls::Starttls => Encryption::Required(parameters),
        Tls::None => Encryption::None,
    })
}

/// The error and what is behind it: a server's answer, the operating system's word.
fn in_one_line(error: &lettre::transport::smtp::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        let words = deeper.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = deeper.source();
    }
    text.replace(['\r', '\n'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_plain_is_encoded_word_by_word() {
        assert_eq!(words("web-1: shop failed"), "web-1: shop failed");
        assert_eq!(words("Größe"), "=?utf-8?B?R3LDtsOfZQ==?=");
        let long = words(&"ä".repeat(60));
        assert!(long.lines().all(|line| line.len() <= LINE), "{long}");
        let decoded = long.split("\r\n ").map(|word| {
            let inner = word.strip_prefix("=?utf-8?B?").unwrap().strip_suffix("?=").unwrap();
            String::from_utf8(STANDARD.decode(inner).unwrap()).unwrap()
        });
        assert_eq!(decoded.collect::<String>(), "ä".repeat(60));
        let header = words("x\r\nBcc: everybody@example.org");
        assert!(!header.contains("Bcc"), "{header}");
    }

    #[test]
    fn receivers_may_have_names() {
        assert_eq!(mailbox("ops@example.org"), "ops@example.org");
        assert_eq!(mailbox("\"Ops\" <ops@example.org>"), "Ops <ops@example.org>");
        assert_eq!(mailbox("Jürg <j@example.org>"), "=?utf-8?B?SsO8cmc=?= <j@example.org>");
        assert_eq!(address("Ops <ops@example.org>").unwrap().to_string(), "ops@example.org");
        assert!(address("Ops <ops>").is_err());
    }
}
