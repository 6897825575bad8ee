//! Sources against real peers: git's own http backend behind a web server, a real sshd, directories.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod disk;
mod hostile;
mod http;
mod push;
mod signed;
mod ssh;
mod ssh_server;
mod upstream;
mod verified;
mod acceptance;
mod web_server;
mod write_back;

use std::path::Path;

use evenkeel::model::tree::Revision;
use evenkeel::source::{Credentials, Fetched, Reference, Source, SourceError, SourceSpec};

/// A source with a state directory of its own.
struct Follower {
    state: tempfile::TempDir,
    spec: SourceSpec,
    source: Source,
}

impl Follower {
    fn of(repo: impl Into<String>) -> Self {
        let state = tempfile::tempdir().unwrap();
        let spec = SourceSpec {
            name: "infra".into(),
            repo: repo.into(),
            reference: Reference::Branch("main".into()),
            path: "hosts/web-1".into(),
            credentials: Credentials::None,
        };
        let source = Source::open(spec.clone(), state.path());
        Self { state, spec, source }
    }

    /// The same state directory with another configuration, as after a restart.
    fn with(mut self, change: impl FnOnce(&mut SourceSpec)) -> Self {
        change(&mut self.spec);
        self.source = Source::open(self.spec.clone(), self.state.path());
        self
    }

    fn following(self, reference: Reference) -> Self {
        self.with(|spec| spec.reference = reference)
    }

    async fn latest(&self) -> Fetched {
        self.source.latest().await.unwrap()
    }

    async fn failure(&self) -> SourceError {
        let error = self.source.latest().await.unwrap_err();
        assert!(!error.hint().is_empty());
        error
    }

    /// Polls, and expects `commit` and the stack file's `content`.
    async fn check(&self, commit: &str, content: &str) -> Fetched {
        let fetched = self.latest().await;
        assert_eq!(fetched.revision.commit.as_str(), commit);
        assert_eq!(stack_of(&fetched.revision), content);
        fetched
    }

    /// The mirror's directory.
    fn mirror(&self) -> std::path::PathBuf {
        let entries = std::fs::read_dir(self.state.path().join("git")).unwrap();
        let mut paths = entries.map(|entry| entry.unwrap().path());
        paths.find(|path| path.extension().is_some_and(|extension| extension == "git")).unwrap()
    }
}

fn stack_of(revision: &Revision) -> String {
    let content = revision.tree.read("hosts/web-1/compose.yaml", 1 << 20).unwrap();
    String::from_utf8(content.unwrap()).unwrap()
}

fn write(path: &Path, content: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}
