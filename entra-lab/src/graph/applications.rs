//! `/applications`: registrations, made, found by id, `appId` or `uniqueName`, changed and deleted.
//!
//! `PATCH` with a `uniqueName` and `Prefer: create-if-missing` makes what is not there: 201, otherwise 204. That is how
//! a tool can run twice.

use actix_web::HttpResponse;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::directory::{Application, Directory, Registration, Tenant};
use crate::graph::call::Call;
use crate::graph::caller::Caller;
use crate::graph::errors::GraphError;
use crate::graph::permissions::{REGISTRATIONS, REGISTRATIONS_WRITE};
use crate::graph::{collection, manifest};
use crate::policy::Switch;

/// `GET /applications`
pub fn list(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::of(call)?;
    caller.must(&REGISTRATIONS, GraphError::directory_denied)?;
    let tenant = caller.tenant()?;
    collection::page(call, "applications", tenant.apps.iter().map(|a| manifest::shown(a, tenant)).collect())
}

/// `GET /applications/{id}`, by `appId` or by `uniqueName`
pub fn one(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::of(call)?;
    caller.must(&REGISTRATIONS, GraphError::directory_denied)?;
    let tenant = caller.tenant()?;
    let app = named(call, tenant).ok_or_else(|| missing(call))?;
    collection::one(call, "applications", manifest::shown(app, tenant))
}

/// `POST /applications`
pub fn create(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = writer(call)?;
    make(call, &caller, call.ask.json()?)
}

/// `PATCH /applications/{id}`
pub fn update(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = writer(call)?;
    let app = named(call, caller.tenant()?).ok_or_else(|| missing(call))?.id;
    let change: Map<String, Value> = call.ask.json()?;
    changed(call, &caller, app, |app, tenant| manifest::write(app, &change, tenant))?;
    Ok(HttpResponse::NoContent().finish())
}

/// `PATCH /applications(uniqueName='…')`
pub fn upsert(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = writer(call)?;
    if named(call, caller.tenant()?).is_some() || !call.ask.prefers("create-if-missing") {
        return update(call);
    }
    let mut body: Map<String, Value> = call.ask.json()?;
    body.insert("uniqueName".into(), json!(call.path_part("uniqueName")));
    make(call, &caller, body)
}

/// `DELETE /applications/{id}`
pub fn delete(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = writer(call)?;
    let app = named(call, caller.tenant()?).ok_or_else(|| missing(call))?.id;
    in_tenant(call, &caller, |tenant| {
        if let Some(position) = tenant.apps.iter().position(|a| a.id == app) {
            let mut gone = tenant.apps.remove(position);
            gone.registration.has_principal = false;
            forget(tenant, &gone);
            tenant.deleted_apps.push(gone);
        }
        Ok(())
    })?;
    call.state.consents.forget_app(app);
    Ok(HttpResponse::NoContent().finish())
}

/// `DELETE /directory/deletedItems/{id}`
pub fn purge(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = writer(call)?;
    let wanted = call.path_part("id").to_owned();
    in_tenant(call, &caller, |tenant| {
        let before = tenant.deleted_apps.len();
        tenant.deleted_apps.retain(|a| !a.registration.object_id.to_string().eq_ignore_ascii_case(&wanted));
        if tenant.deleted_apps.len() < before {
            Ok(())
        } else {
            Err(GraphError::not_found("deleted item", &wanted))
        }
    })?;
    Ok(HttpResponse::NoContent().finish())
}

/// Assignments end with the service principal that holds or gives them.
pub fn forget(tenant: &mut Tenant, app: &Application) {
    tenant.role_assignments.retain(|a| a.principal != app.object_id && a.resource != app.id);
}

fn writer(call: &Call<'_>) -> Result<Caller, GraphError> {
    let caller = Caller::of(call)?;
    caller.must(&REGISTRATIONS_WRITE, GraphError::directory_denied)?;
    Ok(caller)
}

fn missing(call: &Call<'_>) -> GraphError {
    let keys = ["id", "appId", "uniqueName"].map(|name| call.path_part(name));
    GraphError::not_found("application", &keys.concat())
}

/// The registration that the path names.
pub fn named<'t>(call: &Call<'_>, tenant: &'t Tenant) -> Option<&'t Application> {
    let part = |name| Some(call.path_part(name)).filter(|text| !text.is_empty());
    let is = |id: Uuid, text: &str| id.to_string().eq_ignore_ascii_case(text);
    if let Some(wanted) = part("uniqueName") {
        let unique = |a: &&Application| {
            a.registration.written.get("uniqueName").and_then(Value::as_str) == Some(wanted)
        };
        return tenant.apps.iter().find(unique);
    }
    if let Some(wanted) = part("appId") {
        return tenant.apps.iter().find(|a| is(a.id, wanted));
    }
    let wanted = part("id")?;
    tenant.apps.iter().find(|a| is(a.registration.object_id, wanted))
}

/// Changes one registration of the caller's tenant.
pub fn changed<T>(
    call: &Call<'_>,
    caller: &Caller,
    app: Uuid,
    change: impl FnOnce(&mut Application, &Tenant) -> Result<T, GraphError>,
) -> Result<T, GraphError> {
    let (result, group_claims) = in_tenant(call, caller, |tenant| {
        // A copy, so that a change that is refused leaves nothing behind.
        let mut copy = tenant.app(app).ok_or_else(|| GraphError::not_found("application", ""))?.clone();
        let result = change(&mut copy, tenant)?;
        let group_claims = copy.group_claims;
        if let Some(place) = tenant.apps.iter_mut().find(|a| a.id == app) {
            *place = copy;
        }
        Ok((result, group_claims))
    })?;
    call.state.policies.switch(Switch::GroupClaims, app, group_claims);
    Ok(result)
}

/// Changes the caller's tenant.
pub fn in_tenant<T>(
    call: &Call<'_>,
    caller: &Caller,
    change: impl FnOnce(&mut Tenant) -> Result<T, GraphError>,
) -> Result<T, GraphError> {
    let id = caller.tenant()?.id;
    call.state.change(|directory: &mut Directory| {
        let tenant = directory.tenants.iter_mut().find(|t| t.id == id);
        change(tenant.ok_or_else(|| GraphError::not_found("tenant", &id.to_string()))?)
    })
}

fn make(call: &Call<'_>, caller: &Caller, body: Map<String, Value>) -> Result<HttpResponse, GraphError> {
    let item = in_tenant(call, caller, |tenant| {
        if let Some(name) = body.get("uniqueName").filter(|name| !name.is_null()) {
            let taken = |a: &Application| a.registration.written.get("uniqueName") == Some(name);
            if tenant.apps.iter().any(taken) {
                return Err(GraphError::conflict("Another application has this uniqueName."));
            }
        }
        let id = Uuid::new_v4();
        let mut app = Application {
            id,
            object_id: Uuid::new_v4(),
            name: String::new(),
            secrets: Vec::new(),
            certificates: Vec::new(),
            federated: Vec::new(),
            public_client: false,
            multi_tenant: false,
            family: false,
            redirect_uris: Vec::new(),
            spa_redirect_uris: Vec::new(),
            implicit_id_tokens: false,
            implicit_access_tokens: false,
            front_channel_logout_url: None,
            identifier_uris: Vec::new(),
            access_token_version: 1,
            scopes: Vec::new(),
            roles: Vec::new(),
            needs: Vec::new(),
            managed_identity: false,
            disabled: false,
            assignment_required: false,
            known_clients: Vec::new(),
            pre_authorized: Vec::new(),
            group_claims: false,
            optional_claims: Default::default(),
            optional_id_claims: Default::default(),
            registration: Registration { object_id: Uuid::new_v4(), ..Registration::default() },
        };
        manifest::write(&mut app, &body, tenant)?;
        let item = manifest::shown(&app, tenant);
        tenant.apps.push(app);
        Ok(item)
    })?;
    Ok(call.created(&collection::with_context(call, "applications", item)))
}
