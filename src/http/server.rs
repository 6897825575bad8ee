//! The places where the daemon listens, beside its loop.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::connection;
use super::hub::Hub;
use super::keys::Keys;
use super::routes::{Caller, Door};
use super::socket;
use crate::config::Http;

/// How long a rollback that was begun here may go on when the daemon ends.
const FAREWELL: Duration = Duration::from_secs(8);

/// Listens until it is dropped.
pub struct Server {
    hub: Arc<Hub>,
    work: JoinSet<Infallible>,
}

/// Where the unix socket is to be.
#[derive(Clone, Debug)]
pub struct Address {
    /// Its path.
    pub path: PathBuf,
    /// Whether somebody named it, so that they want to hear when it cannot be had.
    pub is_named: bool,
}

impl Server {
    /// Begins to listen: at `socket`, and by TCP wherever the configuration says so at the time.
    pub fn start(hub: &Arc<Hub>, socket: Option<Address>) -> Self {
        let mut work = JoinSet::new();
        work.spawn(by_tcp(Arc::clone(hub)));
        if let Some(address) = socket {
            work.spawn(by_socket(Arc::clone(hub), address));
        }
        Self { hub: Arc::clone(hub), work }
    }

    /// Ends what was begun here, and listens no longer.
    pub async fn end(mut self) {
        self.hub.stop.cancel();
        self.hub.tasks.close();
        // What is left half-way then is put in order by the next pass.
        let _ = tokio::time::timeout(FAREWELL, self.hub.tasks.wait()).await;
        // Waited for, so that the socket is taken away.
        self.work.shutdown().await;
    }
}

/// Listens at the socket. Where it cannot be had it is tried again with each look at the configuration.
async fn by_socket(hub: Arc<Hub>, address: Address) -> Infallible {
    let path = address.path.display();
    let mut looks = hub.looks();
    let mut told = String::new();
    loop {
        match socket::bind(&address.path) {
            Ok((listener, _place)) => {
                tracing::debug!("listening at {path}");
                let caller = |_: &_| Caller { hub: Arc::clone(&hub), door: Door::Socket };
                connection::serve(listener, caller).await;
            }
            Err(error) => {
                let why = error.to_string();
                match address.is_named && why != told {
                    true => tracing::warn!("the socket {path} cannot be had: {why}"),
                    false => tracing::debug!("the socket {path} cannot be had: {why}"),
                }
                told = why;
            }
        }
        wait(looks.changed()).await;
    }
}

/// Listens by TCP, as the configuration has it, through all its changes.
async fn by_tcp(hub: Arc<Hub>) -> Infallible {
    let mut worlds = hub.desk.worlds();
    let mut looks = hub.looks();
    let mut told = None;
    loop {
        let http = worlds.borrow_and_update().config.http.clone();
        let changed = async {
            while worlds.borrow_and_update().config.http == http {
                wait(worlds.changed()).await;
            }
        };
        let Some(http) = &http else {
            changed.await;
            continue;
        };
        match bind(http).await {
            Ok(listener) => {
                told = None;
                tracing::debug!("listening at {}", http.listen);
                let keys = Arc::new(Keys::of(http));
                tokio::select! {
                    () = changed => {}
                    () = serve(&hub, listener, &keys) => {}
                    never = read_anew(&hub, http, &keys) => match never {},
                }
            }
            Err(error) => {
                let why = format!("`http.listen: {}` cannot be had: {error}", http.listen);
                if told.as_ref() != Some(&why) {
                    tracing::error!("{why}; it is tried again with each pass");
                }
                told = Some(why);
                tokio::select! {
                    () = changed => {}
                    () = wait(looks.changed()) => {}
                }
            }
        }
    }
}

async fn bind(http: &Http) -> io::Result<TcpListener> {
    TcpListener::bind(http.listen).await
}

async fn serve(hub: &Arc<Hub>, listener: TcpListener, keys: &Arc<Keys>) {
    let caller = |address: &std::net::SocketAddr| {
        let door = Door::Tcp { peer: address.ip(), keys: Arc::clone(keys) };
        Caller { hub: Arc::clone(hub), door }
    };
    connection::serve(listener, caller).await;
}

/// Reads the tokens anew with each look at the configuration.
async fn read_anew(hub: &Hub, http: &Http, keys: &Keys) -> Infallible {
    let mut looks = hub.looks();
    loop {
        wait(looks.changed()).await;
        keys.read(http);
    }
}

/// Waits for a change; for ever where there can be none any more.
async fn wait<E>(change: impl Future<Output = Result<(), E>>) {
    if change.await.is_err() {
        std::future::pending::<()>().await;
    }
}
