//! Consent: who has agreed to let which client use which scopes of which API.
//!
//! Starts with the seed's entries; the consent page adds to it; a reset takes it back.

use std::collections::{BTreeSet, HashMap};
use std::sync::{PoisonError, RwLock};

use uuid::Uuid;

use crate::directory::Directory;

/// Agreed scopes by tenant, user (none: everyone in the tenant), client and resource.
type Grants = HashMap<(Uuid, Option<Uuid>, Uuid, Uuid), BTreeSet<String>>;

/// All consent of the lab.
#[derive(Debug, Default)]
pub struct Consents {
    grants: RwLock<Grants>,
}

impl Consents {
    /// Forgets everything and starts again with what the seed says.
    pub fn reset(&self, directory: &Directory) {
        let mut grants = Grants::new();
        for tenant in &directory.tenants {
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
        *self.grants.write().unwrap_or_else(PoisonError::into_inner) = grants;
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
