//! `notify test`: whether recipients can be reached.

use std::io::Write as _;

use jiff::Timestamp;

use super::arguments::{Global, Notify, NotifyAction, NotifyTest, Repo};
use super::{FAILED, Trouble, setting};
use crate::config::Recipient;
use crate::notify::network::Network;
use crate::notify::{Courier as _, Message};

/// Sends a message to the recipients that are asked for, past filters and outbox.
pub async fn run(global: &Global, args: &Notify) -> Result<u8, Trouble> {
    let NotifyAction::Test(NotifyTest { name }) = &args.action;
    let repo = Repo { repo: None, branch: None, repo_path: None };
    let config = setting::config(global, &repo)?;
    let is_asked = |one: &&Recipient| name.as_ref().is_none_or(|name| one.name == *name);
    let recipients: Vec<&Recipient> = config.notify.iter().filter(is_asked).collect();
    if recipients.is_empty() {
        return Err(nobody(name.as_deref(), &config.notify));
    }
    let message = Message::of_a_test(&config.host, Timestamp::now());
    let courier = Network::new();
    let mut all_well = true;
    for recipient in recipients {
        let delivered = courier.deliver(recipient, &message).await;
        let says = match &delivered {
            Ok(()) => "told".to_owned(),
            Err(error) => format!("not told: {error}"),
        };
        all_well &= delivered.is_ok();
        writeln!(std::io::stdout(), "{} ({}): {says}", recipient.name, recipient.way.word())?;
    }
    Ok(if all_well { 0 } else { FAILED })
}

fn nobody(name: Option<&str>, all: &[Recipient]) -> Trouble {
    let names: Vec<&str> = all.iter().map(|recipient| recipient.name.as_str()).collect();
    let (text, hint) = match name {
        Some(name) if !names.is_empty() => {
            (format!("no recipient is called `{name}`"), format!("there are {}", names.join(", ")))
        }
        Some(_) | None => (
            "nobody is to be told anything".to_owned(),
            "add `notify:` to the configuration; see docs/notifications.md".to_owned(),
        ),
    };
    Trouble::Message { text, hint: Some(hint) }
}
