//! A registration as Graph's JSON, and back: what a tool writes decides what the lab issues.
//!
//! What the lab makes no use of (tags, notes, home pages) is kept as it was written, so that a tool that compares finds
//! its own words again.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::directory::{
    AppRole, Application, Certificate, Need, OptionalClaim, PreAuthorized, RoleMember, Scope, Tenant,
};
use crate::graph::errors::{GraphError, printable};

/// Properties that a tool may write. A name that is not among them is a mistake.
const WRITABLE: [&str; 27] = [
    "api",
    "appRoles",
    "authenticationBehaviors",
    "certification",
    "description",
    "defaultRedirectUri",
    "displayName",
    "groupMembershipClaims",
    "identifierUris",
    "info",
    "isDeviceOnlyAuthSupported",
    "isFallbackPublicClient",
    "keyCredentials",
    "notes",
    "oauth2RequirePostResponse",
    "optionalClaims",
    "parentalControlSettings",
    "publicClient",
    "requiredResourceAccess",
    "samlMetadataUrl",
    "serviceManagementReference",
    "servicePrincipalLockConfiguration",
    "signInAudience",
    "spa",
    "tags",
    "uniqueName",
    "web",
];
/// Complex properties: what is not mentioned stays. Everything else is replaced whole.
const MERGED: [&str; 8] = [
    "api",
    "info",
    "parentalControlSettings",
    "publicClient",
    "servicePrincipalLockConfiguration",
    "spa",
    "web",
    "certification",
];

/// The registration as Graph shows it.
pub fn shown(app: &Application, tenant: &Tenant) -> Value {
    let mut all = generated(app, tenant);
    for (name, value) in &app.registration.written {
        all.insert(name.clone(), value.clone());
    }
    all.insert("id".into(), json!(app.registration.object_id));
    all.insert("appId".into(), json!(app.id));
    all.insert("publisherDomain".into(), json!(tenant.domain));
    all.insert("passwordCredentials".into(), app.secrets.iter().map(|s| password(app, s)).collect());
    all.insert("keyCredentials".into(), app.certificates.iter().map(|c| key(app, c)).collect());
    Value::Object(all)
}

/// Id of a secret, by which it can be removed.
pub fn secret_id(app: &Application, secret: &crate::directory::ClientSecret) -> Uuid {
    Uuid::new_v5(&app.id, secret.value.reveal().as_bytes())
}

fn password(app: &Application, secret: &crate::directory::ClientSecret) -> Value {
    let hint: String = secret.value.reveal().chars().take(3).collect();
    // The text itself is shown once, when it is made.
    json!({
        "keyId": secret_id(app, secret), "displayName": secret.name, "hint": hint, "secretText": null,
        "startDateTime": null, "endDateTime": secret.expires, "customKeyIdentifier": null,
    })
}

fn key(app: &Application, certificate: &Certificate) -> Value {
    let at = |seconds| Timestamp::from_second(seconds).ok();
    json!({
        "keyId": Uuid::new_v5(&app.id, &certificate.sha256), "type": "AsymmetricX509Cert", "usage": "Verify",
        "customKeyIdentifier": certificate.thumbprint(), "key": null, "displayName": null,
        "startDateTime": at(certificate.not_before), "endDateTime": at(certificate.not_after),
    })
}

fn generated(app: &Application, tenant: &Tenant) -> Map<String, Value> {
    let scope = |s: &Scope| {
        json!({
            "id": s.id, "value": s.value, "isEnabled": !s.disabled, "type": if s.admin_only { "Admin" } else { "User" },
            "adminConsentDisplayName": s.description, "adminConsentDescription": s.description,
            "userConsentDisplayName": s.description, "userConsentDescription": s.description,
        })
    };
    let role = |r: &AppRole| {
        let allowed = r.allowed.iter().map(|m| match m {
            RoleMember::User => "User",
            RoleMember::Application => "Application",
        });
        json!({
            "id": r.id, "value": r.value, "displayName": r.value, "description": r.description,
            "isEnabled": !r.disabled, "allowedMemberTypes": allowed.collect::<Vec<_>>(), "origin": "Application",
        })
    };
    let pre_authorized = |p: &PreAuthorized| {
        let ids = p.scopes.iter().filter_map(|name| app.scope(name)).map(|s| s.id);
        json!({ "appId": p.client, "delegatedPermissionIds": ids.collect::<Vec<_>>() })
    };
    let (public, web): (Vec<_>, Vec<_>) = app.redirect_uris.iter().partition(|_| app.public_client);
    let all = json!({
        "displayName": app.name,
        "signInAudience": if app.multi_tenant { "AzureADMultipleOrgs" } else { "AzureADMyOrg" },
        "identifierUris": app.identifier_uris,
        "isFallbackPublicClient": app.public_client,
        "groupMembershipClaims": app.group_claims.then_some("SecurityGroup"),
        "api": {
            "requestedAccessTokenVersion": app.access_token_version,
            "oauth2PermissionScopes": app.scopes.iter().map(scope).collect::<Vec<_>>(),
            "knownClientApplications": app.known_clients,
            "preAuthorizedApplications": app.pre_authorized.iter().map(pre_authorized).collect::<Vec<_>>(),
        },
        "appRoles": app.roles.iter().map(role).collect::<Vec<_>>(),
        "requiredResourceAccess": app.needs.iter().map(|n| required(n, tenant)).collect::<Vec<_>>(),
        "web": {
            "redirectUris": web, "logoutUrl": app.front_channel_logout_url,
            "implicitGrantSettings": {
                "enableIdTokenIssuance": app.implicit_id_tokens,
                "enableAccessTokenIssuance": app.implicit_access_tokens,
            },
        },
        "publicClient": { "redirectUris": public },
        "spa": { "redirectUris": app.spa_redirect_uris },
        "optionalClaims": shown_claims(app),
        "tags": [],
        "uniqueName": null,
    });
    match all {
        Value::Object(all) => all,
        _ => Map::new(),
    }
}

/// The optional claims of access and ID tokens, null without any.
fn shown_claims(app: &Application) -> Value {
    let list = |of: &BTreeSet<OptionalClaim>| {
        let named = of.iter().filter(|claim| **claim != OptionalClaim::IdtypOfUsers);
        let entry = |claim: &OptionalClaim| {
            let of_users = *claim == OptionalClaim::Idtyp && of.contains(&OptionalClaim::IdtypOfUsers);
            let more: &[&str] = if of_users { &["include_user_token"] } else { &[] };
            json!({ "name": claim, "source": null, "essential": false, "additionalProperties": more })
        };
        named.map(entry).collect::<Vec<_>>()
    };
    match (list(&app.optional_claims), list(&app.optional_id_claims)) {
        (access, id) if access.is_empty() && id.is_empty() => Value::Null,
        (access, id) => json!({ "accessToken": access, "idToken": id, "saml2Token": [] }),
    }
}

fn required(need: &Need, tenant: &Tenant) -> Value {
    let Some(api) = tenant.app(need.resource) else { return Value::Null };
    let scopes =
        need.delegated.iter().filter_map(|n| api.scope(n)).map(|s| json!({ "id": s.id, "type": "Scope" }));
    let roles = api.roles.iter().filter(|r| need.application.contains(&r.value));
    let roles = roles.map(|r| json!({ "id": r.id, "type": "Role" }));
    json!({ "resourceAppId": need.resource, "resourceAccess": scopes.chain(roles).collect::<Vec<_>>() })
}

/// Writes a change into a registration. The tenant's other registrations are looked at, never changed.
pub fn write(app: &mut Application, change: &Map<String, Value>, tenant: &Tenant) -> Result<(), GraphError> {
    for (name, value) in change {
        if name == "passwordCredentials" && value.as_array().is_none_or(|list| !list.is_empty()) {
            return Err(GraphError::invalid("New password credentials are made with addPassword."));
        }
        if !WRITABLE.contains(&name.as_str()) && !name.starts_with('@') && name != "passwordCredentials" {
            let message = format!("The property '{}' does not exist or cannot be written.", printable(name));
            return Err(GraphError::invalid(message));
        }
    }
    let before = generated(app, tenant);
    let mut all = before.clone();
    all.extend(app.registration.written.clone());
    for (name, value) in change.iter().filter(|(name, _)| WRITABLE.contains(&name.as_str())) {
        match (all.get_mut(name), value) {
            (Some(Value::Object(old)), Value::Object(new)) if MERGED.contains(&name.as_str()) => {
                old.extend(new.clone());
            }
            _ => {
                all.insert(name.clone(), value.clone());
            }
        }
    }
    if let Some(keys) = all.remove("keyCredentials") {
        certificates(app, &keys)?;
    }
    apply(app, &all, tenant)?;
    app.registration.written = all;
    Ok(())
}

fn text<'v>(of: &'v Value, name: &str) -> Option<&'v str> {
    of.get(name).and_then(Value::as_str)
}

fn list<'v>(of: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    of.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn texts(of: &Value, name: &str) -> Vec<String> {
    list(of, name).filter_map(Value::as_str).map(str::to_owned).collect()
}

fn id(of: &Value, name: &str) -> Result<Uuid, GraphError> {
    let given = text(of, name).and_then(|t| Uuid::try_parse(t).ok());
    given.ok_or_else(|| GraphError::invalid(format!("'{name}' must be a GUID.")))
}

fn apply(app: &mut Application, all: &Map<String, Value>, tenant: &Tenant) -> Result<(), GraphError> {
    let of = Value::Object(all.clone());
    let nothing = Value::Null;
    let part = |name: &str| of.get(name).unwrap_or(&nothing);
    let name = text(&of, "displayName").filter(|n| !n.trim().is_empty());
    app.name = name.ok_or_else(|| GraphError::invalid("An application needs a displayName."))?.to_owned();
    let audience = text(&of, "signInAudience").unwrap_or("AzureADMyOrg");
    app.multi_tenant = match audience {
        "AzureADMyOrg" => false,
        "AzureADMultipleOrgs" | "AzureADandPersonalMicrosoftAccount" => true,
        _ => return Err(GraphError::invalid("signInAudience is AzureADMyOrg or AzureADMultipleOrgs.")),
    };
    app.identifier_uris = texts(&of, "identifierUris");
    for uri in &app.identifier_uris {
        if tenant.apps.iter().any(|other| other.id != app.id && other.identifier_uris.contains(uri)) {
            return Err(GraphError::conflict(format!(
                "Another application has the identifier '{}'.",
                printable(uri)
            )));
        }
    }
    let (web, public) = (texts(part("web"), "redirectUris"), texts(part("publicClient"), "redirectUris"));
    let fallback = of.get("isFallbackPublicClient") == Some(&Value::Bool(true));
    app.public_client = fallback || (!public.is_empty() && web.is_empty());
    app.redirect_uris = [web, public].concat();
    app.spa_redirect_uris = texts(part("spa"), "redirectUris");
    app.front_channel_logout_url = text(part("web"), "logoutUrl").and_then(|url| url.parse().ok());
    let implicit = part("web").get("implicitGrantSettings").unwrap_or(&nothing);
    let enabled = |name: &str| implicit.get(name) == Some(&Value::Bool(true));
    app.implicit_id_tokens = enabled("enableIdTokenIssuance");
    app.implicit_access_tokens = enabled("enableAccessTokenIssuance");
    app.group_claims = text(&of, "groupMembershipClaims").is_some_and(|claims| claims != "None");
    let optional = |kind: &str| list(part("optionalClaims"), kind).flat_map(optional_claims).collect();
    app.optional_claims = optional("accessToken");
    app.optional_id_claims = optional("idToken");

    let api = part("api");
    app.access_token_version = match api.get("requestedAccessTokenVersion").and_then(Value::as_u64) {
        Some(2) => 2,
        _ => 1,
    };
    let scopes = list(api, "oauth2PermissionScopes").map(scope).collect::<Result<Vec<_>, _>>()?;
    still_there(app.scopes.iter().filter(|s| !s.disabled).map(|s| (s.id, &s.value)), |id| {
        scopes.iter().any(|s| s.id == id)
    })?;
    let roles = list(&of, "appRoles").map(role).collect::<Result<Vec<_>, _>>()?;
    still_there(app.roles.iter().filter(|r| !r.disabled).map(|r| (r.id, &r.value)), |id| {
        roles.iter().any(|r| r.id == id)
    })?;
    (app.scopes, app.roles) = (scopes, roles);
    app.known_clients =
        texts(api, "knownClientApplications").iter().filter_map(|t| Uuid::try_parse(t).ok()).collect();
    let mut pre_authorized = Vec::new();
    for entry in list(api, "preAuthorizedApplications") {
        let mut names = BTreeSet::new();
        for wanted in texts(entry, "delegatedPermissionIds") {
            let known = app.scopes.iter().find(|s| s.id.to_string().eq_ignore_ascii_case(&wanted));
            let missing =
                || GraphError::invalid(format!("There is no scope with the id '{}'.", printable(&wanted)));
            names.insert(known.ok_or_else(missing)?.value.clone());
        }
        pre_authorized.push(PreAuthorized { client: id(entry, "appId")?, scopes: names });
    }
    app.pre_authorized = pre_authorized;
    app.needs =
        list(&of, "requiredResourceAccess").map(|entry| need(entry, tenant)).collect::<Result<_, _>>()?;
    Ok(())
}

/// What one entry of the optional claims stands for; names that the lab does not know stand for nothing.
fn optional_claims(entry: &Value) -> impl Iterator<Item = OptionalClaim> {
    let known = entry.get("name").and_then(|name| serde_json::from_value(name.clone()).ok());
    let of_users = texts(entry, "additionalProperties").iter().any(|more| more == "include_user_token");
    let more = (known == Some(OptionalClaim::Idtyp) && of_users).then_some(OptionalClaim::IdtypOfUsers);
    known.into_iter().chain(more)
}

/// Graph does not let go of a permission that is still enabled.
fn still_there<'p>(
    enabled: impl Iterator<Item = (Uuid, &'p String)>,
    kept: impl Fn(Uuid) -> bool,
) -> Result<(), GraphError> {
    for (id, value) in enabled {
        if !kept(id) {
            return Err(GraphError::still_enabled(value));
        }
    }
    Ok(())
}

fn scope(entry: &Value) -> Result<Scope, GraphError> {
    let value = text(entry, "value").ok_or_else(|| GraphError::invalid("A scope needs a value."))?;
    let described = ["userConsentDisplayName", "adminConsentDisplayName"];
    let description = described.iter().find_map(|name| text(entry, name)).unwrap_or(value);
    Ok(Scope {
        id: id(entry, "id")?,
        value: value.to_owned(),
        description: description.to_owned(),
        admin_only: text(entry, "type") == Some("Admin"),
        disabled: entry.get("isEnabled") == Some(&Value::Bool(false)),
    })
}

fn role(entry: &Value) -> Result<AppRole, GraphError> {
    let value = text(entry, "value").ok_or_else(|| GraphError::invalid("An app role needs a value."))?;
    let mut allowed = Vec::new();
    for member in texts(entry, "allowedMemberTypes") {
        allowed.push(match member.as_str() {
            "User" => RoleMember::User,
            "Application" => RoleMember::Application,
            _ => return Err(GraphError::invalid("allowedMemberTypes has User, Application or both.")),
        });
    }
    Ok(AppRole {
        id: id(entry, "id")?,
        value: value.to_owned(),
        description: text(entry, "description").unwrap_or(value).to_owned(),
        allowed,
        disabled: entry.get("isEnabled") == Some(&Value::Bool(false)),
    })
}

/// Permissions that the resource does not have are kept in the registration and give nothing, as with Entra.
fn need(entry: &Value, tenant: &Tenant) -> Result<Need, GraphError> {
    let resource = id(entry, "resourceAppId")?;
    let mut need = Need { resource, delegated: Vec::new(), application: Vec::new() };
    let api = tenant.app(resource);
    for access in list(entry, "resourceAccess") {
        let wanted = id(access, "id")?;
        let scope = api.and_then(|api| api.scopes.iter().find(|s| s.id == wanted));
        let role = api.and_then(|api| api.roles.iter().find(|r| r.id == wanted));
        match text(access, "type") {
            Some("Scope") => need.delegated.extend(scope.map(|s| s.value.clone())),
            Some("Role") => need.application.extend(role.map(|r| r.value.clone())),
            _ => return Err(GraphError::invalid("The type of a resourceAccess is Scope or Role.")),
        }
    }
    Ok(need)
}

/// New certificates come with their bytes; one without them stays if it was there.
fn certificates(app: &mut Application, keys: &Value) -> Result<(), GraphError> {
    let mut certificates = Vec::new();
    for entry in keys.as_array().into_iter().flatten() {
        match text(entry, "key") {
            Some(der) => {
                let read = Certificate::read(der, false);
                certificates
                    .push(read.map_err(|why| GraphError::invalid(format!("keyCredentials: {why}.")))?);
            }
            None => {
                let wanted = text(entry, "customKeyIdentifier").unwrap_or_default();
                let old = app.certificates.iter().find(|c| c.thumbprint().eq_ignore_ascii_case(wanted));
                certificates.extend(old.cloned());
            }
        }
    }
    app.certificates = certificates;
    Ok(())
}
