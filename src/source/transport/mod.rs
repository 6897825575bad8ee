//! How libgit2 reaches a server: over https with this program's own TLS, or through the `ssh` program.
//!
//! libgit2's own transports need OpenSSL and libssh2, and know neither timeouts nor `ssh`'s configuration.
//! libgit2 calls back on the thread that works with a remote; that thread's session says where to connect,
//! how to prove access, and takes down what went wrong, which libgit2 would flatten into a text.

mod http;
mod heard;
mod trust;
mod ssh;
mod credentials;

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use git2::transport::{Service, SmartSubtransport, Transport};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::SourceError;
use super::location::Location;

pub use credentials::Wallet;
pub use heard::Heard;
pub use http::Client;

/// The address that libgit2 is given for every remote; the true one is the session's.
pub const URL: &str = "evenkeel://source";

/// How long a server may take to accept a connection, and to send the next bytes.
const CONNECT: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(60);

/// One of the two conversations that git has with a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Conversation {
    /// Something is fetched.
    UploadPack,
    /// Something is pushed.
    ReceivePack,
}

impl Conversation {
    /// The conversation that `service` is a part of, and whether it is the listing it begins with.
    fn of(service: Service) -> (Self, bool) {
        match service {
            Service::UploadPackLs => (Self::UploadPack, true),
            Service::UploadPack => (Self::UploadPack, false),
            Service::ReceivePackLs => (Self::ReceivePack, true),
            Service::ReceivePack => (Self::ReceivePack, false),
        }
    }

    /// What git calls it.
    fn word(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
        }
    }
}

/// What one exchange with a server needs.
pub struct Session {
    /// Where the repository is.
    pub location: Location,
    /// How access is proved.
    pub wallet: Arc<Wallet>,
    /// The http client, which keeps connections between polls.
    pub client: Client,
    /// Ends the exchange from outside.
    pub cancelled: CancellationToken,
    runtime: Handle,
    failure: Mutex<Option<SourceError>>,
}

impl Session {
    /// A session on the current runtime.
    pub fn new(
        location: Location,
        wallet: Arc<Wallet>,
        client: Client,
        cancelled: CancellationToken,
    ) -> Self {
        let (runtime, failure) = (Handle::current(), Mutex::default());
        Self { location, wallet, client, cancelled, runtime, failure }
    }

    /// Runs `work` with this session as the one libgit2 connects through on this thread.
    pub fn enter<T>(self: &Arc<Self>, work: impl FnOnce() -> T) -> T {
        struct Leave;
        impl Drop for Leave {
            fn drop(&mut self) {
                CURRENT.with(|current| current.replace(None));
            }
        }
        CURRENT.with(|current| current.replace(Some(Arc::clone(self))));
        let _leave = Leave;
        work()
    }

    /// What went wrong outside libgit2, if anything did. Asked once.
    pub fn take_failure(&self) -> Option<SourceError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Takes down `error`; the first one counts. libgit2 gets a text that says no more than needed.
    fn fail(&self, error: SourceError) -> io::Error {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert(error);
        io::Error::other("the exchange with the server failed")
    }

    fn unreachable(&self, why: impl Into<String>) -> io::Error {
        let repo = self.location.to_string();
        self.fail(SourceError::Unreachable { repo, why: why.into() })
    }

    /// Waits for `future` on this blocking thread, until cancelled or for at most `within`.
    fn wait<T>(&self, within: Duration, future: impl Future<Output = T>) -> io::Result<T> {
        let outcome = self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.cancelled.cancelled() => Err("it was given up".to_owned()),
                outcome = tokio::time::timeout(within, future) => {
                    outcome.map_err(|_| format!("no answer within {} s", within.as_secs()))
                }
            }
        });
        outcome.map_err(|why| self.unreachable(why))
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<Session>>> = const { RefCell::new(None) };
}

/// Tells libgit2 of the transport behind [`URL`].
///
/// # Safety
/// Must be called once, before any other use of libgit2.
#[expect(unsafe_code, reason = "libgit2's list of transports is a global without a lock")]
pub unsafe fn register() -> Result<(), git2::Error> {
    // SAFETY: the caller's promise is the one that `register` asks for.
    unsafe {
        git2::transport::register("evenkeel", |remote| {
            let session = CURRENT.with(|current| current.borrow().clone());
            let session = session.ok_or_else(|| git2::Error::from_str("no session"))?;
            match &session.location {
                Location::Http { url, .. } => {
                    let url = url.clone();
                    smart(remote, true, http::HttpPeer::new(session, url))
                }
                Location::Ssh(address) => {
                    let address = address.clone();
                    smart(remote, false, ssh::SshPeer::new(session, address))
                }
                Location::Disk(_) => Err(git2::Error::from_str("a directory needs no transport")),
            }
        })
    }
}

fn smart(
    remote: &git2::Remote<'_>,
    stateless: bool,
    peer: impl SmartSubtransport,
) -> Result<Transport, git2::Error> {
    Transport::smart(remote, stateless, peer)
}
