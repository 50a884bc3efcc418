//! What the machine's endpoints answer. App Service names the end of a token only as a date, IMDS in both ways, and
//! both send numbers as text.

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use crate::error::{Error, Refusal, TransportError};
use crate::http::{Answer, without_query};
use crate::protocol::error_response::ErrorResponse;
use crate::protocol::scope::Scopes;
use crate::secret::{AccessToken, App};

/// The first part of each error's sentence.
pub(super) const TRIED: &str = "asking the machine for a token of its managed identity";

/// A token as the machine hands it out.
pub(super) struct MachineToken {
    pub access_token: AccessToken<App>,
    pub expires_at: Timestamp,
    /// After which time a successor should be fetched.
    pub refresh_in: Option<SignedDuration>,
}

/// From this lifetime on half of it is time enough for a successor: the endpoint itself names none, and a machine whose
/// endpoint fails for an hour then still has a token. Microsoft's libraries do the same.
const LONG: SignedDuration = SignedDuration::from_hours(2);

#[derive(Deserialize)]
struct Body {
    access_token: SecretString,
    #[serde(default)]
    expires_in: Option<Number>,
    #[serde(default)]
    expires_on: Option<Number>,
    #[serde(default)]
    refresh_in: Option<Number>,
}

/// Numbers that are sent as numbers or as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Number(i64),
    Text(String),
}

impl Number {
    fn value(&self) -> Option<i64> {
        match self {
            Number::Number(number) => Some(*number),
            Number::Text(text) => text.trim().parse().ok(),
        }
    }
}

/// The token, or why there is none.
pub(super) fn read(
    answer: &Answer,
    url: &Url,
    resource: &str,
    now: Timestamp,
) -> Result<MachineToken, Error> {
    if answer.status != 200 {
        return Err(match ErrorResponse::parse(&answer.body) {
            // "Identity not found", or a resource that does not exist.
            Some(no) if (400..500).contains(&answer.status) && answer.status != 429 => {
                let request = "the managed-identity request".to_owned();
                Refusal::new(request, answer.status, &Scopes::from(format!("{resource}/.default")), no).into()
            }
            _ => answer.unusable(TRIED, without_query(url)).into(),
        });
    }
    // serde's own message would quote a piece of the body, and the body holds a token.
    let body: Body = serde_json::from_slice(&answer.body)
        .map_err(|_| unusable(url, "the answer is not a token response"))?;
    let in_seconds = body.expires_in.as_ref().and_then(Number::value);
    let on_second = body.expires_on.as_ref().and_then(Number::value);
    let expires_at = match (in_seconds, on_second) {
        (Some(seconds), _) => now.checked_add(SignedDuration::from_secs(seconds)).ok(),
        (None, Some(second)) => Timestamp::from_second(second).ok(),
        (None, None) => None,
    };
    let expires_at =
        expires_at.ok_or_else(|| unusable(url, "the answer does not say when the token ends"))?;
    let text = body.access_token.expose_secret();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(unusable(url, "the answer holds a token that cannot be sent").into());
    }
    let named = body.refresh_in.as_ref().and_then(Number::value).filter(|seconds| *seconds > 0);
    let lifetime = expires_at.duration_since(now);
    let refresh_in =
        named.map(SignedDuration::from_secs).or_else(|| (lifetime >= LONG).then(|| lifetime / 2));
    Ok(MachineToken { access_token: AccessToken::new(text), expires_at, refresh_in })
}

/// An answer, or a setting, that does not help.
pub(super) fn unusable(url: &Url, happened: &str) -> TransportError {
    TransportError {
        tried: TRIED.to_owned(),
        endpoint: without_query(url),
        happened: happened.to_owned(),
        retryable: false,
        correlation_id: None,
    }
}
