//! From members to settings: the authority and the credential, the API, the APIs that are called.

use url::Url;

use super::section::Section;
use super::{DownstreamSettings, Notes, credential};
use crate::authority::AuthorityKind;
use crate::config::{ApiConfig, EntraConfig};
use crate::credential::ClientCredential;
use crate::protocol::scope::Scopes;

/// Members of `DownstreamApis.{name}` without effect, and those that are not supported.
const CALL_WITHOUT_EFFECT: &[&str] = &["HttpMethod", "AcceptHeader", "ContentType"];
const CALL_NOT_SUPPORTED: &[&str] =
    &["ProtocolScheme", "ExtraHeaderParameters", "ExtraQueryParameters", "AcquireTokenOptions"];

/// Authority, client id and credential.
pub(super) fn registration(section: &mut Section<'_>, notes: &mut Notes) -> Option<EntraConfig> {
    let instance = section.url("Instance", notes);
    let tenant = section.text("TenantId", notes);
    let authority = section.url("Authority", notes);
    let policy = section.text("SignUpSignInPolicyId", notes);
    let client_id = section.text("ClientId", notes);
    if client_id.is_none() {
        notes.problem(&section.path("ClientId"), "is missing");
    }
    let said = Said {
        client_capabilities: section.texts("ClientCapabilities", notes),
        client_name: section.text("ClientName", notes),
        client_version: section.text("ClientVersion", notes),
    };
    let credential = credential::read(section, notes);
    let (client_id, credential) = (client_id?, credential?);
    if authority.is_some() && (instance.is_some() || tenant.is_some()) {
        let reason = "says the same as Instance and TenantId; keep one of the two";
        notes.problem(&section.path("Authority"), reason);
        return None;
    }
    if let Some(authority) = authority {
        let config = EntraConfig::with_authority(&authority, client_id, credential);
        return Some(said.with(config));
    }
    let host = instance.or_else(|| Url::parse(crate::config::PUBLIC_CLOUD).ok())?;
    if let Some(policy) = policy {
        // With B2C the tenant is named by its domain.
        let Some(domain) = section.text("Domain", notes).or(tenant) else {
            notes.problem(&section.path("Domain"), "is missing: with a policy it names the B2C tenant");
            return None;
        };
        let config = EntraConfig::b2c(host, domain, policy, client_id, credential);
        return Some(said.with(config));
    }
    Some(said.with(entra(section, host, tenant, client_id, credential, notes)?))
}

/// What the client says about itself in every request.
struct Said {
    client_capabilities: Vec<String>,
    client_name: Option<String>,
    client_version: Option<String>,
}

impl Said {
    fn with(self, config: EntraConfig) -> EntraConfig {
        let Self { client_capabilities, client_name, client_version } = self;
        EntraConfig { client_capabilities, client_name, client_version, ..config }
    }
}

fn entra(
    section: &Section<'_>,
    host: Url,
    tenant: Option<String>,
    client_id: String,
    credential: ClientCredential,
    notes: &mut Notes,
) -> Option<EntraConfig> {
    let is_ciam = host.host_str().is_some_and(|name| name.ends_with(".ciamlogin.com"));
    match tenant {
        None if is_ciam => Some(EntraConfig::ciam(host, client_id, credential)),
        None => {
            notes.problem(&section.path("TenantId"), "is missing");
            None
        }
        Some(tenant) => {
            let authority_kind = if is_ciam { AuthorityKind::Ciam } else { AuthorityKind::Entra };
            Some(EntraConfig { authority_kind, ..EntraConfig::new(host, tenant, client_id, credential) })
        }
    }
}

/// What a protected API expects.
pub(super) fn api(
    section: &mut Section<'_>,
    entra: Option<&EntraConfig>,
    notes: &mut Notes,
) -> Option<ApiConfig> {
    let audience = section.text("Audience", notes);
    let audiences = section.texts("Audiences", notes);
    let scope = section.text("Scopes", notes);
    let defaults = ApiConfig::new(&entra?.client_id);
    let named: Vec<String> = audience.into_iter().chain(audiences).collect();
    Some(ApiConfig {
        audiences: if named.is_empty() { defaults.audiences } else { named },
        scope: scope.unwrap_or(defaults.scope),
        ..defaults
    })
}

/// One entry of `DownstreamApis`.
pub(super) fn one_api(mut section: Section<'_>, notes: &mut Notes) -> Option<DownstreamSettings> {
    let base_url = section.url("BaseUrl", notes);
    let relative_path = section.text("RelativePath", notes);
    let scopes: Scopes = section.texts("Scopes", notes).iter().collect();
    let request_app_token = section.flag("RequestAppToken", notes);
    if base_url.is_none() {
        notes.problem(&section.path("BaseUrl"), "is missing");
    }
    section.finish(CALL_WITHOUT_EFFECT, CALL_NOT_SUPPORTED, notes);
    let mut base_url = base_url?;
    if let Some(path) = relative_path {
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        base_url = crate::authority::extend(&base_url, &segments);
    }
    Some(DownstreamSettings { base_url, scopes, request_app_token })
}
