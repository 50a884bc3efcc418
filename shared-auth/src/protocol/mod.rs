//! The vocabulary on the wire: data only. No network, no clock, no randomness in this folder.

pub mod challenge;
pub mod client_info;
pub mod error_response;
pub mod metadata;
pub mod pkce;
pub mod scope;
pub mod token_request;
pub mod token_response;
