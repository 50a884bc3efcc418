//! The registered applications on the home page: what they are, expose and may use, and their `.env`.

use std::fmt::Write;

use uuid::Uuid;

use crate::directory::{AppRole, Application, GRAPH, Need, RoleMember, Tenant};
use crate::state::LabState;

/// Where the sample API of this repository listens; the directory does not know addresses of APIs.
const SAMPLE_API: &str = "http://localhost:4000";

/// One registered application.
pub struct App {
    pub name: String,
    pub id: String,
    pub kind: &'static str,
    pub secrets: Vec<String>,
    pub redirect_uris: Vec<String>,
    pub identifier_uris: Vec<String>,
    pub token_version: u8,
    /// Name and description.
    pub scopes: Vec<(String, String)>,
    pub roles: Vec<(String, String)>,
    pub permissions: Vec<Permission>,
    pub settings: Option<String>,
}

/// One entry of "API permissions".
pub struct Permission {
    pub name: String,
    pub resource: String,
    pub kind: &'static str,
    /// Who has agreed.
    pub state: String,
    pub granted: bool,
}

pub fn app(state: &LabState, tenant: &Tenant, app: &Application, base: &str) -> App {
    let describe = |role: &AppRole| {
        let both: Vec<&str> = role
            .allowed
            .iter()
            .map(|member| match member {
                RoleMember::User => "people",
                RoleMember::Application => "applications",
            })
            .collect();
        (role.value.clone(), format!("{} (for {})", role.description, both.join(" and ")))
    };
    App {
        name: app.name.clone(),
        id: app.id.to_string(),
        kind: kind(app),
        secrets: app.secrets.iter().map(|s| s.value.reveal().to_owned()).collect(),
        redirect_uris: app.every_redirect_uri().map(str::to_owned).collect(),
        identifier_uris: app.identifier_uris.clone(),
        token_version: app.access_token_version,
        scopes: app.scopes.iter().map(|s| (s.value.clone(), s.description.clone())).collect(),
        roles: app.roles.iter().map(describe).collect(),
        permissions: app.needs.iter().flat_map(|need| permissions(state, tenant, app, need)).collect(),
        settings: settings(tenant, app, base),
    }
}

fn kind(app: &Application) -> &'static str {
    if !app.spa_redirect_uris.is_empty() {
        return "single-page application";
    }
    match (app.id == GRAPH, app.public_client, app.redirect_uris.is_empty(), app.identifier_uris.is_empty()) {
        (true, ..) => "Microsoft's API",
        (_, true, ..) => "public client",
        (_, _, false, true) => "web application",
        (_, _, false, false) => "web application and API",
        (_, _, true, false) => "web API",
        (_, _, true, true) => "service",
    }
}

fn permissions(state: &LabState, tenant: &Tenant, app: &Application, need: &Need) -> Vec<Permission> {
    let resource = tenant.app(need.resource).map(|a| a.name.clone()).unwrap_or_default();
    let held = tenant.roles_of(app.object_id, need.resource);
    let row = |name: &String, kind, (granted, state): (bool, String)| Permission {
        name: name.clone(),
        resource: resource.clone(),
        kind,
        state,
        granted,
    };
    let delegated =
        need.delegated.iter().map(|name| row(name, "delegated", consent(state, tenant, app, need, name)));
    let application = need.application.iter().map(|name| {
        let granted = held.contains(name);
        row(name, "application", (granted, if granted { "granted" } else { "not granted" }.to_owned()))
    });
    delegated.chain(application).collect()
}

fn consent(state: &LabState, tenant: &Tenant, app: &Application, need: &Need, scope: &str) -> (bool, String) {
    let has = |user| state.consents.granted(tenant.id, user, app.id, need.resource).contains(scope);
    // Nobody has the nil id, so what is granted to it is granted to everyone.
    if has(Uuid::nil()) {
        return (true, "granted for everyone".to_owned());
    }
    let agreed = tenant.users.iter().filter(|user| has(user.id));
    let names: Vec<&str> = agreed.map(|u| u.given_name.as_deref().unwrap_or(&u.display_name)).collect();
    if names.is_empty() {
        return (false, "asked at sign-in".to_owned());
    }
    (true, format!("agreed by {}", names.join(", ")))
}

/// What the samples of this repository read, for the applications that have something to prove.
fn settings(tenant: &Tenant, app: &Application, base: &str) -> Option<String> {
    if app.secrets.is_empty() && !app.public_client {
        return None;
    }
    let mut text = format!("AZURE_TENANT_ID={}\nAZURE_CLIENT_ID={}\n", tenant.id, app.id);
    if let Some(secret) = app.secrets.first() {
        let _ = writeln!(text, "AZURE_CLIENT_SECRET={}", secret.value.reveal());
    }
    let _ = writeln!(text, "AZURE_AUTHORITY_HOST={base}\nGRAPH_BASE_URL={base}/v1.0");
    let api = app.needs.iter().find(|n| n.resource != GRAPH).and_then(|n| Some((n, tenant.app(n.resource)?)));
    if let Some((need, api)) = api
        && let Some(uri) = api.identifier_uris.first()
    {
        // With a user the scope is named; a service takes all that it was granted.
        let scope = need.delegated.first().map_or(".default", String::as_str);
        let _ = writeln!(text, "API_BASE_URL={SAMPLE_API}\nAPI_SCOPES={uri}/{scope}");
    }
    if !app.redirect_uris.is_empty() && !app.public_client {
        text.push_str("# and SESSION_KEY, from: openssl rand -base64 64 | tr -d '\\n'\n");
    }
    Some(text)
}
