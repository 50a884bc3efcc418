//! Instance discovery: is a host that we do not know an authority at all, and what else is it called?
//!
//! MSAL asks the public cloud about every unknown host. Here an address that somebody configured is trusted as it is,
//! because whoever can change it can change anything, and a closed network could not ask; asking is a choice.

use serde::Deserialize;
use url::Url;

use super::cloud::Cloud;
use crate::env::ConfigError;
use crate::error::{Error, Refusal};
use crate::http::Http;
use crate::protocol::error_response::ErrorResponse;
use crate::protocol::json_fault;
use crate::protocol::scope::Scopes;

/// What is done about an authority host that is not in our table of clouds. Applies to Entra authorities; the others
/// have hosts of their own, which no cloud knows.
///
/// ```
/// use shared_auth::{EntraConfig, InstanceDiscovery};
///
/// fn careful(config: EntraConfig) -> EntraConfig {
///     EntraConfig { instance_discovery: InstanceDiscovery::validate(), ..config }
/// }
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum InstanceDiscovery {
    /// Nothing: the configured host is the authority.
    #[default]
    Off,
    /// A known cloud is asked whether the host is an authority. Its no (AADSTS50049) is final; no answer at all is
    /// logged, and the host is used.
    Validate {
        /// Who is asked: `https://login.microsoftonline.com`.
        at: Url,
    },
    /// Supplied metadata: what the discovery endpoint would answer. A host that is not in it is refused.
    Supplied(InstanceMetadata),
}

impl InstanceDiscovery {
    /// Asks the public cloud about unknown hosts.
    pub fn validate() -> Self {
        // Our own constant; it parses.
        Url::parse(Cloud::Public.authority_host()).map_or(Self::Off, |at| Self::Validate { at })
    }
}

/// The hosts of one or more clouds and what they are called, in the format of `/common/discovery/instance`.
///
/// ```
/// use shared_auth::InstanceMetadata;
///
/// let json = r#"{"metadata": [{
///     "preferred_network": "login.contoso.test", "preferred_cache": "login.contoso.test",
///     "aliases": ["login.contoso.test", "sts.contoso.test"]
/// }]}"#;
/// assert!(InstanceMetadata::from_json(json).is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InstanceMetadata {
    metadata: Vec<Instance>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Instance {
    preferred_cache: String,
    aliases: Vec<String>,
}

impl InstanceMetadata {
    /// Reads the JSON.
    ///
    /// # Errors
    /// [`ConfigError`] where it is anything else, or names no host.
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        const NAME: &str = "instance metadata";
        let read: Self = serde_json::from_str(json).map_err(|error| {
            ConfigError::new(NAME, format!("is not an instance discovery document ({})", json_fault(&error)))
        })?;
        if read.metadata.iter().all(|instance| instance.aliases.is_empty()) {
            return Err(ConfigError::new(NAME, "names no host"));
        }
        Ok(read)
    }

    /// The entry of a host: its name in caches, and its other names.
    pub(super) fn of_host(&self, host: &str) -> Option<(&str, &[String])> {
        let known =
            |instance: &&Instance| instance.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(host));
        let found = self.metadata.iter().find(known)?;
        Some((&found.preferred_cache, &found.aliases))
    }
}

/// Asks `at` about the authority `host`.
pub(super) async fn validate(http: &Http, at: &Url, host: &Url, tenant: &str) -> Result<(), Error> {
    let asked = super::extend(host, &[tenant, "oauth2", "v2.0", "authorize"]);
    let mut url = super::extend(at, &["common", "discovery", "instance"]);
    url.query_pairs_mut()
        .append_pair("api-version", "1.1")
        .append_pair("authorization_endpoint", asked.as_str());
    let answer = match http.send("asking a known cloud about the authority", http.get(url)).await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::warn!(%error, "nobody could say whether {host} is an authority; it is used as configured");
            return Ok(());
        }
    };
    match ErrorResponse::parse(&answer.body) {
        Some(no) if no.error == "invalid_instance" => {
            let request = format!("the authority {}", host.origin().ascii_serialization());
            Err(Refusal::new(request, answer.status, &Scopes::default(), no).into())
        }
        _ if answer.status == 200 => Ok(()),
        _ => {
            tracing::warn!(
                status = answer.status,
                "nobody could say whether {host} is an authority; it is used as configured"
            );
            Ok(())
        }
    }
}
