//! The success body of the token endpoint (RFC 6749 §5.1, OIDC Core §3.1.3.3).

use std::sync::Arc;

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

use crate::result::Exchange;

/// What Entra hands out. The tokens are secrets from the first byte on; `Debug` shows none of them.
#[derive(Debug, Deserialize)]
pub struct TokenResponse {
    /// The access token.
    pub access_token: SecretString,
    /// `Bearer`, in any case.
    pub token_type: String,
    /// Seconds from now; some endpoints write the number as a string.
    #[serde(deserialize_with = "seconds")]
    pub expires_in: i64,
    /// Seconds from now after which a successor should be fetched in the background; for tokens of two hours and more.
    #[serde(default, deserialize_with = "optional_seconds")]
    pub refresh_in: Option<i64>,
    /// What was granted. Absent for client credentials, and then it is what was asked for.
    pub scope: Option<String>,
    /// With `offline_access`.
    pub refresh_token: Option<SecretString>,
    /// With `openid`.
    pub id_token: Option<SecretString>,
    /// With `client_info=1`, in user flows.
    pub client_info: Option<String>,
    /// The family whose applications may all use the refresh token; some of Microsoft's own are in one.
    #[cfg_attr(not(feature = "desktop"), allow(dead_code, reason = "only public clients are in a family"))]
    pub foci: Option<String>,
    /// The request that this answers.
    #[serde(skip)]
    pub exchange: Option<Arc<Exchange>>,
}

/// A token goes into a header: visible ASCII, and not larger than servers accept.
pub(crate) fn is_header_safe(token: &str) -> bool {
    // All of a piece, without a way out in the middle: that is looked at many bytes at a time.
    let graphic = |piece: &[u8]| piece.iter().fold(true, |fine, byte| fine & byte.is_ascii_graphic());
    (1..=32 * 1024).contains(&token.len()) && token.as_bytes().chunks(128).all(graphic)
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(i64),
    Text(String),
}

impl Seconds {
    fn value<E: serde::de::Error>(self) -> Result<i64, E> {
        let seconds = match self {
            Seconds::Number(number) => number,
            Seconds::Text(text) => text.trim().parse().map_err(|_| E::custom("not a number of seconds"))?,
        };
        // Ten years: what is longer is an error of the sender, and adding it to a date could overflow.
        if (0..=315_360_000).contains(&seconds) {
            Ok(seconds)
        } else {
            Err(E::custom("a lifetime out of range"))
        }
    }
}

pub(crate) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    Seconds::deserialize(deserializer)?.value()
}

pub(crate) fn optional_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Option::<Seconds>::deserialize(deserializer)?.map(Seconds::value).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_may_be_a_number_or_a_string() {
        for text in ["3599", "\"3599\""] {
            let body = format!(r#"{{"access_token":"a","token_type":"Bearer","expires_in":{text}}}"#);
            assert_eq!(serde_json::from_str::<TokenResponse>(&body).unwrap().expires_in, 3599);
        }
    }

    /// Checklist 113.
    #[test]
    fn absurd_or_missing_lifetimes_are_refused() {
        for text in ["-1", "1e30", "\"soon\"", "null", "99999999999"] {
            let body = format!(r#"{{"access_token":"a","token_type":"Bearer","expires_in":{text}}}"#);
            assert!(serde_json::from_str::<TokenResponse>(&body).is_err(), "{text}");
        }
        assert!(
            serde_json::from_str::<TokenResponse>(r#"{"access_token":"a","token_type":"Bearer"}"#).is_err()
        );
    }

    /// Checklist 144.
    #[test]
    fn debug_shows_no_token() {
        let body =
            r#"{"access_token":"s3cret","refresh_token":"s3cret","token_type":"Bearer","expires_in":1}"#;

        assert!(!format!("{:?}", serde_json::from_str::<TokenResponse>(body).unwrap()).contains("s3cret"));
    }
}
