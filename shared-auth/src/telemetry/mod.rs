//! What the library tells about itself: the ids and the context that travel with requests, figures, traces.
//!
//! | file | what it is |
//! |---|---|
//! | `correlation.rs` | the id under which both sides log a request, and what Entra is told about its client |
//! | `metrics.rs` | figures of one client, always counted, in atomics |
//! | `counter.rs` | what counts them, without slowing down the hit that it counts |

mod correlation;
mod counter;
mod metrics;

pub(crate) use self::correlation::{ahead_of_time, correlate, correlation_id, product_headers};
pub(crate) use self::metrics::Counters;
pub use self::metrics::{FailedAcquisitions, Latency, Metrics};
