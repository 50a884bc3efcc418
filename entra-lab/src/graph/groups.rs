//! Groups, who is in them, and what a person is in: where an application looks when a token has too many to name.

use actix_web::HttpResponse;
use serde_json::{Value, json};

use crate::directory::{Group, Tenant, User};
use crate::graph::call::Call;
use crate::graph::caller::Caller;
use crate::graph::collection;
use crate::graph::errors::GraphError;
use crate::graph::permissions::{GROUPS, OWN_GROUPS, PEOPLE};

/// `GET /groups`
pub fn list(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::of(call)?;
    caller.must(&GROUPS, GraphError::directory_denied)?;
    collection::page(call, "groups", caller.tenant()?.groups.iter().map(shown).collect())
}

/// `GET /groups/{id}`
pub fn one(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::of(call)?;
    caller.must(&GROUPS, GraphError::directory_denied)?;
    collection::one(call, "groups", shown(find(call, caller.tenant()?)?))
}

/// `GET /groups/{id}/members`
pub fn members(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::of(call)?;
    caller.must(&GROUPS, GraphError::directory_denied)?;
    let tenant = caller.tenant()?;
    let group = find(call, tenant)?;
    let people = group.members.iter().filter_map(|id| tenant.user(*id));
    // Whoever may not read people learns their ids only.
    let in_full = caller.may(&PEOPLE);
    let groups = tenant.groups.iter().filter(|g| group.member_groups.contains(&g.id)).map(shown);
    let all = people.map(|user| member(user, in_full)).chain(groups).collect();
    collection::page(call, "directoryObjects", all)
}

/// `GET /me/memberOf`
pub fn mine(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::with_user(call)?;
    caller.must(&OWN_GROUPS, GraphError::directory_denied)?;
    let (tenant, me) = (caller.tenant()?, caller.me()?);
    of(call, tenant.direct_groups_of(me.id))
}

/// `GET /me/transitiveMemberOf`
pub fn all_mine(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::with_user(call)?;
    caller.must(&OWN_GROUPS, GraphError::directory_denied)?;
    let (tenant, me) = (caller.tenant()?, caller.me()?);
    of(call, tenant.groups_of(me.id))
}

/// `GET /users/{id or sign-in name}/memberOf`
pub fn of_user(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::of(call)?;
    let user = permitted(call, &caller)?.id;
    of(call, caller.tenant()?.direct_groups_of(user))
}

/// `GET /users/{id or sign-in name}/transitiveMemberOf`
pub fn all_of_user(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::of(call)?;
    let user = permitted(call, &caller)?.id;
    of(call, caller.tenant()?.groups_of(user))
}

/// `POST /me/getMemberObjects`
pub fn my_ids(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::with_user(call)?;
    caller.must(&OWN_GROUPS, GraphError::directory_denied)?;
    ids(call, caller.tenant()?, caller.me()?)
}

/// `POST /users/{id or sign-in name}/getMemberObjects`
pub fn ids_of_user(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::of(call)?;
    ids(call, caller.tenant()?, permitted(call, &caller)?)
}

fn permitted<'c>(call: &Call<'_>, caller: &'c Caller) -> Result<&'c User, GraphError> {
    let wanted = call.path_part("user");
    let accepts = if caller.is_me(wanted) { &OWN_GROUPS } else { &GROUPS };
    caller.must(accepts, GraphError::directory_denied)?;
    caller.user(wanted)
}

fn of<'g>(call: &Call<'_>, groups: impl Iterator<Item = &'g Group>) -> Result<HttpResponse, GraphError> {
    collection::page(call, "directoryObjects", groups.map(shown).collect())
}

fn ids(call: &Call<'_>, tenant: &Tenant, user: &User) -> Result<HttpResponse, GraphError> {
    // All groups of the lab are security groups, so both answers give the same list.
    let body: Value = call.ask.json()?;
    if !body.get("securityEnabledOnly").is_some_and(Value::is_boolean) {
        return Err(GraphError::bad_request("The body needs 'securityEnabledOnly', true or false."));
    }
    let ids: Vec<_> = tenant.groups_of(user.id).map(|g| g.id).collect();
    let context = call.context("Collection(Edm.String)");
    Ok(call.json(&json!({ "@odata.context": context, "value": ids })))
}

fn find<'t>(call: &Call<'_>, tenant: &'t Tenant) -> Result<&'t Group, GraphError> {
    let wanted = call.path_part("group");
    let found = tenant.groups.iter().find(|g| g.id.to_string().eq_ignore_ascii_case(wanted));
    found.ok_or_else(|| GraphError::not_found("group", wanted))
}

fn shown(group: &Group) -> Value {
    json!({
        "@odata.type": "#microsoft.graph.group",
        "id": group.id,
        "displayName": group.name,
        "description": group.description,
        "groupTypes": [],
        "mailEnabled": false,
        "mailNickname": group.id.simple().to_string(),
        "securityEnabled": true,
    })
}

fn member(user: &User, in_full: bool) -> Value {
    if !in_full {
        return json!({ "@odata.type": "#microsoft.graph.user", "id": user.id });
    }
    json!({
        "@odata.type": "#microsoft.graph.user",
        "id": user.id,
        "displayName": user.display_name,
        "mail": user.mail,
        "userPrincipalName": user.upn,
    })
}
