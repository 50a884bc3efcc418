//! Graph's route table, and how a path finds its row.
//!
//! `{name}` stands for a segment; `thing(key={name})` is OData's other way to name a resource, with its value in
//! quotes. Graph does not tell capital letters from small ones.

use actix_web::HttpResponse;
use actix_web::http::Method;

use crate::graph::call::Call;
use crate::graph::errors::GraphError;
use crate::graph::{
    applications, batch, credentials, groups, messages, organization, people, permission_grants, photo,
    role_assignments, service_principals, sessions,
};

/// What answers one kind of request.
pub type Handler = fn(&Call<'_>) -> Result<HttpResponse, GraphError>;

/// What stands behind the braces of a pattern.
pub type Parts = Vec<(&'static str, String)>;

type Row = (Method, &'static str, Handler);

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PATCH: Method = Method::PATCH;
const DELETE: Method = Method::DELETE;

static ROUTES: &[Row] = &[
    (POST, "$batch", batch::batch),
    // People.
    (GET, "me", people::me),
    (GET, "me/messages", messages::mine),
    (GET, "me/photo", photo::my_metadata),
    (GET, "me/photo/$value", photo::my_image),
    (GET, "me/memberOf", groups::mine),
    (GET, "me/transitiveMemberOf", groups::all_mine),
    (POST, "me/getMemberObjects", groups::my_ids),
    (POST, "me/getMemberGroups", groups::my_ids),
    (POST, "me/revokeSignInSessions", sessions::revoke_mine),
    (GET, "users", people::list),
    (GET, "users/{user}", people::one),
    (GET, "users/{user}/messages", messages::of_user),
    (GET, "users/{user}/photo", photo::metadata_of_user),
    (GET, "users/{user}/photo/$value", photo::image_of_user),
    (GET, "users/{user}/memberOf", groups::of_user),
    (GET, "users/{user}/transitiveMemberOf", groups::all_of_user),
    (POST, "users/{user}/getMemberObjects", groups::ids_of_user),
    (POST, "users/{user}/getMemberGroups", groups::ids_of_user),
    (POST, "users/{user}/revokeSignInSessions", sessions::revoke),
    (GET, "groups", groups::list),
    (GET, "groups/{group}", groups::one),
    (GET, "groups/{group}/members", groups::members),
    (GET, "organization", organization::list),
    // Registrations.
    (GET, "applications", applications::list),
    (POST, "applications", applications::create),
    (GET, "applications(appId={appId})", applications::one),
    (GET, "applications(uniqueName={uniqueName})", applications::one),
    (GET, "applications/{id}", applications::one),
    (PATCH, "applications(appId={appId})", applications::update),
    (PATCH, "applications(uniqueName={uniqueName})", applications::upsert),
    (PATCH, "applications/{id}", applications::update),
    (DELETE, "applications(appId={appId})", applications::delete),
    (DELETE, "applications(uniqueName={uniqueName})", applications::delete),
    (DELETE, "applications/{id}", applications::delete),
    (DELETE, "directory/deletedItems/{id}", applications::purge),
    (POST, "applications/{id}/addPassword", credentials::add_password),
    (POST, "applications/{id}/removePassword", credentials::remove_password),
    (GET, "applications/{id}/federatedIdentityCredentials", credentials::federated),
    (POST, "applications/{id}/federatedIdentityCredentials", credentials::add_federated),
    (DELETE, "applications/{id}/federatedIdentityCredentials/{credential}", credentials::remove_federated),
    (GET, "servicePrincipals", service_principals::list),
    (POST, "servicePrincipals", service_principals::create),
    (GET, "servicePrincipals(appId={appId})", service_principals::one),
    (GET, "servicePrincipals/{id}", service_principals::one),
    (DELETE, "servicePrincipals(appId={appId})", service_principals::delete),
    (DELETE, "servicePrincipals/{id}", service_principals::delete),
    (GET, "servicePrincipals/{id}/appRoleAssignments", role_assignments::held),
    (POST, "servicePrincipals/{id}/appRoleAssignments", role_assignments::assign),
    (DELETE, "servicePrincipals/{id}/appRoleAssignments/{assignment}", role_assignments::remove),
    (GET, "servicePrincipals/{id}/appRoleAssignedTo", role_assignments::given),
    (POST, "servicePrincipals/{id}/appRoleAssignedTo", role_assignments::assign),
    (DELETE, "servicePrincipals/{id}/appRoleAssignedTo/{assignment}", role_assignments::remove),
    (GET, "oauth2PermissionGrants", permission_grants::list),
    (POST, "oauth2PermissionGrants", permission_grants::create),
    (GET, "oauth2PermissionGrants/{id}", permission_grants::one),
    (PATCH, "oauth2PermissionGrants/{id}", permission_grants::update),
    (DELETE, "oauth2PermissionGrants/{id}", permission_grants::delete),
];

/// The handler for a request and what its path names, or why there is none.
pub fn find(method: &Method, path: &[String]) -> Result<(Handler, Parts), GraphError> {
    let mut verbs: Vec<&str> = Vec::new();
    for (verb, pattern, handler) in ROUTES {
        let Some(parts) = matched(pattern, path) else { continue };
        if verb == method {
            return Ok((*handler, parts));
        }
        verbs.push(verb.as_str());
        if verb == GET {
            verbs.push("HEAD");
        }
    }
    if verbs.is_empty() { Err(GraphError::unknown_path(path)) } else { Err(GraphError::wrong_verb(&verbs)) }
}

fn matched(pattern: &'static str, path: &[String]) -> Option<Parts> {
    let mut parts = Parts::new();
    let mut segments = path.iter();
    for wanted in pattern.split('/') {
        let segment = segments.next()?;
        match wanted.split_once('{') {
            None => {
                if !wanted.eq_ignore_ascii_case(segment) {
                    return None;
                }
            }
            Some(("", name)) => {
                // Not one that another row names by a key, nor an operation.
                if segment.is_empty() || segment.starts_with('$') {
                    return None;
                }
                parts.push((name.trim_end_matches('}'), segment.clone()));
            }
            Some((before, rest)) => {
                let head = segment.get(..before.len())?;
                let value = segment.get(before.len()..)?.strip_suffix(')')?;
                let value = value.strip_prefix('\'')?.strip_suffix('\'')?;
                if !head.eq_ignore_ascii_case(before) {
                    return None;
                }
                // OData doubles a quote inside of a string.
                parts.push((rest.trim_end_matches("})"), value.replace("''", "'")));
            }
        }
    }
    segments.next().is_none().then_some(parts)
}
