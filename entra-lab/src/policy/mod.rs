//! Policies: what somebody must do, or may not do at all, before a token is issued.
//!
//! A small part of Conditional Access with the same words on the wire. They come from the seed and
//! from `POST /lab/policy`; a reset brings the seed's back. `change` is the control, `claims_request`
//! reads the `claims` parameter, `decide` holds a sign-in against the policies.

use std::collections::{HashMap, HashSet};
use std::sync::{PoisonError, RwLock};

use serde::Serialize;
use uuid::Uuid;

use crate::directory::{Directory, Tenant};

pub mod change;
pub mod claims_request;
pub mod decide;
mod groups;

/// One policy. An empty list means everyone or everything.
#[derive(Debug, Clone, Serialize)]
pub struct Policy {
    pub id: Uuid,
    pub name: String,
    #[serde(flatten)]
    pub demand: Demand,
    /// None: everywhere.
    pub tenant: Option<Uuid>,
    pub users: Vec<Uuid>,
    pub clients: Vec<Uuid>,
    pub resources: Vec<Uuid>,
}

/// What a policy demands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Demand {
    /// A second factor (50076).
    RequireMfa,
    /// An authentication context in the token; it takes a second factor to get it (50076).
    AuthContext { context: String },
    /// A password that was typed at most this long ago (70043).
    SignInFrequency { seconds: i64 },
    /// A device that the organisation manages, which a browser at the lab never is (53000).
    #[serde(rename = "require_compliant_device")]
    CompliantDevice,
    /// Nothing helps (53003).
    Block,
}

/// The policies of one lab, and what was switched by control.
#[derive(Debug, Default)]
pub struct Policies {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default, Clone)]
struct Inner {
    policies: Vec<Policy>,
    switches: HashSet<(Switch, Uuid)>,
    /// How often a user's sessions were revoked, and when the last time.
    revocations: HashMap<Uuid, (u64, i64)>,
}

/// A switch of one application or one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Switch {
    Disabled,
    AssignmentRequired,
    ExpiredSecrets,
    /// The application's tokens name groups.
    GroupClaims,
    UserDisabled,
    UserLocked,
    PasswordExpired,
}

impl Policies {
    /// Back to what the seed says.
    pub fn reset(&self, directory: &Directory) {
        *self.write() = Inner::default();
        directory.tenants.iter().for_each(|tenant| self.add_seed(tenant));
    }

    /// Adds what the seed of one tenant says.
    pub fn add_seed(&self, tenant: &Tenant) {
        let mut inner = self.write();
        inner.policies.extend(tenant.policies.iter().cloned());
        for app in &tenant.apps {
            let on = [
                (Switch::Disabled, app.disabled),
                (Switch::AssignmentRequired, app.assignment_required),
                (Switch::GroupClaims, app.group_claims),
            ];
            inner.switches.extend(on.iter().filter(|s| s.1).map(|s| (s.0, app.id)));
        }
        for user in &tenant.users {
            let on = [
                (Switch::UserDisabled, user.disabled),
                (Switch::UserLocked, user.locked),
                (Switch::PasswordExpired, user.password_expired),
            ];
            inner.switches.extend(on.iter().filter(|s| s.1).map(|s| (s.0, user.id)));
        }
    }

    pub fn list(&self) -> Vec<Policy> {
        self.read().policies.clone()
    }

    pub fn add(&self, policy: Policy) {
        self.write().policies.push(policy);
    }

    /// False if there is none with this id.
    pub fn remove(&self, id: Uuid) -> bool {
        let mut inner = self.write();
        let before = inner.policies.len();
        inner.policies.retain(|p| p.id != id);
        inner.policies.len() < before
    }

    pub fn remove_all(&self) {
        self.write().policies.clear();
    }

    pub fn switch(&self, what: Switch, of: Uuid, on: bool) {
        let mut inner = self.write();
        if on {
            inner.switches.insert((what, of));
        } else {
            inner.switches.remove(&(what, of));
        }
    }

    pub fn is_on(&self, what: Switch, of: Uuid) -> bool {
        self.read().switches.contains(&(what, of))
    }

    /// Ends every session, code, refresh token and CAE token that the user has so far.
    pub fn revoke(&self, user: Uuid, now: i64) {
        let mut inner = self.write();
        let entry = inner.revocations.entry(user).or_default();
        *entry = (entry.0 + 1, now);
    }

    /// How often the user's sessions were revoked. Sign-ins remember it, because a second is too
    /// coarse to tell what came first.
    pub fn epoch(&self, user: Uuid) -> u64 {
        self.read().revocations.get(&user).map_or(0, |r| r.0)
    }

    /// When the user's sessions were revoked last.
    pub fn revoked_at(&self, user: Uuid) -> Option<i64> {
        self.read().revocations.get(&user).map(|r| r.1)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Policy {
    fn applies(&self, tenant: Uuid, user: Option<Uuid>, client: Uuid, resource: Uuid) -> bool {
        let fits = |list: &[Uuid], id: Uuid| list.is_empty() || list.contains(&id);
        let person = match user {
            Some(user) => fits(&self.users, user),
            // A policy for people does not reach a service, and a service cannot do what others demand.
            None => self.users.is_empty() && self.demand == Demand::Block,
        };
        self.tenant.is_none_or(|t| t == tenant)
            && person
            && fits(&self.clients, client)
            && fits(&self.resources, resource)
    }

    /// The claims challenge that leads to what this policy demands.
    fn challenge(&self) -> String {
        let wanted = match &self.demand {
            Demand::AuthContext { context } => {
                serde_json::json!({ "acrs": { "essential": true, "value": context } })
            }
            _ => serde_json::json!({ "capolids": { "essential": true, "values": [self.id] } }),
        };
        serde_json::json!({ "access_token": wanted }).to_string()
    }
}
