//! Consent: who has agreed to let which client use which scopes of which API.
//!
//! Starts with the seed's entries; the consent page adds to it; a reset takes it back.

use std::collections::{BTreeSet, HashMap};
use std::sync::{PoisonError, RwLock};

use uuid::Uuid;

use crate::directory::{Directory, Tenant};

/// Agreed scopes by tenant, user (none: everyone in the tenant), client and resource.
type Grants = HashMap<(Uuid, Option<Uuid>, Uuid, Uuid), BTreeSet<String>>;

/// What one person, or everyone, has agreed to for one client and resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub tenant: Uuid,
    pub user: Option<Uuid>,
    pub client: Uuid,
    pub resource: Uuid,
    pub scopes: BTreeSet<String>,
}

impl Grant {
    /// The same for the same parties, whatever the scopes.
    pub fn id(&self) -> String {
        let text = format!("{:?} {} {}", self.user, self.client, self.resource);
        Uuid::new_v5(&self.tenant, text.as_bytes()).simple().to_string()
    }
}

/// All consent of the lab.
#[derive(Debug, Default)]
pub struct Consents {
    grants: RwLock<Grants>,
}

impl Consents {
    /// Forgets everything and starts again with what the seed says.
    pub fn reset(&self, directory: &Directory) {
        self.grants.write().unwrap_or_else(PoisonError::into_inner).clear();
        directory.tenants.iter().for_each(|tenant| self.add_seed(tenant));
    }

    /// Adds what the seed of one tenant says.
    pub fn add_seed(&self, tenant: &Tenant) {
        let mut grants = self.grants.write().unwrap_or_else(PoisonError::into_inner);
        for consent in &tenant.consents {
            let people: Vec<Option<Uuid>> = match &consent.users {
                None => vec![None],
                Some(users) => users.iter().copied().map(Some).collect(),
            };
            for person in people {
                let key = (tenant.id, person, consent.client, consent.resource);
                grants.entry(key).or_default().extend(consent.scopes.iter().cloned());
            }
        }
    }

    /// Everything that this client may use of the resource for this user.
    pub fn granted(&self, tenant: Uuid, user: Uuid, client: Uuid, resource: Uuid) -> BTreeSet<String> {
        let grants = self.grants.read().unwrap_or_else(PoisonError::into_inner);
        let of = |person| grants.get(&(tenant, person, client, resource)).into_iter().flatten();
        of(None).chain(of(Some(user))).cloned().collect()
    }

    /// Remembers what a user has agreed to.
    pub fn add(
        &self,
        tenant: Uuid,
        user: Uuid,
        client: Uuid,
        resource: Uuid,
        scopes: impl IntoIterator<Item = String>,
    ) {
        self.grant(tenant, Some(user), client, resource, scopes);
    }

    /// The same, or without a user what an administrator has agreed to for everyone.
    pub fn grant(
        &self,
        tenant: Uuid,
        user: Option<Uuid>,
        client: Uuid,
        resource: Uuid,
        scopes: impl IntoIterator<Item = String>,
    ) {
        let mut grants = self.grants.write().unwrap_or_else(PoisonError::into_inner);
        grants.entry((tenant, user, client, resource)).or_default().extend(scopes);
    }

    /// Every grant of a tenant, in a stable order.
    pub fn of_tenant(&self, tenant: Uuid) -> Vec<Grant> {
        let grants = self.grants.read().unwrap_or_else(PoisonError::into_inner);
        let of = grants.iter().filter(|((t, ..), scopes)| *t == tenant && !scopes.is_empty());
        let mut list: Vec<Grant> = of
            .map(|((tenant, user, client, resource), scopes)| Grant {
                tenant: *tenant,
                user: *user,
                client: *client,
                resource: *resource,
                scopes: scopes.clone(),
            })
            .collect();
        list.sort_by_key(Grant::id);
        list
    }

    /// Exactly these scopes from now on; without any the grant is gone.
    pub fn put(&self, grant: &Grant) {
        let mut grants = self.grants.write().unwrap_or_else(PoisonError::into_inner);
        let key = (grant.tenant, grant.user, grant.client, grant.resource);
        if grant.scopes.is_empty() {
            grants.remove(&key);
        } else {
            grants.insert(key, grant.scopes.clone());
        }
    }

    /// Everything that is about an application, as client or as resource.
    pub fn forget_app(&self, app: Uuid) {
        let mut grants = self.grants.write().unwrap_or_else(PoisonError::into_inner);
        grants.retain(|(_, _, client, resource), _| *client != app && *resource != app);
    }

    /// Takes consent back: that of one user, or without a user everybody's; without scopes all of it.
    pub fn withdraw(
        &self,
        tenant: Uuid,
        user: Option<Uuid>,
        client: Uuid,
        resource: Uuid,
        scopes: Option<&[String]>,
    ) {
        let mut grants = self.grants.write().unwrap_or_else(PoisonError::into_inner);
        for ((t, person, c, r), agreed) in grants.iter_mut() {
            if (*t, *c, *r) == (tenant, client, resource) && (user.is_none() || *person == user) {
                agreed.retain(|name| {
                    scopes.is_some_and(|gone| !gone.iter().any(|s| s.eq_ignore_ascii_case(name)))
                });
            }
        }
    }
}
