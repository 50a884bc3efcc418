//! The connection to Redis: one for all calls, multiplexed, with a time limit on each and a circuit in front.
//!
//! There is no pool: it would send a PING at each checkout, which makes two round trips of one, and a multiplexed connection
//! serves all callers at once. After several failures in a row nobody waits for Redis any more; a probe in the background
//! finds out when it is back.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use deadpool_redis::redis::aio::PubSub;
use deadpool_redis::redis::{ErrorKind, Pipeline, RedisError, ServerErrorKind, Value};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::server::{CONNECT_LIMIT, Connection, Server};
use crate::cache::key::Id;
use crate::cache::shared::Away;
use crate::telemetry::{Counter, REDIS_CIRCUITS_OPEN, REDIS_FAILURES, REDIS_OUTAGES, SEALED_VALUES_REFUSED};

/// Failures in a row after which the circuit opens.
const PATIENCE: u32 = 5;
const FIRST_PROBE: Duration = Duration::from_millis(100);
const LAST_PROBE: Duration = Duration::from_secs(2);

type Connecting = Shared<BoxFuture<'static, Result<Connection, Arc<RedisError>>>>;

/// One Redis, as this process reaches it.
pub(crate) struct Link {
    limit: Duration,
    server: Arc<Server>,
    connection: RwLock<Option<(u64, Connecting)>>,
    connections: AtomicU64,
    in_a_row: AtomicU32,
    open: AtomicBool,
    /// Counts the times at which Redis came back.
    returns: watch::Sender<u64>,
    runtime: Mutex<Option<Handle>>,
    pub full: AtomicBool,
    pub failures: Counter,
    pub outages: Counter,
    /// Keys that hold something of another type than ours.
    pub misplaced: Counter,
    /// For metrics: `open` as a figure.
    circuit: Counter,
}

/// What keys of one registration begin with: cloud, tenant and client, hashed.
pub(crate) fn namespace(environment: &str, tenant: &str, client_id: &str) -> String {
    let mut name = Id::of(&["namespace", environment, tenant, client_id]).text();
    name.truncate(22);
    format!("auth:{name}")
}

impl Link {
    pub(super) fn new(server: Arc<Server>, limit: Duration) -> Arc<Self> {
        Arc::new(Self {
            limit,
            server,
            connection: RwLock::default(),
            connections: AtomicU64::default(),
            in_a_row: AtomicU32::default(),
            open: AtomicBool::default(),
            returns: watch::Sender::new(0),
            runtime: Mutex::new(Handle::try_current().ok()),
            full: AtomicBool::default(),
            failures: Counter::named(REDIS_FAILURES),
            outages: Counter::named(REDIS_OUTAGES),
            misplaced: Counter::named(SEALED_VALUES_REFUSED),
            circuit: Counter::named(REDIS_CIRCUITS_OPEN),
        })
    }

    /// True while Redis is not asked.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// Changes whenever Redis came back after an outage.
    pub fn returns(&self) -> watch::Receiver<u64> {
        self.returns.subscribe()
    }

    /// The runtime that carries the connection: the one in which the cache was made or first needed. Later callers may
    /// have others, with shorter lives.
    pub fn runtime(&self) -> Option<Handle> {
        let mut runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        if runtime.is_none() {
            *runtime = Handle::try_current().ok();
        }
        runtime.clone()
    }

    /// The runtime has ended; the next caller's carries on.
    fn forget_runtime(&self) {
        *self.runtime.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Sends commands in one round trip and takes their answers, which may be refusals of single commands.
    pub async fn run(self: &Arc<Self>, commands: &Pipeline) -> Result<Vec<Value>, Away> {
        if self.is_open() {
            return Err(Away);
        }
        match timeout(self.limit, self.send(commands)).await {
            Ok(Ok(answers)) => {
                self.in_a_row.store(0, Ordering::Relaxed);
                Ok(answers)
            }
            Ok(Err(error)) => Err(self.failed(&error.to_string())),
            Err(_) => Err(self.failed("no answer within the time limit")),
        }
    }

    /// A connection of its own, for what the others publish.
    pub async fn subscriber(&self) -> Option<PubSub> {
        timeout(CONNECT_LIMIT, self.server.subscriber()).await.ok()?.ok()
    }

    async fn send(self: &Arc<Self>, commands: &Pipeline) -> Result<Vec<Value>, Arc<RedisError>> {
        let (number, connecting) = self.connection();
        match self.send_on(number, connecting, commands).await {
            // Closed since the last call, by a restart for instance. All our commands may be sent twice.
            Err(error) if error.is_io_error() && !error.is_timeout() => {
                let (number, connecting) = self.connection();
                self.send_on(number, connecting, commands).await
            }
            outcome => outcome,
        }
    }

    async fn send_on(
        self: &Arc<Self>,
        number: u64,
        connecting: Connecting,
        commands: &Pipeline,
    ) -> Result<Vec<Value>, Arc<RedisError>> {
        let outcome = match connecting.await {
            Ok(mut connection) => connection.run(commands).await.map_err(Arc::new),
            Err(error) => Err(error),
        };
        let answers = outcome.inspect_err(|error| {
            if error.is_io_error() || error.is_unrecoverable_error() {
                self.drop_connection(Some(number));
            }
        })?;
        match answers.iter().find_map(not_serving) {
            Some(error) => {
                self.drop_connection(Some(number)); // Perhaps not the master any more: the name leads elsewhere now.
                Err(Arc::new(error))
            }
            None => Ok(answers),
        }
    }

    /// The connection there is, or the one being made. It is made in a task of its own: a caller who gives up does not
    /// break it off.
    fn connection(self: &Arc<Self>) -> (u64, Connecting) {
        // Nearly always there is one, and callers do not keep each other from it.
        if let Some(there) = self.connection.read().unwrap_or_else(PoisonError::into_inner).clone() {
            return there;
        }
        let mut connection = self.connection.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = connection.clone() {
            return there;
        }
        let number = self.connections.fetch_add(1, Ordering::Relaxed);
        let server = Arc::clone(&self.server);
        let limited = async move {
            let late = || RedisError::from((ErrorKind::Io, "no connection within the time limit"));
            timeout(CONNECT_LIMIT, server.connect()).await.unwrap_or_else(|_| Err(late())).map_err(Arc::new)
        };
        let connecting = match self.runtime() {
            Some(runtime) => {
                let task = runtime.spawn(limited);
                let link = Arc::downgrade(self);
                let gone = move || {
                    link.upgrade().inspect(|link| link.forget_runtime());
                    Arc::new(RedisError::from((ErrorKind::Io, "the runtime has ended")))
                };
                async move { task.await.unwrap_or_else(|_| Err(gone())) }.boxed().shared()
            }
            None => limited.boxed().shared(),
        };
        *connection = Some((number, connecting.clone()));
        (number, connecting)
    }

    /// The next call connects anew. With a number: unless somebody did already.
    fn drop_connection(&self, number: Option<u64>) {
        let mut connection = self.connection.write().unwrap_or_else(PoisonError::into_inner);
        if connection.as_ref().is_some_and(|(current, _)| number.is_none_or(|number| number == *current)) {
            *connection = None;
        }
    }

    fn failed(self: &Arc<Self>, reason: &str) -> Away {
        self.failures.add();
        let in_a_row = self.in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
        if in_a_row >= PATIENCE && !self.open.swap(true, Ordering::SeqCst) {
            self.outages.add();
            self.circuit.set(1);
            tracing::warn!(
                "Redis does not answer ({reason}); going on without it, with memory and Entra, until it is back"
            );
            self.drop_connection(None);
            if let Some(runtime) = self.runtime() {
                runtime.spawn(probe(Probing(Arc::downgrade(self))));
            }
        }
        Away
    }

    fn is_back(&self) {
        self.in_a_row.store(0, Ordering::Relaxed);
        self.open.store(false, Ordering::SeqCst);
        self.circuit.set(0);
        self.returns.send_modify(|returns| *returns += 1);
        tracing::info!("Redis is back");
    }
}

/// A circuit is open for as long as somebody looks for Redis. Where the probe is broken off, by the end of its runtime,
/// callers find out for themselves.
struct Probing(Weak<Link>);

impl Drop for Probing {
    fn drop(&mut self) {
        if let Some(link) = self.0.upgrade()
            && link.open.swap(false, Ordering::SeqCst)
        {
            link.circuit.set(0);
            link.in_a_row.store(0, Ordering::Relaxed);
            link.forget_runtime();
        }
    }
}

/// Asks from time to time, until there is an answer. Not all replicas at the same moment.
async fn probe(probing: Probing) {
    let mut pause = FIRST_PROBE;
    loop {
        sleep(pause + jitter(pause)).await;
        let Some(link) = probing.0.upgrade() else { return };
        let mut ping = Pipeline::new();
        ping.cmd("PING");
        match timeout(CONNECT_LIMIT, link.send(&ping)).await {
            Ok(Ok(_)) => return link.is_back(),
            _ => link.drop_connection(None),
        }
        pause = (pause * 2).min(LAST_PROBE);
    }
}

/// Up to a quarter more.
pub(super) fn jitter(pause: Duration) -> Duration {
    let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
    pause / 100 * u32::try_from(random % 25).unwrap_or_default()
}

/// An answer that means that this server serves nobody now, whatever was asked.
fn not_serving(answer: &Value) -> Option<RedisError> {
    let Value::ServerError(error) = answer else { return None };
    let error = RedisError::from(error.clone());
    let away = match error.kind() {
        ErrorKind::AuthenticationFailed => true,
        ErrorKind::Server(kind) => matches!(
            kind,
            ServerErrorKind::BusyLoading
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly
                | ServerErrorKind::NoPerm
        ),
        _ => matches!(error.code(), Some("NOAUTH" | "MISCONF" | "BUSY")),
    };
    away.then_some(error)
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the address: it may hold a password.
        f.debug_struct("Link").field("limit", &self.limit).field("open", &self.open).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_another_cloud_tenant_or_client_begin_otherwise_and_say_nothing() {
        let own = ["login.microsoftonline.com", "tenant", "client"];
        let of = |parts: [&str; 3]| namespace(parts[0], parts[1], parts[2]);

        for changed in 0..own.len() {
            let mut other = own;
            other[changed] = "another";
            assert_ne!(of(own), of(other));
        }
        assert!(own.iter().all(|part| !of(own).contains(part)));
    }
}
