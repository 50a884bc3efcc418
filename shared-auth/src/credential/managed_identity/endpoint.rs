//! The endpoints that hand out the machine's tokens: the metadata service (IMDS) of virtual machines and containers,
//! and the one of App Service. Both want a header that no redirect and no foreign page can add.
//!
//! Retries follow MSAL: IMDS is updated under our feet (410, for a minute at most), needs a moment for a new identity
//! (404), and limits callers (429).

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::ManagedIdentityId;
use crate::authority::extend;
use crate::clock::SharedClock;
use crate::error::{Error, Refusal, TransportError};
use crate::http::{Answer, Http, without_query};
use crate::protocol::error_response::ErrorResponse;
use crate::protocol::scope::Scopes;
use crate::secret::{AccessToken, App};

const TRIED: &str = "asking the machine for a token of its managed identity";

/// Who is asked.
pub(super) enum Endpoint {
    Imds(Url),
    AppService { url: Url, header: SecretString },
}

/// A token as the machine hands it out.
pub(super) struct MachineToken {
    pub access_token: AccessToken<App>,
    pub expires_at: Timestamp,
}

impl Endpoint {
    pub fn address(&self) -> &str {
        match self {
            Endpoint::Imds(base) => base.as_str(),
            Endpoint::AppService { url, .. } => url.as_str(),
        }
    }

    /// Asks until there is an answer or the retries are used up.
    pub async fn ask(
        &self,
        http: &Http,
        id: &ManagedIdentityId,
        resource: &str,
        pause: Duration,
        clock: &SharedClock,
    ) -> Result<MachineToken, Error> {
        let url = self.url(id, resource);
        let mut tries = 0;
        loop {
            let request = http.get(url.clone());
            let request = match self {
                Endpoint::Imds(_) => request.header("Metadata", "true"),
                Endpoint::AppService { header, .. } => {
                    let mut value = reqwest::header::HeaderValue::from_str(header.expose_secret())
                        .map_err(|_| unusable(&url, "IDENTITY_HEADER holds what no header can"))?;
                    value.set_sensitive(true);
                    request.header("X-IDENTITY-HEADER", value)
                }
            };
            let answer = http.send(TRIED, request).await?;
            match self.next_try(answer.status, tries, pause) {
                Some(wait) => {
                    tracing::debug!(status = answer.status, ?wait, "the identity endpoint is asked again");
                    tokio::time::sleep(wait).await;
                    tries += 1;
                }
                None => return read(&answer, &url, resource, clock.now()),
            }
        }
    }

    fn url(&self, id: &ManagedIdentityId, resource: &str) -> Url {
        let (mut url, version, object, resource_id) = match self {
            Endpoint::Imds(base) => {
                let url = extend(base, &["metadata", "identity", "oauth2", "token"]);
                (url, "2018-02-01", "object_id", "msi_res_id")
            }
            Endpoint::AppService { url, .. } => (url.clone(), "2019-08-01", "principal_id", "mi_res_id"),
        };
        let mut query = url.query_pairs_mut();
        query.append_pair("api-version", version).append_pair("resource", resource);
        match id {
            ManagedIdentityId::SystemAssigned => &mut query,
            ManagedIdentityId::UserAssignedClientId(id) => query.append_pair("client_id", id),
            ManagedIdentityId::UserAssignedObjectId(id) => query.append_pair(object, id),
            ManagedIdentityId::UserAssignedResourceId(id) => query.append_pair(resource_id, id),
        };
        drop(query);
        url
    }

    /// How long to wait before the next try; `None` where this answer is the last.
    fn next_try(&self, status: u16, tries: u32, pause: Duration) -> Option<Duration> {
        match (self, status) {
            // The service is being updated, which is over within 70 seconds.
            (Endpoint::Imds(_), 410) => (tries < 7).then(|| pause * 10),
            (Endpoint::Imds(_), 404 | 408 | 429 | 500..) => (tries < 3).then(|| pause * (1 << tries)),
            (Endpoint::AppService { .. }, 404 | 408 | 429 | 500 | 503 | 504) => (tries < 3).then_some(pause),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
struct Body {
    access_token: SecretString,
    #[serde(default)]
    expires_in: Option<Number>,
    #[serde(default)]
    expires_on: Option<Number>,
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

fn read(answer: &Answer, url: &Url, resource: &str, now: Timestamp) -> Result<MachineToken, Error> {
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
    Ok(MachineToken { access_token: AccessToken::new(text), expires_at })
}

fn unusable(url: &Url, happened: &str) -> TransportError {
    TransportError {
        tried: TRIED.to_owned(),
        endpoint: without_query(url),
        happened: happened.to_owned(),
        retryable: false,
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.address())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pauses(endpoint: &Endpoint, status: u16) -> Vec<u64> {
        (0..).map_while(|tries| endpoint.next_try(status, tries, SECOND)).map(|wait| wait.as_secs()).collect()
    }

    #[test]
    fn the_metadata_service_is_asked_again_for_up_to_a_minute() {
        let imds = Endpoint::Imds(Url::parse(super::super::IMDS).unwrap());

        assert_eq!(pauses(&imds, 410), [10; 7]);
        for status in [404, 408, 429, 500, 503] {
            assert_eq!(pauses(&imds, status), [1, 2, 4], "{status}");
        }
        for status in [200, 400, 401, 403] {
            assert!(pauses(&imds, status).is_empty(), "{status}");
        }
    }

    #[test]
    fn app_service_is_asked_again_at_an_even_pace() {
        let url = Url::parse("http://127.0.0.1:1/msi/token").unwrap();
        let app_service = Endpoint::AppService { url, header: SecretString::from("h") };

        for status in [404, 408, 429, 500, 503, 504] {
            assert_eq!(pauses(&app_service, status), [1, 1, 1], "{status}");
        }
        assert!(pauses(&app_service, 410).is_empty());
    }
}
