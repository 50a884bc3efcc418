//! What the library tells about itself: the ids and the context that travel with requests, figures, traces.
//!
//! | file | what it is |
//! |---|---|
//! | `correlation.rs` | the id under which both sides log a request, and what Entra is told about its client |
//! | `trace.rs` | the W3C context that goes out with requests and comes in with them |
//! | `metrics.rs` | figures of one client, always counted, in atomics |
//! | `counter.rs` | what counts them, without slowing down the hit that it counts |
//! | `registry.rs`, `otel.rs` | all of a process added up, and its way to an OpenTelemetry collector (feature `otel`) |

mod correlation;
mod counter;
mod metrics;
#[cfg(feature = "otel")]
pub mod otel;
#[cfg(feature = "otel")]
mod registry;
mod trace;

pub(crate) use self::correlation::{
    ahead_of_time, correlate, correlation_id, product_headers, program_headers,
};
pub(crate) use self::counter::Counter;
pub(crate) use self::metrics::Counters;
pub use self::metrics::{FailedAcquisitions, Latency, Metrics};
#[cfg(feature = "otel")]
pub(crate) use self::registry::register_client;
#[cfg(feature = "actix")]
pub(crate) use self::trace::continue_from;
pub(crate) use self::trace::inject;

/// How the figures are called outside.
#[cfg_attr(not(feature = "otel"), allow(dead_code, reason = "only an exporter has names for them"))]
mod names {
    pub const ACQUISITIONS: &str = "shared_auth.acquisitions";
    pub const CACHE_HITS: &str = "shared_auth.cache.hits";
    pub const CACHE_MISSES: &str = "shared_auth.cache.misses";
    pub const TOKEN_REQUEST_DURATION: &str = "shared_auth.token_request.duration";
    pub const THROTTLED: &str = "shared_auth.throttled";
    pub const VALIDATIONS: &str = "shared_auth.validations";
    pub const REDIS_FAILURES: &str = "shared_auth.redis.failures";
    pub const REDIS_OUTAGES: &str = "shared_auth.redis.outages";
    pub const REDIS_CIRCUITS_OPEN: &str = "shared_auth.redis.circuits_open";
    pub const SEALED_VALUES_REFUSED: &str = "shared_auth.sealed_values.refused";
    pub const CACHE_FILES_SET_ASIDE: &str = "shared_auth.cache_files.set_aside";
}
#[allow(unused_imports, reason = "which of them are used is a matter of features")]
pub(crate) use self::names::*;
