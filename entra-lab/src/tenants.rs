//! Tenants on demand: a copy of the first tenant with ids, domain and state of its own, so that parallel tests do not
//! meet. The ids follow from the name: the same name gives the same tenant in every lab.

use std::collections::HashMap;

use serde::Serialize;
use uuid::Uuid;

use crate::directory::{Application, Tenant};
use crate::state::LabState;

/// What a test has to know about a tenant.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct TenantInfo {
    pub tenant_id: Uuid,
    pub domain: String,
    pub users: Vec<UserInfo>,
    pub apps: Vec<AppInfo>,
}

/// Somebody who can sign in.
#[derive(Clone, Serialize)]
#[non_exhaustive]
pub struct UserInfo {
    pub upn: String,
    pub object_id: Uuid,
    pub password: String,
    pub otp: Option<String>,
}

/// An application.
#[derive(Clone, Serialize)]
#[non_exhaustive]
pub struct AppInfo {
    pub name: String,
    pub client_id: Uuid,
    pub secret: Option<String>,
    pub identifier_uri: Option<String>,
}

/// Passwords and secrets of the lab are public, and still not printed.
impl std::fmt::Debug for UserInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserInfo").field("upn", &self.upn).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for AppInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppInfo").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// The tenant with this name, made if it is not there. The error is a sentence.
pub fn on_demand(state: &LabState, name: &str) -> Result<TenantInfo, String> {
    let letters = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !letters || name.is_empty() || name.len() > 40 || name.starts_with('-') || name.ends_with('-') {
        return Err("'name' has 1 to 40 small letters, digits or hyphens, as a host name has.".to_owned());
    }
    let tenant = state.change(|directory| {
        let template = directory.tenants.first().ok_or("The lab has no tenant to copy.")?;
        let copy = copied(template, name);
        match directory.tenants.iter().find(|t| t.id == copy.id) {
            Some(there) => Ok((info(there), None)),
            None if directory.tenant(&copy.domain).is_some() => Err("Another tenant has this domain."),
            None => {
                directory.tenants.push(copy.clone());
                Ok((info(&copy), Some(copy)))
            }
        }
    });
    let (info, made) = tenant?;
    if let Some(tenant) = made {
        state.consents.add_seed(&tenant);
        state.policies.add_seed(&tenant);
    }
    Ok(info)
}

fn info(tenant: &Tenant) -> TenantInfo {
    let user = |u: &crate::directory::User| {
        Some(UserInfo {
            upn: u.upn.clone(),
            object_id: u.id,
            password: u.password.as_ref()?.reveal().to_owned(),
            otp: u.otp.as_ref().map(|code| code.reveal().to_owned()),
        })
    };
    let app = |a: &Application| AppInfo {
        name: a.name.clone(),
        client_id: a.id,
        secret: a.secrets.first().map(|s| s.value.reveal().to_owned()),
        identifier_uri: a.identifier_uris.first().cloned(),
    };
    TenantInfo {
        tenant_id: tenant.id,
        domain: tenant.domain.clone(),
        users: tenant.users.iter().filter_map(user).collect(),
        apps: tenant.apps.iter().map(app).collect(),
    }
}

/// Microsoft's own resources have the same id in every tenant; their URIs do not come from it.
fn everywhere_the_same(app: &Application) -> bool {
    let id = app.id.to_string();
    app.identifier_uris.iter().any(|uri| !uri.contains(&id))
}

fn copied(template: &Tenant, name: &str) -> Tenant {
    let mut tenant = template.clone();
    let id = Uuid::new_v5(&template.id, name.as_bytes());
    let fresh = |old: Uuid| Uuid::new_v5(&id, old.as_bytes());
    let own = template.apps.iter().filter(|a| !everywhere_the_same(a)).map(|a| a.id);
    let people = template.users.iter().map(|u| u.id);
    let principals = template.apps.iter().map(|a| a.object_id);
    let groups = template.groups.iter().map(|g| g.id);
    let map: HashMap<Uuid, Uuid> =
        own.chain(people).chain(principals).chain(groups).map(|old| (old, fresh(old))).collect();
    let to = |old: Uuid| map.get(&old).copied().unwrap_or(old);

    tenant.id = id;
    tenant.name = name.to_owned();
    tenant.domain = format!("{name}.test");
    let moved = |text: &str| text.replace(&format!("@{}", template.domain), &format!("@{}", tenant.domain));
    for user in &mut tenant.users {
        user.id = to(user.id);
        user.upn = moved(&user.upn);
        user.mail = user.mail.as_deref().map(moved);
    }
    for group in &mut tenant.groups {
        group.id = to(group.id);
        for ids in [&mut group.members, &mut group.member_groups] {
            *ids = ids.iter().map(|id| to(*id)).collect();
        }
    }
    for app in &mut tenant.apps {
        let old = app.id.to_string();
        app.id = to(app.id);
        app.object_id = to(app.object_id);
        app.registration.object_id = fresh(app.registration.object_id);
        app.registration.written.clear();
        let new = app.id.to_string();
        for uri in &mut app.identifier_uris {
            *uri = uri.replace(&old, &new);
        }
        for credential in &mut app.federated {
            if let Ok(subject) = Uuid::try_parse(&credential.subject) {
                credential.subject = to(subject).to_string();
            }
        }
        for need in &mut app.needs {
            need.resource = to(need.resource);
        }
        app.known_clients = app.known_clients.iter().map(|c| to(*c)).collect();
        for client in &mut app.pre_authorized {
            client.client = to(client.client);
        }
    }
    for consent in &mut tenant.consents {
        (consent.client, consent.resource) = (to(consent.client), to(consent.resource));
        consent.users = consent.users.as_ref().map(|list| list.iter().map(|u| to(*u)).collect());
    }
    for assignment in &mut tenant.role_assignments {
        (assignment.principal, assignment.resource) = (to(assignment.principal), to(assignment.resource));
    }
    for policy in &mut tenant.policies {
        (policy.id, policy.tenant) = (fresh(policy.id), Some(id));
        for list in [&mut policy.users, &mut policy.clients, &mut policy.resources] {
            *list = list.iter().map(|one| to(*one)).collect();
        }
    }
    for secret in &mut tenant.vault_secrets {
        secret.readers = secret.readers.iter().map(|r| to(*r)).collect();
    }
    tenant
}
