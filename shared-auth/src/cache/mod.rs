//! Token caches: memory, typed apart for applications and users, one request at a time for each key; behind it,
//! where it is configured, a level that replicas share.
//!
//! The rules are MSAL's: a token counts as expired five minutes early; a token that carries more scopes than asked
//! for serves the request; storing a token replaces those whose scopes it overlaps. Keys are built in `key.rs` alone.

#[cfg(feature = "desktop")]
pub(crate) mod file;
mod flight;
mod key;
mod loops;
mod memory;
mod names;
mod partition;
mod partitions;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod record;
#[cfg(feature = "desktop")]
mod records;
#[cfg(feature = "redis")]
pub(crate) mod redis;
mod seal;
#[cfg_attr(
    not(any(feature = "redis", feature = "desktop")),
    allow(dead_code, reason = "no backend is compiled in")
)]
mod shared;
mod store;
#[cfg(test)]
mod suite;
mod throttle;
mod token;
pub(crate) mod unified;
mod users;

pub(crate) use key::{Owner, PartitionKey, PartitionRef};
pub(crate) use memory::MEMORY_LIMIT_BYTES;
pub use seal::KeyRing;
pub(crate) use shared::SharedLevel;
pub(crate) use store::{Acquisition, TokenStore, Wanted};
pub use token::CachedToken;
pub(crate) use token::Held;
