//! The directory: tenants, people, registered applications, what they expose, and who may do what.
//!
//! Plain data with look-ups; it is read from the seed (`seed.rs`) and never changes while the lab
//! runs. What users agree to on the consent page is kept apart, in `consents.rs`.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// Client id of Microsoft Graph, the same in every tenant.
pub const GRAPH: Uuid = Uuid::from_u128(0x00000003_0000_0000_c000_000000000000);

/// Scopes that belong to OpenID Connect. Entra lists them as permissions of Graph.
pub const OIDC_SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// All tenants of the lab.
#[derive(Debug, Default)]
pub struct Directory {
    pub tenants: Vec<Tenant>,
}

/// One organisation with its people and applications.
#[derive(Debug)]
pub struct Tenant {
    pub id: Uuid,
    pub name: String,
    pub domain: String,
    pub users: Vec<User>,
    pub apps: Vec<Application>,
    pub consents: Vec<Consent>,
    pub role_assignments: Vec<RoleAssignment>,
}

/// A person, with what Graph shows about them.
#[derive(Debug)]
pub struct User {
    pub id: Uuid,
    pub upn: String,
    /// People without a password appear in the directory but cannot sign in.
    pub password: Option<Secret>,
    pub display_name: String,
    pub given_name: Option<String>,
    pub surname: Option<String>,
    pub job_title: Option<String>,
    pub office_location: Option<String>,
    pub mail: Option<String>,
    pub mobile_phone: Option<String>,
    pub preferred_language: Option<String>,
    /// Colour of the generated photo, such as `#2f6f4f`; none means that there is no photo.
    pub photo: Option<String>,
    pub messages: Vec<Message>,
}

/// One mail in a person's mailbox.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    pub subject: String,
    pub from_name: String,
    pub from_address: String,
    pub received: Timestamp,
    pub preview: String,
    #[serde(default)]
    pub is_read: bool,
}

/// A registered application. It can be a client, an API, or both.
#[derive(Debug)]
pub struct Application {
    /// The client id.
    pub id: Uuid,
    /// Object id of its service principal: `oid` and `sub` of app-only tokens.
    pub object_id: Uuid,
    pub name: String,
    pub secrets: Vec<Secret>,
    pub public_client: bool,
    /// Whether users of other tenants may sign in, so that `common` and `organizations` work.
    pub multi_tenant: bool,
    pub redirect_uris: Vec<String>,
    pub identifier_uris: Vec<String>,
    /// Format of the access tokens that this API receives: 1 or 2.
    pub access_token_version: u8,
    pub scopes: Vec<Scope>,
    pub roles: Vec<AppRole>,
    pub needs: Vec<Need>,
}

/// A delegated permission that an API exposes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    pub value: String,
    pub description: String,
    /// Only an administrator may agree to it.
    #[serde(default)]
    pub admin_only: bool,
}

/// A role that an API exposes, for people, for applications, or for both.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppRole {
    pub value: String,
    pub description: String,
    pub allowed: Vec<RoleMember>,
}

/// Who can be given an app role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RoleMember {
    User,
    Application,
}

/// What an application has listed under "API permissions" for one resource.
#[derive(Debug)]
pub struct Need {
    pub resource: Uuid,
    pub delegated: Vec<String>,
    pub application: Vec<String>,
}

/// Consent that is there from the start: for the named people, or for everyone.
#[derive(Debug)]
pub struct Consent {
    pub client: Uuid,
    pub resource: Uuid,
    pub scopes: BTreeSet<String>,
    /// None: an administrator agreed for the whole tenant.
    pub users: Option<Vec<Uuid>>,
}

/// App roles given to a user or to a service principal (both by object id).
#[derive(Debug)]
pub struct RoleAssignment {
    pub principal: Uuid,
    pub resource: Uuid,
    pub roles: Vec<String>,
}

impl Directory {
    /// The tenant with this id or domain. Both are compared without case.
    pub fn tenant(&self, id_or_domain: &str) -> Option<&Tenant> {
        let id = Uuid::try_parse(id_or_domain).ok();
        self.tenants.iter().find(|t| Some(t.id) == id || t.domain.eq_ignore_ascii_case(id_or_domain))
    }

    pub fn tenant_by_id(&self, id: Uuid) -> Option<&Tenant> {
        self.tenants.iter().find(|t| t.id == id)
    }

    /// The application as this tenant sees it: its own, or one that another tenant shares.
    pub fn app_in<'d>(&'d self, tenant: &'d Tenant, client_id: Uuid) -> Option<&'d Application> {
        tenant.app(client_id).or_else(|| self.any_app(client_id).filter(|a| a.multi_tenant))
    }

    /// The application wherever it is registered; `common` has no tenant to look in.
    pub fn any_app(&self, client_id: Uuid) -> Option<&Application> {
        self.tenants.iter().find_map(|t| t.app(client_id))
    }

    /// The person with this sign-in name, in whichever tenant.
    pub fn user_by_upn(&self, upn: &str) -> Option<(&Tenant, &User)> {
        self.tenants.iter().find_map(|t| Some((t, t.user_by_upn(upn)?)))
    }
}

impl Tenant {
    pub fn user(&self, id: Uuid) -> Option<&User> {
        self.users.iter().find(|u| u.id == id)
    }

    pub fn user_by_upn(&self, upn: &str) -> Option<&User> {
        self.users.iter().find(|u| u.upn.eq_ignore_ascii_case(upn.trim()))
    }

    pub fn app(&self, client_id: Uuid) -> Option<&Application> {
        self.apps.iter().find(|a| a.id == client_id)
    }

    /// The API that a resource identifier names: its client id or one of its App ID URIs.
    /// A trailing slash makes no difference.
    pub fn resource(&self, identifier: &str) -> Option<&Application> {
        let wanted = identifier.trim_end_matches('/');
        let id = Uuid::try_parse(wanted).ok();
        self.apps.iter().find(|a| {
            Some(a.id) == id
                || a.identifier_uris.iter().any(|u| u.trim_end_matches('/').eq_ignore_ascii_case(wanted))
        })
    }

    /// The app roles that a user or service principal holds on an API.
    pub fn roles_of(&self, principal: Uuid, resource: Uuid) -> BTreeSet<String> {
        self.role_assignments
            .iter()
            .filter(|a| a.principal == principal && a.resource == resource)
            .flat_map(|a| a.roles.iter().cloned())
            .collect()
    }
}

impl Application {
    /// The scope with this name; Entra compares scope names without case.
    pub fn scope(&self, name: &str) -> Option<&Scope> {
        self.scopes.iter().find(|s| s.value.eq_ignore_ascii_case(name))
    }

    /// The delegated permissions that this application has registered for a resource.
    pub fn delegated_needs(&self, resource: Uuid) -> Vec<&str> {
        let needs = self.needs.iter().filter(|n| n.resource == resource);
        needs.flat_map(|n| n.delegated.iter().map(String::as_str)).collect()
    }
}

/// A password or client secret: never printed, compared in constant time.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    pub fn matches(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }

    /// The text itself, for the home page: the lab's secrets are public.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
