//! `/{tenant}/adminconsent` and `/{tenant}/v2.0/adminconsent`: an administrator agrees for everyone.
//!
//! In the lab everybody in front of the page counts as the administrator.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use url::Url;

use crate::authority::Authority;
use crate::directory::{Application, Directory, GRAPH, OIDC_SCOPES, Tenant};
use crate::errors::{DECLINED, FORM_NOT_OURS, REDIRECT_URI, UNKNOWN_SCOPE};
use crate::ids::RequestIds;
use crate::params::Params;
use crate::recorder::note;
use crate::refusal::Refusal;
use crate::scopes;
use crate::sign_in::{cookie, html, pages};
use crate::state::LabState;
use crate::{redirect_uri, sign_in};

#[derive(Template)]
#[template(path = "admin_consent.html")]
struct Page<'a> {
    client: &'a str,
    tenant: &'a str,
    wanted: &'a [Entry<'a>],
    fields: Vec<(&'static str, &'a str)>,
    form_token: String,
}

/// One resource and what is wanted of it.
struct Entry<'d> {
    resource: &'d Application,
    names: Vec<String>,
}

/// A checked request.
struct Asked<'d> {
    tenant: &'d Tenant,
    client: &'d Application,
    back: Url,
    wanted: Vec<Entry<'d>>,
}

const FIELDS: [&str; 4] = ["client_id", "redirect_uri", "state", "scope"];

/// `GET`: the page.
pub async fn page(req: HttpRequest, tenant: web::Path<String>, state: web::Data<LabState>) -> HttpResponse {
    let params = Params::from_query(&req);
    let ids = RequestIds::of(&req, &params);
    let directory = state.directory();
    let asked = match check(&directory, &tenant, &params) {
        Ok(asked) => asked,
        Err(refusal) => return pages::refused(&req, &state, &ids, &refusal),
    };
    let (cookie, _, fresh) = cookie::browser(&req, &state);
    let page = Page {
        client: &asked.client.name,
        tenant: &asked.tenant.name,
        wanted: &asked.wanted,
        fields: FIELDS.iter().filter_map(|name| Some((*name, params.get(name)?))).collect(),
        form_token: cookie::form_token(&cookie),
    };
    let mut response = html::page(StatusCode::OK, &page);
    if fresh {
        sign_in::cookie::set(&req, &mut response, &cookie);
    }
    response
}

/// `POST`: the answer.
pub async fn submit(
    req: HttpRequest,
    tenant: web::Path<String>,
    body: web::Bytes,
    state: web::Data<LabState>,
) -> HttpResponse {
    let params = Params::from_form(&req, &body);
    let ids = RequestIds::of(&req, &params);
    let token = params.get("form_token").unwrap_or_default();
    let ours = cookie::known_browser(&req, &state).is_some_and(|(c, _)| cookie::form_token(&c) == token);
    if !ours {
        return pages::refused(&req, &state, &ids, &FORM_NOT_OURS.into());
    }
    let directory = state.directory();
    let asked = match check(&directory, &tenant, &params) {
        Ok(asked) => asked,
        Err(refusal) => return pages::refused(&req, &state, &ids, &refusal),
    };
    note(&req, |n| n.client_id = Some(asked.client.id));
    let mut members = Vec::new();
    if params.get("action") == Some("accept") {
        for entry in &asked.wanted {
            let names = entry.names.iter().cloned();
            state.consents.grant(asked.tenant.id, None, asked.client.id, entry.resource.id, names);
        }
        members.push(("admin_consent", "True".to_owned()));
        members.push(("tenant", asked.tenant.id.to_string()));
        members.extend(params.get("scope").map(|scope| ("scope", scope.to_owned())));
    } else {
        members.push(("error", "permission_denied".to_owned()));
        let refusal = Refusal::from(DECLINED);
        members.push(("error_description", refusal.description(&ids, state.clock.now())));
    }
    members.extend(params.get("state").map(|s| ("state", s.to_owned())));
    let mut back = asked.back;
    back.query_pairs_mut().extend_pairs(&members);
    HttpResponse::Found()
        .insert_header(("location", back.as_str()))
        .insert_header(("cache-control", "no-store"))
        .finish()
}

fn check<'d>(directory: &'d Directory, segment: &str, params: &Params) -> Result<Asked<'d>, Refusal> {
    let authority = Authority::parse(directory, segment)?;
    let client_id = params.required("client_id")?;
    let client = match authority {
        Authority::Tenant(_) => authority.client(directory, client_id)?,
        // Whoever is asked here agrees for the tenant in which the application lives.
        _ => {
            let id = uuid::Uuid::try_parse(client_id).ok();
            id.and_then(|id| directory.any_app(id)).ok_or(crate::errors::UNKNOWN_APP)?
        }
    };
    let home = directory.tenants.iter().find(|t| t.app(client.id).is_some());
    let tenant = authority.tenant(directory).ok().or(home).ok_or(crate::errors::UNKNOWN_TENANT)?;
    let uri = params.required("redirect_uri")?;
    if !redirect_uri::is_registered(client, uri) {
        return Err(REDIRECT_URI.about(format!(
            "Registered for {}: {}",
            client.name,
            client.every_redirect_uri().collect::<Vec<_>>().join(" ")
        )));
    }
    let wanted = wanted(tenant, client, params.get("scope"))?;
    Ok(Asked { tenant, client, back: Url::parse(uri).map_err(|_| REDIRECT_URI)?, wanted })
}

/// The scopes of the request, or everything that the registration lists.
fn wanted<'d>(
    tenant: &'d Tenant,
    client: &Application,
    scope: Option<&str>,
) -> Result<Vec<Entry<'d>>, Refusal> {
    let listed =
        |resource| client.delegated_needs(resource).into_iter().map(String::from).collect::<Vec<_>>();
    let mut entries: Vec<Entry<'d>> = Vec::new();
    match scope {
        None => {
            for need in &client.needs {
                if let Some(resource) = tenant.app(need.resource) {
                    entries.push(Entry { resource, names: need.delegated.clone() });
                }
            }
        }
        Some(scope) => {
            let requested = scopes::parse(tenant, client.id, scope, UNKNOWN_SCOPE)?;
            for asked in &requested.resources {
                let Some(resource) = tenant.app(asked.resource) else { continue };
                let names = if asked.default.is_some() {
                    listed(resource.id)
                } else {
                    asked.names.iter().cloned().collect()
                };
                entries.push(Entry { resource, names });
            }
        }
    }
    // Signing in belongs to every consent.
    if let Some(graph) = tenant.app(GRAPH) {
        let oidc = OIDC_SCOPES.map(String::from);
        match entries.iter_mut().find(|e| e.resource.id == GRAPH) {
            Some(entry) => {
                entry.names.extend(oidc);
                entry.names.sort();
                entry.names.dedup();
            }
            None => entries.push(Entry { resource: graph, names: oidc.to_vec() }),
        }
    }
    entries.retain(|e| !e.names.is_empty());
    Ok(entries)
}
