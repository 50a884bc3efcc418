//! `/oauth2PermissionGrants`: delegated consent, for everyone or for one person. It is the same consent that the page
//! asks for, so what is written here counts at once.

use actix_web::HttpResponse;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::consents::Grant;
use crate::directory::Tenant;
use crate::graph::call::Call;
use crate::graph::caller::Caller;
use crate::graph::collection;
use crate::graph::errors::GraphError;
use crate::graph::permissions::{GRANTS, GRANTS_WRITE};
use crate::graph::service_principals::by_object_id;

/// `GET /oauth2PermissionGrants`
pub fn list(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::of(call)?;
    caller.must(&GRANTS, GraphError::directory_denied)?;
    let tenant = caller.tenant()?;
    let all = call.state.consents.of_tenant(tenant.id);
    collection::page(call, "oauth2PermissionGrants", all.iter().filter_map(|g| shown(g, tenant)).collect())
}

/// `GET /oauth2PermissionGrants/{id}`
pub fn one(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::of(call)?;
    caller.must(&GRANTS, GraphError::directory_denied)?;
    let tenant = caller.tenant()?;
    let item = shown(&named(call, tenant)?, tenant).ok_or_else(|| missing(call))?;
    collection::one(call, "oauth2PermissionGrants", item)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct New {
    client_id: Uuid,
    consent_type: String,
    principal_id: Option<Uuid>,
    resource_id: Uuid,
    scope: String,
}

/// `POST /oauth2PermissionGrants`
pub fn create(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::of(call)?;
    caller.must(&GRANTS_WRITE, GraphError::directory_denied)?;
    let new: New = call.ask.json()?;
    let tenant = caller.tenant()?;
    let app = |id: Uuid| {
        by_object_id(tenant, id).ok_or_else(|| GraphError::not_found("service principal", &id.to_string()))
    };
    let (client, resource) = (app(new.client_id)?, app(new.resource_id)?);
    let user = match (new.consent_type.as_str(), new.principal_id) {
        ("AllPrincipals", None) => None,
        ("Principal", Some(id)) => {
            Some(tenant.user(id).ok_or_else(|| GraphError::not_found("user", &id.to_string()))?.id)
        }
        _ => {
            let message = "consentType is AllPrincipals without, or Principal with a principalId.";
            return Err(GraphError::invalid(message));
        }
    };
    let scopes = new.scope.split_whitespace().map(str::to_owned).collect();
    let grant = Grant { tenant: tenant.id, user, client: client.id, resource: resource.id, scopes };
    if call.state.consents.of_tenant(tenant.id).iter().any(|g| g.id() == grant.id()) {
        return Err(GraphError::conflict("Permission entry already exists."));
    }
    call.state.consents.put(&grant);
    let item = shown(&grant, tenant).unwrap_or_default();
    Ok(call.created(&collection::with_context(call, "oauth2PermissionGrants", item)))
}

#[derive(Deserialize)]
struct Change {
    scope: String,
}

/// `PATCH /oauth2PermissionGrants/{id}`
pub fn update(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::of(call)?;
    caller.must(&GRANTS_WRITE, GraphError::directory_denied)?;
    let Change { scope } = call.ask.json()?;
    let scopes = scope.split_whitespace().map(str::to_owned).collect();
    call.state.consents.put(&Grant { scopes, ..named(call, caller.tenant()?)? });
    Ok(HttpResponse::NoContent().finish())
}

/// `DELETE /oauth2PermissionGrants/{id}`
pub fn delete(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::of(call)?;
    caller.must(&GRANTS_WRITE, GraphError::directory_denied)?;
    let grant = named(call, caller.tenant()?)?;
    call.state.consents.put(&Grant { scopes: Default::default(), ..grant });
    Ok(HttpResponse::NoContent().finish())
}

fn named(call: &Call<'_>, tenant: &Tenant) -> Result<Grant, GraphError> {
    let wanted = call.path_part("id");
    let mut all = call.state.consents.of_tenant(tenant.id).into_iter();
    all.find(|g| g.id() == wanted).ok_or_else(|| missing(call))
}

fn missing(call: &Call<'_>) -> GraphError {
    GraphError::not_found("permission grant", call.path_part("id"))
}

fn shown(grant: &Grant, tenant: &Tenant) -> Option<Value> {
    let scopes: Vec<&str> = grant.scopes.iter().map(String::as_str).collect();
    Some(json!({
        "id": grant.id(),
        "clientId": tenant.app(grant.client)?.object_id,
        "consentType": if grant.user.is_some() { "Principal" } else { "AllPrincipals" },
        "principalId": grant.user,
        "resourceId": tenant.app(grant.resource)?.object_id,
        "scope": scopes.join(" "),
    }))
}
