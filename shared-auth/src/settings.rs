//! Settings under the names of Microsoft.Identity.Web, from JSON (`appsettings.json`) or TOML: people can carry them over.
//!
//! | member | becomes |
//! |---|---|
//! | `Instance`, `TenantId`, `Domain`, `Authority`, `SignUpSignInPolicyId` | the authority of [`EntraConfig`] |
//! | `ClientId`, `ClientSecret`, `ClientCredentials[]` | the registration and its credential |
//! | `Audience`, `Audiences[]`, `Scopes` | [`ApiConfig`] |
//! | `DownstreamApis.{name}`: `BaseUrl`, `RelativePath`, `Scopes[]`, `RequestAppToken` | [`DownstreamSettings`] |
//!
//! Names are found whatever their case, as in .NET. Members that mean something there and nothing here are listed in
//! [`Settings::ignored`]; what would change the meaning of the rest, is misspelled or contradicts itself is an error, and
//! all of it is said at once. Values are never repeated: they might be secrets.

mod comments;
mod credential;
mod section;

use std::collections::BTreeMap;

use serde_json::Value;
use url::Url;

use crate::authority::AuthorityKind;
use crate::client::ConfidentialClient;
use crate::config::{ApiConfig, EntraConfig};
use crate::credential::ClientCredential;
use crate::downstream::DownstreamApi;
use crate::env::{ConfigError, Problem};
use crate::protocol::scope::Scopes;

use self::section::Section;

/// What stands in front of every problem: the names of members are not known before the file is read.
const NAME: &str = "configuration";

/// Members of `AzureAd` that decide nothing here. The paths are fixed, the rest is about .NET.
const WITHOUT_EFFECT: &[&str] = &[
    "CallbackPath",
    "SignedOutCallbackPath",
    "RemoteSignOutPath",
    "ErrorPath",
    "ResetPasswordPath",
    "ResetPasswordPolicyId",
    "EditProfilePolicyId",
    "EnablePiiLogging",
    "LegacyCacheCompatibilityEnabled",
    "UseFastUnboundedCache",
    "PartitionAppTokenCacheByAudience",
    "EnableCacheSynchronization",
    "ClientName",
    "ClientVersion",
    "Domain",
    "AppPermissions",
    "RedirectUri",
];

/// Members of `AzureAd` that would change the meaning of the rest, and are not supported.
const NOT_SUPPORTED: &[&str] = &[
    "ClientCertificates",
    "TokenDecryptionCredentials",
    "TokenDecryptionCertificates",
    "ClientCapabilities",
    "SendX5C",
    "AzureRegion",
    "ExtraQueryParameters",
    "AllowWebApiToBeAuthorizedByACL",
    "AppHomeTenantId",
    "WithSpaAuthCode",
    "UserAssignedManagedIdentityClientId",
    "KnownAuthorities",
];

/// Members of `DownstreamApis.{name}` without effect, and those that are not supported.
const CALL_WITHOUT_EFFECT: &[&str] = &["HttpMethod", "AcceptHeader", "ContentType"];
const CALL_NOT_SUPPORTED: &[&str] =
    &["ProtocolScheme", "ExtraHeaderParameters", "ExtraQueryParameters", "AcquireTokenOptions"];

/// A configuration file, read and checked.
///
/// ```
/// use shared_auth::Settings;
///
/// let settings = Settings::from_json(r#"{
///   "AzureAd": {
///     "Instance": "https://login.microsoftonline.com/",
///     "TenantId": "10000000-0000-4000-8000-000000000001",
///     "ClientId": "c0ffee00-0000-4000-8000-000000004000",
///     "ClientCredentials": [ { "SourceType": "ClientSecret", "ClientSecret": "from a safe place" } ]
///   },
///   "DownstreamApis": {
///     "Graph": { "BaseUrl": "https://graph.microsoft.com/v1.0", "Scopes": [ "User.Read" ] }
///   }
/// }"#)?;
/// assert_eq!(settings.api.audiences[0], settings.entra.client_id);
/// assert_eq!(settings.downstream["Graph"].scopes.to_string(), "User.Read");
/// # Ok::<(), shared_auth::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// The registration and its authority.
    pub entra: EntraConfig,
    /// What a protected API expects of tokens.
    pub api: ApiConfig,
    /// The APIs that are called, by name.
    pub downstream: BTreeMap<String, DownstreamSettings>,
    /// Members that were read and have no effect here: `AzureAd.CallbackPath`.
    pub ignored: Vec<String>,
}

/// One entry of `DownstreamApis`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DownstreamSettings {
    /// `BaseUrl` with `RelativePath` behind it.
    pub base_url: Url,
    /// `Scopes`: what a token for it is asked for with.
    pub scopes: Scopes,
    /// `RequestAppToken`: the application calls for itself, and not for a user.
    pub request_app_token: bool,
}

impl DownstreamSettings {
    /// The API, to be called with tokens for [`Self::scopes`].
    pub fn api(&self, name: impl Into<String>, client: &ConfidentialClient) -> DownstreamApi {
        DownstreamApi::new(name, self.base_url.clone(), client)
    }
}

impl Settings {
    /// Reads JSON; comments are allowed, as in `appsettings.json`. Other sections of the file are left alone.
    ///
    /// # Errors
    /// [`ConfigError`] with everything that is wrong.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let value = serde_json::from_str(&comments::blanked(text)).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            ConfigError::new(NAME, format!("is not JSON (line {line}, column {column})"))
        })?;
        Self::from_value(&value, "AzureAd")
    }

    /// Reads TOML with the same names: `[AzureAd]`, `[[AzureAd.ClientCredentials]]`, `[DownstreamApis.Graph]`.
    ///
    /// ```
    /// use shared_auth::Settings;
    ///
    /// let settings = Settings::from_toml(r#"
    ///     [AzureAd]
    ///     TenantId = "contoso.onmicrosoft.com"
    ///     ClientId = "c0ffee00-0000-4000-8000-000000004000"
    ///     ClientSecret = "from a safe place"
    /// "#)?;
    /// assert_eq!(settings.entra.authority_host.as_str(), "https://login.microsoftonline.com/");
    /// # Ok::<(), shared_auth::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] with everything that is wrong.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let value: Value = toml::from_str(text).map_err(|error| {
            // The library's own message quotes the line, and the line may hold a secret.
            let line =
                error.span().map_or(0, |span| text[..span.start.min(text.len())].lines().count().max(1));
            ConfigError::new(NAME, format!("is not TOML (line {line})"))
        })?;
        Self::from_value(&value, "AzureAd")
    }

    /// Reads a configuration that was parsed already. `section` is the name that .NET programs pass to
    /// `GetSection`, mostly `AzureAd`.
    ///
    /// # Errors
    /// [`ConfigError`] with everything that is wrong.
    pub fn from_value(value: &Value, section: &str) -> Result<Self, ConfigError> {
        let mut notes = Notes::default();
        let root = Section::new(value, "", &mut notes);
        let mut azure_ad = root.member(section).map(|value| Section::new(value, section, &mut notes));
        if azure_ad.is_none() {
            notes.problem(section, "is missing");
        }
        let entra = azure_ad.as_mut().and_then(|section| registration(section, &mut notes));
        let api = azure_ad.as_mut().and_then(|section| api(section, entra.as_ref(), &mut notes));
        if let Some(section) = azure_ad {
            section.finish(WITHOUT_EFFECT, NOT_SUPPORTED, &mut notes);
        }
        let mut downstream = BTreeMap::new();
        if let Some(apis) = root.member("DownstreamApis") {
            for (name, value) in Section::new(apis, "DownstreamApis", &mut notes).members() {
                let section = Section::new(value, &format!("DownstreamApis.{name}"), &mut notes);
                if let Some(settings) = one_api(section, &mut notes) {
                    downstream.insert(name.to_owned(), settings);
                }
            }
        }
        match (entra, api) {
            (Some(entra), Some(api)) if notes.problems.is_empty() => {
                Ok(Self { entra, api, downstream, ignored: notes.ignored })
            }
            _ => Err(ConfigError { problems: notes.problems }),
        }
    }
}

/// What came up while reading.
#[derive(Debug, Default)]
struct Notes {
    problems: Vec<Problem>,
    ignored: Vec<String>,
}

impl Notes {
    fn problem(&mut self, member: &str, reason: &str) {
        self.problems.push(Problem { name: NAME, reason: format!("{member} {reason}") });
    }
}

/// Authority, client id and credential.
fn registration(section: &mut Section<'_>, notes: &mut Notes) -> Option<EntraConfig> {
    let instance = section.url("Instance", notes);
    let tenant = section.text("TenantId", notes);
    let authority = section.url("Authority", notes);
    let policy = section.text("SignUpSignInPolicyId", notes);
    let client_id = section.text("ClientId", notes);
    if client_id.is_none() {
        notes.problem(&section.path("ClientId"), "is missing");
    }
    let credential = credential::read(section, notes);
    let (client_id, credential) = (client_id?, credential?);
    if authority.is_some() && (instance.is_some() || tenant.is_some()) {
        let reason = "says the same as Instance and TenantId; keep one of the two";
        notes.problem(&section.path("Authority"), reason);
        return None;
    }
    if let Some(authority) = authority {
        return Some(EntraConfig::with_authority(&authority, client_id, credential));
    }
    let host = instance.or_else(|| Url::parse(crate::config::PUBLIC_CLOUD).ok())?;
    if let Some(policy) = policy {
        // With B2C the tenant is named by its domain.
        let Some(domain) = section.text("Domain", notes).or(tenant) else {
            notes.problem(&section.path("Domain"), "is missing: with a policy it names the B2C tenant");
            return None;
        };
        return Some(EntraConfig::b2c(host, domain, policy, client_id, credential));
    }
    entra(section, host, tenant, client_id, credential, notes)
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

fn api(section: &mut Section<'_>, entra: Option<&EntraConfig>, notes: &mut Notes) -> Option<ApiConfig> {
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

fn one_api(mut section: Section<'_>, notes: &mut Notes) -> Option<DownstreamSettings> {
    let base_url = section.url("BaseUrl", notes);
    let relative_path = section.text("RelativePath", notes);
    let scopes: Scopes = section.texts("Scopes", notes).iter().flat_map(|text| text.split(' ')).collect();
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
