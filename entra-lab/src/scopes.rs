//! The `scope` parameter: split at the last slash into resource and permission, looked up, checked.
//!
//! A name without a slash is a permission of Graph or one of OpenID Connect's. Which permissions the
//! user has agreed to is not decided here, but in `permissions.rs`.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::directory::{GRAPH, OIDC_SCOPES, Tenant};
use crate::errors::{Aadsts, INVALID_SCOPE, OWN_URI, SEVERAL_RESOURCES, UNKNOWN_RESOURCE};
use crate::refusal::Refusal;

const MOST_SCOPES: usize = 100;

/// What a request asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requested {
    /// `openid`, `profile`, `email`, `offline_access`.
    pub oidc: BTreeSet<String>,
    /// The resources in the order in which they were named.
    pub resources: Vec<ResourceScopes>,
}

/// What a request asks for of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceScopes {
    pub resource: Uuid,
    /// What stood before the last slash; empty for Graph's short names.
    pub prefix: String,
    /// The permissions in the API's own spelling.
    pub names: BTreeSet<String>,
    /// The same as the client wrote them, for the answer.
    pub written: Vec<String>,
    /// The `/.default` entry as the client wrote it.
    pub default: Option<String>,
}

impl Requested {
    /// The resource that an access token is for: the only one named, or Graph for OIDC scopes alone.
    pub fn single_resource(mut self) -> Result<(BTreeSet<String>, ResourceScopes), Refusal> {
        if self.resources.len() > 1 {
            return Err(SEVERAL_RESOURCES.into());
        }
        let of_graph = ResourceScopes::new(GRAPH, String::new());
        Ok((self.oidc, self.resources.pop().unwrap_or(of_graph)))
    }
}

impl Requested {
    /// Every resource named, or Graph for OIDC scopes alone.
    pub fn resources_or_graph(&self) -> Vec<Uuid> {
        if self.resources.is_empty() {
            return vec![GRAPH];
        }
        self.resources.iter().map(|r| r.resource).collect()
    }
}

impl ResourceScopes {
    fn new(resource: Uuid, prefix: String) -> Self {
        Self { resource, prefix, names: BTreeSet::new(), written: Vec::new(), default: None }
    }
}

/// Reads a scope parameter. `unknown` is the row for a name that the resource does not expose: the
/// authorization and the token endpoint answer differently.
pub fn parse(tenant: &Tenant, client: Uuid, scope: &str, unknown: Aadsts) -> Result<Requested, Refusal> {
    let mut requested = Requested::default();
    for (count, item) in scope.split_whitespace().enumerate() {
        if count == MOST_SCOPES {
            return Err(INVALID_SCOPE.about("It has too many entries."));
        }
        add(&mut requested, tenant, client, item, unknown)?;
    }
    if requested.oidc.is_empty() && requested.resources.is_empty() {
        return Err(INVALID_SCOPE.about("It is empty."));
    }
    for resource in &requested.resources {
        if resource.default.is_some() && !resource.written.is_empty() {
            return Err(INVALID_SCOPE.about("It mixes /.default with named scopes of the same resource."));
        }
    }
    Ok(requested)
}

fn add(
    requested: &mut Requested,
    tenant: &Tenant,
    client: Uuid,
    item: &str,
    unknown: Aadsts,
) -> Result<(), Refusal> {
    let (prefix, name) = item.rsplit_once('/').unwrap_or(("", item));
    if name.is_empty() {
        return Err(INVALID_SCOPE.about("An entry ends in a slash."));
    }
    let graph = GRAPH.to_string();
    let identifier = if prefix.is_empty() { graph.as_str() } else { prefix };
    let api = tenant.resource(identifier).ok_or_else(|| UNKNOWN_RESOURCE.about(printable(identifier)))?;
    if api.id == GRAPH
        && let Some(oidc) = OIDC_SCOPES.iter().find(|s| s.eq_ignore_ascii_case(name))
    {
        requested.oidc.insert((*oidc).to_owned());
        return Ok(());
    }
    // An application is its own audience only under its client id.
    if api.id == client && Uuid::try_parse(identifier).is_err() {
        return Err(OWN_URI.into());
    }
    let position = requested.resources.iter().position(|r| r.resource == api.id);
    let index = position.unwrap_or_else(|| {
        requested.resources.push(ResourceScopes::new(api.id, prefix.to_owned()));
        requested.resources.len() - 1
    });
    let Some(entry) = requested.resources.get_mut(index) else { return Ok(()) };
    if name == ".default" {
        entry.default = Some(item.to_owned());
        return Ok(());
    }
    let scope = api
        .scope(name)
        .ok_or_else(|| unknown.about(format!("{} has no scope {}", api.name, printable(name))))?;
    entry.names.insert(scope.value.clone());
    entry.written.push(item.to_owned());
    Ok(())
}

/// A name from the request for a message: short, and without anything that could break a line.
fn printable(text: &str) -> String {
    let clean: String = text.chars().filter(|c| !c.is_control()).take(120).collect();
    format!("'{clean}'.")
}
