//! Work that goes on for a user when the request, and the token that came with it, are gone.
//!
//! 1. A request is accepted: its token is exchanged once ([long-running on-behalf-of](crate::flows)), and what is to be
//!    done is filed under an id that the caller gets.
//! 2. A worker claims it, in this replica or in another, for as long as its lease lasts. One that dies loses the lease,
//!    and the next one begins again: work may be done twice and must bear it.
//! 3. The worker takes the user's token from the cache that replicas share, or renews it.
//! 4. The outcome is filed, for that user alone, and the tokens of the process are forgotten.
//!
//! | file | what it is |
//! |---|---|
//! | `record.rs` | what is filed for one piece of work, sealed where it leaves the process |
//! | `queue.rs` | who is next: the operations, and the memory of one process |
//! | `redis.rs` | the same in Redis, for several |
//! | `worker.rs` | claims, works, files the outcome |

mod queue;
mod record;
#[cfg(feature = "redis")]
mod redis;
mod worker;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use self::queue::{MemoryQueue, Queue, Trouble};
use self::record::{Owner, Record};
pub use self::worker::Task;
use crate::client::ConfidentialClient;
use crate::env::ConfigError;
use crate::error::{Error, TransportError};
use crate::jwt::UserClaims;
use crate::protocol::scope::Scopes;

/// How long a worker that says nothing keeps a piece of work.
const LEASE: SignedDuration = SignedDuration::from_secs(30);
/// What nobody got round to within this time is forgotten.
const WAITS: SignedDuration = SignedDuration::from_hours(24);
/// How long an outcome can be fetched.
const KEPT: SignedDuration = SignedDuration::from_hours(1);

/// Work of one kind that goes on for users in the background: `T` is what is to be done, `R` what comes of it. Clones
/// share it.
///
/// ```no_run
/// # async fn example(client: shared_auth::ConfidentialClient, caller: shared_auth::UserClaims) -> Result<(), shared_auth::Error> {
/// use shared_auth::background::{BackgroundWork, Progress, Task};
///
/// let counts: BackgroundWork<String, usize> = BackgroundWork::new("letters", &client);
/// // A worker, in as many replicas as there are:
/// tokio::spawn(counts.clone().run(|task: Task<String>| async move {
///     let token = task.acquire_token("User.Read").await?; // the user's, whose request is long over
///     # drop(token);
///     Ok(task.input.len())
/// }));
/// // In a handler:
/// let id = counts.accept(&caller, "User.Read", &"hello".to_owned()).await?;
/// // In another one, perhaps in another replica:
/// if let Some(Progress::Done(count)) = counts.progress(&caller, &id).await? {
///     assert_eq!(count, 5);
/// }
/// # Ok(())
/// # }
/// ```
pub struct BackgroundWork<T, R> {
    name: Arc<str>,
    client: ConfidentialClient,
    queue: Arc<dyn Queue>,
    /// Something was filed here; the worker need not wait for its next look.
    filed: Arc<Notify>,
    types: PhantomData<fn() -> (T, R)>,
}

/// Names a piece of work. No secret: it is shown to its owner alone, whoever else asks.
///
/// ```
/// use shared_auth::background::TaskId;
///
/// // The caller gets it in an answer and brings it back in an address.
/// let id: TaskId = serde_json::from_str("\"f81d4fae\"")?;
/// assert_eq!(format!("/reports/{id}"), "/reports/f81d4fae");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(String);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far a piece of work is.
///
/// ```
/// use shared_auth::background::Progress;
///
/// fn sentence(progress: &Progress<usize>) -> String {
///     match progress {
///         Progress::Done(count) => format!("{count} letters"),
///         Progress::NeedsTheUser => "please sign in and start it again".to_owned(),
///         Progress::Failed => "that did not work".to_owned(),
///         _ => "not yet".to_owned(),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Progress<R> {
    /// No worker has begun.
    Accepted,
    /// A worker is at it, or waits to try again.
    Running,
    /// It is done; kept for an hour.
    Done(R),
    /// Only the user can help: a session that was ended, a second factor, a consent. To be started again after a sign-in.
    NeedsTheUser,
    /// It cannot be done; the log of the worker says why.
    Failed,
}

impl<T, R> BackgroundWork<T, R>
where
    T: Serialize + DeserializeOwned + Send + 'static,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    /// Work that is kept in this process, and ends with it. `name` tells kinds of work apart.
    ///
    /// ```
    /// use shared_auth::ConfidentialClient;
    /// use shared_auth::background::BackgroundWork;
    ///
    /// fn reports(client: &ConfidentialClient) -> BackgroundWork<String, usize> {
    ///     BackgroundWork::new("reports", client)
    /// }
    /// ```
    pub fn new(name: &str, client: &ConfidentialClient) -> Self {
        Self {
            name: name.into(),
            client: client.clone(),
            queue: Arc::new(MemoryQueue::default()),
            filed: Arc::default(),
            types: PhantomData,
        }
    }

    /// Work that lies in Redis, sealed: any replica goes on with it. `None` leaves it in this process.
    ///
    /// The client must share its tokens there too ([`shared_cache`](crate::ConfidentialClientBuilder::shared_cache)).
    ///
    /// ```
    /// use shared_auth::RedisCache;
    /// use shared_auth::background::BackgroundWork;
    ///
    /// fn everywhere(work: BackgroundWork<String, usize>, redis: RedisCache) -> BackgroundWork<String, usize> {
    ///     work.shared(redis)
    /// }
    /// ```
    #[cfg(feature = "redis")]
    #[must_use]
    pub fn shared(mut self, redis: impl Into<Option<crate::cache::redis::RedisCache>>) -> Self {
        if let Some(redis) = redis.into() {
            let (authority, client_id) = (self.client.authority(), self.client.client_id());
            let namespace =
                crate::cache::redis::namespace(authority.environment(), authority.realm(), client_id);
            self.queue = Arc::new(redis::RedisQueue::new(redis, &namespace, &self.name));
        }
        self
    }

    /// Accepts work for the caller: a token for `scopes` is got at once, so that whatever the user must do about it is
    /// said now and not to nobody later.
    ///
    /// ```no_run
    /// # async fn example(work: shared_auth::background::BackgroundWork<String, usize>, caller: shared_auth::UserClaims) -> Result<(), shared_auth::Error> {
    /// let id = work.accept(&caller, "Mail.Read", &"the whole year".to_owned()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`initiate_long_running_on_behalf_of`](ConfidentialClient::initiate_long_running_on_behalf_of);
    /// [`Error::Transport`], retryable, where the work cannot be filed: Redis is away, or too much waits already.
    pub async fn accept(
        &self,
        caller: &UserClaims,
        scopes: impl Into<Scopes>,
        input: &T,
    ) -> Result<TaskId, Error> {
        let (_, key) = self.client.initiate_long_running_on_behalf_of(caller.assertion(), scopes).await?;
        let id = TaskId::random()?;
        let record = Record::<&T, R>::accepted(Owner::of(caller), key.clone(), input);
        let now = self.client.inner.clock.now();
        if let Err(trouble) = self.queue.add(&id.hashed(), record.to_bytes()?, now).await {
            self.client.stop_long_running_process(&key);
            return Err(self.trouble(trouble));
        }
        tracing::info!("accepted background work \"{}\"", self.name);
        self.filed.notify_one();
        Ok(id)
    }

    /// How far the caller's work is; `None` where there is none, or where it is somebody else's.
    ///
    /// ```no_run
    /// # async fn example(work: shared_auth::background::BackgroundWork<String, usize>, caller: shared_auth::UserClaims, id: shared_auth::background::TaskId) -> Result<(), shared_auth::Error> {
    /// use shared_auth::background::Progress;
    ///
    /// if let Some(Progress::Done(pages)) = work.progress(&caller, &id).await? {
    ///     println!("{pages} pages");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Transport`], retryable, where Redis is away.
    pub async fn progress(&self, caller: &UserClaims, id: &TaskId) -> Result<Option<Progress<R>>, Error> {
        let now = self.client.inner.clock.now();
        let filed = self.queue.read(&id.hashed(), now).await.map_err(|trouble| self.trouble(trouble))?;
        let record = filed.and_then(|bytes| Record::<T, R>::from_bytes(&bytes));
        Ok(record.filter(|record| record.owner == Owner::of(caller)).map(|record| record.progress))
    }

    fn trouble(&self, trouble: Trouble) -> Error {
        let happened = match trouble {
            Trouble::Away => "Redis does not answer; try again in a moment",
            Trouble::Full => "too much work waits already; try again later",
        };
        Error::from(TransportError {
            tried: format!("filing the background work \"{}\"", self.name),
            endpoint: "its queue".to_owned(),
            happened: happened.to_owned(),
            retryable: true,
            correlation_id: None,
        })
    }
}

impl TaskId {
    fn random() -> Result<Self, Error> {
        let mut bytes = [0; 16];
        aws_lc_rs::rand::fill(&mut bytes)
            .map_err(|_| ConfigError::new("randomness", "the system's random generator does not answer"))?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// What it is filed under.
    fn hashed(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.0.as_bytes()))
    }
}

impl<T, R> Clone for BackgroundWork<T, R> {
    fn clone(&self) -> Self {
        Self {
            name: Arc::clone(&self.name),
            client: self.client.clone(),
            queue: Arc::clone(&self.queue),
            filed: Arc::clone(&self.filed),
            types: PhantomData,
        }
    }
}

impl<T, R> fmt::Debug for BackgroundWork<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackgroundWork").field("name", &self.name).finish_non_exhaustive()
    }
}
