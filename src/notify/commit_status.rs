//! **Pure**: how a commit fares on this host, when its forge is told, and in which form.
//!
//! One status for each commit and each change of outcome; that something is under way is told of a commit of which
//! nothing was told yet.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::message::{Message, SCHEMA};
use crate::config::commit_status::{CommitStatus, Forge};
use crate::model::event::Known;
use crate::model::{CommitId, Event, HostName, SourceName};

/// How a commit fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Something is under way, or waits.
    Pending,
    /// All is as it says.
    Success,
    /// Something is not, and that is not going to change by waiting alone.
    Failure,
}

impl State {
    const ALL: [Self; 3] = [Self::Pending, Self::Success, Self::Failure];

    /// GitHub's word, and Gitea's.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }

    /// As what it is remembered to have been told.
    fn event(self) -> Event {
        match self {
            Self::Pending => Event::Held,
            Self::Success => Event::Deployed,
            Self::Failure => Event::Failed,
        }
    }
}

/// What a pass found of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The source's newest commit.
    pub commit: CommitId,
    /// How it fares.
    pub state: State,
    /// Why, in one line, masked.
    pub why: String,
    /// The directory in the repository that it is about, where it is about one.
    pub directory: Option<String>,
}

/// What will have been told of a commit, if `found` is news after what was told before.
pub fn news(before: Option<&Known>, found: &Finding) -> Option<Known> {
    let now = Known { event: found.state.event(), about: found.commit.to_string() };
    let is_first = before.is_none_or(|before| before.about != now.about);
    let is_other = before != Some(&now) && found.state != State::Pending;
    (is_first || is_other).then_some(now)
}

/// The longest description that is sent: GitHub takes as many characters.
const LONGEST: usize = 140;

/// The message to the forge.
pub fn message(
    status: &CommitStatus,
    host: &HostName,
    source: &SourceName,
    found: &Finding,
    now: Timestamp,
) -> Message {
    Message {
        schema: SCHEMA.to_owned(),
        id: format!("{host}/{now}/{source}/{}", found.state.word()),
        event: found.state.word().to_owned(),
        host: host.to_string(),
        at: now.to_string(),
        kind: "commit".to_owned(),
        name: source.to_string(),
        title: format!("{}: {} {}", status.context, found.commit, found.state.word()),
        text: shortened(&found.why),
        services: Vec::new(),
        generation: None,
        trigger: None,
        commit: Some(found.commit.to_string()),
        author: None,
        subject: None,
        link: Some(link(status, found)),
    }
}

/// The first line of `text`, or as much of it as can be sent.
fn shortened(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= LONGEST {
        return line.to_owned();
    }
    let start: String = line.chars().take(LONGEST - 1).collect();
    format!("{start}…")
}

/// Where people look: at the directory in question as it is in this commit, else at the commit.
fn link(status: &CommitStatus, found: &Finding) -> String {
    let (page, commit) = (status.page(), &found.commit);
    let parts = found.directory.as_deref().unwrap_or_default().split('/');
    let parts: Vec<String> = parts.filter(|part| !part.is_empty()).map(encoded).collect();
    let directory = parts.join("/");
    match (status.forge, directory.as_str()) {
        (Forge::Github | Forge::Gitea, "") => format!("{page}/commit/{commit}"),
        (Forge::Gitlab, "") => format!("{page}/-/commit/{commit}"),
        (Forge::Github, below) => format!("{page}/tree/{commit}/{below}"),
        (Forge::Gitlab, below) => format!("{page}/-/tree/{commit}/{below}"),
        (Forge::Gitea, below) => format!("{page}/src/commit/{commit}/{below}"),
    }
}

/// One part of a path, as it stands in an address.
fn encoded(part: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    part.bytes()
        .map(|byte| match is_plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

/// The path below the API's address at which the status of `commit` is set, part by part.
///
/// GitHub and Gitea: "Create a commit status"; GitLab: "Set the commit status", with the project's path as one part.
pub fn path<'a>(status: &'a CommitStatus, commit: &'a str) -> Vec<&'a str> {
    match status.forge {
        Forge::Github | Forge::Gitea => {
            let mut path = vec!["repos"];
            path.extend(status.project.split('/'));
            path.extend(["statuses", commit]);
            path
        }
        Forge::Gitlab => vec!["projects", &status.project, "statuses", commit],
    }
}

/// What is sent there.
pub fn body(status: &CommitStatus, message: &Message) -> Value {
    let state = message.event.as_str();
    let name = match status.forge {
        Forge::Github | Forge::Gitea => "context",
        Forge::Gitlab => "name",
    };
    let state = match status.forge {
        Forge::Gitlab if state == State::Failure.word() => "failed",
        Forge::Github | Forge::Gitea | Forge::Gitlab => state,
    };
    json!({
        "state": state,
        name: status.context,
        "description": message.text,
        "target_url": message.link,
    })
}

/// Whether `message` is one to a forge: not one of another version.
pub fn is_sound(message: &Message) -> bool {
    State::ALL.iter().any(|state| state.word() == message.event) && message.commit.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(commit: &str, state: State) -> Finding {
        let (commit, why) = (CommitId::new(commit), "shop/api: it exited".to_owned());
        Finding { commit, state, why, directory: Some("hosts/web 1/shop".into()) }
    }

    fn status(forge: Forge, api: &str) -> CommitStatus {
        CommitStatus {
            forge,
            token_file: "/t".into(),
            api: api.into(),
            project: "acme/infra".into(),
            context: "evenkeel/web-1".into(),
        }
    }

    #[test]
    fn each_commit_and_each_change_of_outcome_is_told_once() {
        use State::{Failure, Pending, Success};
        let mut known = None;
        let mut tells = |commit, state| {
            let news = news(known.as_ref(), &found(commit, state));
            let is_news = news.is_some();
            known = news.or(known.take());
            is_news
        };
        assert!(tells("a", Pending));
        assert!(!tells("a", Pending));
        assert!(tells("a", Success));
        assert!(!tells("a", Success));
        assert!(!tells("a", Pending), "what is repaired is no news of the commit");
        assert!(tells("a", Failure));
        assert!(!tells("a", Failure));
        assert!(tells("a", Success));
        assert!(tells("b", Success), "without anything to do in between");
        assert!(tells("a", Pending), "git went back to it");
    }

    #[test]
    fn each_forge_gets_its_own_words() {
        let host = HostName::new("web-1");
        let check = |forge, api: &str, path_: &str, name: &str, state: &str, link: &str| {
            let status = status(forge, api);
            let found = found("abc", State::Failure);
            let message = message(&status, &host, &"infra".into(), &found, Timestamp::UNIX_EPOCH);
            assert!(is_sound(&message));
            assert_eq!(path(&status, "abc").join(" "), path_);
            let body = body(&status, &message);
            assert_eq!((&body["state"], &body[name]), (&state.into(), &"evenkeel/web-1".into()));
            assert_eq!(body["description"], "shop/api: it exited");
            assert_eq!(body["target_url"], link);
        };
        check(
            Forge::Github,
            "https://api.github.com",
            "repos acme infra statuses abc",
            "context",
            "failure",
            "https://github.com/acme/infra/tree/abc/hosts/web%201/shop",
        );
        check(
            Forge::Gitea,
            "https://git.lan/api/v1",
            "repos acme infra statuses abc",
            "context",
            "failure",
            "https://git.lan/acme/infra/src/commit/abc/hosts/web%201/shop",
        );
        check(
            Forge::Gitlab,
            "https://git.lan/api/v4",
            "projects acme/infra statuses abc",
            "name",
            "failed",
            "https://git.lan/acme/infra/-/tree/abc/hosts/web%201/shop",
        );
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        assert_eq!(shortened("a\nb"), "a");
        let long = "é".repeat(200);
        let short = shortened(&long);
        assert_eq!(short.chars().count(), LONGEST);
        assert!(short.ends_with('…'));
    }
}
