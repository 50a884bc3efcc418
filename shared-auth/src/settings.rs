//! Settings under the names of Microsoft.Identity.Web, from JSON (`appsettings.json`) or TOML: people can carry them over.
//!
//! | member | becomes |
//! |---|---|
//! | `Instance`, `TenantId`, `Domain`, `Authority`, `SignUpSignInPolicyId` | the authority of [`EntraConfig`] |
//! | `ClientId`, `ClientSecret`, `ClientCredentials[]` | the registration and its credential |
//! | `ClientCapabilities[]`, `ClientName`, `ClientVersion` | what the client says about itself |
//! | `Audience`, `Audiences[]`, `Scopes` | [`ApiConfig`] |
//! | `DownstreamApis.{name}`: `BaseUrl`, `RelativePath`, `Scopes[]`, `RequestAppToken` | [`DownstreamSettings`] |
//!
//! Names are found whatever their case, as in .NET. Members that mean something there and nothing here are listed in
//! [`Settings::ignored`]; what would change the meaning of the rest, is misspelled or contradicts itself is an error, and
//! all of it is said at once. Values are never repeated: they might be secrets.

mod comments;
mod credential;
mod overlay;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod read;
mod section;

use std::collections::BTreeMap;

use serde_json::Value;
use url::Url;

use crate::client::ConfidentialClient;
use crate::config::{ApiConfig, EntraConfig};
use crate::downstream::DownstreamApi;
use crate::env::{ConfigError, Problem};
use crate::protocol::scope::Scopes;

use self::section::Section;

/// What stands in front of every problem: the names of members are not known before the file is read.
const NAME: &str = "configuration";

/// The usual names of the two sections.
const SECTION: &str = "AzureAd";
const APIS: &str = "DownstreamApis";

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
    "Domain",
    "AppPermissions",
    "RedirectUri",
];

/// Members of `AzureAd` that would change the meaning of the rest, and are not supported.
const NOT_SUPPORTED: &[&str] = &[
    "ClientCertificates",
    "TokenDecryptionCredentials",
    "TokenDecryptionCertificates",
    "AzureRegion",
    "ExtraQueryParameters",
    "AllowWebApiToBeAuthorizedByACL",
    "AppHomeTenantId",
    "WithSpaAuthCode",
    "UserAssignedManagedIdentityClientId",
    "KnownAuthorities",
];

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
///
/// ```
/// use shared_auth::{ConfidentialClient, DownstreamApi, Settings};
///
/// fn orders(settings: &Settings, client: &ConfidentialClient) -> Option<DownstreamApi> {
///     Some(settings.downstream.get("Orders")?.api("the order API", client))
/// }
/// ```
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
        Self::from_value(&json(text)?, SECTION)
    }

    /// As [`Settings::from_json`], with variables over the file as in .NET, so that secrets need not stand in it.
    ///
    /// ```
    /// use shared_auth::Settings;
    ///
    /// let file = r#"{ "AzureAd": { "TenantId": "contoso.com", "ClientId": "…", "ClientSecret": "" } }"#;
    /// let variables = [("AzureAd__ClientSecret".to_owned(), "from the environment".to_owned())];
    /// assert!(Settings::from_json(file).is_err());
    /// assert!(Settings::from_json_with(file, variables).is_ok()); // in a program: std::env::vars()
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] with everything that is wrong.
    pub fn from_json_with(
        text: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut value = json(text)?;
        overlay::put_over(&mut value, &[SECTION, APIS], variables);
        Self::from_value(&value, SECTION)
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
        Self::from_value(&toml(text)?, SECTION)
    }

    /// As [`Settings::from_toml`], with variables over the file; see [`Settings::from_json_with`].
    ///
    /// # Errors
    /// [`ConfigError`] with everything that is wrong.
    pub fn from_toml_with(
        text: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut value = toml(text)?;
        overlay::put_over(&mut value, &[SECTION, APIS], variables);
        Self::from_value(&value, SECTION)
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
        let entra = azure_ad.as_mut().and_then(|section| read::registration(section, &mut notes));
        let api = azure_ad.as_mut().and_then(|section| read::api(section, entra.as_ref(), &mut notes));
        if let Some(section) = azure_ad {
            section.finish(WITHOUT_EFFECT, NOT_SUPPORTED, &mut notes);
        }
        let mut downstream = BTreeMap::new();
        if let Some(apis) = root.member(APIS) {
            for (name, value) in Section::new(apis, APIS, &mut notes).members() {
                let section = Section::new(value, &format!("{APIS}.{name}"), &mut notes);
                if let Some(settings) = read::one_api(section, &mut notes) {
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

fn json(text: &str) -> Result<Value, ConfigError> {
    serde_json::from_str(&comments::blanked(text)).map_err(|error| {
        ConfigError::new(NAME, format!("is not JSON (line {}, column {})", error.line(), error.column()))
    })
}

fn toml(text: &str) -> Result<Value, ConfigError> {
    toml::from_str(text).map_err(|error| {
        // The library's own message quotes the line, and the line may hold a secret.
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        ConfigError::new(NAME, format!("is not TOML (line {})", before.matches('\n').count() + 1))
    })
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
