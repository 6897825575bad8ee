//! Why a file cannot be opened, and the next move; never with a part of what it holds.

use std::io::{Error, ErrorKind};
use std::path::Path;
use std::time::Duration;

use crate::model::Masks;
use crate::model::sealed::{Seal, Unopened};
use crate::program::Printed;

/// The most that is shown of a program's complaint, characters.
const LONGEST: usize = 300;

/// How the secret part of an identity begins, whatever its kind.
const IDENTITY: [&str; 2] = ["AGE-SECRET-KEY-", "AGE-PLUGIN-"];

/// This host has none.
pub fn no_identity() -> Unopened {
    Unopened {
        why: "this host has no identity to open it with".to_owned(),
        hint: "make one with `age-keygen -o /etc/evenkeel/age.key`, write `decrypt: {age: {identity_file: \
               /etc/evenkeel/age.key}}` into the configuration, and encrypt the file for it"
            .to_owned(),
    }
}

/// The identity cannot be had.
pub fn unreadable(identity: &Path, error: &Error) -> Unopened {
    let shown = identity.display();
    Unopened {
        why: format!("the identity of this host cannot be read: {shown}: {error}"),
        hint: format!(
            "put it at {shown}, readable by the user that evenkeel runs as (mode 0600), or name another file"
        ),
    }
}

/// There is no such program, or it may not be run.
pub fn not_run(seal: Seal, program: &str, error: &Error) -> Unopened {
    let (key, package) = match seal {
        Seal::Age => ("decrypt.age.program", "age"),
        Seal::Sops(_) => ("decrypt.sops.program", "sops"),
    };
    let why = match error.kind() == ErrorKind::NotFound {
        true => format!("the program `{program}` is not on this server"),
        false => format!("the program `{program}` cannot be run: {error}"),
    };
    Unopened { why, hint: format!("install `{package}`, or name the program in `{key}`") }
}

/// It did not end.
pub fn too_slow(program: &str, within: Duration) -> Unopened {
    Unopened {
        why: format!("`{program}` did not end within {} s", within.as_secs_f32()),
        hint: format!(
            "run `{program}` by hand: an identity with a passphrase waits for somebody to type it"
        ),
    }
}

/// It holds too much.
pub fn too_much(most: u64) -> Unopened {
    Unopened {
        why: format!("it holds more than the limit of {most} bytes"),
        hint: "raise `limits.file` if it has to be so large".to_owned(),
    }
}

/// The program says no.
pub fn refused(seal: Seal, program: &str, identity: &Path, printed: &Printed) -> Unopened {
    let complaint = complaint(printed);
    let why = match complaint.as_str() {
        "" => format!("`{program}` cannot open it ({})", printed.status),
        complaint => format!("`{program}` cannot open it: {complaint}"),
    };
    let shown = identity.display();
    let hint = match seal {
        Seal::Age => format!(
            "encrypt it for this host too (`age-keygen -y {shown}` prints the recipient), or anew where it was damaged"
        ),
        Seal::Sops(_) => format!(
            "`age-keygen -y {shown}` prints the recipient of this host; add it with `sops updatekeys`, or encrypt the \
             file anew where it was damaged"
        ),
    };
    Unopened { why, hint }
}

/// What a program complained about, in one line, without identities and without anything that it has printed.
fn complaint(printed: &Printed) -> String {
    let mut masks = Masks::default();
    let text = printed.text();
    masks.add(&text);
    text.split_whitespace().for_each(|word| masks.add(word));
    let said = printed.complaints.lines().map(str::trim).filter(|line| !line.is_empty());
    // What age adds of its own, wherever it is reported.
    let said = said.filter(|line| !line.contains("report unexpected or unhelpful errors"));
    let said = masks.mask(&said.collect::<Vec<_>>().join("; "));
    let words = said.split(' ').map(|word| match IDENTITY.iter().any(|it| word.contains(it)) {
        true => "•••",
        false => word,
    });
    let said = words.collect::<Vec<_>>().join(" ");
    said.chars().filter(|letter| !letter.is_control()).take(LONGEST).collect()
}
