//! The authority: who signs users in and issues tokens, where its endpoints are, and that it is who we think it is.
//!
//! Endpoints come only from the discovery document (OpenID Connect Discovery §4), and the document counts only if its
//! issuer is the configured one (§4.3).
//!
//! | file | what it knows |
//! |---|---|
//! | `discovery.rs` | the document: fetched when first needed, checked, remembered for a day |
//! | `kind.rs` | Entra, External ID, B2C, AD FS, OpenID Connect: how each lays out its addresses |
//! | `cloud.rs` | the clouds, and which hosts are names of one authority |
//! | `issuer.rs` | which issuer a document and a token must name; several tenants and the list of those let in |
//! | `instance.rs` | what is done about a host that nobody knows |

mod cloud;
mod discovery;
mod instance;
mod issuer;
mod kind;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;

use std::sync::{Arc, RwLock};

use jiff::Timestamp;
use tokio::sync::Mutex;
use url::Url;

pub use cloud::Cloud;
pub use instance::{InstanceDiscovery, InstanceMetadata};
pub(crate) use issuer::{Dialect, Expected, IssuerRule};
pub use kind::AuthorityKind;
pub(crate) use kind::{Address, ciam_tenant};

use crate::clock::SharedClock;
use crate::config::AppRegistration;
use crate::env::ConfigError;
use crate::http::{Http, is_loopback};
use crate::protocol::metadata::Metadata;

/// Tenants that were chosen for single requests; the document of one has about a kilobyte.
const REMEMBERED_TENANTS: u64 = 10_000;

/// Names in place of a tenant: users of several tenants, and no tenant in particular.
const MANY_TENANTS: [&str; 3] = ["common", "organizations", "consumers"];

/// An authority: a tenant at an Entra host, or one of the other kinds.
///
/// ```no_run
/// # async fn example(client: shared_auth::ConfidentialClient) -> Result<(), shared_auth::Error> {
/// let authority = client.authority();
/// println!("{} at {}", authority.tenant(), authority.origin());
/// println!("tokens from {}", authority.metadata().await?.token_endpoint);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Authority {
    host: Url,
    kind: AuthorityKind,
    tenant: String,
    /// What of it belongs into the keys of caches, beside `environment`.
    realm: String,
    environment: String,
    /// Other names of the host.
    aliases: Arc<[String]>,
    allowed: Arc<[String]>,
    discovery: InstanceDiscovery,
    backchannel: Option<Url>,
    http: Http,
    clock: SharedClock,
    known: RwLock<Option<(Timestamp, Metadata)>>,
    fetching: Mutex<()>,
    /// The same authority for other tenants, or other user flows; those have no siblings of their own.
    siblings: Option<moka::sync::Cache<String, Arc<Authority>>>,
}

impl Authority {
    /// The host is the public address (`https://login.microsoftonline.com`); the back channel is where this process
    /// reaches the same authority, if elsewhere.
    ///
    /// # Errors
    /// [`ConfigError`] for an address that would send the credential in the clear: plain HTTP is accepted on loopback
    /// only, or where a back channel was configured on purpose. For a malformed tenant, and for a host that supplied
    /// instance metadata does not name.
    pub(crate) fn new(config: &AppRegistration, http: Http, clock: SharedClock) -> Result<Self, ConfigError> {
        const HOST: &str = "AZURE_AUTHORITY_HOST";
        let (host, backchannel) = (config.authority_host.clone(), config.backchannel.clone());
        if host.cannot_be_a_base() || !matches!(host.scheme(), "http" | "https") {
            return Err(ConfigError::new(HOST, "must start with https://"));
        }
        if host.scheme() == "http" && !is_loopback(&host) && backchannel.is_none() {
            return Err(ConfigError::new(
                HOST,
                "uses plain HTTP to another machine, which would show the credential to everyone on the way; use https",
            ));
        }
        let kind = config.authority_kind.clone();
        let tenant = match &kind {
            AuthorityKind::Adfs => "adfs".to_owned(),
            AuthorityKind::Oidc => String::new(),
            _ => checked_tenant(&config.tenant_id)?,
        };
        if let AuthorityKind::B2c { policy } = &kind {
            check_policy(policy)?;
        }
        let realm = match &kind {
            AuthorityKind::B2c { policy } => b2c_realm(&tenant, policy),
            AuthorityKind::Oidc => host.path().to_owned(),
            _ => tenant.clone(),
        };
        let name = host.host_str().unwrap_or_default();
        let (environment, aliases) = match &config.instance_discovery {
            InstanceDiscovery::Supplied(metadata) if kind == AuthorityKind::Entra => {
                let (cache, aliases) = metadata.of_host(name).ok_or_else(|| {
                    ConfigError::new(HOST, "is not among the hosts of the supplied instance metadata")
                })?;
                (cache.to_owned(), aliases.to_vec())
            }
            _ => {
                let aliases = Cloud::of_host(name).map_or(&[][..], Cloud::hosts);
                (cloud::cache_name(name).to_owned(), aliases.iter().map(|&alias| alias.to_owned()).collect())
            }
        };
        Ok(Self {
            host,
            kind,
            tenant,
            realm,
            environment,
            aliases: aliases.into(),
            allowed: config.allowed_tenants.clone().into(),
            discovery: config.instance_discovery.clone(),
            backchannel,
            http,
            clock,
            known: RwLock::new(None),
            fetching: Mutex::new(()),
            siblings: Some(moka::sync::Cache::new(REMEMBERED_TENANTS)),
        })
    }

    /// The same authority for another tenant, or with B2C for another user flow ([`Self::realm_of_policy`]); remembered,
    /// with its discovery document.
    ///
    /// # Errors
    /// [`ConfigError`] for a malformed tenant or user flow, and for kinds of authorities that have none to choose from.
    pub(crate) fn for_realm(self: &Arc<Self>, chosen: &str) -> Result<Arc<Authority>, ConfigError> {
        let (realm, tenant, kind) = match (&self.kind, chosen.split_once('/')) {
            (AuthorityKind::B2c { .. }, Some((_, policy))) => {
                check_policy(policy)?;
                let kind = AuthorityKind::B2c { policy: policy.to_owned() };
                (b2c_realm(&self.tenant, policy), self.tenant.clone(), kind)
            }
            (_, Some(_)) => {
                return Err(ConfigError::new(
                    "user flow",
                    "cannot be chosen: this authority is not Azure AD B2C",
                ));
            }
            (kind, None) if kind.has_tenants() => {
                let tenant = checked_tenant(chosen)?;
                (tenant.clone(), tenant, kind.clone())
            }
            (_, None) => {
                let reason = "cannot be chosen: this kind of authority has no tenants";
                return Err(ConfigError::new("tenant", reason));
            }
        };
        if realm == self.realm {
            return Ok(Arc::clone(self));
        }
        let made = || Arc::new(self.sibling(&realm, &tenant, &kind));
        Ok(self.siblings.as_ref().map_or_else(made, |siblings| siblings.get_with_by_ref(&realm, made)))
    }

    fn sibling(&self, realm: &str, tenant: &str, kind: &AuthorityKind) -> Self {
        Self {
            tenant: tenant.to_owned(),
            realm: realm.to_owned(),
            host: self.host.clone(),
            kind: kind.clone(),
            environment: self.environment.clone(),
            aliases: Arc::clone(&self.aliases),
            allowed: Arc::clone(&self.allowed),
            discovery: self.discovery.clone(),
            backchannel: self.backchannel.clone(),
            http: self.http.clone(),
            clock: self.clock.clone(),
            known: RwLock::new(None),
            fetching: Mutex::new(()),
            siblings: None,
        }
    }

    /// The tenant as configured: a GUID, a domain, or a name for several, in lower case. Empty for OpenID Connect.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Whose rules it follows.
    pub fn kind(&self) -> &AuthorityKind {
        &self.kind
    }

    /// Whose tokens these are, for the keys of caches: the tenant, with B2C the policy too.
    pub(crate) fn realm(&self) -> &str {
        &self.realm
    }

    /// True for `common`, `organizations` and `consumers`: for users, and not for an application by itself.
    pub fn is_multi_tenant(&self) -> bool {
        self.kind == AuthorityKind::Entra && is_several(&self.tenant)
    }

    /// True where one request can be for another tenant.
    pub(crate) fn has_tenants(&self) -> bool {
        self.kind.has_tenants()
    }

    /// What [`Self::for_realm`] takes for another user flow of this authority.
    pub(crate) fn realm_of_policy(&self, policy: &str) -> String {
        b2c_realm(&self.tenant, policy)
    }

    /// The user flow that an account signed in with, where it is another one than the configured: B2C names it in the
    /// user's id, `{object id}-{policy}.{tenant id}`.
    pub(crate) fn realm_of_account(&self, home_account_id: &str) -> Option<String> {
        let configured = self.policy()?;
        let (user, _) = home_account_id.rsplit_once('.')?;
        let (id, policy) = user.split_at_checked(36)?;
        let policy = policy.strip_prefix('-').filter(|_| uuid::Uuid::try_parse(id).is_ok())?;
        (!policy.eq_ignore_ascii_case(configured)).then(|| self.realm_of_policy(policy))
    }

    /// The policy, where the authority has any.
    pub(crate) fn policy(&self) -> Option<&str> {
        match &self.kind {
            AuthorityKind::B2c { policy } => Some(policy),
            _ => None,
        }
    }

    /// The configured host, without its port.
    pub(crate) fn host_name(&self) -> &str {
        self.host.host_str().unwrap_or_default()
    }

    /// True where `environment` is a name of this authority's host, as token caches spell it: with the port or without.
    pub(crate) fn is_called(&self, environment: &str) -> bool {
        let host = self.host.host_str().unwrap_or_default();
        // Mostly it is spelled alike, which is known sooner.
        let is = |name: &str| name == environment || name.eq_ignore_ascii_case(environment);
        let with_port = || self.host.port().is_some_and(|port| is(&format!("{host}:{port}")));
        is(host) || is(&self.environment) || self.aliases.iter().any(|alias| is(alias)) || with_port()
    }

    /// The tenant's id, where it is one tenant and its id is known: from the settings, or from the document.
    pub(crate) fn tenant_id(&self) -> Option<String> {
        if !self.kind.has_tenants() {
            return None;
        }
        if uuid::Uuid::try_parse(&self.tenant).is_ok() {
            return Some(self.tenant.clone());
        }
        self.issuer_rule(&self.remembered()?.issuer).ok()?.tenant_id().map(str::to_owned)
    }

    /// The cloud of this authority, if its host is one of Microsoft's.
    pub(crate) fn cloud(&self) -> Option<Cloud> {
        Cloud::of_host(self.host.host_str()?).filter(|_| self.kind == AuthorityKind::Entra)
    }

    /// The name under which tokens of this authority are filed: the same for all names of one host.
    pub(crate) fn environment(&self) -> &str {
        &self.environment
    }

    /// A page of this tenant, as browsers reach it.
    pub(crate) fn page(&self, path: &[&str]) -> Url {
        extend(&self.host, &[&[self.tenant.as_str()], path].concat())
    }

    /// The public address, for CSP and links.
    pub fn origin(&self) -> String {
        self.host.origin().ascii_serialization()
    }

    /// What the issuer of a document, and later of tokens, has to be; the error is what was expected.
    pub(crate) fn issuer_rule(&self, issuer: &str) -> Result<IssuerRule, String> {
        let wanted = issuer::Wanted {
            kind: &self.kind,
            base: self.base(),
            aliases: &self.aliases,
            tenant: &self.tenant,
            allowed: &self.allowed,
        };
        IssuerRule::new(&wanted, issuer)
    }

    fn base(&self) -> &str {
        self.host.as_str().trim_end_matches('/')
    }
}

/// True for the names that stand for several tenants.
pub(crate) fn is_several(tenant: &str) -> bool {
    MANY_TENANTS.iter().any(|name| name.eq_ignore_ascii_case(tenant))
}

/// `base` with path segments added.
pub(crate) fn extend(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

/// What keeps the tokens of one user flow apart from those of the others.
fn b2c_realm(tenant: &str, policy: &str) -> String {
    format!("{tenant}/{}", policy.to_ascii_lowercase())
}

/// A user flow that can stand in an address.
fn check_policy(policy: &str) -> Result<(), ConfigError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if policy.chars().any(|c| c.is_ascii_alphanumeric()) && policy.chars().all(fits) {
        return Ok(());
    }
    Err(ConfigError::new("policy", "must be the name of a user flow or custom policy"))
}

/// A tenant that can stand in an address, in lower case.
fn checked_tenant(tenant: &str) -> Result<String, ConfigError> {
    // Letters or digits somewhere: "." and ".." would vanish from the path.
    if !tenant.chars().any(|c| c.is_ascii_alphanumeric())
        || !tenant.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.')
    {
        return Err(ConfigError::new(
            "AZURE_TENANT_ID",
            "must be a tenant id (GUID) or a domain of the tenant; where users sign in also organizations, common or \
             consumers",
        ));
    }
    Ok(tenant.to_ascii_lowercase())
}
