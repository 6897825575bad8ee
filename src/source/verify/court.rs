//! A source's commits before the court: what is read from the mirror, fetched from the server and asked of programs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use git2::{ErrorCode, ObjectType, Oid, Repository};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::commit::{Signed, take_apart};
use super::past::{Past, Wanted, look};
use super::signers::Signers;
use super::sshsig::{self, SshSignature};
use super::{Demands, Refusal, Verdict, gpgv, read_signers};
use crate::model::CommitId;
use crate::model::tree::Revision;
use crate::source::follow::{EXCHANGE, Place, Source, blocking};
use crate::source::location::Location;
use crate::source::mirror::Mirror;
use crate::source::{Reference, SourceError, commit as commits, fetch};

/// How many commits of the past are fetched, one after the other, until the last accepted one is among them.
const DEPTHS: &[i32] = &[16, 256, 4096];

/// The most commits whose signatures are looked at, at a time.
const MOST_SIGNED: usize = 1000;

/// A commit may be dated later than now by this much, in seconds: clocks differ.
const SKEW: i64 = 300;

/// What git's signatures are made for.
const NAMESPACE: &str = "git";

impl Source {
    /// Whether `commit`, which is in the mirror, may be followed. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// That could not be found out: the mirror or the server is of no use now.
    pub async fn judge(
        &self,
        commit: &CommitId,
        demands: &Demands,
    ) -> Result<Verdict, SourceError> {
        let bench = self.bench().await?;
        let id = bench.id(commit)?;
        let court = Court::new(demands, bench.mirror.path());
        let signer = match court.signer(&bench.raw(id).await?).await {
            Ok(signer) => signer,
            Err(refusal) => return Ok(Verdict::Refused(refusal)),
        };
        let wanted = match (demands.whole_range, demands.fast_forward) {
            (true, _) => Wanted::All,
            (false, true) => Wanted::Descent,
            (false, false) => return Ok(Verdict::Accepted(signer)),
        };
        let Some(before) = &demands.before else { return Ok(Verdict::Accepted(signer)) };
        let since = match bench.past(id, bench.id(before)?, wanted).await? {
            Past::Apart(_) if demands.fast_forward => {
                return Ok(Verdict::Refused(Refusal::new(format!(
                    "it does not build on {}, which was accepted last: the branch was rewritten or wound back",
                    before.short()
                ))));
            }
            Past::Unknown | Past::Endless => {
                return Ok(Verdict::Refused(Refusal::new(format!(
                    "its past cannot be had as far back as {}, which was accepted last",
                    before.short()
                ))));
            }
            Past::Since(since) | Past::Apart(since) => since,
        };
        if demands.whole_range
            && let Some(refusal) = bench.first_refused(&court, id, &since).await?
        {
            return Ok(Verdict::Refused(refusal));
        }
        Ok(Verdict::Accepted(signer))
    }

    /// The revision of `commit` as the mirror has it. Asks nobody.
    pub async fn kept(&self, commit: &CommitId) -> Result<Revision, SourceError> {
        let bench = self.bench().await?;
        let id = bench.id(commit)?;
        if !bench.repository()?.is_some_and(|repository| fetch::has(&repository, id)) {
            return Err(bench.missing(commit, "it is not in the mirror"));
        }
        self.revision(&bench.mirror, id).await
    }

    /// Has the mirror hold `commit` from now on, also when it is made anew and no branch leads there any more.
    pub async fn keep(&self, commit: &CommitId) -> Result<(), SourceError> {
        let bench = self.bench().await?;
        let id = bench.id(commit)?;
        blocking(&self.spec().repo, move || {
            bench.mirror.keep(id).map_err(|error| bench.mirror.unusable(&error.to_string()))
        })
        .await
    }

    /// The commit whose id begins with `digits`, in the mirror or, where those are all 40, fetched.
    pub async fn find(&self, digits: &str) -> Result<CommitId, SourceError> {
        let bench = self.bench().await?;
        let (repository, wanted) = (bench.repository()?, CommitId::new(digits));
        if let Some(repository) = repository {
            match repository.find_commit_by_prefix(digits) {
                Ok(commit) => return Ok(CommitId::new(commit.id().to_string())),
                Err(error) if error.code() == ErrorCode::Ambiguous => {
                    return Err(bench.missing(&wanted, "several begin like that"));
                }
                Err(_) => {}
            }
        }
        if digits.len() < 40 {
            return Err(bench.missing(&wanted, "none that is known here begins like that"));
        }
        Ok(self.at(&wanted).await?.commit)
    }

    /// When `commit` was committed, as it says itself; `None` where the mirror does not have it.
    pub async fn committed_at(&self, commit: &CommitId) -> Option<Timestamp> {
        let bench = self.bench().await.ok()?;
        let raw = bench.raw(bench.id(commit).ok()?).await.ok()?;
        Timestamp::from_second(take_apart(&raw).ok()?.committed_at).ok()
    }

    async fn bench(&self) -> Result<Bench<'_>, SourceError> {
        match self.place().await? {
            Place::Directory(path) => {
                Err(SourceError::NoCommits { path: path.display().to_string() })
            }
            Place::Repository(location) => {
                let mirror = self.mirror(&location, &self.spec().reference);
                Ok(Bench { source: self, location, mirror })
            }
        }
    }
}

/// A source with its mirror.
struct Bench<'a> {
    source: &'a Source,
    location: Location,
    mirror: Mirror,
}

impl Bench<'_> {
    fn id(&self, commit: &CommitId) -> Result<Oid, SourceError> {
        fetch::commit_id(commit.as_str()).map_err(|why| self.missing(commit, &why))
    }

    fn missing(&self, commit: &CommitId, why: &str) -> SourceError {
        let (repo, commit) = (self.location.to_string(), commit.to_string());
        SourceError::NoSuchCommit { repo, commit, why: why.to_owned() }
    }

    fn repository(&self) -> Result<Option<Repository>, SourceError> {
        self.mirror.read()
    }

    /// The bytes of a commit.
    async fn raw(&self, commit: Oid) -> Result<Vec<u8>, SourceError> {
        let mirror = self.mirror.clone();
        blocking(&self.source.spec().repo, move || {
            let unusable = |error: git2::Error| mirror.unusable(error.message());
            let repository = mirror.read()?.ok_or_else(|| mirror.unusable("it has gone"))?;
            let odb = repository.odb().map_err(unusable)?;
            let object = odb.read(commit).map_err(unusable)?;
            match object.kind() == ObjectType::Commit {
                true => Ok(object.data().to_vec()),
                false => Err(mirror.unusable(&format!("{commit} is no commit"))),
            }
        })
        .await
    }

    /// How `commit` stands to `before`; what is missing of that is fetched.
    async fn past(&self, commit: Oid, before: Oid, wanted: Wanted) -> Result<Past, SourceError> {
        let mut past = self.look(commit, before, wanted).await?;
        for depth in DEPTHS {
            if past != Past::Unknown {
                break;
            }
            self.deepen(*depth).await?;
            past = self.look(commit, before, wanted).await?;
        }
        Ok(past)
    }

    async fn look(&self, commit: Oid, before: Oid, wanted: Wanted) -> Result<Past, SourceError> {
        let mirror = self.mirror.clone();
        blocking(&self.source.spec().repo, move || {
            let repository = mirror.read()?.ok_or_else(|| mirror.unusable("it has gone"))?;
            Ok(look(&repository, commit, before, wanted))
        })
        .await
    }

    /// Fetches what is followed with so many commits of its past.
    async fn deepen(&self, depth: i32) -> Result<(), SourceError> {
        let name = match &self.source.spec().reference {
            Reference::DefaultBranch => "HEAD".to_owned(),
            Reference::Branch(name) => format!("refs/heads/{name}"),
            Reference::Tag(name) => format!("refs/tags/{name}"),
            Reference::Commit(id) => id.clone(),
        };
        let lock = self.mirror.lock(EXCHANGE).await?;
        let cancelled = CancellationToken::new();
        let session = Arc::new(self.source.session(self.location.clone(), cancelled.clone()));
        let mirror = self.mirror.clone();
        let _given_up = cancelled.drop_guard();
        let work = move || {
            let _lock = lock;
            let repository = mirror.read()?.ok_or_else(|| mirror.unusable("it has gone"))?;
            commits::deepen(&repository, &session, &name, depth)
        };
        let fetched = tokio::time::timeout(EXCHANGE, blocking(&self.source.spec().repo, work));
        fetched.await.unwrap_or_else(|_| {
            let why = format!("not done within {} min", EXCHANGE.as_secs() / 60);
            Err(SourceError::Unreachable { repo: self.location.to_string(), why })
        })
    }

    /// The first of the commits `since` that may not be there; `head` was looked at before.
    async fn first_refused(
        &self,
        court: &Court<'_>,
        head: Oid,
        since: &[Oid],
    ) -> Result<Option<Refusal>, SourceError> {
        if since.len() > MOST_SIGNED {
            let many = since.len();
            let reason = format!("it brings along {many} commits, more than {MOST_SIGNED}");
            return Ok(Some(Refusal::new(reason)));
        }
        for id in since.iter().filter(|id| **id != head) {
            if let Err(refusal) = court.signer(&self.raw(*id).await?).await {
                let short: String = id.to_string().chars().take(7).collect();
                let reason =
                    format!("it brings along commit {short}, of which: {}", refusal.reason);
                return Ok(Some(Refusal { reason, ..refusal }));
            }
        }
        Ok(None)
    }
}

/// What commits are held against.
struct Court<'a> {
    demands: &'a Demands,
    signers: Option<(&'a Path, Result<Signers, String>)>,
    /// Where files may be made for a moment.
    directory: PathBuf,
}

impl<'a> Court<'a> {
    fn new(demands: &'a Demands, mirror: &Path) -> Self {
        let signers = demands.allowed_signers.as_deref().map(|path| (path, read_signers(path)));
        let directory = mirror.parent().unwrap_or(mirror).to_owned();
        Self { demands, signers, directory }
    }

    /// Who has signed the commit that consists of `raw`.
    async fn signer(&self, raw: &[u8]) -> Result<String, Refusal> {
        let signed = take_apart(raw).map_err(Refusal::new)?;
        let Some(signature) = &signed.signature else {
            return Err(Refusal::new(format!(
                "it is not signed; {} committed it",
                signed.committer
            )));
        };
        if signed.committed_at > self.demands.now.as_second().saturating_add(SKEW) {
            let at = Timestamp::from_second(signed.committed_at);
            let at =
                at.map_or_else(|_| "a time beyond all calendars".to_owned(), |at| at.to_string());
            return Err(Refusal::new(format!("it is dated later than now: {at}"))
                .hint("mend the clock it was made by, or this server's"));
        }
        if signature.starts_with(sshsig::BEGIN) {
            self.by_ssh(&signed, signature)
        } else if signature.starts_with(gpgv::BEGIN) {
            self.by_gpgv(&signed, signature).await
        } else {
            Err(Refusal::new("its signature is of a kind that is not verified"))
        }
    }

    fn by_ssh(&self, signed: &Signed, signature: &str) -> Result<String, Refusal> {
        let (path, signers) = match &self.signers {
            Some((path, Ok(signers))) => (path.display(), signers),
            Some((_, Err(why))) => {
                return Err(Refusal::new(format!("nobody is known who may sign: {why}"))
                    .hint("mend the file that `allowed_signers` names"));
            }
            None => {
                return Err(Refusal::new("it is signed with an SSH key, and none may sign")
                    .hint("name the keys with `allowed_signers`"));
            }
        };
        let unreadable = |_| Refusal::new("its signature cannot be read, or its key is of no use");
        let signature = SshSignature::parse(signature).map_err(unreadable)?;
        let fingerprint = signature.signer.key().fingerprint();
        if signature.namespace != NAMESPACE {
            return Err(Refusal::new("its signature was made for something else than git"));
        }
        if !signature.is_of(&signed.payload) {
            return Err(Refusal::new("its signature is over something else"));
        }
        let time = signed.committed_at;
        let principals = signers.principals(&signature, time);
        match principals.iter().find(|name| signers.allow(name, &signature, time)) {
            Some(name) => Ok(format!("{name} ({fingerprint})")),
            None => Err(not_allowed(&fingerprint, &path.to_string(), signers, &signature)),
        }
    }

    async fn by_gpgv(&self, signed: &Signed, signature: &str) -> Result<String, Refusal> {
        let Some(keyring) = &self.demands.keyring else {
            return Err(Refusal::new(
                "it is signed with OpenPGP, and no key of that kind may sign",
            )
            .hint("name the keys with `keyring`"));
        };
        if let Err(error) = std::fs::File::open(keyring) {
            let why = format!("{} cannot be read: {error}", keyring.display());
            return Err(Refusal::new(format!("nobody is known who may sign: {why}"))
                .hint("mend the file that `keyring` names"));
        }
        let found = gpgv::verify(keyring, &signed.payload, signature, &self.directory).await;
        found.map_err(|failure| match failure {
            gpgv::Failure::Program(why) => {
                Refusal::new(format!("its signature cannot be verified: {why}"))
                    .hint("install `gpgv`, and see that `keyring` is what `gpg --export` wrote")
            }
            gpgv::Failure::Signature(why) => {
                Refusal::new(format!("its OpenPGP signature is no good: {why}"))
            }
        })
    }
}

fn not_allowed(
    fingerprint: &str,
    path: &str,
    signers: &Signers,
    signature: &SshSignature,
) -> Refusal {
    let known = signers.known_as(&signature.signer);
    let reason = match known {
        Some(principals) => format!(
            "{path} knows its key {fingerprint} ({principals}), and not for git at the time of the commit"
        ),
        None => format!("{path} does not know its key {fingerprint}"),
    };
    let unusable: Vec<String> =
        signers.unusable.iter().take(3).map(|(line, why)| format!("line {line}: {why}")).collect();
    match unusable.is_empty() {
        true => Refusal::new(reason),
        false => Refusal::new(reason)
            .hint(format!("see what matches nobody there: {}", unusable.join("; "))),
    }
}
