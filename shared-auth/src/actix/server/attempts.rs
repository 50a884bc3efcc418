//! How often one address may do what costs others: begin sign-ins, show tokens that are refused.
//!
//! Each address has a bucket (GCRA, of the governor crate). Buckets are kept for so many addresses and no more; whose
//! bucket had to make room starts with a full one, so memory is bounded and nobody is refused for somebody else's tries.
//! Addresses of IPv6 count by their /64, which is what one customer has.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::{HttpRequest, web};
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use quick_cache::sync::Cache;
use tokio::time::Instant;

use super::admission::Door;
use super::client_address::client_address;

/// Some hundred bytes each.
const ADDRESSES: usize = 20_000;

/// What is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Attempt {
    SignIn,
    Token,
}

impl Attempt {
    /// Counts one more of this request's sender.
    ///
    /// # Errors
    /// The seconds to wait, where it was one too many. Without [`server`](super::server) around the app nothing is counted.
    pub fn count(self, request: &HttpRequest) -> Result<(), u64> {
        let Some(door) = request.app_data::<web::Data<Door>>() else { return Ok(()) };
        let Some(address) = client_address(request) else { return Ok(()) };
        door.attempts.one_more(self, address)
    }
}

type Bucket = RateLimiter<NotKeyed, InMemoryState, Monotonic, NoOpMiddleware<Nanos>>;

#[derive(Debug)]
struct Tries {
    bucket: Bucket,
    /// Said in the log once, and again when it begins anew: a log can be flooded, too.
    said: AtomicBool,
}

#[derive(Debug)]
pub struct Attempts {
    quota: Quota,
    clock: Monotonic,
    tries: Cache<(Attempt, IpAddr), Arc<Tries>>,
}

impl Attempts {
    pub fn new(per_minute: NonZeroU32) -> Self {
        Self {
            quota: Quota::per_minute(per_minute),
            clock: Monotonic(Instant::now()),
            tries: Cache::new(ADDRESSES),
        }
    }

    fn one_more(&self, what: Attempt, address: IpAddr) -> Result<(), u64> {
        let bucket = || Tries {
            bucket: RateLimiter::direct_with_clock(self.quota, self.clock.clone()),
            said: AtomicBool::new(false),
        };
        let key = (what, subscriber(address));
        let made =
            self.tries.get_or_insert_with(&key, || Ok::<_, std::convert::Infallible>(Arc::new(bucket())));
        let Ok(tries) = made;
        match tries.bucket.check() {
            Ok(()) => {
                tries.said.store(false, Ordering::Relaxed);
                Ok(())
            }
            Err(too_early) => {
                let wait = too_early.wait_time_from(self.clock.now());
                if !tries.said.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        client.address = %address,
                        "too many {} from one address: further ones get 429 and no line here for a while",
                        match what {
                            Attempt::SignIn => "sign-ins",
                            Attempt::Token => "requests without a good token",
                        }
                    );
                }
                Err((wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1))
            }
        }
    }
}

/// The address, or the network that one customer has.
fn subscriber(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        IpAddr::V4(_) => address,
    }
}

/// Time that never goes back, since the start of the server.
#[derive(Debug, Clone)]
struct Monotonic(Instant);

impl Clock for Monotonic {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(Duration::from_nanos(u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three_a_minute() -> Attempts {
        Attempts::new(NonZeroU32::new(3).unwrap())
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_tries_too_often_is_told_how_long_to_wait_and_may_try_then() {
        let attempts = three_a_minute();
        let eve = address("203.0.113.9");
        let tries = |what| attempts.one_more(what, eve);

        assert_eq!(
            (tries(Attempt::Token), tries(Attempt::Token), tries(Attempt::Token)),
            (Ok(()), Ok(()), Ok(()))
        );
        let wait = tries(Attempt::Token).unwrap_err();
        assert_eq!(wait, 20);
        assert_eq!(tries(Attempt::SignIn), Ok(()), "of another kind");
        assert_eq!(
            attempts.one_more(Attempt::Token, address("203.0.113.10")),
            Ok(()),
            "from another address"
        );

        tokio::time::advance(Duration::from_secs(wait)).await;

        assert_eq!(
            (tries(Attempt::Token), tries(Attempt::Token)),
            (Ok(()), Err(20)),
            "one more has become free"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_addresses_of_one_customer_count_together() {
        let attempts = three_a_minute();
        let tries: Vec<_> = (1..=4)
            .map(|host| attempts.one_more(Attempt::Token, address(&format!("2001:db8:0:1::{host}"))))
            .collect();

        assert_eq!(tries, [Ok(()), Ok(()), Ok(()), Err(20)]);
        assert_eq!(attempts.one_more(Attempt::Token, address("2001:db8:0:2::1")), Ok(()), "a neighbour");
    }

    #[tokio::test(start_paused = true)]
    async fn a_hundred_thousand_addresses_do_not_fill_the_memory() {
        let attempts = three_a_minute();

        for host in 0..100_000_u32 {
            assert_eq!(attempts.one_more(Attempt::Token, IpAddr::V4(host.into())), Ok(()));
        }

        assert!(attempts.tries.len() <= ADDRESSES, "{} are kept", attempts.tries.len());
    }
}
