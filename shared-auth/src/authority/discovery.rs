//! The discovery document (OpenID Connect Discovery §4): fetched once, checked, remembered for a day, and read as it looks
//! from behind a back channel.

use jiff::SignedDuration;
use url::Url;

use super::{Authority, AuthorityKind, InstanceDiscovery, extend, instance};
use crate::error::{Error, Refusal, TransportError};
use crate::http::{is_loopback, without_query};
use crate::protocol::error_response::ErrorResponse;
use crate::protocol::metadata::Metadata;
use crate::protocol::scope::Scopes;

/// Microsoft's own libraries look again after 12 to 24 hours; endpoints practically never move.
const REMEMBERED_FOR: SignedDuration = SignedDuration::from_hours(24);

impl Authority {
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

    pub(super) fn remembered(&self) -> Option<Metadata> {
        let known = self.known.read().ok()?;
        let (since, metadata) = known.as_ref()?;
        (self.clock.now().duration_since(*since) < REMEMBERED_FOR).then(|| metadata.clone())
    }

    async fn fetch(&self) -> Result<Metadata, Error> {
        const TRIED: &str = "fetching the discovery document";
        if let InstanceDiscovery::Validate { at } = &self.discovery
            && self.kind == AuthorityKind::Entra
            && self.cloud().is_none()
        {
            instance::validate(&self.http, at, &self.host, &self.tenant).await?;
        }
        let path = self.kind.discovery_path(&self.tenant);
        let url = self.behind(extend(&self.host, &path.iter().map(String::as_str).collect::<Vec<_>>()));
        let endpoint = without_query(&url);
        let answer = self.http.send(TRIED, self.http.get(url)).await?;
        if answer.status != 200 {
            return Err(match ErrorResponse::parse(&answer.body) {
                Some(no) => {
                    let request = format!("the tenant \"{}\"", self.tenant);
                    Refusal::new(request, answer.status, &Scopes::default(), no)
                        .correlated(&answer.correlation_id)
                        .into()
                }
                None => answer.unusable(TRIED, endpoint).into(),
            });
        }
        let unusable = |happened: String| TransportError {
            tried: TRIED.to_owned(),
            endpoint: endpoint.clone(),
            happened,
            retryable: false,
            correlation_id: Some(answer.correlation_id.clone()),
        };
        let metadata = Metadata::parse(&answer.body)
            .map_err(|problem| unusable(format!("{problem}; is AZURE_AUTHORITY_HOST right?")))?;
        self.checked(metadata).map_err(|problem| unusable(problem).into())
    }

    /// The document, if it is the authority's own and leads nowhere else; otherwise what is wrong with it.
    pub(super) fn checked(&self, metadata: Metadata) -> Result<Metadata, String> {
        // OpenID Connect Discovery §4.3: another issuer means that somebody else answered.
        if let Err(expected) = self.issuer_rule(&metadata.issuer) {
            return Err(format!(
                "it names the issuer {}, which is not {expected}; nothing of it is used",
                metadata.issuer,
            ));
        }
        let metadata = Metadata {
            token_endpoint: self.behind(metadata.token_endpoint),
            jwks_uri: self.behind(metadata.jwks_uri),
            device_authorization_endpoint: metadata.device_authorization_endpoint.map(|url| self.behind(url)),
            ..metadata
        };
        let required = [&metadata.token_endpoint, &metadata.jwks_uri, &metadata.authorization_endpoint];
        for url in required.into_iter().chain(&metadata.device_authorization_endpoint) {
            let ours = self.backchannel.as_ref().is_some_and(|back| back.origin() == url.origin());
            if url.scheme() != "https" && !is_loopback(url) && !ours {
                return Err(format!("it names {}, which is neither https nor loopback", without_query(url)));
            }
            if !ours && !self.may_be_at(url) {
                let url = without_query(url);
                return Err(format!("it names {url}, which is another host than the authority's"));
            }
        }
        Ok(metadata)
    }

    /// Microsoft's authorities have their endpoints on their own hosts; other providers may have them anywhere.
    fn may_be_at(&self, endpoint: &Url) -> bool {
        let host = endpoint.host_str().unwrap_or_default();
        match self.kind {
            AuthorityKind::Oidc => true,
            AuthorityKind::Ciam if host.ends_with(".ciamlogin.com") => true,
            _ => endpoint.origin() == self.host.origin() || self.aliases.iter().any(|alias| alias == host),
        }
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

    /// Where Entra says how an account signs in: with a password that it knows itself, or at a server of its company.
    #[cfg(feature = "desktop")]
    pub(crate) fn user_realm(&self, username: &str) -> Option<Url> {
        let mut url = self.behind(extend(&self.host, &["common", "userrealm", username]));
        url.set_query(Some("api-version=1.0"));
        (self.kind == AuthorityKind::Entra).then_some(url)
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
