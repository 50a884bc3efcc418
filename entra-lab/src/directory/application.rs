//! A registered application: what it may do as a client, and what it exposes as an API.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

use super::{Certificate, ClientSecret, FederatedCredential, GRAPH};

/// A registered application. It can be a client, an API, or both.
#[derive(Debug, Clone)]
pub struct Application {
    /// The client id.
    pub id: Uuid,
    /// Object id of its service principal: `oid` and `sub` of app-only tokens.
    pub object_id: Uuid,
    pub name: String,
    pub secrets: Vec<ClientSecret>,
    pub certificates: Vec<Certificate>,
    pub federated: Vec<FederatedCredential>,
    pub public_client: bool,
    /// Whether users of other tenants may sign in, so that `common` and `organizations` work.
    pub multi_tenant: bool,
    /// One of the family (Microsoft's own applications) whose members use each other's refresh tokens.
    pub family: bool,
    /// Of the platforms "web" and "mobile and desktop".
    pub redirect_uris: Vec<String>,
    /// Of the platform "single-page application": a page redeems the code itself, across origins and without a secret.
    pub spa_redirect_uris: Vec<String>,
    /// The authorization endpoint itself may give it ID tokens (hybrid and implicit flow).
    pub implicit_id_tokens: bool,
    /// The same for access tokens.
    pub implicit_access_tokens: bool,
    /// Opened in a hidden frame when the browser's session ends.
    pub front_channel_logout_url: Option<Url>,
    pub identifier_uris: Vec<String>,
    /// Format of the access tokens that this API receives: 1 or 2.
    pub access_token_version: u8,
    pub scopes: Vec<Scope>,
    pub roles: Vec<AppRole>,
    pub needs: Vec<Need>,
    /// An identity of Azure itself: it has no credential and gets its tokens from the machine.
    pub managed_identity: bool,
    pub disabled: bool,
    /// Only people and services with an app role may use it.
    pub assignment_required: bool,
    /// Clients whose users agree to what this API needs itself in the same breath.
    pub known_clients: Vec<Uuid>,
    /// Clients that nobody is asked for.
    pub pre_authorized: Vec<PreAuthorized>,
    /// Tokens for it, and its own ID tokens, name the user's groups.
    pub group_claims: bool,
    /// Claims that tokens for it carry beyond the usual ones.
    pub optional_claims: BTreeSet<OptionalClaim>,
    /// The same for its own ID tokens.
    pub optional_id_claims: BTreeSet<OptionalClaim>,
    /// What Graph shows of the registration and the lab makes no use of.
    pub registration: Registration,
}

/// A client that may use some scopes of an API without anybody's consent.
#[derive(Debug, Clone)]
pub struct PreAuthorized {
    pub client: Uuid,
    pub scopes: BTreeSet<String>,
}

/// A claim that a registration has to ask for (`optionalClaims` of the manifest).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptionalClaim {
    /// 0 for a member of the tenant, 1 for a guest.
    Acct,
    AuthTime,
    Email,
    FamilyName,
    GivenName,
    /// `app` in app-only tokens.
    Idtyp,
    /// And `user` in the tokens of users (`include_user_token` of the manifest).
    IdtypOfUsers,
    Ipaddr,
    /// Names the account at sign-out (`logout_hint`).
    LoginHint,
    /// Of ID tokens; access tokens name the session in any case.
    Sid,
    Upn,
    /// What the client can handle, for those that declared it.
    XmsCc,
}

/// The part of a registration that only tools look at.
#[derive(Debug, Clone, Default)]
pub struct Registration {
    /// Object id of the application object; the service principal has another one.
    pub object_id: Uuid,
    /// Whether the tenant has a service principal for it, without which nobody gets tokens.
    pub has_principal: bool,
    /// Properties as Graph wrote them last; empty if it never did.
    pub written: serde_json::Map<String, serde_json::Value>,
}

/// A delegated permission that an API exposes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Filled in from the name where the seed has none.
    #[serde(default)]
    pub id: Uuid,
    pub value: String,
    pub description: String,
    /// Only an administrator may agree to it.
    #[serde(default)]
    pub admin_only: bool,
    /// Switched off by a registration tool, which has to come before the removal.
    #[serde(default)]
    pub disabled: bool,
}

/// A role that an API exposes, for people, for applications, or for both.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppRole {
    /// Filled in from the name where the seed has none.
    #[serde(default)]
    pub id: Uuid,
    pub value: String,
    pub description: String,
    pub allowed: Vec<RoleMember>,
    #[serde(default)]
    pub disabled: bool,
}

/// Who can be given an app role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RoleMember {
    User,
    Application,
}

/// What an application has listed under "API permissions" for one resource.
#[derive(Debug, Clone)]
pub struct Need {
    pub resource: Uuid,
    pub delegated: Vec<String>,
    pub application: Vec<String>,
}

impl Application {
    /// The scope with this name; Entra compares scope names without case.
    pub fn scope(&self, name: &str) -> Option<&Scope> {
        self.scopes.iter().find(|s| !s.disabled && s.value.eq_ignore_ascii_case(name))
    }

    /// Gives scopes and roles an id that is the same at every start. Entra's are random.
    pub fn fill_permission_ids(&mut self) {
        let id = |kind: &str, value: &str| Uuid::new_v5(&self.id, format!("{kind} {value}").as_bytes());
        for scope in self.scopes.iter_mut().filter(|s| s.id.is_nil()) {
            scope.id = id("scope", &scope.value);
        }
        for role in self.roles.iter_mut().filter(|r| r.id.is_nil()) {
            role.id = id("role", &role.value);
        }
    }

    /// Every redirect URI, whatever its platform.
    pub fn every_redirect_uri(&self) -> impl Iterator<Item = &str> {
        self.redirect_uris.iter().chain(&self.spa_redirect_uris).map(String::as_str)
    }

    /// Whether tokens for it carry an optional claim. Graph's own registration asks for all that it looks at.
    pub fn wants_claim(&self, claim: OptionalClaim) -> bool {
        let graphs = [OptionalClaim::Idtyp, OptionalClaim::IdtypOfUsers, OptionalClaim::XmsCc];
        self.optional_claims.contains(&claim) || (self.id == GRAPH && graphs.contains(&claim))
    }

    /// The delegated permissions that this application has registered for a resource.
    pub fn delegated_needs(&self, resource: Uuid) -> Vec<&str> {
        let needs = self.needs.iter().filter(|n| n.resource == resource);
        needs.flat_map(|n| n.delegated.iter().map(String::as_str)).collect()
    }
}
