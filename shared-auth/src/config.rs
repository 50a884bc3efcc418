//! What a registration in Entra comes down to: tenant, client id, credential, and where Entra is.

use url::Url;

use crate::authority::{Address, AuthorityKind, InstanceDiscovery, ciam_tenant};
use crate::credential::ClientCredential;
use crate::env::Env;

/// The public cloud.
///
/// ```
/// assert_eq!(shared_auth::Cloud::Public.authority_host(), shared_auth::PUBLIC_CLOUD);
/// ```
pub const PUBLIC_CLOUD: &str = "https://login.microsoftonline.com";

/// Microsoft Graph in the public cloud.
///
/// ```
/// # fn example(client: shared_auth::ConfidentialClient) -> Result<(), Box<dyn std::error::Error>> {
/// let graph = shared_auth::DownstreamApi::new("Microsoft Graph", shared_auth::GRAPH.parse()?, &client);
/// # Ok(())
/// # }
/// ```
pub const GRAPH: &str = "https://graph.microsoft.com/v1.0";

/// The registration of a confidential client, under the names that the Azure SDKs use.
///
/// ```
/// use shared_auth::{ClientCredential, EntraConfig};
///
/// let secret = ClientCredential::secret("from a safe place");
/// let config = EntraConfig::new(shared_auth::PUBLIC_CLOUD.parse()?, "organizations", "client id", secret);
/// let config = EntraConfig {
///     allowed_tenants: vec!["10000000-0000-4000-8000-000000000001".to_owned()],
///     ..config
/// };
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct EntraConfig {
    /// `AZURE_TENANT_ID`: a GUID or a domain of the tenant; where users sign in also `organizations`, `common` or
    /// `consumers`.
    pub tenant_id: String,
    /// `AZURE_CLIENT_ID`: the application (client) id.
    pub client_id: String,
    /// `AZURE_CLIENT_SECRET`, `AZURE_CLIENT_CERTIFICATE_PATH`, `AZURE_FEDERATED_TOKEN_FILE`: one of them, or several as
    /// [`ClientCredential::from_env`] says.
    pub credential: ClientCredential,
    /// `AZURE_AUTHORITY_HOST`, [`PUBLIC_CLOUD`] by default: what browsers see and tokens name.
    pub authority_host: Url,
    /// `AZURE_AUTHORITY_BACKCHANNEL`: where this process reaches the same authority, if elsewhere. Issuer and
    /// browser addresses do not change.
    pub backchannel: Option<Url>,
    /// The content of the file `EXTRA_CA_CERTS`: PEM authorities added to the system's.
    pub extra_ca_certs: Option<Vec<u8>>,
    /// Whose rules the authority follows; [`AuthorityKind::Entra`] by default.
    pub authority_kind: AuthorityKind,
    /// `ALLOWED_TENANTS` ([`EntraConfig::from_env_with_tenants`]), with `organizations` or `common`: the ids of the tenants
    /// whose users and tokens are let in. Empty lets in all.
    pub allowed_tenants: Vec<String>,
    /// What this application can do, said in every request: `cp1` where it handles claims challenges (continuous access
    /// evaluation). APIs then issue them, and Entra gives tokens of up to 28 hours.
    pub client_capabilities: Vec<String>,
    /// What is done about an authority host that belongs to no known cloud; nothing by default.
    pub instance_discovery: InstanceDiscovery,
    /// What this program is called, told to Entra with every token request (`x-app-name`): its support can then find the
    /// requests of one program among those of a registration. At most 64 characters of ASCII.
    pub client_name: Option<String>,
    /// Which version of it (`x-app-ver`), with the same limit.
    pub client_version: Option<String>,
}

/// A registration without its credential: all that a public client has, for it cannot keep a secret.
///
/// ```
/// use shared_auth::{AppRegistration, PUBLIC_CLOUD};
///
/// let registration = AppRegistration::new(PUBLIC_CLOUD.parse()?, "contoso.onmicrosoft.com", "client id");
/// assert!(registration.backchannel.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct AppRegistration {
    /// As [`EntraConfig::tenant_id`].
    pub tenant_id: String,
    /// As [`EntraConfig::client_id`].
    pub client_id: String,
    /// As [`EntraConfig::authority_host`].
    pub authority_host: Url,
    /// As [`EntraConfig::backchannel`].
    pub backchannel: Option<Url>,
    /// As [`EntraConfig::extra_ca_certs`].
    pub extra_ca_certs: Option<Vec<u8>>,
    /// As [`EntraConfig::authority_kind`].
    pub authority_kind: AuthorityKind,
    /// As [`EntraConfig::allowed_tenants`].
    pub allowed_tenants: Vec<String>,
    /// As [`EntraConfig::client_capabilities`].
    pub client_capabilities: Vec<String>,
    /// As [`EntraConfig::instance_discovery`].
    pub instance_discovery: InstanceDiscovery,
    /// As [`EntraConfig::client_name`].
    pub client_name: Option<String>,
    /// As [`EntraConfig::client_version`].
    pub client_version: Option<String>,
}

impl AppRegistration {
    /// A registration at an authority, for programs that do not read the environment.
    pub fn new(authority_host: Url, tenant_id: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self {
            tenant_id: tenant_id.into(),
            client_id: client_id.into(),
            authority_host,
            backchannel: None,
            extra_ca_certs: None,
            authority_kind: AuthorityKind::Entra,
            allowed_tenants: Vec::new(),
            client_capabilities: Vec::new(),
            instance_discovery: InstanceDiscovery::Off,
            client_name: None,
            client_version: None,
        }
    }

    /// Reads the variables named at the fields of [`EntraConfig`].
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let tenant_id = env.required::<String>("AZURE_TENANT_ID");
        let client_id = env.required::<String>("AZURE_CLIENT_ID");
        let authority_host = url_or(env, "AZURE_AUTHORITY_HOST", PUBLIC_CLOUD);
        let backchannel = optional_url(env, "AZURE_AUTHORITY_BACKCHANNEL");
        let extra_ca_certs = extra_ca_certs(env);
        let mut registration = Self::new(authority_host?, tenant_id?, client_id?);
        (registration.backchannel, registration.extra_ca_certs) = (backchannel?, extra_ca_certs?);
        Some(registration)
    }

    /// The same application with a credential.
    fn with_credential(self, credential: ClientCredential) -> EntraConfig {
        EntraConfig {
            tenant_id: self.tenant_id,
            client_id: self.client_id,
            credential,
            authority_host: self.authority_host,
            backchannel: self.backchannel,
            extra_ca_certs: self.extra_ca_certs,
            authority_kind: self.authority_kind,
            allowed_tenants: self.allowed_tenants,
            client_capabilities: self.client_capabilities,
            instance_discovery: self.instance_discovery,
            client_name: self.client_name,
            client_version: self.client_version,
        }
    }
}

impl EntraConfig {
    /// The registration, and apart from it the credential.
    pub(crate) fn split(self) -> (AppRegistration, ClientCredential) {
        let registration = AppRegistration {
            tenant_id: self.tenant_id,
            client_id: self.client_id,
            authority_host: self.authority_host,
            backchannel: self.backchannel,
            extra_ca_certs: self.extra_ca_certs,
            authority_kind: self.authority_kind,
            allowed_tenants: self.allowed_tenants,
            client_capabilities: self.client_capabilities,
            instance_discovery: self.instance_discovery,
            client_name: self.client_name,
            client_version: self.client_version,
        };
        (registration, self.credential)
    }

    /// A registration at an authority, for programs that do not read the environment.
    pub fn new(
        authority_host: Url,
        tenant_id: impl Into<String>,
        client_id: impl Into<String>,
        credential: ClientCredential,
    ) -> Self {
        AppRegistration::new(authority_host, tenant_id, client_id).with_credential(credential)
    }

    /// A registration at an authority of any kind, told apart by its address as MSAL does: the hosts of Microsoft's
    /// clouds, `*.ciamlogin.com`, `*.b2clogin.com` or `/tfp/`, `/adfs`, and otherwise OpenID Connect.
    ///
    /// ```
    /// use shared_auth::{AuthorityKind, ClientCredential, EntraConfig};
    ///
    /// let authority = "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_sign_in".parse()?;
    /// let config = EntraConfig::with_authority(&authority, "client id", ClientCredential::secret("…"));
    /// assert_eq!(config.authority_kind, AuthorityKind::B2c { policy: "B2C_1_sign_in".to_owned() });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_authority(
        authority: &Url,
        client_id: impl Into<String>,
        credential: ClientCredential,
    ) -> Self {
        let Address { kind, host, tenant } = Address::parse(authority);
        Self { authority_kind: kind, ..Self::new(host, tenant, client_id, credential) }
    }

    /// A registration in an external tenant (External ID). `host` is `https://{name}.ciamlogin.com`, or a domain of
    /// your own together with [`EntraConfig::tenant_id`].
    pub fn ciam(host: Url, client_id: impl Into<String>, credential: ClientCredential) -> Self {
        let tenant = ciam_tenant(host.host_str().unwrap_or_default());
        Self { authority_kind: AuthorityKind::Ciam, ..Self::new(host, tenant, client_id, credential) }
    }

    /// A registration in an Azure AD B2C tenant, for one user flow or custom policy. `host` is
    /// `https://{name}.b2clogin.com`, with `/tfp` behind it for the older addresses.
    pub fn b2c(
        host: Url,
        tenant: impl Into<String>,
        policy: impl Into<String>,
        client_id: impl Into<String>,
        credential: ClientCredential,
    ) -> Self {
        let authority_kind = AuthorityKind::B2c { policy: policy.into() };
        Self { authority_kind, ..Self::new(host, tenant, client_id, credential) }
    }

    /// A registration at AD FS 2019 or newer. `host` is `https://fs.contoso.com`, without `/adfs`.
    pub fn adfs(host: Url, client_id: impl Into<String>, credential: ClientCredential) -> Self {
        Self { authority_kind: AuthorityKind::Adfs, ..Self::new(host, "adfs", client_id, credential) }
    }

    /// A registration at any OpenID Connect provider that signs with RS256. Its discovery document must stand below
    /// `issuer` and name exactly this issuer.
    pub fn oidc(issuer: Url, client_id: impl Into<String>, credential: ClientCredential) -> Self {
        Self { authority_kind: AuthorityKind::Oidc, ..Self::new(issuer, "", client_id, credential) }
    }

    /// Reads the variables named at the fields.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let registration = AppRegistration::from_env(env);
        let credential = ClientCredential::from_env(env);
        Some(registration?.with_credential(credential?))
    }

    /// As [`EntraConfig::from_env`], for a program that has users: `ALLOWED_TENANTS`, ids separated by commas, lists the
    /// tenants that are let in where the authority is one for several.
    ///
    /// ```
    /// use shared_auth::{EntraConfig, Env};
    ///
    /// let settings = [
    ///     ("AZURE_TENANT_ID", "organizations"),
    ///     ("AZURE_CLIENT_ID", "c0ffee00-0000-4000-8000-000000004000"),
    ///     ("AZURE_CLIENT_SECRET", "from a safe place"),
    ///     ("ALLOWED_TENANTS", "10000000-0000-4000-8000-000000000001"),
    /// ];
    /// let config = Env::from_pairs(settings).read(EntraConfig::from_env_with_tenants)?;
    /// assert_eq!(config.allowed_tenants.len(), 1);
    /// # Ok::<(), shared_auth::ConfigError>(())
    /// ```
    pub fn from_env_with_tenants(env: &mut Env) -> Option<Self> {
        const NAME: &str = "ALLOWED_TENANTS";
        let config = Self::from_env(env);
        let listed = env.optional::<TenantIds>(NAME)?;
        let config = config?;
        let Some(TenantIds(allowed_tenants)) = listed else { return Some(config) };
        // A list that nobody looks at would be taken for one that protects.
        if !crate::authority::is_several(&config.tenant_id) {
            env.note(
                NAME,
                "is for an authority of several tenants, and AZURE_TENANT_ID names one; set that to organizations or \
                 common, or leave the list out",
            );
            return None;
        }
        Some(Self { allowed_tenants, ..config })
    }
}

/// What a protected API expects of the tokens that reach it.
///
/// ```
/// use shared_auth::ApiConfig;
///
/// let config = ApiConfig { scope: "orders.read".to_owned(), ..ApiConfig::new("c0ffee00") };
/// assert_eq!(config.audiences, ["c0ffee00", "api://c0ffee00"]); // tokens of version 2.0, and of 1.0
/// ```
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// `API_AUDIENCE`, blank-separated; by default the client id and `api://` + client id.
    pub audiences: Vec<String>,
    /// `API_SCOPE`, `access_as_user` by default: the delegated permission that users' tokens need.
    pub scope: String,
    /// `API_ROLE`, `Directory.Read` by default: the application permission that daemons' tokens need.
    pub role: String,
    /// `TOKEN_CLOCK_SKEW_SECONDS`, 60 by default and 300 at most: how far clocks may be apart.
    pub clock_skew_seconds: u32,
    /// `JWKS_MIN_REFRESH_SECONDS`, 300 by default: how soon an unknown key id may ask for the keys again.
    pub jwks_min_refresh_seconds: u32,
    /// How much memory the tokens that were verified may take, in bytes; `None` is 32 MiB, about 10,000 tokens. The least
    /// used give way.
    pub verified_tokens_bytes: Option<u64>,
}

impl ApiConfig {
    /// The defaults for the registration `client_id`.
    pub fn new(client_id: &str) -> Self {
        Self {
            audiences: vec![client_id.to_owned(), format!("api://{client_id}")],
            scope: "access_as_user".to_owned(),
            role: "Directory.Read".to_owned(),
            clock_skew_seconds: 60,
            jwks_min_refresh_seconds: 300,
            verified_tokens_bytes: None,
        }
    }

    /// Reads the variables named at the fields.
    pub fn from_env(env: &mut Env, entra: Option<&EntraConfig>) -> Option<Self> {
        let defaults = ApiConfig::new(entra.map_or("", |entra| &entra.client_id));
        let audience = env.optional::<String>("API_AUDIENCE");
        let scope = env.or("API_SCOPE", defaults.scope);
        let role = env.or("API_ROLE", defaults.role);
        let skew = clock_skew_seconds(env);
        let refresh = jwks_min_refresh_seconds(env);
        Some(Self {
            audiences: match audience? {
                Some(list) => list.split_ascii_whitespace().map(str::to_owned).collect(),
                None => defaults.audiences,
            },
            scope: scope?,
            role: role?,
            clock_skew_seconds: skew?,
            jwks_min_refresh_seconds: refresh?,
            verified_tokens_bytes: defaults.verified_tokens_bytes,
        })
    }
}

/// `TOKEN_CLOCK_SKEW_SECONDS`.
///
/// ```
/// use shared_auth::Env;
///
/// assert_eq!(Env::from_pairs([("", "")]).read(shared_auth::clock_skew_seconds)?, 60);
/// assert!(Env::from_pairs([("TOKEN_CLOCK_SKEW_SECONDS", "301")]).read(shared_auth::clock_skew_seconds).is_err());
/// # Ok::<(), shared_auth::ConfigError>(())
/// ```
pub fn clock_skew_seconds(env: &mut Env) -> Option<u32> {
    env.number("TOKEN_CLOCK_SKEW_SECONDS", 60, 0..=300)
}

/// `JWKS_MIN_REFRESH_SECONDS`.
///
/// ```
/// use shared_auth::Env;
///
/// let mut env = Env::from_pairs([("JWKS_MIN_REFRESH_SECONDS", "30")]);
/// assert_eq!(env.read(shared_auth::jwks_min_refresh_seconds)?, 30);
/// # Ok::<(), shared_auth::ConfigError>(())
/// ```
pub fn jwks_min_refresh_seconds(env: &mut Env) -> Option<u32> {
    env.number("JWKS_MIN_REFRESH_SECONDS", 300, 1..=86_400)
}

/// An address that must be there: http or https, with a host, without query or fragment.
///
/// ```
/// use shared_auth::Env;
///
/// let mut env = Env::from_pairs([("API_BASE_URL", "https://api.example/v1")]);
/// assert_eq!(env.read(|env| shared_auth::url(env, "API_BASE_URL"))?.path(), "/v1");
/// assert!(Env::from_pairs([("API_BASE_URL", "localhost:4000")]).read(|env| shared_auth::url(env, "API_BASE_URL")).is_err());
/// # Ok::<(), shared_auth::ConfigError>(())
/// ```
pub fn url(env: &mut Env, name: &'static str) -> Option<Url> {
    env.required::<HttpUrl>(name).map(|url| url.0)
}

/// An address with a default; see [`url()`].
///
/// ```
/// use shared_auth::Env;
///
/// let graph = Env::from_pairs([("", "")]).read(|env| shared_auth::url_or(env, "GRAPH_BASE_URL", shared_auth::GRAPH))?;
/// assert_eq!(graph.as_str(), shared_auth::GRAPH);
/// # Ok::<(), shared_auth::ConfigError>(())
/// ```
pub fn url_or(env: &mut Env, name: &'static str, default: &str) -> Option<Url> {
    match optional_url(env, name)? {
        Some(url) => Some(url),
        None => Url::parse(default).ok(),
    }
}

/// An address that may be absent; see [`url()`]. The outer `None` means that a problem was noted.
///
/// ```
/// use shared_auth::Env;
///
/// assert_eq!(Env::from_pairs([("", "")]).read(|env| shared_auth::optional_url(env, "REDIS_UI"))?, None);
/// # Ok::<(), shared_auth::ConfigError>(())
/// ```
#[allow(clippy::option_option, reason = "absent and malformed are different answers")]
pub fn optional_url(env: &mut Env, name: &'static str) -> Option<Option<Url>> {
    Some(env.optional::<HttpUrl>(name)?.map(|url| url.0))
}

/// The origin of a site, such as `https://app.example`, which may be absent: an address without a path.
///
/// ```
/// use shared_auth::Env;
///
/// let mut env = Env::from_pairs([("PUBLIC_URL", "https://app.example/path")]);
/// assert!(env.read(|env| shared_auth::optional_origin(env, "PUBLIC_URL")).is_err());
/// # Ok::<(), shared_auth::ConfigError>(())
/// ```
#[allow(clippy::option_option, reason = "absent and malformed are different answers")]
pub fn optional_origin(env: &mut Env, name: &'static str) -> Option<Option<Url>> {
    let url = optional_url(env, name)?;
    if url.as_ref().is_some_and(|url| url.path() != "/") {
        env.note(name, "must be an origin without a path, such as https://app.example");
        return None;
    }
    Some(url)
}

/// Ids of tenants, separated by commas. Tokens name their tenant by its id, so a domain would let in nobody.
struct TenantIds(Vec<String>);

impl std::str::FromStr for TenantIds {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = |text: &str| uuid::Uuid::try_parse(text.trim()).map(|id| id.to_string());
        let ids: Result<_, _> = text.split(',').map(id).collect();
        ids.map(Self).map_err(|_| "it must be ids of tenants (GUIDs), separated by commas")
    }
}

/// What `localhost:4000` is not: there, "localhost" is read as the scheme.
struct HttpUrl(Url);

impl std::str::FromStr for HttpUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const NEEDED: &str = "it must be an address such as https://api.example, without query or fragment";
        let url = Url::parse(text).map_err(|_| NEEDED)?;
        let whole = matches!(url.scheme(), "http" | "https") && url.has_host();
        let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        if whole && plain { Ok(Self(url)) } else { Err(NEEDED) }
    }
}

/// The file that `EXTRA_CA_CERTS` names. The outer `None` means that a problem was noted.
#[allow(clippy::option_option, reason = "absent and malformed are different answers")]
pub(crate) fn extra_ca_certs(env: &mut Env) -> Option<Option<Vec<u8>>> {
    const NAME: &str = "EXTRA_CA_CERTS";
    let Some(path) = env.optional::<String>(NAME)? else { return Some(None) };
    match std::fs::read(&path) {
        Ok(pem) => Some(Some(pem)),
        Err(error) => {
            env.note(NAME, format!("names a file that cannot be read: {error}"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_cannot_be_called_are_named_at_once() {
        let tries = [
            "localhost:4000",
            "api.example",
            "ftp://x",
            "http://",
            "https://a/?q=1",
            "https://a/#f",
            "https://u@a/",
        ];
        for text in tries {
            let mut env =
                Env::from_pairs([("API_BASE_URL", text), ("PUBLIC_URL", "https://app.example/path")]);
            let error = env
                .read(|env| {
                    let (api, public) = (url(env, "API_BASE_URL"), optional_origin(env, "PUBLIC_URL"));
                    Some((api?, public?))
                })
                .unwrap_err();
            assert_eq!(error.problems.len(), 2, "{text}: {error}");
        }
        let mut env = Env::from_pairs([("API_BASE_URL", "http://web-api-obo:4000/base")]);
        assert!(env.read(|env| url(env, "API_BASE_URL")).is_ok());
    }
}
