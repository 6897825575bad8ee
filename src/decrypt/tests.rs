//! Real files of age's, opened by the real program; where it has to misbehave, and for SOPS, a script stands in.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::*;
use crate::config::{Ambient, Config};
use crate::manifest::{self, ServerFiles};
use crate::model::memory_tree::MemoryTree;
use crate::model::sealed::Nobody;
use crate::model::stack::{Remark, Stack};
use crate::model::tree::{Revision, SharedTree};
use crate::model::{CommitId, Problem, ServiceName, SourceName};
use crate::reconcile::places::Places;
use crate::reconcile::sources::with_options;

const MOST: u64 = 1024 * 1024;

/// A server with an identity, and the directory of its repository.
struct Server {
    directory: tempfile::TempDir,
    config: String,
    recipient: String,
}

impl Server {
    fn new() -> Self {
        static INSTALLED: std::sync::Once = std::sync::Once::new();
        INSTALLED.call_once(|| {
            let script = format!("{}/tests/support/packages", env!("CARGO_MANIFEST_DIR"));
            let done = Command::new(script).args(["--only", "age:age"]).status().unwrap();
            assert!(done.success(), "age is needed");
        });
        let directory = tempfile::tempdir().unwrap();
        let mut server = Self { directory, config: String::new(), recipient: String::new() };
        server.recipient = server.new_identity("age.key");
        server.config = format!("age: {{identity_file: {}}}", server.path("age.key").display());
        server
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Makes an identity; gives its recipient.
    fn new_identity(&self, name: &str) -> String {
        let file = self.path(name);
        let made = Command::new("age-keygen").arg("-o").arg(&file).stderr(Stdio::null()).status();
        assert!(made.unwrap().success());
        let output = Command::new("age-keygen").arg("-y").arg(&file).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn encrypt(&self, text: &[u8], more: &[&str]) -> Vec<u8> {
        encrypt(text, &[&["-r", &self.recipient], more].concat())
    }

    /// A program of the test's own. Another process writes it: what is open for writing here while a test beside
    /// this one forks cannot be run.
    fn program(&self, name: &str, script: &str) -> String {
        let file = self.path(name);
        let write = r#"printf '#!/bin/sh\n%s\n' "$1" >"$0" && chmod 755 "$0""#;
        let written = Command::new("sh").args(["-c", write]).arg(&file).arg(script).status();
        assert!(written.unwrap().success());
        file.display().to_string()
    }

    fn settings(&self) -> Config {
        let directory = self.directory.path().display();
        let text = format!(
            "sources: [{{repo: https://git.lan/acme/infra.git}}]\nenv_dir: {directory}/env\n\
             state_dir: /state\ndata_dir: /data\ndecrypt: {{{}}}\n",
            self.config
        );
        let ambient = Ambient { hostname: "web-1".into(), ..Ambient::default() };
        Config::parse("config.yaml", &text, &ambient).unwrap()
    }

    fn vault(&self) -> Vault {
        Vault::new(self.settings().decrypt)
    }

    /// The stack `shop` of these files.
    fn load(&self, files: &[(&str, &[u8])], vault: &Vault) -> Result<Stack, Vec<Problem>> {
        self.load_as(files, ServerFiles::Disk, vault)
    }

    fn load_as(
        &self,
        files: &[(&str, &[u8])],
        server: ServerFiles,
        opener: &dyn Opener,
    ) -> Result<Stack, Vec<Problem>> {
        let mut tree = MemoryTree::default();
        files.iter().for_each(|(path, bytes)| tree.insert(format!("shop/{path}"), *bytes));
        let revision = Revision {
            source: SourceName::new("infra"),
            commit: CommitId::new("0123456789abcdef0123456789abcdef01234567"),
            tree: SharedTree(std::sync::Arc::new(tree)),
            path: String::new(),
        };
        let (places, all) = (Places::default(), ["**".to_owned()]);
        let read = |options: &manifest::Options<'_>| manifest::load(&revision, options);
        let loaded =
            with_options(&revision, &self.settings(), &places, (&all, &[]), server, opener, read);
        loaded.unwrap().stacks.remove(0).result
    }
}

fn encrypt(text: &[u8], arguments: &[&str]) -> Vec<u8> {
    use std::io::Write as _;
    let mut age = Command::new("age")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    age.stdin.take().unwrap().write_all(text).unwrap();
    let output = age.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout
}

fn sealed(bytes: &[u8]) -> Sealed<'_> {
    Sealed { seal: Seal::Age, bytes, as_json: false }
}

fn environment(stack: &Stack) -> BTreeMap<String, Option<String>> {
    let environment = stack.services[&ServiceName::new("web")].settings.environment.iter();
    let shown = |value: &crate::model::Hidden| value.reveal().to_owned();
    environment.map(|(name, value)| (name.clone(), value.as_ref().map(shown))).collect()
}

fn pair(name: &str, value: &str) -> (String, Option<String>) {
    (name.to_owned(), Some(value.to_owned()))
}

const MANIFEST: &[u8] = b"\
services:
  web:
    image: acme/web:1
    env_file: [web.env.age]
    environment: {URL: 'db://${DB_PASSWORD}@db'}
    labels: {note: '${DB_PASSWORD}'}
    secrets: [token]
    configs: [{source: conf, target: /etc/conf}]
secrets: {token: {file: ./token.age}}
configs: {conf: {file: ./conf.yml.age}}
";

#[test]
fn encrypted_files_are_secrets_and_the_record_keeps_what_is_in_git() {
    let server = Server::new();
    let web = server.encrypt(b"API_KEY=sesame-1\nSHORT=x\n", &[]);
    let own = server.encrypt(b"DB_PASSWORD=sesame-2\n", &["--armor"]);
    let token = server.encrypt(b"sesame-3", &[]);
    let conf = server.encrypt(b"a: sesame-4\nb: plain-5\n", &[]);
    let files: [(&str, &[u8]); 6] = [
        ("compose.yaml", MANIFEST),
        (".env", b"DB_PASSWORD=in-the-clear"),
        (".env.age", &own),
        ("web.env.age", &web),
        ("token.age", &token),
        ("conf.yml.age", &conf),
    ];
    let vault = server.vault();
    let stack = server.load(&files, &vault).unwrap();
    let expected =
        [pair("API_KEY", "sesame-1"), pair("SHORT", "x"), pair("URL", "db://sesame-2@db")];
    assert_eq!(environment(&stack), expected.into());
    let web = &stack.services[&ServiceName::new("web")];
    assert!(web.sensitive.contains("labels.note"), "{:?}", web.sensitive);
    let contents = web.secret_files.iter().map(|file| file.content.0.as_slice());
    assert_eq!(Vec::from_iter(contents), [b"sesame-3".as_slice(), b"a: sesame-4\nb: plain-5\n"]);
    for (path, bytes) in files {
        assert_eq!(stack.record.manifest[&format!("shop/{path}")], bytes, "{path}");
    }
    let said = stack.masks.mask("sesame-1 sesame-2 sesame-3 a: sesame-4 b: plain-5 x");
    assert_eq!(said, "••• ••• ••• ••• ••• x");
    let names = |file: &str| web.server_files[file].iter().cloned().collect::<Vec<_>>();
    assert_eq!(names("shop/web.env.age"), ["API_KEY", "SHORT"]);
    assert_eq!(names("shop/.env.age"), ["DB_PASSWORD"]);

    // Encrypted anew, everything is what it was.
    let again = server.encrypt(b"sesame-3", &[]);
    assert_ne!(again, token);
    let mut files = files;
    files[4].1 = &again;
    let other = server.load(&files, &vault).unwrap();
    let of = |stack: &Stack| {
        let web = &stack.services[&ServiceName::new("web")];
        (web.settings.clone(), web.secret_files[0].target.clone())
    };
    assert_eq!(of(&other), of(&stack));
}

/// What is wrong with a stack whose file `x.age` is `bytes`.
fn trouble(server: &Server, bytes: &[u8]) -> Problem {
    trouble_at(server, "x.age", bytes)
}

fn trouble_at(server: &Server, path: &str, bytes: &[u8]) -> Problem {
    let manifest =
        format!("services:\n  web:\n    image: acme/web:1\n    env_file:\n      - {path}\n");
    let files = [("compose.yaml", manifest.as_bytes()), (path, bytes)];
    let mut problems = server.load(&files, &server.vault()).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    let problem = problems.remove(0);
    assert_eq!(problem.place.as_ref().unwrap().to_string(), "shop/compose.yaml:5:9");
    assert_eq!(problem.path.as_deref(), Some("services.web.env_file[0]"));
    problem
}

#[track_caller]
fn says(problem: &Problem, why: &str, hint: &str) {
    assert_eq!(problem.code, "unopened-file");
    assert!(problem.message.starts_with("`shop/x.age` is encrypted with age, and "), "{problem}");
    assert!(problem.message.contains(why), "{problem}");
    assert!(problem.hint.as_ref().unwrap().contains(hint), "{:?}", problem.hint);
}

#[test]
fn what_cannot_be_opened_is_a_problem_where_it_is_named() {
    let mut server = Server::new();
    let fine = server.encrypt(b"A=sesame-1", &[]);
    let other = server.new_identity("other.key");
    let for_other = encrypt(b"A=sesame-1", &["-r", &other]);
    says(
        &trouble(&server, &for_other),
        "no identity matched any of the recipients",
        "age-keygen -y",
    );
    let mut broken = fine.clone();
    *broken.last_mut().unwrap() ^= 1;
    says(&trouble(&server, &broken), "`age` cannot open it: age: error: ", "anew");
    says(&trouble(&server, &fine[..fine.len() - 1]), "`age` cannot open it", "anew");
    // A small file may hold much only where its program says so.
    let endless = server.program("endless", "cat >/dev/null; yes A=sesame-1");
    let key = server.path("age.key").display().to_string();
    server.config = format!("age: {{identity_file: {key}, program: {endless}}}");
    says(&trouble(&server, &fine), "more than the limit of 1048576 bytes", "limits.file");
    server.config = format!("age: {{identity_file: {key}, program: /nowhere/age}}");
    says(&trouble(&server, &fine), "`/nowhere/age` is not on this server", "install `age`");
    server.config = format!("age: {{identity_file: {key}.gone}}");
    says(&trouble(&server, &fine), "age.key.gone: No such file", "put it at");
    let directory = server.directory.path().display();
    server.config = format!("age: {{identity_file: {directory}}}");
    says(&trouble(&server, &fine), "it is not a file", "put it at");
    server.config = String::new();
    says(&trouble(&server, &fine), "this host has no identity", "age-keygen -o");
    let talks = "echo A=sesame-1; echo 'cannot: A=sesame-1 of AGE-SECRET-KEY-1ABC' >&2; exit 1";
    let talks = server.program("talks", talks);
    server.config = format!("age: {{identity_file: {key}, program: {talks}}}");
    says(&trouble(&server, &fine), "cannot open it: cannot: ••• of •••", "anew");
}

#[test]
fn what_is_named_as_if_it_were_encrypted_has_to_be() {
    let server = Server::new();
    for path in ["x.age", "x.sops.env", "deep/x.sops.yaml"] {
        let problem = trouble_at(&server, path, b"A=sesame-1");
        assert_eq!(problem.code, "not-encrypted");
        assert!(!format!("{problem:?}").contains("sesame-1"));
    }
    let files: [(&str, &[u8]); 2] =
        [("compose.yaml", b"services: {web: {image: a}}"), (".env.age", b"A=sesame-1")];
    let problems = server.load(&files, &server.vault()).unwrap_err();
    assert_eq!(problems[0].place.as_ref().unwrap().to_string(), "shop/.env.age");
}

#[test]
fn a_program_that_hangs_is_ended_and_left_alone_for_a_while() {
    let mut server = Server::new();
    let count = server.path("count").display().to_string();
    let hangs = server.program("hangs", &format!("echo x >>{count}; sleep 1000"));
    let key = server.path("age.key").display().to_string();
    server.config = format!("age: {{identity_file: {key}, program: {hangs}}}");
    let vault = Vault { within: Duration::from_millis(300), ..server.vault() };
    for text in ["one", "two"] {
        let unopened = vault.open(&sealed(text.as_bytes()), MOST).unwrap_err();
        assert_eq!(unopened.why, format!("`{hangs}` did not end within 0.3 s"));
    }
    assert_eq!(std::fs::read_to_string(count).unwrap(), "x\n", "it is not waited for twice");
}

#[test]
fn a_file_is_opened_once_as_long_as_the_identity_is_the_same() {
    let mut server = Server::new();
    let count = server.path("count").display().to_string();
    let counts = server.program("counts", &format!("echo x >>{count}; exec age \"$@\""));
    let key = server.path("age.key").display().to_string();
    server.config = format!("age: {{identity_file: {key}, program: {counts}}}");
    let (bytes, vault) = (server.encrypt(b"sesame-1", &[]), server.vault());
    let runs = || std::fs::read_to_string(&count).unwrap().lines().count();
    for _ in 0..3 {
        assert_eq!(vault.open(&sealed(&bytes), MOST).unwrap(), b"sesame-1");
    }
    assert_eq!(runs(), 1);
    let other = server.encrypt(b"sesame-1", &[]);
    assert_eq!(vault.open(&sealed(&other), MOST).unwrap(), b"sesame-1");
    assert_eq!(runs(), 2);
    std::fs::remove_file(&key).unwrap();
    assert!(vault.open(&sealed(&bytes), MOST).is_err(), "an identity that is gone opens nothing");
    server.new_identity("age.key");
    assert!(vault.open(&sealed(&bytes), MOST).is_err(), "nor does another one");
    assert_eq!(runs(), 3);
}

/// Turns `ENC[…]` into what stands in it, and refuses whatever else it is asked.
const SOPS: &str = r#"
[ "$SOPS_AGE_KEY_FILE $SOPS_DECRYPTION_ORDER" = "@KEY@ age" ] && [ -z "$HOME" ] && [ "$PWD" = / ] || { echo "environment" >&2; exit 9; }
[ "$1 $2 $4 $6" = "--decrypt --input-type --output-type /dev/stdin" ] || { echo "arguments: $*" >&2; exit 9; }
case "$3-$5" in
dotenv-dotenv|binary-binary) sed -n 's/[^E]*ENC\[\([^]]*\)\].*/\1/p' /dev/stdin | grep -v mac ;;
yaml-json) cat >/dev/null; printf '{"API_KEY": "se#same $x", "PORT": 80, "ON": true}' ;;
yaml-yaml) cat >/dev/null; printf 'API_KEY: same' ;;
json-json) cat >/dev/null; printf '{"DEEP": {"A": "sesame-9"}}' ;;
*) echo "types: $3-$5" >&2; exit 9 ;;
esac
"#;

#[test]
fn files_of_sops_are_opened_by_sops_with_the_identity_in_a_clean_environment() {
    let mut server = Server::new();
    let key = server.path("age.key").display().to_string();
    let program = server.program("sops", &SOPS.replace("@KEY@", &key));
    server.config = format!("age: {{identity_file: {key}}}, sops: {{program: {program}}}");
    let manifest = b"\
services:
  web:
    image: acme/web:1
    env_file: [web.sops.yaml, more.env]
    secrets: [tls, whole]
secrets: {tls: {file: ./tls.sops.key}, whole: {file: ./web.sops.yaml}}
";
    let yaml = b"API_KEY: ENC[x]\nsops:\n    mac: ENC[y]\n";
    let files: [(&str, &[u8]); 4] = [
        ("compose.yaml", manifest),
        ("web.sops.yaml", yaml),
        ("more.env", b"T=ENC[TOKEN=sesame-7]\nsops_mac=ENC[mac]\n"),
        ("tls.sops.key", br#"{"data": "ENC[sesame-8]", "sops": {"mac": "ENC[mac]"}}"#),
    ];
    let stack = server.load(&files, &server.vault()).unwrap();
    let expected = [
        pair("API_KEY", "se#same $x"),
        pair("ON", "true"),
        pair("PORT", "80"),
        pair("TOKEN", "sesame-7"),
    ];
    assert_eq!(environment(&stack), expected.into());
    let web = &stack.services[&ServiceName::new("web")];
    let contents = web.secret_files.iter().map(|file| file.content.0.as_slice());
    assert_eq!(Vec::from_iter(contents), [b"sesame-8\n".as_slice(), b"API_KEY: same"]);
    assert_eq!(stack.masks.mask("se#same $x sesame-7"), "••• •••");

    let deep = br#"{"DEEP": {"A": "ENC[x]"}, "sops": {"mac": "ENC[y]"}}"#;
    let manifest = b"services: {web: {image: acme/web:1, env_file: x.json}}";
    let files: [(&str, &[u8]); 2] = [("compose.yaml", manifest), ("x.json", deep)];
    let problem = server.load(&files, &server.vault()).unwrap_err().remove(0);
    assert_eq!(problem.place.unwrap().to_string(), "shop/x.json");
    assert_eq!(problem.message, "`DEEP` is a list or a mapping, where a variable has one value");
}

#[test]
fn without_a_server_an_encrypted_file_is_only_remarked() {
    let server = Server::new();
    let sealed = server.encrypt(b"A=sesame-1", &[]);
    let files: [(&str, &[u8]); 5] = [
        ("compose.yaml", MANIFEST),
        (".env.age", &sealed),
        ("web.env.age", &sealed),
        ("token.age", &sealed),
        ("conf.yml.age", &sealed),
    ];
    let stack = server.load_as(&files, ServerFiles::Offline { env: None }, &Nobody).unwrap();
    let remarks: Vec<&str> =
        stack.remarks.iter().map(|Remark { text, .. }| text.as_str()).collect();
    for file in ["web.env.age", ".env.age", "token.age", "conf.yml.age"] {
        let text = format!(
            "`shop/{file}` is encrypted with age; what it holds is known on the server only"
        );
        assert!(remarks.contains(&text.as_str()), "{text} is not among {remarks:#?}");
    }
}
