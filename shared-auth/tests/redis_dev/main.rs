#![cfg(feature = "redis")]
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#[path = "../it/support.rs"]
mod support;
#[path = "../it/redis_outage.rs"]
mod redis_outage;
#[path = "../it/redis_replicas.rs"]
mod redis_replicas;
#[path = "../it/redis_server.rs"]
mod redis_server;
#[path = "../it/redis_sharing.rs"]
mod redis_sharing;
