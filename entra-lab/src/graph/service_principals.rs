//! `/servicePrincipals`: what a registration is in the tenant, and what consent and role assignments hang on.

use actix_web::HttpResponse;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::directory::{Application, Tenant};
use crate::graph::applications::{changed, forget, in_tenant};
use crate::graph::call::Call;
use crate::graph::caller::Caller;
use crate::graph::errors::GraphError;
use crate::graph::permissions::{REGISTRATIONS, REGISTRATIONS_WRITE};
use crate::graph::{collection, manifest};

/// `GET /servicePrincipals`
pub fn list(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::of(call)?;
    caller.must(&REGISTRATIONS, GraphError::directory_denied)?;
    let tenant = caller.tenant()?;
    let all = tenant.apps.iter().filter(|a| a.registration.has_principal);
    collection::page(call, "servicePrincipals", all.map(|a| shown(a, tenant)).collect())
}

/// `GET /servicePrincipals/{id}`, or by `appId`
pub fn one(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::of(call)?;
    caller.must(&REGISTRATIONS, GraphError::directory_denied)?;
    let tenant = caller.tenant()?;
    collection::one(call, "servicePrincipals", shown(named(call, tenant)?, tenant))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct New {
    app_id: Uuid,
}

/// `POST /servicePrincipals`
pub fn create(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::of(call)?;
    caller.must(&REGISTRATIONS_WRITE, GraphError::directory_denied)?;
    let New { app_id } = call.ask.json()?;
    if caller.tenant()?.app(app_id).is_none() {
        return Err(GraphError::invalid("There is no application with this appId in the tenant."));
    }
    let item = changed(call, &caller, app_id, |app, tenant| {
        if app.registration.has_principal {
            return Err(GraphError::conflict("The application has a service principal already."));
        }
        app.registration.has_principal = true;
        Ok(shown(app, tenant))
    })?;
    Ok(call.created(&collection::with_context(call, "servicePrincipals", item)))
}

/// `DELETE /servicePrincipals/{id}`
pub fn delete(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::of(call)?;
    caller.must(&REGISTRATIONS_WRITE, GraphError::directory_denied)?;
    let id = named(call, caller.tenant()?)?.id;
    changed(call, &caller, id, |app, _| {
        app.registration.has_principal = false;
        Ok(())
    })?;
    in_tenant(call, &caller, |tenant| {
        if let Some(app) = tenant.app(id).cloned() {
            forget(tenant, &app);
        }
        Ok(())
    })?;
    call.state.consents.forget_app(id);
    Ok(HttpResponse::NoContent().finish())
}

/// The application whose service principal the path names.
pub fn named<'t>(call: &Call<'_>, tenant: &'t Tenant) -> Result<&'t Application, GraphError> {
    let by_app = call.path_part("appId");
    let wanted = if by_app.is_empty() { call.path_part("id") } else { by_app };
    let id = |a: &&Application| if by_app.is_empty() { a.object_id } else { a.id };
    let found = tenant
        .apps
        .iter()
        .filter(|a| a.registration.has_principal)
        .find(|a| id(a).to_string().eq_ignore_ascii_case(wanted));
    found.ok_or_else(|| GraphError::not_found("service principal", wanted))
}

/// The application of a service principal's object id.
pub fn by_object_id(tenant: &Tenant, id: Uuid) -> Option<&Application> {
    tenant.apps.iter().find(|a| a.object_id == id && a.registration.has_principal)
}

fn shown(app: &Application, tenant: &Tenant) -> Value {
    let manifest = manifest::shown(app, tenant);
    let part =
        |of: &str, name: &str| manifest.get(of).and_then(|v| v.get(name)).cloned().unwrap_or(json!([]));
    let names = [&[app.id.to_string()], app.identifier_uris.as_slice()].concat();
    json!({
        "id": app.object_id,
        "appId": app.id,
        "displayName": app.name,
        "appDisplayName": app.name,
        "accountEnabled": !app.disabled,
        "appOwnerOrganizationId": tenant.id,
        "appRoleAssignmentRequired": app.assignment_required,
        "appRoles": manifest["appRoles"],
        "oauth2PermissionScopes": part("api", "oauth2PermissionScopes"),
        "servicePrincipalNames": names,
        "servicePrincipalType": if app.managed_identity { "ManagedIdentity" } else { "Application" },
        "signInAudience": manifest["signInAudience"],
        "tags": manifest["tags"],
    })
}
