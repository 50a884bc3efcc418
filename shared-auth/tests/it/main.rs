//! The library against the lab and against forged tokens, over real HTTP. One binary: one link step.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests say what they expect")]

mod support;
mod tokens;

mod acquisition;
mod api_guards;
mod authorities;
mod authority;
mod authorization_code;
mod background;
#[cfg(feature = "azure-core")]
mod bridge_azure;
#[cfg(feature = "middleware")]
mod bridge_middleware;
mod client_credentials;
mod correlation;
mod credentials;
#[cfg(feature = "desktop")]
mod desktop;
mod diagnosis;
mod downstream;
mod jwt_rejections;
mod known_bugs;
mod lint;
mod long_running;
mod loops;
mod metrics;
mod msal_cache;
mod on_behalf_of;

#[cfg(feature = "redis")]
mod load;
mod network;
mod patience;
#[cfg(all(feature = "redis", feature = "actix"))]
mod redis_health;
#[cfg(feature = "redis")]
mod redis_load;
#[cfg(feature = "redis")]
mod redis_outage;
#[cfg(all(feature = "redis", feature = "actix"))]
mod redis_raw;
#[cfg(feature = "redis")]
mod redis_replicas;
#[cfg(feature = "redis")]
mod redis_rights;
#[cfg(feature = "redis")]
mod redis_server;
#[cfg(all(feature = "redis", feature = "actix"))]
mod redis_sessions;
#[cfg(feature = "redis")]
mod redis_sharing;
#[cfg(feature = "redis")]
mod redis_topologies;
mod request_options;
mod results;
mod server;
mod settings;
#[cfg(feature = "actix")]
mod sign_in;
mod tls_versions;
mod wycheproof;
