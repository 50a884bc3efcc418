//! The directory: tenants, people, registered applications, what they expose, and who may do what.
//!
//! Plain data with look-ups, read from the seed. A change (a registration through Graph, a tenant on demand) makes
//! a new directory, so whoever holds one sees the same thing until they are done. What users agree to is in `consents`.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use crate::policy::Policy;

mod application;
mod certificate;
mod credential;
mod secret;

pub use application::{
    AppRole, Application, Need, OptionalClaim, PreAuthorized, Registration, RoleMember, Scope,
};
pub use certificate::Certificate;
pub use credential::{
    ClientSecret, FEDERATED_AUDIENCE, FEDERATED_AUDIENCE_ID, FederatedCredential, ForeignKeys, OWN_ISSUER,
};
pub use secret::Secret;

/// Client id of Microsoft Graph, the same in every tenant.
pub const GRAPH: Uuid = Uuid::from_u128(0x00000003_0000_0000_c000_000000000000);
/// The same as an audience.
pub const GRAPH_URI: &str = "https://graph.microsoft.com";

/// Scopes that belong to OpenID Connect. Entra lists them as permissions of Graph.
pub const OIDC_SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// All tenants of the lab.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    pub tenants: Vec<Tenant>,
}

/// One organisation with its people and applications.
#[derive(Debug, Clone)]
pub struct Tenant {
    pub id: Uuid,
    pub name: String,
    pub domain: String,
    pub users: Vec<User>,
    pub groups: Vec<Group>,
    pub apps: Vec<Application>,
    /// Registrations that were deleted and not purged.
    pub deleted_apps: Vec<Application>,
    pub consents: Vec<Consent>,
    pub role_assignments: Vec<RoleAssignment>,
    pub policies: Vec<Policy>,
    pub vault_secrets: Vec<VaultSecret>,
}

/// A person, with what Graph shows about them.
#[derive(Debug, Clone)]
pub struct User {
    pub id: Uuid,
    pub upn: String,
    /// People without a password appear in the directory but cannot sign in.
    pub password: Option<Secret>,
    /// The code of the second factor, always the same in the lab.
    pub otp: Option<Secret>,
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
    pub disabled: bool,
    /// Too many wrong passwords.
    pub locked: bool,
    pub password_expired: bool,
    /// A guest's account in the tenant that they come from.
    pub home: Option<Home>,
}

/// Where a guest comes from.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Home {
    pub tenant: Uuid,
    pub object_id: Uuid,
}

/// A security group.
#[derive(Debug, Clone)]
pub struct Group {
    pub id: Uuid,
    pub name: String,
    pub description: Option<String>,
    /// Object ids of users.
    pub members: BTreeSet<Uuid>,
    /// Ids of groups, whose members belong to this one too.
    pub member_groups: BTreeSet<Uuid>,
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

/// A secret in the tenant's key vault.
#[derive(Debug, Clone)]
pub struct VaultSecret {
    pub name: String,
    pub value: Secret,
    pub content_type: Option<String>,
    /// Client ids of those who may read it.
    pub readers: Vec<Uuid>,
}

/// Consent that is there from the start: for the named people, or for everyone.
#[derive(Debug, Clone)]
pub struct Consent {
    pub client: Uuid,
    pub resource: Uuid,
    pub scopes: BTreeSet<String>,
    /// None: an administrator agreed for the whole tenant.
    pub users: Option<Vec<Uuid>>,
}

/// App roles given to a user or to a service principal (both by object id).
#[derive(Debug, Clone)]
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

    /// The person with this sign-in name, in whichever tenant. A guest signs in with the address from home.
    pub fn user_by_upn(&self, upn: &str) -> Option<(&Tenant, &User)> {
        let find = |by: fn(&User) -> Option<&str>| {
            let same = move |u: &&User| by(u).is_some_and(|name| name.eq_ignore_ascii_case(upn.trim()));
            self.tenants.iter().find_map(|t| Some((t, t.users.iter().find(same)?)))
        };
        find(|u| Some(&u.upn)).or_else(|| find(|u| u.mail.as_deref().filter(|_| u.home.is_some())))
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
        self.apps.iter().filter(|a| a.registration.has_principal).find(|a| {
            Some(a.id) == id
                || a.identifier_uris.iter().any(|u| u.trim_end_matches('/').eq_ignore_ascii_case(wanted))
        })
    }

    /// The groups that a user is a member of by name.
    pub fn direct_groups_of(&self, user: Uuid) -> impl Iterator<Item = &Group> {
        self.groups.iter().filter(move |g| g.members.contains(&user))
    }

    /// The groups of a user, with those that these are members of.
    pub fn groups_of(&self, user: Uuid) -> impl Iterator<Item = &Group> {
        let mut found: BTreeSet<Uuid> = self.direct_groups_of(user).map(|g| g.id).collect();
        loop {
            let holds = |g: &&Group| !found.contains(&g.id) && !g.member_groups.is_disjoint(&found);
            let more: Vec<Uuid> = self.groups.iter().filter(holds).map(|g| g.id).collect();
            if more.is_empty() {
                break;
            }
            found.extend(more);
        }
        self.groups.iter().filter(move |g| found.contains(&g.id))
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
