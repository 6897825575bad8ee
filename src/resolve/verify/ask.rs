//! Finding out: registries are asked for signatures and dates, programs are run.

use std::path::Path;

use super::judge::{Demand, Question};
use super::{Inquiry, Subject};
use crate::inspector::{Failure, Heard};
use crate::model::image_policy::{Keyless, check_id};
use crate::model::polls::{Built, Polls, Unknown};
use crate::model::proofs::{Again, Found, Proof, ProofKey};
use crate::registry::{Beside, Registry, RegistryError};
use crate::resolve::words;
use crate::signature::{self, Key, Keys, Refusal};

/// The largest file with keys, bytes.
const LARGEST_KEYS: u64 = 64 * 1024;
/// From here on an exit code is no word of the program (POSIX: 126 and 127 of a shell, more of signals).
const NO_WORD: i32 = 126;
/// How many lines of a refusal are shown at its beginning and at its end.
const SHOWN: (usize, usize) = (3, 7);

/// What was found out.
pub(in crate::resolve) enum Answer {
    /// What is remembered from now on; `None` is what does not count any more.
    Proofs(Vec<(ProofKey, Option<Proof>)>),
    /// When the image was built.
    Built(Built),
    /// That it is not known when.
    Unbuilt(Unknown),
    /// That a program is at work on this.
    AtWork(ProofKey),
}

/// What a question came to, and to stand behind the image's name.
struct Word(Found, String, Again);

/// Reads public keys; the error is for people.
pub(super) async fn keys(file: &Path) -> Result<Keys, String> {
    use tokio::io::AsyncReadExt as _;
    let opened = tokio::fs::File::open(file).await.map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    let read = opened.take(LARGEST_KEYS + 1).read_to_end(&mut bytes).await;
    read.map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LARGEST_KEYS {
        return Err(format!("the file is larger than {LARGEST_KEYS} bytes"));
    }
    Keys::read(&bytes)
}

impl Inquiry<'_> {
    /// Finds out what is asked.
    pub(in crate::resolve) async fn ask(
        &self,
        registry: &dyn Registry,
        polls: &Polls,
        subject: &Subject<'_>,
        question: Question,
    ) -> Answer {
        // Only what a rule asks becomes a question.
        let Some(rule) = self.gate.rules.get(question.place) else {
            return Answer::Proofs(Vec::new());
        };
        match (question.demand, &rule.cosign_key, &rule.keyless, &rule.check) {
            (Demand::Key, Some(file), _, _) => match self.keys.get(file.as_path()) {
                Some(Ok(keys)) => Answer::Proofs(self.signature(registry, subject, keys).await),
                Some(Err(_)) | None => Answer::Proofs(Vec::new()),
            },
            (Demand::Age, ..) => self.born(registry, polls, subject).await,
            (Demand::Keyless, _, Some(keyless), _) => {
                let command = cosign(keyless);
                let key = subject.key(keyless.id());
                let Some(heard) = self.run(&key, &command, subject, rule.deadline).await else {
                    return Answer::AtWork(key);
                };
                let again = Again::Signature(self.gate.interval);
                let word = match heard {
                    Err(Failure::NotRun(error)) => Word(
                        Found::Refused,
                        format!("cannot be verified: `cosign` cannot be run here: {error}"),
                        again,
                    ),
                    heard => word("cosign", heard, rule.deadline, "counts as unsigned by", again),
                };
                Answer::Proofs(vec![self.found(subject, keyless.id(), word)])
            }
            (Demand::Check, _, _, Some(command)) => {
                let program = command.first().map_or("", String::as_str);
                let key = subject.key(check_id(command));
                let Some(heard) = self.run(&key, command, subject, rule.deadline).await else {
                    return Answer::AtWork(key);
                };
                let word = word(program, heard, rule.deadline, "is refused by", Again::Never);
                Answer::Proofs(vec![self.found(subject, check_id(command), word)])
            }
            (Demand::Key | Demand::Keyless | Demand::Check, ..) => Answer::Proofs(Vec::new()),
        }
    }

    /// Takes note of an answer.
    pub(in crate::resolve) fn take(
        &mut self,
        answer: Answer,
        polls: &mut Polls,
        subject: &Subject<'_>,
    ) {
        let image = || (subject.repository(), subject.image.digest().clone());
        match answer {
            Answer::Proofs(found) => self.remember(found),
            Answer::AtWork(key) => {
                self.open.insert(key);
            }
            Answer::Built(built) => {
                let facts = polls.facts(image(), self.gate.now);
                (facts.built, facts.unknown) = (Some(built), None);
            }
            Answer::Unbuilt(unknown) => {
                let facts = polls.facts(image(), self.gate.now);
                facts.unknown = Some(unknown.following(facts.unknown.as_ref()));
            }
        }
    }

    async fn signature(
        &self,
        registry: &dyn Registry,
        subject: &Subject<'_>,
        keys: &Keys,
    ) -> Vec<(ProofKey, Option<Proof>)> {
        let again = Again::Signature(self.gate.interval);
        let word = match signed(registry, subject, keys).await {
            Ok(Ok(key)) => {
                let good = Word(Found::Good, "is signed".to_owned(), Again::Never);
                let refused = (subject.key(keys.id()), None);
                return vec![self.found(subject, key.id().to_owned(), good), refused];
            }
            Ok(Err(refusal)) => Word(Found::Refused, refusal.to_string(), again),
            Err(error) => {
                Word(Found::Unknown, words::of_registry(&error), Again::World(error.retry_after()))
            }
        };
        vec![self.found(subject, keys.id(), word)]
    }

    async fn born(&self, registry: &dyn Registry, polls: &Polls, subject: &Subject<'_>) -> Answer {
        let before = polls.images.get(&(subject.repository(), subject.image.digest().clone()));
        match registry.created(&subject.image, &subject.platform).await {
            Ok(Some(built)) => Answer::Built(Built::At(built)),
            Ok(None) => Answer::Built(Built::Unsaid),
            Err(error) => {
                let why = subject.masks.mask(&words::of_registry(&error));
                let (every, now) = (self.gate.interval, self.gate.now);
                let unknown = Unknown::new(why, error.retry_after(), every, now);
                Answer::Unbuilt(unknown.following(before.and_then(|it| it.unknown.as_ref())))
            }
        }
    }

    /// Runs a program on the image: `{image}` and `{digest}` in its arguments are filled in, and it is told all on its
    /// standard input. `None` while it is at work.
    async fn run(
        &self,
        key: &ProofKey,
        command: &[String],
        subject: &Subject<'_>,
        deadline: std::time::Duration,
    ) -> Option<Result<Heard, Failure>> {
        let (image, digest) = (subject.image.pull_reference(), subject.image.digest().as_str());
        // What git names must not become an option of the program.
        if image.starts_with('-') {
            return Some(Err(Failure::NotRun(std::io::ErrorKind::InvalidInput.into())));
        }
        let told = serde_json::json!({
            "image": image,
            "digest": digest,
            "stack": subject.id.stack.as_str(),
            "service": subject.id.service.as_str(),
        });
        let fill = |part: &String| part.replace("{image}", &image).replace("{digest}", digest);
        let mut filled: Vec<String> = command.iter().map(fill).collect();
        if let (Some(filled), Some(program)) = (filled.first_mut(), command.first()) {
            filled.clone_from(program);
        }
        let heard = self.gate.programs.run(key, filled, told.to_string(), deadline).await?;
        if let (Ok(Heard { status, text }), Some(program)) = (&heard, command.first()) {
            let (image, text) = (subject.masks.mask(&image), subject.masks.mask(text));
            tracing::info!("`{program}` on {image} ended with {status}: {}", text.trim_end());
        }
        Some(heard)
    }

    fn found(
        &self,
        subject: &Subject<'_>,
        about: String,
        Word(found, says, again): Word,
    ) -> (ProofKey, Option<Proof>) {
        let says = subject.masks.mask(&says);
        let before = self.proof(subject, about.clone());
        let proof = Proof::new(found, says, again, before, self.gate.now);
        (subject.key(about), Some(proof))
    }
}

/// The key by which the image is signed. What lies under the tag is looked at first, and the rest where that will not
/// do.
async fn signed<'k>(
    registry: &dyn Registry,
    subject: &Subject<'_>,
    keys: &'k Keys,
) -> Result<Result<&'k Key, Refusal>, RegistryError> {
    let (reference, digest) = (subject.image.reference(), subject.image.digest());
    let mut worst = Refusal::NotSigned;
    for place in [Beside::Tag, Beside::Referrers] {
        let found = registry.signatures(&subject.image, place).await?;
        match signature::verify(keys, &reference, digest, &found.attached) {
            Ok(key) => return Ok(Ok(key)),
            Err(refusal) => worst = worst.max(refusal),
        }
        if found.has_others {
            worst = worst.max(Refusal::OtherWay);
        }
    }
    Ok(Err(worst))
}

fn cosign(keyless: &Keyless) -> Vec<String> {
    [
        "cosign",
        "verify",
        "--certificate-identity",
        &keyless.identity,
        "--certificate-oidc-issuer",
        &keyless.issuer,
        "{image}",
    ]
    .map(str::to_owned)
    .into()
}

/// What a program's end means: 0 lets the image pass, 1 to 125 are its word against it, anything else is trouble of
/// the world.
fn word(
    program: &str,
    heard: Result<Heard, Failure>,
    deadline: std::time::Duration,
    refuses: &str,
    again: Again,
) -> Word {
    let unknown = |why: String| Word(Found::Unknown, why, Again::World(None));
    match heard {
        Ok(Heard { status, text }) => match status.code() {
            Some(0) => Word(Found::Good, format!("passed `{program}`"), Again::Never),
            Some(code @ 1..NO_WORD) => {
                let says = format!("{refuses} `{program}` (exit code {code}){}", said(&text));
                Word(Found::Refused, says, again)
            }
            Some(_) | None => unknown(format!("`{program}` ended with {status}{}", said(&text))),
        },
        Err(Failure::NotRun(error)) => unknown(format!("`{program}` cannot be run: {error}")),
        Err(Failure::TooSlow) => {
            unknown(format!("`{program}` did not end within {} s", deadline.as_secs_f32()))
        }
    }
}

/// The first and the last lines of what a program said.
fn said(text: &str) -> String {
    let lines: Vec<&str> =
        text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let (first, last) = SHOWN;
    let left_out = lines.len().saturating_sub(first + last);
    let shown: Vec<String> = match left_out {
        0 => lines.iter().map(|line| cut(line)).collect(),
        many => {
            let (begin, end) = (&lines[..first], &lines[lines.len() - last..]);
            let middle = format!("… {many} more lines …");
            let begin = begin.iter().map(|line| cut(line));
            begin.chain([middle]).chain(end.iter().map(|line| cut(line))).collect()
        }
    };
    match shown.is_empty() {
        true => String::new(),
        false => format!(":\n{}", shown.join("\n")),
    }
}

/// A line as it fits on a screen.
fn cut(line: &str) -> String {
    const WIDEST: usize = 300;
    match line.chars().count() > WIDEST {
        true => format!("{}…", line.chars().take(WIDEST).collect::<String>()),
        false => line.to_owned(),
    }
}
