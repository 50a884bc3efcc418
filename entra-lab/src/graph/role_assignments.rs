//! App roles given to service principals: `appRoleAssignments` of who holds them, `appRoleAssignedTo` of who gives them.
//!
//! An application permission is such a role of an API; that an administrator makes the assignment is the consent.

use actix_web::HttpResponse;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::directory::{AppRole, Application, RoleAssignment, RoleMember, Tenant};
use crate::graph::applications::in_tenant;
use crate::graph::call::Call;
use crate::graph::caller::Caller;
use crate::graph::collection;
use crate::graph::errors::GraphError;
use crate::graph::permissions::{REGISTRATIONS, ROLE_ASSIGNMENTS_WRITE};
use crate::graph::service_principals::{by_object_id, named};

/// `GET /servicePrincipals/{id}/appRoleAssignments`
pub fn held(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    listed(call, |app, row| row.principal == app.object_id)
}

/// `GET /servicePrincipals/{id}/appRoleAssignedTo`
pub fn given(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    listed(call, |app, row| row.resource.id == app.id)
}

/// One role of one principal.
struct Row<'t> {
    principal: Uuid,
    resource: &'t Application,
    role: &'t AppRole,
}

impl Row<'_> {
    fn id(&self) -> String {
        Uuid::new_v5(&self.principal, format!("{} {}", self.resource.object_id, self.role.id).as_bytes())
            .simple()
            .to_string()
    }

    fn shown(&self, tenant: &Tenant) -> Value {
        let app = by_object_id(tenant, self.principal);
        let user = tenant.user(self.principal);
        json!({
            "id": self.id(),
            "principalId": self.principal,
            "principalType": if user.is_some() { "User" } else { "ServicePrincipal" },
            "principalDisplayName": app.map(|a| &a.name).or(user.map(|u| &u.display_name)),
            "resourceId": self.resource.object_id,
            "resourceDisplayName": self.resource.name,
            "appRoleId": self.role.id,
            "createdDateTime": null,
        })
    }
}

fn rows(tenant: &Tenant) -> impl Iterator<Item = Row<'_>> {
    tenant.role_assignments.iter().flat_map(|a| {
        let resource = tenant.app(a.resource);
        a.roles.iter().filter_map(move |value| {
            let resource = resource?;
            let role = resource.roles.iter().find(|r| r.value == *value)?;
            Some(Row { principal: a.principal, resource, role })
        })
    })
}

fn listed(call: &Call<'_>, wanted: fn(&Application, &Row<'_>) -> bool) -> Result<HttpResponse, GraphError> {
    let caller = Caller::of(call)?;
    caller.must(&REGISTRATIONS, GraphError::directory_denied)?;
    let tenant = caller.tenant()?;
    let app = named(call, tenant)?;
    let items = rows(tenant).filter(|row| wanted(app, row)).map(|row| row.shown(tenant)).collect();
    collection::page(call, "appRoleAssignments", items)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct New {
    principal_id: Uuid,
    resource_id: Uuid,
    app_role_id: Uuid,
}

/// `POST /servicePrincipals/{id}/appRoleAssignedTo` or `…/appRoleAssignments`
pub fn assign(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::of(call)?;
    caller.must(&ROLE_ASSIGNMENTS_WRITE, GraphError::directory_denied)?;
    let new: New = call.ask.json()?;
    let own = named(call, caller.tenant()?)?.object_id;
    if own != new.principal_id && own != new.resource_id {
        return Err(GraphError::invalid(
            "The address names neither the principal nor the resource of the body.",
        ));
    }
    let item = in_tenant(call, &caller, |tenant| {
        let of_app = by_object_id(tenant, new.principal_id).is_some();
        if !of_app && tenant.user(new.principal_id).is_none() {
            return Err(GraphError::not_found("principal", &new.principal_id.to_string()));
        }
        let missing = || GraphError::not_found("service principal", &new.resource_id.to_string());
        let resource = by_object_id(tenant, new.resource_id).ok_or_else(missing)?;
        let kind = if of_app { RoleMember::Application } else { RoleMember::User };
        let role = resource.roles.iter().find(|r| r.id == new.app_role_id && !r.disabled);
        let role = role.filter(|r| r.allowed.contains(&kind));
        let role =
            role.ok_or_else(|| GraphError::invalid("The resource has no such app role for this principal."))?;
        let (id, value) = (resource.id, role.value.clone());
        if tenant.roles_of(new.principal_id, id).contains(&value) {
            return Err(GraphError::invalid("Permission being assigned already exists on the object."));
        }
        let roles = vec![value];
        tenant.role_assignments.push(RoleAssignment { principal: new.principal_id, resource: id, roles });
        let made = rows(tenant).find(|r| r.principal == new.principal_id && r.role.id == new.app_role_id);
        Ok(made.map(|row| row.shown(tenant)).unwrap_or_default())
    })?;
    Ok(call.created(&collection::with_context(call, "appRoleAssignments", item)))
}

/// `DELETE …/{assignment}`
pub fn remove(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::of(call)?;
    caller.must(&ROLE_ASSIGNMENTS_WRITE, GraphError::directory_denied)?;
    let app = named(call, caller.tenant()?)?.object_id;
    let wanted = call.path_part("assignment").to_owned();
    in_tenant(call, &caller, |tenant| {
        let found = rows(tenant)
            .find(|r| r.id() == wanted && (r.principal == app || r.resource.object_id == app))
            .map(|r| (r.principal, r.resource.id, r.role.value.clone()));
        let (principal, resource, role) =
            found.ok_or_else(|| GraphError::not_found("assignment", &wanted))?;
        for assignment in &mut tenant.role_assignments {
            if (assignment.principal, assignment.resource) == (principal, resource) {
                assignment.roles.retain(|r| *r != role);
            }
        }
        Ok(())
    })?;
    Ok(HttpResponse::NoContent().finish())
}
