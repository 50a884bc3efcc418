//! A registered application: what it may do as a client, and what it exposes as an API.

use serde::Deserialize;
use url::Url;
use uuid::Uuid;

use super::{Certificate, ClientSecret, FederatedCredential};

/// A registered application. It can be a client, an API, or both.
#[derive(Debug)]
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
    pub redirect_uris: Vec<String>,
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
