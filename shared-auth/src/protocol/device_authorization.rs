//! The answer of the device authorization endpoint (RFC 8628 §3.2).

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::token_response::{optional_seconds, seconds};

/// What a device gets before anybody has signed in.
#[derive(Debug, Deserialize)]
pub struct DeviceAuthorization {
    /// With this the device asks for its tokens; nobody sees it.
    pub device_code: SecretString,
    /// The person types this.
    pub user_code: String,
    /// Where the person types it. Older servers write `verification_url`.
    #[serde(alias = "verification_url")]
    pub verification_uri: Url,
    /// Seconds from now.
    #[serde(deserialize_with = "seconds")]
    pub expires_in: i64,
    /// Seconds between two polls.
    #[serde(default, deserialize_with = "optional_seconds")]
    pub interval: Option<i64>,
    /// Entra's sentence with both, in the user's language.
    pub message: Option<String>,
}
