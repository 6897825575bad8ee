//! **Pure**: a message in the words of each service that shows it to people.
//!
//! What others wrote (a commit's subject, a container's log) calls nobody and formats nothing.

use serde_json::{Value, json};

use super::Message;
use crate::model::Event;

/// Discord takes 2000 characters, Telegram 4096, ntfy and Gotify more; Slack's limit is far away.
const DISCORD: usize = 2000;
const TELEGRAM: usize = 4096;
const NTFY: usize = 4000;
const OTHERS: usize = 16_000;

/// How loud a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    News,
    Notice,
    Alarm,
}

/// For an incoming webhook of Slack ("Formatting text for app surfaces": three characters are control characters).
pub fn slack(message: &Message) -> Value {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let title = escaped(&message.title);
    let text = cut(&escaped(&message.text), OTHERS);
    json!({ "text": format!("*{title}*\n{text}").trim_end() })
}

/// For a webhook of Discord ("Execute Webhook"): no mention in it pings anybody.
pub fn discord(message: &Message) -> Value {
    let title = format!("**{}**\n", message.title);
    let fence = "```\n";
    let room = DISCORD.saturating_sub(title.chars().count() + 2 * fence.len());
    // A zero-width space keeps a fence in the text from ending ours.
    let text = cut(&message.text.replace("```", "`\u{200b}``"), room);
    let content = match text.as_str() {
        "" => title,
        text => format!("{title}{fence}{text}\n```"),
    };
    json!({ "content": content, "allowed_mentions": { "parse": [] } })
}

/// For an ntfy server ("Publish as JSON"), sent to its root.
pub fn ntfy(message: &Message, topic: &str) -> Value {
    let priority = match weight(message) {
        Weight::News => 2,
        Weight::Notice => 3,
        Weight::Alarm => 4,
    };
    let text = if message.text.is_empty() { &message.title } else { &message.text };
    json!({
        "topic": topic,
        "title": message.title,
        "message": cut(text, NTFY),
        "priority": priority,
        "tags": [message.event],
    })
}

/// For a Gotify server (`POST /message`).
pub fn gotify(message: &Message) -> Value {
    let priority = match weight(message) {
        Weight::News => 2,
        Weight::Notice => 5,
        Weight::Alarm => 8,
    };
    let text = if message.text.is_empty() { &message.title } else { &message.text };
    json!({ "title": message.title, "message": cut(text, OTHERS), "priority": priority })
}

/// For a Telegram bot (`sendMessage`), without a parse mode.
pub fn telegram(message: &Message, chat: &str) -> Value {
    let text = cut(&plain(message), TELEGRAM);
    json!({
        "chat_id": chat,
        "text": text,
        "link_preview_options": { "is_disabled": true },
        "disable_notification": weight(message) == Weight::News,
    })
}

/// For mail: title and text.
pub fn plain(message: &Message) -> String {
    format!("{}\n{}", message.title, message.text).trim_end().to_owned()
}

fn weight(message: &Message) -> Weight {
    match Event::from_word(&message.event) {
        Some(event) => match event {
            Event::Failed | Event::RolledBack | Event::Disk => Weight::Alarm,
            Event::Held | Event::Stale | Event::Drift => Weight::Notice,
            Event::Deployed | Event::Recovered => Weight::News,
        },
        // Written by another version.
        None => Weight::Notice,
    }
}

/// At most `most` characters, the last of them telling that there was more.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    kept + "…"
}
