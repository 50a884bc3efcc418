//! The endpoints that hand out the machine's tokens: the metadata service (IMDS) of virtual machines and containers,
//! and the one of App Service. Both want a header that no redirect and no foreign page can add.
//!
//! Retries follow MSAL: IMDS is updated under our feet (410, for a minute at most), needs a moment for a new identity
//! (404), and limits callers (429).

use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::ManagedIdentityId;
use super::answer::{MachineToken, TRIED, read, unusable};
use crate::authority::extend;
use crate::clock::SharedClock;
use crate::error::Error;
use crate::http::Http;

/// Who is asked.
pub(super) enum Endpoint {
    Imds(Url),
    AppService { url: Url, header: SecretString },
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
        let imds = Endpoint::Imds(Url::parse(super::super::builder::IMDS).unwrap());

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
