//! The vocabulary on the wire: data only. No network, no clock, no randomness in this folder.

pub mod challenge;
pub mod claims_request;
pub mod client_info;
#[cfg(feature = "desktop")]
pub mod device_authorization;
pub mod error_response;
pub mod metadata;
pub mod pkce;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
pub mod scope;
pub mod token_request;
pub mod token_response;

/// What is wrong with JSON, and where. serde_json's own sentence quotes the value, and that may be anything: a secret,
/// somebody's data, a megabyte.
pub fn json_fault(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let fault = match text.rsplit_once(", expected ") {
        _ if text.starts_with("missing field") => text,
        Some((_, expected)) => format!("expected {expected}"),
        None => format!("line {}, column {}", error.line(), error.column()),
    };
    fault.chars().filter(|c| !c.is_control()).take(150).collect()
}
