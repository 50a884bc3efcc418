//! One request at a time for each key.
//!
//! Whoever comes first brings the request, the others wait for the same answer. It is carried on by whoever of them is
//! there: one that goes away, the first one included, cancels nobody; only when all have gone, nobody wants it any more.
//! What must come to an end even then has a task of its own. Requests for different keys never wait for each other.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use quick_cache::DefaultHashBuilder;

use crate::error::{Error, TransportError};

type Request<T> = BoxFuture<'static, Result<T, Error>>;
pub(super) type Flight<T> = Shared<Request<T>>;

/// Keys meet in one of these by chance only.
const SHARDS: usize = 16;

/// The requests that are under way. Clones share them.
pub(crate) struct Flights<T> {
    shards: Arc<[Mutex<UnderWay<T>>; SHARDS]>,
}

/// Those who wait keep a request alive, this does not: a request that was left halfway is not what the next one wants.
struct UnderWay<T> {
    by_key: HashMap<Arc<str>, (u64, WeakShared<Request<T>>), DefaultHashBuilder>,
    begun: u64,
}

impl<T> Clone for Flights<T> {
    fn clone(&self) -> Self {
        Self { shards: Arc::clone(&self.shards) }
    }
}

impl<T> Default for Flights<T> {
    fn default() -> Self {
        let shard = |_| Mutex::new(UnderWay { by_key: HashMap::default(), begun: 0 });
        Self { shards: Arc::new(std::array::from_fn(shard)) }
    }
}

impl<T> fmt::Debug for Flights<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").finish_non_exhaustive()
    }
}

impl<T> Flights<T> {
    fn shard(&self, key: &str) -> MutexGuard<'_, UnderWay<T>> {
        // A key begins with a hash.
        let hash = key.bytes().take(4).fold(0, |hash, byte| hash * 31 + usize::from(byte));
        self.shards[hash % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| shard.lock().unwrap().by_key.is_empty())
    }
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    /// Joins the request under way for `key`, or makes `request`. The flag is true for the one who brought it.
    pub async fn join<F>(&self, key: Arc<str>, request: F) -> Result<(T, bool), Error>
    where
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let (flight, first) = self.launch(key, request);
        flight.await.map(|value| (value, first))
    }

    /// As [`join`](Self::join), for those who have somebody else carry it on.
    pub fn launch<F>(&self, key: Arc<str>, request: F) -> (Flight<T>, bool)
    where
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let mut under_way = self.shard(&key);
        if let Some(flight) = under_way.by_key.get(&key).and_then(|(_, flight)| flight.upgrade()) {
            return (flight, false);
        }
        under_way.begun += 1;
        let number = under_way.begun;
        // Removed when the request ends in any way, a panic included: a stale answer must not serve the next caller.
        let landed = Landed { flights: self.clone(), key: Arc::clone(&key), number };
        let request = async move {
            let _landed = landed;
            AssertUnwindSafe(request).catch_unwind().await.unwrap_or_else(|_| Err(broken_off()))
        };
        let flight = request.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            under_way.by_key.insert(key, (number, weak));
        }
        (flight, true)
    }
}

/// What those get who waited for something that did not come to an end.
pub(super) fn broken_off() -> Error {
    Error::from(TransportError {
        tried: "waiting for a token".to_owned(),
        endpoint: "this process".to_owned(),
        happened: "the request that others waited for was broken off; try again".to_owned(),
        retryable: true,
        correlation_id: None,
    })
}

struct Landed<T> {
    flights: Flights<T>,
    key: Arc<str>,
    number: u64,
}

impl<T> Drop for Landed<T> {
    fn drop(&mut self) {
        let mut under_way = self.flights.shard(&self.key);
        // Where all had left it, another one may have begun already.
        if under_way.by_key.get(&self.key).is_some_and(|(number, _)| *number == self.number) {
            under_way.by_key.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn two_hundred_callers_make_one_request() {
        let (flights, go) = (Flights::default(), Arc::new(Notify::new()));
        let (asked, count) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));

        let callers: Vec<_> = (0..200)
            .map(|_| {
                let (flights, go) = (flights.clone(), Arc::clone(&go));
                let (asked, count) = (Arc::clone(&asked), Arc::clone(&count));
                tokio::spawn(async move {
                    let request = async move {
                        count.fetch_add(1, Ordering::SeqCst);
                        go.notified().await;
                        Ok("token")
                    };
                    asked.fetch_add(1, Ordering::SeqCst);
                    flights.join("key".into(), request).await.map(|(value, _)| value)
                })
            })
            .collect();
        while asked.load(Ordering::SeqCst) < 200 {
            tokio::task::yield_now().await;
        }
        go.notify_one();

        for caller in callers {
            assert_eq!(caller.await.unwrap().unwrap(), "token");
        }
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    /// Checklist 105.
    #[tokio::test]
    async fn a_caller_that_goes_away_does_not_cancel_the_rest() {
        let (flights, go) = (Flights::<u8>::default(), Arc::new(Notify::new()));
        let waiting = Arc::clone(&go);
        let first = {
            let flights = flights.clone();
            tokio::spawn(async move {
                flights
                    .join("key".into(), async move {
                        waiting.notified().await;
                        Ok(7)
                    })
                    .await
            })
        };
        while flights.is_empty() {
            tokio::task::yield_now().await;
        }
        let second = flights.join("key".into(), async { Ok(8) });

        first.abort();
        go.notify_one();

        assert_eq!(second.await.unwrap(), (7, false));
    }

    #[tokio::test]
    async fn what_all_have_left_is_begun_afresh_by_the_next_caller() {
        let (flights, begun) = (Flights::<u8>::default(), Arc::new(AtomicUsize::new(0)));
        let caller = || {
            let begun = Arc::clone(&begun);
            let request = async move {
                begun.fetch_add(1, Ordering::SeqCst);
                std::future::pending().await
            };
            Box::pin(flights.join("key".into(), request))
        };
        let (mut first, mut second) = (caller(), caller());
        assert!(futures_util::poll!(&mut first).is_pending());
        assert!(futures_util::poll!(&mut second).is_pending());

        drop(first);
        assert!(futures_util::poll!(&mut second).is_pending());
        assert!(futures_util::poll!(&mut caller()).is_pending());
        assert_eq!(begun.load(Ordering::SeqCst), 1, "it went on for the second");
        drop(second);

        assert!(flights.is_empty());
        assert_eq!(flights.join("key".into(), async { Ok(1) }).await.unwrap(), (1, true));
    }

    /// Checklist 103.
    #[tokio::test]
    async fn different_keys_do_not_wait_for_each_other() {
        let flights = Flights::<u8>::default();
        let stuck = flights.join("stuck".into(), std::future::pending());
        let mut stuck = Box::pin(stuck);
        assert!(futures_util::poll!(&mut stuck).is_pending());

        assert_eq!(flights.join("free".into(), async { Ok(1) }).await.unwrap(), (1, true));
    }

    /// Checklist 105, 106.
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

        let first = flights.join("key".into(), async move { Err(failure().into()) }).await;
        let second = flights.join("key".into(), async { Ok(1) }).await;

        assert!(first.is_err());
        assert_eq!(second.unwrap(), (1, true));
    }

    /// Checklist 105.
    #[tokio::test]
    async fn a_panic_in_the_request_is_an_error_for_the_waiters_and_the_next_caller_starts_afresh() {
        let flights = Flights::<u8>::default();

        let first = flights.join("key".into(), async { panic!("boom") }).await;

        assert!(first.is_err());
        assert_eq!(flights.join("key".into(), async { Ok(1) }).await.unwrap(), (1, true));
    }
}
