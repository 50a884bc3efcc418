//! Claims what is due, works on it with the user's tokens, files the outcome.
//!
//! An error that time may heal is tried again, a few times, later each time; whatever only the user can change ends the
//! work, and says so to whoever asks for it.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::queue::Bytes;
use super::record::Record;
use super::{BackgroundWork, LEASE, Progress};
use crate::client::{AuthenticationResult, ConfidentialClient};
use crate::error::Error;
use crate::flows::long_running::LongRunningKey;
use crate::protocol::scope::Scopes;
use crate::secret::User;

/// Pieces of work under way in one process.
const AT_ONCE: usize = 4;
/// How often it is looked for work that another replica accepted.
const LOOK: Duration = Duration::from_millis(500);
/// A lease is renewed well before it ends.
const RENEW: Duration = Duration::from_secs(10);
const ATTEMPTS: u32 = 5;
/// The first wait after a failure; each further one is twice as long.
const PAUSE: SignedDuration = SignedDuration::from_secs(5);

/// A piece of work as the worker gets it.
///
/// ```
/// use shared_auth::Error;
/// use shared_auth::background::Task;
///
/// async fn count(task: Task<String>) -> Result<usize, Error> {
///     let token = task.acquire_token("Mail.Read").await?; // renewed where it has ended
///     println!("a token until {} for {} letters", token.expires_at, task.input.len());
///     Ok(task.input.len())
/// }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Task<T> {
    /// What is to be done.
    pub input: T,
    client: ConfidentialClient,
    key: LongRunningKey,
}

impl<T> Task<T> {
    /// A token of the user for whom this is done: from the cache, or renewed.
    ///
    /// # Errors
    /// As [`acquire_token_in_long_running_process`](ConfidentialClient::acquire_token_in_long_running_process).
    pub async fn acquire_token(
        &self,
        scopes: impl Into<Scopes>,
    ) -> Result<AuthenticationResult<User>, Error> {
        self.client.acquire_token_in_long_running_process(&self.key, scopes.into()).await
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("key", &self.key).finish_non_exhaustive()
    }
}

impl<T, R> BackgroundWork<T, R>
where
    T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
    R: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// The worker: never ends by itself. Dropped, it leaves what it was at to the next one.
    pub async fn run<F, W>(self, work: F)
    where
        F: Fn(Task<T>) -> W + Send + Sync + 'static,
        W: Future<Output = Result<R, Error>> + Send + 'static,
    {
        let work = Arc::new(work);
        let mut under_way = JoinSet::new();
        loop {
            while under_way.len() < AT_ONCE
                && let Some((id, record)) = self.claim().await
            {
                let (this, work) = (self.clone(), Arc::clone(&work));
                under_way.spawn(async move { this.perform(&id, record, &*work).await });
            }
            tokio::select! {
                () = self.filed.notified() => {}
                () = sleep(LOOK) => {}
                Some(ended) = under_way.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!("background work \"{}\" broke off ({error}); it is tried again", self.name);
                    }
                }
            }
        }
    }

    /// The next piece of work. A queue that is away is looked at again with the next round.
    async fn claim(&self) -> Option<(String, Bytes)> {
        let now = self.client.inner.clock.now();
        self.queue.claim(now, now + LEASE).await.ok().flatten()
    }

    async fn perform<F, W>(&self, id: &str, record: Bytes, work: &F)
    where
        F: Fn(Task<T>) -> W,
        W: Future<Output = Result<R, Error>>,
    {
        let clock = &self.client.inner.clock;
        let Some(mut record) = Record::<T, R>::from_bytes(&record) else {
            tracing::warn!(
                "background work \"{}\" of another version of this program is left out",
                self.name
            );
            return self.file(id, None).await;
        };
        record.attempts += 1;
        if record.attempts > ATTEMPTS {
            // It never came as far as an error: it takes its worker down with it.
            record.progress = Progress::Failed;
            return self.file(id, Some(record)).await;
        }
        record.progress = Progress::Running;
        let (now, begun) = (clock.now(), record.to_bytes());
        let Ok(begun) = begun else { return };
        if self.queue.update(id, begun, now + LEASE, now).await.is_err() {
            return; // The lease ends, and the next round begins where this one did.
        }
        let task = Task { input: record.input.clone(), client: self.client.clone(), key: record.key.clone() };
        let outcome = tokio::select! {
            outcome = work(task) => outcome,
            () = self.keep_lease(id) => return,
        };
        record.progress = match outcome {
            Ok(result) => Progress::Done(result),
            Err(error) if error.is_retryable() && record.attempts < ATTEMPTS => {
                let pause = PAUSE * (1 << (record.attempts - 1));
                let due = clock.now() + pause;
                tracing::warn!("background work \"{}\" is tried again at {due}: {error}", self.name);
                let _the_lease_ends_otherwise = self.queue.postpone(id, due).await;
                return;
            }
            Err(error) => {
                tracing::error!("background work \"{}\" failed: {error}", self.name);
                let user = error.is_interaction_required() || error.claims_challenge().is_some();
                if user { Progress::NeedsTheUser } else { Progress::Failed }
            }
        };
        self.file(id, Some(record)).await;
    }

    /// Files the outcome, and then forgets the tokens of the process.
    async fn file(&self, id: &str, record: Option<Record<T, R>>) {
        let bytes = record.as_ref().map_or_else(|| Ok(Bytes::default()), Record::to_bytes);
        let Ok(bytes) = bytes else {
            return tracing::error!(
                "the outcome of background work \"{}\" cannot be written as JSON",
                self.name
            );
        };
        if self.queue.finish(id, bytes, self.client.inner.clock.now()).await.is_ok()
            && let Some(record) = record
        {
            self.client.stop_long_running_process(&record.key);
            tracing::info!("background work \"{}\" ended at attempt {}", self.name, record.attempts);
        }
    }

    /// Renews the lease for as long as the work goes on.
    async fn keep_lease(&self, id: &str) {
        loop {
            sleep(RENEW).await;
            let _the_next_one_will = self.queue.postpone(id, self.client.inner.clock.now() + LEASE).await;
        }
    }
}
