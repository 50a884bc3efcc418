//! One request at a time for each key.
//!
//! Whoever comes first starts the request in a task of its own; the others wait for the same answer. A waiter that goes
//! away, the first one included, cancels nobody; requests for different keys never wait for each other.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::runtime::Handle;

use crate::error::{Error, TransportError};

pub(super) type Flight<T> = Shared<BoxFuture<'static, Result<T, Error>>>;

/// The requests that are under way. Clones share them.
pub(crate) struct Flights<T> {
    under_way: Arc<Mutex<HashMap<String, Flight<T>>>>,
}

impl<T> Clone for Flights<T> {
    fn clone(&self) -> Self {
        Self { under_way: Arc::clone(&self.under_way) }
    }
}

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self { under_way: Arc::default() }
    }
}

impl<T> fmt::Debug for Flights<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").finish_non_exhaustive()
    }
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    /// Joins the request under way for `key`, or starts `request`. The flag is true for the one who started it.
    pub async fn join<F>(&self, key: String, request: F) -> Result<(T, bool), Error>
    where
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let (flight, first) = self.launch(key, request);
        flight.await.map(|value| (value, first))
    }

    /// As [`join`](Self::join), for those who may go on without the answer.
    pub fn launch<F>(&self, key: String, request: F) -> (Flight<T>, bool)
    where
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        // Looked for before the lock: where there is none, nothing else must suffer from it.
        let runtime = Handle::current();
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        match under_way.get(&key) {
            Some(flight) => (flight.clone(), false),
            None => {
                let flight = self.start(&runtime, key.clone(), request);
                under_way.insert(key, flight.clone());
                (flight, true)
            }
        }
    }

    fn start<F>(&self, runtime: &Handle, key: String, request: F) -> Flight<T>
    where
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        // Removed when the request ends in any way, a panic included: a stale answer must not serve the next caller.
        let landed = Landed { flights: self.clone(), key };
        let task = runtime.spawn(async move {
            let _landed = landed;
            request.await
        });
        let answer = async move {
            task.await.unwrap_or_else(|_| {
                Err(Error::from(TransportError {
                    tried: "waiting for a token".to_owned(),
                    endpoint: "this process".to_owned(),
                    happened: "the request that others waited for was broken off; try again".to_owned(),
                    retryable: true,
                    correlation_id: None,
                }))
            })
        };
        answer.boxed().shared()
    }
}

struct Landed<T> {
    flights: Flights<T>,
    key: String,
}

impl<T> Drop for Landed<T> {
    fn drop(&mut self) {
        self.flights.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn two_hundred_callers_make_one_request() {
        let (flights, count, go) =
            (Flights::default(), Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));

        let callers: Vec<_> = (0..200)
            .map(|_| {
                let (flights, count, go) = (flights.clone(), Arc::clone(&count), Arc::clone(&go));
                tokio::spawn(async move {
                    let request = async move {
                        count.fetch_add(1, Ordering::SeqCst);
                        go.notified().await;
                        Ok("token")
                    };
                    flights.join("key".to_owned(), request).await.map(|(value, _)| value)
                })
            })
            .collect();
        tokio::task::yield_now().await;
        while count.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        go.notify_one();

        for caller in callers {
            assert_eq!(caller.await.unwrap().unwrap(), "token");
        }
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_does_not_cancel_the_rest() {
        let (flights, go) = (Flights::<u8>::default(), Arc::new(Notify::new()));
        let waiting = Arc::clone(&go);
        let first = {
            let flights = flights.clone();
            tokio::spawn(async move {
                flights
                    .join("key".to_owned(), async move {
                        waiting.notified().await;
                        Ok(7)
                    })
                    .await
            })
        };
        while flights.under_way.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        let second = flights.join("key".to_owned(), async { Ok(8) });

        first.abort();
        go.notify_one();

        assert_eq!(second.await.unwrap(), (7, false));
    }

    #[tokio::test]
    async fn different_keys_do_not_wait_for_each_other() {
        let flights = Flights::<u8>::default();
        let stuck = flights.join("stuck".to_owned(), std::future::pending());
        let mut stuck = Box::pin(stuck);
        assert!(futures_util::poll!(&mut stuck).is_pending());

        assert_eq!(flights.join("free".to_owned(), async { Ok(1) }).await.unwrap(), (1, true));
    }

    #[tokio::test]
    async fn a_failure_is_shared_but_not_remembered() {
        let flights = Flights::<u8>::default();
        let failure = || TransportError {
            tried: "t".into(),
            endpoint: "e".into(),
            happened: "h".into(),
            retryable: true,
            correlation_id: None,
        };

        let first = flights.join("key".to_owned(), async move { Err(failure().into()) }).await;
        let second = flights.join("key".to_owned(), async { Ok(1) }).await;

        assert!(first.is_err());
        assert_eq!(second.unwrap(), (1, true));
    }

    #[tokio::test]
    async fn a_panic_in_the_request_is_an_error_for_the_waiters_and_the_next_caller_starts_afresh() {
        let flights = Flights::<u8>::default();

        let first = flights.join("key".to_owned(), async { panic!("boom") }).await;

        assert!(first.is_err());
        assert_eq!(flights.join("key".to_owned(), async { Ok(1) }).await.unwrap(), (1, true));
    }
}
