//! The authority: which Entra tenant we talk to, where its endpoints are, and that it is who we think it is.
//!
//! Endpoints come only from the discovery document (OpenID Connect Discovery §4), and the document counts only if its
//! issuer is the configured one (§4.3). It is fetched when first needed and remembered for a day.

use std::sync::RwLock;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;
use url::Url;

use crate::clock::SharedClock;
use crate::env::ConfigError;
use crate::error::{Error, Refusal, TransportError};
use crate::http::{Http, is_loopback, without_query};
use crate::protocol::error_response::ErrorResponse;
use crate::protocol::metadata::Metadata;
use crate::protocol::scope::Scopes;

/// Microsoft's own libraries look again after 12 to 24 hours; endpoints practically never move.
const REMEMBERED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// A tenant at an Entra host.
#[derive(Debug)]
pub struct Authority {
    host: Url,
    tenant: String,
    backchannel: Option<Url>,
    http: Http,
    clock: SharedClock,
    known: RwLock<Option<(Timestamp, Metadata)>>,
    fetching: Mutex<()>,
}

impl Authority {
    /// `host` is the public address (`https://login.microsoftonline.com`); `backchannel` is where this process
    /// reaches the same authority, if elsewhere.
    ///
    /// # Errors
    /// [`ConfigError`] for an address that would send the credential in the clear: plain HTTP is accepted on loopback
    /// only, or where a back channel was configured on purpose.
    pub(crate) fn new(
        host: Url,
        tenant: &str,
        backchannel: Option<Url>,
        http: Http,
        clock: SharedClock,
    ) -> Result<Self, ConfigError> {
        if host.cannot_be_a_base() || !matches!(host.scheme(), "http" | "https") {
            return Err(ConfigError::new("AZURE_AUTHORITY_HOST", "must start with https://"));
        }
        if host.scheme() == "http" && !is_loopback(&host) && backchannel.is_none() {
            return Err(ConfigError::new(
                "AZURE_AUTHORITY_HOST",
                "uses plain HTTP to another machine, which would show the credential to everyone on the way; use https",
            ));
        }
        if tenant.is_empty() || !tenant.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.') {
            return Err(ConfigError::new(
                "AZURE_TENANT_ID",
                "must be a tenant id (GUID) or a domain of the tenant",
            ));
        }
        let tenant = tenant.to_ascii_lowercase();
        let known = RwLock::new(None);
        Ok(Self { host, tenant, backchannel, http, clock, known, fetching: Mutex::new(()) })
    }

    /// The tenant as configured: a GUID or a domain, lower case.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The name under which tokens of this authority are filed.
    pub(crate) fn environment(&self) -> String {
        self.host.host_str().unwrap_or_default().to_owned()
    }

    /// The public address, for CSP and links.
    pub fn origin(&self) -> String {
        self.host.origin().ascii_serialization()
    }

    /// The checked discovery document.
    ///
    /// # Errors
    /// [`Error::Transport`] where there is no usable answer or the issuer is another one; [`Error::Refused`] where
    /// Entra does not know the tenant (AADSTS90002).
    pub async fn metadata(&self) -> Result<Metadata, Error> {
        if let Some(metadata) = self.remembered() {
            return Ok(metadata);
        }
        let _one_at_a_time = self.fetching.lock().await;
        if let Some(metadata) = self.remembered() {
            return Ok(metadata); // Somebody fetched it while we waited.
        }
        let metadata = self.fetch().await?;
        if let Ok(mut known) = self.known.write() {
            *known = Some((self.clock.now(), metadata.clone()));
        }
        Ok(metadata)
    }

    fn remembered(&self) -> Option<Metadata> {
        let known = self.known.read().ok()?;
        let (since, metadata) = known.as_ref()?;
        (self.clock.now().duration_since(*since) < REMEMBERED_FOR).then(|| metadata.clone())
    }

    async fn fetch(&self) -> Result<Metadata, Error> {
        const TRIED: &str = "fetching the discovery document";
        let url = self.backchannel.as_ref().unwrap_or(&self.host);
        let url = extend(url, &[&self.tenant, "v2.0", ".well-known", "openid-configuration"]);
        let endpoint = without_query(&url);
        let answer = self.http.send(TRIED, self.http.get(url)).await?;
        if answer.status != 200 {
            return Err(match ErrorResponse::parse(&answer.body) {
                Some(no) => {
                    let request = format!("the tenant \"{}\"", self.tenant);
                    Refusal::new(request, answer.status, &Scopes::default(), no).into()
                }
                None => answer.unusable(TRIED, endpoint).into(),
            });
        }
        let unusable = |happened: String| TransportError {
            tried: TRIED.to_owned(),
            endpoint: endpoint.clone(),
            happened,
            retryable: false,
        };
        let metadata: Metadata = serde_json::from_slice(&answer.body).map_err(|error| {
            unusable(format!("it is not a discovery document ({error}); is AZURE_AUTHORITY_HOST right?"))
        })?;
        // OpenID Connect Discovery §4.3: another issuer means that somebody else answered.
        if !self.is_our_issuer(&metadata.issuer) {
            return Err(unusable(format!(
                "it names the issuer {}, which is not {}; nothing of it is used",
                metadata.issuer,
                self.expected_issuer()
            ))
            .into());
        }
        let metadata = Metadata {
            token_endpoint: self.behind(metadata.token_endpoint),
            jwks_uri: self.behind(metadata.jwks_uri),
            ..metadata
        };
        for url in [&metadata.token_endpoint, &metadata.jwks_uri, &metadata.authorization_endpoint] {
            let ours = self.backchannel.as_ref().is_some_and(|back| back.origin() == url.origin());
            if url.scheme() != "https" && !is_loopback(url) && !ours {
                return Err(unusable(format!(
                    "it names {}, which is neither https nor loopback",
                    without_query(url)
                ))
                .into());
            }
        }
        Ok(metadata)
    }

    /// `{host}/{tenant id}/v2.0`. For a tenant named by its domain the id is learnt from the document itself.
    fn is_our_issuer(&self, issuer: &str) -> bool {
        let Some(tenant) =
            issuer.strip_prefix(self.base()).and_then(|rest| rest.strip_prefix('/')?.strip_suffix("/v2.0"))
        else {
            return false;
        };
        if uuid::Uuid::try_parse(&self.tenant).is_ok() {
            tenant.eq_ignore_ascii_case(&self.tenant)
        } else {
            uuid::Uuid::try_parse(tenant).is_ok()
        }
    }

    fn expected_issuer(&self) -> String {
        format!("{}/{}/v2.0", self.base(), self.tenant)
    }

    fn base(&self) -> &str {
        self.host.as_str().trim_end_matches('/')
    }

    /// An endpoint as the authority publishes it: the way back from [`Self::behind`].
    pub(crate) fn published(&self, endpoint: &Url) -> Url {
        match &self.backchannel {
            Some(back) if endpoint.origin() == back.origin() => {
                let mut url = self.host.clone();
                url.set_path(endpoint.path());
                url.set_query(endpoint.query());
                url
            }
            _ => endpoint.clone(),
        }
    }

    /// The same endpoint by way of the back channel; what lies outside the authority's own host stays as it is.
    fn behind(&self, endpoint: Url) -> Url {
        match &self.backchannel {
            Some(back) if endpoint.origin() == self.host.origin() => {
                let mut url = back.clone();
                url.set_path(endpoint.path());
                url.set_query(endpoint.query());
                url
            }
            _ => endpoint,
        }
    }
}

/// `base` with path segments added.
pub(crate) fn extend(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}
