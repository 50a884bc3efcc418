//! Traces and metrics as a collector gets them, and the context that goes along with every request. A binary of its own:
//! what is exported is the process's.
#![cfg(all(feature = "otel", feature = "actix"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests say what they expect")]

#[path = "it/support.rs"]
#[allow(dead_code, reason = "the other binary uses the rest of it")]
mod support;

#[cfg(feature = "redis")]
#[path = "it/redis_server.rs"]
#[allow(dead_code, unused_imports, reason = "the other binary uses the rest of it")]
mod redis_server;

#[path = "otel/collector.rs"]
mod collector;
#[cfg(feature = "redis")]
#[path = "otel/metrics.rs"]
mod metrics;
#[path = "otel/traces.rs"]
mod traces;

/// The exporter is the process's, so that the tests take turns: a figure goes to whichever was started last.
static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());

fn turn() -> std::sync::MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
