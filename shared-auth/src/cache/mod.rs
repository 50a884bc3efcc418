//! Token caches: memory, typed apart for applications and users, one request at a time for each key.
//!
//! The rules are MSAL's: a token counts as expired five minutes early; a token that carries more scopes than asked
//! for serves the request; storing a token replaces those whose scopes it overlaps. Keys are built in `key.rs` alone.

mod flight;
mod key;
mod memory;
mod store;
mod throttle;
mod users;

pub(crate) use key::PartitionKey;
pub(crate) use memory::CachedToken;
pub(crate) use store::{TokenStore, Wanted};
