//! Figures of one client: what was acquired, from where, how long Entra took, who had to wait, which tokens were refused.
//!
//! They are always counted. A hit in memory costs one increment on a cache line of the thread's own and nothing else;
//! everything around it is derived when somebody looks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::counter::{Counter, StripedCounter};
use crate::client::TokenSource;
use crate::error::Error;
use crate::jwt::Check;

/// Upper bounds of the classes of [`Latency`], in milliseconds; those of OpenTelemetry's HTTP metrics.
const BOUNDS: [u64; 14] = [5, 10, 25, 50, 75, 100, 250, 500, 750, 1_000, 2_500, 5_000, 7_500, 10_000];
/// More than there are numbers of a [`Check`].
const CHECKS: usize = 32;

/// What a client counted since it was made; a snapshot from [`ConfidentialClient::metrics`](crate::ConfidentialClient::metrics).
///
/// ```no_run
/// # fn example(client: shared_auth::ConfidentialClient) {
/// let now = client.metrics();
/// println!("memory answered {} of {} lookups", now.memory_hits, now.memory_hits + now.cache_misses);
/// # }
/// ```
///
/// ```
/// # fn example(client: shared_auth::ConfidentialClient) {
/// let metrics = client.metrics();
/// let asked = metrics.memory_hits + metrics.shared_hits + metrics.cache_misses;
/// println!("{} of {asked} lookups from memory", metrics.memory_hits);
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Acquisitions that the cache answered, or the request of another caller that was under way.
    pub acquired_from_cache: u64,
    /// Acquisitions for which Entra was asked.
    pub acquired_from_identity_provider: u64,
    /// Acquisitions without a token.
    pub failed_acquisitions: FailedAcquisitions,
    /// Lookups that memory answered.
    pub memory_hits: u64,
    /// Lookups that the level which replicas share answered.
    pub shared_hits: u64,
    /// Lookups that no level answered.
    pub cache_misses: u64,
    /// Requests to the token endpoint, each try for itself, with the time they took.
    pub token_requests: Latency,
    /// How often Entra named a time to wait.
    pub told_to_wait: u64,
    /// Requests that were not sent because such a time had not passed.
    pub kept_back: u64,
    /// Access tokens of callers that passed every check.
    pub tokens_accepted: u64,
    /// Access tokens of callers that a check refused; [`tokens_refused_by`](Self::tokens_refused_by) says which.
    pub tokens_refused: u64,
    refused_by: [u64; CHECKS],
    /// How it stands with Redis, where there is one.
    #[cfg(feature = "redis")]
    pub redis: Option<crate::cache::redis::RedisState>,
}

impl Metrics {
    #[cfg(feature = "redis")]
    pub(crate) fn with_redis(self, redis: Option<crate::cache::redis::RedisState>) -> Self {
        Self { redis, ..self }
    }

    /// How many access tokens this check refused.
    ///
    /// ```
    /// # fn example(client: shared_auth::ConfidentialClient) {
    /// use shared_auth::Check;
    ///
    /// let expired = client.metrics().tokens_refused_by(Check::Lifetime);
    /// # }
    /// ```
    pub fn tokens_refused_by(&self, check: Check) -> u64 {
        self.refused_by.get(usize::from(check.number())).copied().unwrap_or_default()
    }
}

/// Acquisitions without a token, by whose turn it is next.
///
/// ```no_run
/// # fn example(client: shared_auth::ConfidentialClient) {
/// let failed = client.metrics().failed_acquisitions;
/// println!("{} of {} wait for the user", failed.interaction_required, failed.total());
/// # }
/// ```
///
/// ```
/// # fn example(client: shared_auth::ConfidentialClient) {
/// let failed = client.metrics().failed_acquisitions;
/// println!("{} failed, {} of them for settings", failed.total(), failed.config);
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailedAcquisitions {
    /// Settings or arguments: [`Error::Config`].
    pub config: u64,
    /// No usable answer: [`Error::Transport`].
    pub transport: u64,
    /// A time to wait: [`Error::Throttled`], or a loop that was stopped: [`Error::Loop`].
    pub throttled: u64,
    /// Entra's no: [`Error::Refused`].
    pub refused: u64,
    /// The user is needed: [`Error::InteractionRequired`].
    pub interaction_required: u64,
    /// An assertion or the answer to a sign-in that cannot be used, and whatever else there is.
    pub unusable: u64,
}

impl FailedAcquisitions {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.config
            + self.transport
            + self.throttled
            + self.refused
            + self.interaction_required
            + self.unusable
    }
}

/// How long something took, in classes.
///
/// ```no_run
/// # fn example(client: shared_auth::ConfidentialClient) {
/// let latency = client.metrics().token_requests;
/// let quick: u64 = latency.classes.iter().take(6).sum();
/// println!("{quick} of {} token requests took at most 100 ms", latency.count);
/// # }
/// ```
///
/// ```
/// # fn example(client: shared_auth::ConfidentialClient) {
/// let requests = client.metrics().token_requests;
/// if let Some(mean) = u32::try_from(requests.count).ok().and_then(|count| requests.total.checked_div(count)) {
///     println!("{} token requests, {mean:?} each", requests.count);
/// }
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Latency {
    /// How often.
    pub count: u64,
    /// All together.
    pub total: Duration,
    /// How often it took longer than the bound before and up to [its own](Self::bounds); the last is for all that is longer.
    pub classes: [u64; BOUNDS.len() + 1],
}

impl Latency {
    /// Upper bounds of the classes but the last.
    ///
    /// ```
    /// let bounds: Vec<_> = shared_auth::Latency::bounds().collect();
    /// assert_eq!(bounds[0].as_millis(), 5);
    /// ```
    pub fn bounds() -> impl Iterator<Item = Duration> {
        BOUNDS.iter().map(|&bound| Duration::from_millis(bound))
    }
}

/// What counts.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    memory_hits: StripedCounter,
    /// Those after a wait: the request that ended on the way here had left it.
    late_memory_hits: Counter,
    shared_hits: Counter,
    misses: Counter,
    /// Beside those of a hit in memory.
    from_cache: Counter,
    from_identity_provider: Counter,
    failed: [Counter; FAILURES.len()],
    durations: Durations,
    told_to_wait: Counter,
    kept_back: Counter,
    accepted: Counter,
    refused: [Counter; CHECKS],
    #[cfg(feature = "otel")]
    exported: Exported,
}

/// What an exporter needs beside the figures.
#[cfg(feature = "otel")]
#[derive(Debug, Default)]
struct Exported {
    /// Made with the first request, when the process has its meter.
    durations: std::sync::OnceLock<opentelemetry::metrics::Histogram<f64>>,
    checks: [std::sync::OnceLock<&'static str>; CHECKS],
}

/// How failures are called, in the order of [`Counters::failed`].
const FAILURES: [&str; 6] =
    ["config", "transport", "throttled", "refused", "interaction_required", "unusable"];

#[derive(Debug, Default)]
struct Durations {
    microseconds: AtomicU64,
    classes: [AtomicU64; BOUNDS.len() + 1],
}

impl Counters {
    /// The hot path.
    pub fn memory_hit(&self) {
        self.memory_hits.add();
    }

    pub fn late_memory_hit(&self) {
        self.late_memory_hits.add();
    }

    pub fn shared_hit(&self) {
        self.shared_hits.add();
    }

    pub fn miss(&self) {
        self.misses.add();
    }

    /// An acquisition that memory did not answer at once.
    pub fn acquired(&self, source: Result<TokenSource, &Error>) {
        let counter = match source {
            Ok(TokenSource::Cache) => &self.from_cache,
            Ok(TokenSource::IdentityProvider) => &self.from_identity_provider,
            Err(error) => &self.failed[failure(error)],
        };
        counter.add();
    }

    pub fn token_request(&self, took: Duration) {
        let class = BOUNDS.iter().position(|&bound| took <= Duration::from_millis(bound));
        self.durations.classes[class.unwrap_or(BOUNDS.len())].fetch_add(1, Ordering::Relaxed);
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.durations.microseconds.fetch_add(microseconds, Ordering::Relaxed);
        #[cfg(feature = "otel")]
        self.exported.durations.get_or_init(histogram).record(took.as_secs_f64(), &[]);
    }

    pub fn told_to_wait(&self) {
        self.told_to_wait.add();
    }

    pub fn kept_back(&self) {
        self.kept_back.add();
    }

    /// An access token of a caller, with the check that refused it.
    pub fn validated(&self, refused_by: Option<Check>) {
        match refused_by {
            None => {
                self.accepted.add();
            }
            Some(check) => {
                let at = usize::from(check.number());
                if let Some(counter) = self.refused.get(at) {
                    counter.add();
                }
                #[cfg(feature = "otel")]
                if let Some(name) = self.exported.checks.get(at) {
                    name.get_or_init(|| check.name());
                }
            }
        }
    }

    /// Every figure by its name outside.
    #[cfg(feature = "otel")]
    pub fn read(&self, tell: &mut dyn FnMut(super::registry::Key, u64)) {
        let now = self.snapshot();
        let asked = |outcome| vec![("source", "identity_provider"), ("outcome", outcome)];
        let from_cache = vec![("source", "cache"), ("outcome", "success")];
        tell((super::ACQUISITIONS, from_cache), now.acquired_from_cache);
        tell((super::ACQUISITIONS, asked("success")), now.acquired_from_identity_provider);
        for (name, counter) in FAILURES.into_iter().zip(&self.failed) {
            tell((super::ACQUISITIONS, asked(name)), counter.get());
        }
        tell((super::CACHE_HITS, vec![("level", "memory")]), now.memory_hits);
        tell((super::CACHE_HITS, vec![("level", "shared")]), now.shared_hits);
        tell((super::CACHE_MISSES, Vec::new()), now.cache_misses);
        tell((super::THROTTLED, vec![("by", "identity_provider")]), now.told_to_wait);
        tell((super::THROTTLED, vec![("by", "client")]), now.kept_back);
        tell((super::VALIDATIONS, vec![("outcome", "accepted")]), now.tokens_accepted);
        for (check, counter) in self.exported.checks.iter().zip(&self.refused) {
            if let Some(&check) = check.get() {
                tell((super::VALIDATIONS, vec![("outcome", "refused"), ("check", check)]), counter.get());
            }
        }
    }

    pub fn snapshot(&self) -> Metrics {
        let hits_at_once = self.memory_hits.get();
        let [config, transport, throttled, refused, interaction_required, unusable] =
            std::array::from_fn(|at| self.failed[at].get());
        Metrics {
            acquired_from_cache: hits_at_once + self.from_cache.get(),
            acquired_from_identity_provider: self.from_identity_provider.get(),
            failed_acquisitions: FailedAcquisitions {
                config,
                transport,
                throttled,
                refused,
                interaction_required,
                unusable,
            },
            memory_hits: hits_at_once + self.late_memory_hits.get(),
            shared_hits: self.shared_hits.get(),
            cache_misses: self.misses.get(),
            token_requests: self.durations.snapshot(),
            told_to_wait: self.told_to_wait.get(),
            kept_back: self.kept_back.get(),
            tokens_accepted: self.accepted.get(),
            tokens_refused: self.refused.iter().map(Counter::get).sum(),
            refused_by: std::array::from_fn(|at| self.refused[at].get()),
            #[cfg(feature = "redis")]
            redis: None,
        }
    }
}

impl Durations {
    fn snapshot(&self) -> Latency {
        let classes = std::array::from_fn(|at| self.classes[at].load(Ordering::Relaxed));
        let total = Duration::from_micros(self.microseconds.load(Ordering::Relaxed));
        Latency { count: classes.iter().sum(), total, classes }
    }
}

#[cfg(feature = "otel")]
fn histogram() -> opentelemetry::metrics::Histogram<f64> {
    let bounds = BOUNDS.iter().map(|&bound| Duration::from_millis(bound).as_secs_f64());
    opentelemetry::global::meter(super::otel::SCOPE)
        .f64_histogram(super::TOKEN_REQUEST_DURATION)
        .with_unit("s")
        .with_description("Time until the token endpoint answered, each try for itself")
        .with_boundaries(bounds.collect())
        .build()
}

/// The place of an error in [`FAILURES`].
fn failure(error: &Error) -> usize {
    match error {
        Error::Config(_) => 0,
        Error::Transport(_) => 1,
        Error::Throttled(_) | Error::Loop(_) => 2,
        Error::Refused(_) => 3,
        Error::InteractionRequired(_) => 4,
        _ => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fall_into_the_class_whose_bound_they_do_not_exceed() {
        let counters = Counters::default();
        for milliseconds in [5, 6, 10_000, 10_001] {
            counters.token_request(Duration::from_millis(milliseconds));
        }

        let latency = counters.snapshot().token_requests;
        assert_eq!((latency.count, latency.total), (4, Duration::from_millis(20_012)));
        let filled: Vec<_> = (0..latency.classes.len()).filter(|&at| latency.classes[at] == 1).collect();
        assert_eq!(filled, [0, 1, 13, 14]);
    }

    #[test]
    fn every_check_has_a_place() {
        let counters = Counters::default();
        for check in [Check::Size, Check::Lifetime, Check::Identity] {
            counters.validated(Some(check));

            assert_eq!(counters.snapshot().tokens_refused_by(check), 1);
        }
    }
}
