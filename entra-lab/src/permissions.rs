//! What a client may use of a resource for a user: requested scopes against registration and consent.

use std::collections::BTreeSet;

use crate::directory::{Application, GRAPH, OIDC_SCOPES, Scope, Tenant, User};
use crate::errors::{ADMIN_CONSENT, CONSENT_MISSING, RESOURCE_NOT_LISTED};
use crate::refusal::Refusal;
use crate::scopes::{Requested, ResourceScopes};
use crate::state::LabState;

/// One resource on the consent page.
#[derive(Debug)]
pub struct Wanted<'d> {
    /// Who wants to use it: the application of the sign-in, or an API that knows it as its client.
    pub client: &'d Application,
    pub resource: &'d Application,
    pub scopes: Vec<&'d Scope>,
}

/// The permissions that a sign-in still needs the user's word for. With `ask_again` those that the
/// user agreed to before are in the list too (`prompt=consent`).
pub fn to_ask<'d>(
    state: &LabState,
    tenant: &'d Tenant,
    user: &User,
    client: &'d Application,
    requested: &Requested,
    ask_again: bool,
) -> Result<Vec<Wanted<'d>>, Refusal> {
    let mut names: Vec<(&'d Application, BTreeSet<String>)> = Vec::new();
    let mut behind: Vec<&'d Application> = Vec::new();
    for entry in &requested.resources {
        let Some(resource) = tenant.app(entry.resource) else { continue };
        let mut wanted = wanted_names(client, resource, entry)?;
        // `/.default` asks once: whoever has agreed to anything of this API is not asked again.
        if entry.default.is_some() && !ask_again && any_real(&agreed(state, tenant, user, client, resource)) {
            wanted.clear();
        }
        names.push((resource, wanted));
        // Combined consent: the API's own needs are agreed to together with the client's.
        if entry.default.is_some() && resource.known_clients.contains(&client.id) {
            behind.push(resource);
        }
    }
    if !requested.oidc.is_empty()
        && let Some(graph) = tenant.app(GRAPH)
    {
        match names.iter_mut().find(|(r, _)| r.id == GRAPH) {
            Some((_, of_graph)) => of_graph.extend(requested.oidc.iter().cloned()),
            None => names.insert(0, (graph, requested.oidc.clone())),
        }
    }
    let mut wanted = Vec::new();
    let names = names.into_iter().map(|(resource, names)| (client, resource, names));
    let further = behind.into_iter().flat_map(|api| {
        api.needs.iter().filter_map(move |need| {
            let names = need.delegated.iter().cloned().collect();
            Some((api, tenant.app(need.resource)?, names))
        })
    });
    for (client, resource, names) in names.chain(further) {
        let names: BTreeSet<String> = names;
        let granted = agreed(state, tenant, user, client, resource);
        let missing = names.iter().filter(|n| ask_again || !granted.contains(*n));
        let scopes: Vec<&Scope> = missing.filter_map(|n| resource.scope(n)).collect();
        if let Some(scope) = scopes.iter().find(|s| s.admin_only && !granted.contains(&s.value)) {
            return Err(ADMIN_CONSENT.about(format!("It is {} of {}.", scope.value, resource.name)));
        }
        if !scopes.is_empty() {
            wanted.push(Wanted { client, resource, scopes });
        }
    }
    Ok(wanted)
}

fn wanted_names(
    client: &Application,
    resource: &Application,
    entry: &ResourceScopes,
) -> Result<BTreeSet<String>, Refusal> {
    if entry.default.is_none() {
        return Ok(entry.names.clone());
    }
    // `/.default` means what the registration lists, so the resource must be in the list.
    let listed: BTreeSet<String> =
        client.delegated_needs(resource.id).into_iter().map(String::from).collect();
    if listed.is_empty() {
        return Err(RESOURCE_NOT_LISTED.about(format!("It is {}.", resource.name)));
    }
    Ok(listed)
}

/// What the user, an administrator or the API itself lets the client use of a resource.
fn agreed(
    state: &LabState,
    tenant: &Tenant,
    user: &User,
    client: &Application,
    resource: &Application,
) -> BTreeSet<String> {
    let mut granted = state.consents.granted(tenant.id, user.id, client.id, resource.id);
    for entry in resource.pre_authorized.iter().filter(|p| p.client == client.id) {
        granted.extend(entry.scopes.iter().cloned());
    }
    granted
}

/// Whether there is more than what OpenID Connect needs.
fn any_real(scopes: &BTreeSet<String>) -> bool {
    scopes.iter().any(|scope| !OIDC_SCOPES.contains(&scope.as_str()))
}

/// The scopes that an access token carries: everything agreed to for this client and resource, if
/// that covers what the request asks for.
pub fn granted(
    state: &LabState,
    tenant: &Tenant,
    user: &User,
    client: &Application,
    entry: &ResourceScopes,
) -> Result<BTreeSet<String>, Refusal> {
    let granted = match tenant.app(entry.resource) {
        Some(resource) => agreed(state, tenant, user, client, resource),
        None => BTreeSet::new(),
    };
    let resource = tenant.app(entry.resource).map_or("the resource", |a| a.name.as_str());
    let refuse = |what: &str| {
        CONSENT_MISSING
            .about(format!("Client {}, resource {resource}, {what}.", client.name))
            .with_suberror("consent_required")
    };
    if let Some(missing) = entry.names.iter().find(|n| !granted.contains(*n)) {
        return Err(refuse(&format!("scope {missing}")));
    }
    if entry.default.is_some() && !any_real(&granted) {
        return Err(refuse("no scope at all"));
    }
    Ok(granted)
}
