//! Recipients as written to recipients as told: kinds, addresses, filters.

use std::path::PathBuf;

use super::written::{self, EventWord};
use super::{Address, Email, Recipient, Tls, Way};
use crate::config::resolve::{Problems, absolute, wrong};
use crate::model::{Event, HostName, Problem};

const TELEGRAM: &str = "https://api.telegram.org";

/// The recipients; a problem where two have one name.
pub(in crate::config) fn recipients(
    written: Vec<written::Recipient>,
    host: &HostName,
    problems: &mut Problems,
) -> Vec<Recipient> {
    let mut recipients: Vec<Recipient> = Vec::new();
    for (index, written) in written.into_iter().enumerate() {
        let path = format!("notify[{index}]");
        let Some(recipient) = recipient(written, &path, host, problems) else { continue };
        if recipients.iter().any(|other| other.name == recipient.name) {
            let message = format!("two recipients are called `{}`", recipient.name);
            let hint = "give each a `name:` of its own";
            problems.push(wrong(format!("{path}.name"), message).hint(hint));
        }
        recipients.push(recipient);
    }
    recipients
}

fn recipient(
    written: written::Recipient,
    path: &str,
    host: &HostName,
    problems: &mut Problems,
) -> Option<Recipient> {
    let written::Recipient { name, events, stacks, webhook, slack, discord, .. } = written;
    let written::Recipient { ntfy, gotify, telegram, email, command, .. } = written;
    let mut reader = Reader { path, problems };
    let ways = [
        webhook.map(|it| reader.webhook(it)),
        slack.map(|it| reader.hook("slack", it).map(Way::Slack)),
        discord.map(|it| reader.hook("discord", it).map(Way::Discord)),
        ntfy.map(|it| reader.ntfy(it)),
        gotify.map(|it| reader.gotify(it)),
        telegram.map(|it| reader.telegram(it)),
        email.map(|it| reader.email(it, host)),
        command.map(|it| reader.command(it)),
    ];
    let ways: Vec<Option<Way>> = ways.into_iter().flatten().collect();
    if ways.len() != 1 {
        reader.one_way(ways.len());
        return None;
    }
    reader.globs(stacks.as_deref().unwrap_or_default());
    let way = ways.into_iter().next().flatten()?;
    let events = match events {
        None => Event::ALL.into(),
        Some(words) => words.into_iter().map(event).collect(),
    };
    let name = name.unwrap_or_else(|| way.word().to_owned());
    Some(Recipient { name, way, events, stacks: stacks.unwrap_or_default() })
}

/// Reads what stands below one path, and remembers what is wrong.
struct Reader<'a> {
    path: &'a str,
    problems: &'a mut Problems,
}

impl Reader<'_> {
    fn webhook(&mut self, it: written::Webhook) -> Option<Way> {
        let url = self.address("webhook", it.url, it.url_file);
        let secret_file = it.secret_file.map(|file| self.file("webhook.secret_file", file));
        if let Some(error) = it.template.as_deref().and_then(syntax_error) {
            let hint = "see docs/notifications.md for an example";
            self.wrong("webhook.template", error, hint);
        }
        Some(Way::Webhook { url: url?, secret_file, template: it.template })
    }

    fn hook(&mut self, kind: &str, it: written::Hook) -> Option<Address> {
        self.needed_file(&format!("{kind}.url_file"), it.url_file).map(Address::File)
    }

    fn ntfy(&mut self, it: written::Ntfy) -> Option<Way> {
        let url = self.address("ntfy", it.url, it.url_file);
        let token_file = it.token_file.map(|file| self.file("ntfy.token_file", file));
        Some(Way::Ntfy { url: url?, token_file })
    }

    fn gotify(&mut self, it: written::Gotify) -> Option<Way> {
        let url = self.address("gotify", it.url, None);
        let token_file = self.needed_file("gotify.token_file", it.token_file);
        Some(Way::Gotify { url: url?, token_file: token_file? })
    }

    fn telegram(&mut self, it: written::Telegram) -> Option<Way> {
        let api = it.url.unwrap_or_else(|| TELEGRAM.to_owned());
        let api = self.url("telegram.url", api);
        let token_file = self.needed_file("telegram.token_file", it.token_file);
        let chat = self.needed("telegram.chat", it.chat);
        Some(Way::Telegram { api, token_file: token_file?, chat: chat? })
    }

    fn email(&mut self, it: written::Email, host: &HostName) -> Option<Way> {
        let tls = it.tls.unwrap_or(Tls::Starttls);
        let usual = match tls {
            Tls::Implicit => 465,
            Tls::Starttls => 587,
            Tls::None => 25,
        };
        let login = match (it.username, it.password_file) {
            (None, None) => None,
            (Some(user), Some(file)) => Some((user, self.file("email.password_file", file))),
            (Some(_), None) | (None, Some(_)) => {
                let hint = "write both `username` and `password_file`, or neither";
                self.wrong("email", "a login needs a user and a password", hint);
                None
            }
        };
        for address in it.to.iter().flatten().chain(&it.from) {
            if !address.contains('@') || address.contains(char::is_control) {
                let message = format!("`{}` is no mail address", address.escape_debug());
                self.wrong("email", message, "`ops@example.org`, `Ops <ops@example.org>`");
            }
        }
        let server = self.needed("email.host", it.host);
        let to = self.needed("email.to", it.to.filter(|to| !to.is_empty()));
        Some(Way::Email(Email {
            host: server?,
            port: it.port.unwrap_or(usual),
            tls,
            ca_file: it.ca_file.map(|file| self.file("email.ca_file", file)),
            login,
            from: it.from.unwrap_or_else(|| format!("evenkeel@{host}")),
            to: to?,
        }))
    }

    fn command(&mut self, it: Vec<String>) -> Option<Way> {
        self.needed("command", Some(it).filter(|it| !it.is_empty())).map(Way::Command)
    }

    fn address(
        &mut self,
        kind: &str,
        url: Option<String>,
        file: Option<PathBuf>,
    ) -> Option<Address> {
        match (url, file) {
            (Some(url), None) => Some(Address::Url(self.url(&format!("{kind}.url"), url))),
            (None, Some(file)) => Some(Address::File(self.file(&format!("{kind}.url_file"), file))),
            (None, None) => self.needed(&format!("{kind}.url"), None),
            (Some(_), Some(_)) => {
                self.wrong(kind, "both `url` and `url_file` are written", "keep one of them");
                None
            }
        }
    }

    /// The URL, which is never part of a message: it may be more of a secret than its author thought.
    fn url(&mut self, key: &str, url: String) -> String {
        match url::Url::parse(&url) {
            Ok(parsed) if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() => {
                self.wrong(key, "this is no address on the web", "write `https://…`");
            }
            Ok(parsed) if parsed.password().is_some() || !parsed.username().is_empty() => {
                self.wrong(key, "a login stands in the address", "name a file with the secret");
            }
            Ok(_) => {}
            Err(error) => self.wrong(key, format!("this is no URL: {error}"), "write `https://…`"),
        }
        url
    }

    fn globs(&mut self, globs: &[String]) {
        for glob in globs {
            if let Err(error) = globset::Glob::new(glob) {
                self.wrong("stacks", error.to_string(), "`shop`, `shop-*`");
            }
        }
    }

    fn file(&mut self, key: &str, file: PathBuf) -> PathBuf {
        absolute(file, &format!("{}.{key}", self.path), self.problems)
    }

    fn needed_file(&mut self, key: &str, file: Option<PathBuf>) -> Option<PathBuf> {
        let file = self.needed(key, file)?;
        Some(self.file(key, file))
    }

    fn needed<T>(&mut self, key: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            let name = key.rsplit('.').next().unwrap_or_default();
            let problem = Problem::new("missing-key", format!("the key `{name}` is missing"));
            self.problems.push(problem.path(format!("{}.{key}", self.path)));
        }
        value
    }

    fn one_way(&mut self, many: usize) {
        let message = match many {
            0 => "it is not said how this recipient is reached",
            _ => "one recipient is reached in one way",
        };
        let hint = "write one of `webhook`, `slack`, `discord`, `ntfy`, `gotify`, `telegram`, \
                    `email`, `command`";
        self.problems.push(wrong(self.path, message).hint(hint));
    }

    fn wrong(&mut self, key: &str, message: impl Into<String>, hint: &str) {
        self.problems.push(wrong(format!("{}.{key}", self.path), message).hint(hint));
    }
}

fn event(word: EventWord) -> Event {
    match word {
        EventWord::Deployed => Event::Deployed,
        EventWord::Failed => Event::Failed,
        EventWord::RolledBack => Event::RolledBack,
        EventWord::Drift => Event::Drift,
        EventWord::Held => Event::Held,
        EventWord::Stale => Event::Stale,
        EventWord::Disk => Event::Disk,
        EventWord::Recovered => Event::Recovered,
    }
}

/// What is wrong with a template, in one line.
fn syntax_error(template: &str) -> Option<String> {
    let mut environment = minijinja::Environment::new();
    let error = environment.add_template("template", template).err()?;
    let detail = error.detail().map(str::to_owned);
    let detail = detail.unwrap_or_else(|| error.kind().to_string());
    Some(format!("line {} of the template: {detail}", error.line().unwrap_or(1)))
}
