//! `GET /`: the page that introduces the lab: people, applications, addresses, settings, last requests.
//!
//! Everything on it comes from the directory and the recorder, so it is right for any seed. The
//! secrets it shows are those of the seed, which are public; tokens, codes and cookies never get here.

mod activity;
mod apps;
mod people;
mod policies;

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::directory::{Directory, GRAPH, Tenant};
use crate::graph::avatar::{self, Avatar};
use crate::state::LabState;
use activity::Line;
use apps::App;
use people::Person;

/// No script, no form, nothing from elsewhere, in nobody's frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    base: String,
    https: Option<String>,
    clock: String,
    tenants: Vec<TenantView>,
    policies: Vec<String>,
    lines: Vec<Line>,
    version: &'static str,
}

struct TenantView {
    id: String,
    name: String,
    domain: String,
    people: Vec<Person>,
    /// Names of those who cannot sign in.
    others: Vec<String>,
    apps: Vec<App>,
    authorize: Option<String>,
    daemon: Option<Daemon>,
}

/// A client that can be tried on the command line.
struct Daemon {
    id: String,
    secret: String,
}

/// The home page.
pub async fn home(req: HttpRequest, state: web::Data<LabState>) -> HttpResponse {
    let base = state.base_url(&req);
    let directory = state.directory();
    let page = Home {
        clock: clock(state.clock.offset()),
        tenants: directory.tenants.iter().map(|t| tenant(&state, t, &base)).collect(),
        policies: policies::sentences(&state, &directory),
        lines: activity::lines(&state, &directory),
        https: state.https_url().filter(|https| *https != base),
        version: env!("CARGO_PKG_VERSION"),
        base,
    };
    let Ok(html) = page.render() else { return HttpResponse::InternalServerError().finish() };
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header(("cache-control", "no-store"))
        .insert_header(("content-security-policy", POLICY))
        .insert_header(("referrer-policy", "no-referrer"))
        .insert_header(("x-content-type-options", "nosniff"))
        .body(html)
}

/// `GET /lab/photo/{user}`: a person's photo for the lab's own pages, which have no token.
pub async fn photo(user: web::Path<String>, state: web::Data<LabState>) -> HttpResponse {
    let directory = state.directory();
    let Some(avatar) = photo_of(&directory, &user) else { return HttpResponse::NotFound().finish() };
    HttpResponse::Ok()
        .content_type(avatar::CONTENT_TYPE)
        .insert_header(("cache-control", "max-age=300"))
        .insert_header(("etag", avatar.etag.as_str()))
        .insert_header(("x-content-type-options", "nosniff"))
        .body(avatar.jpeg.clone())
}

fn photo_of(directory: &Directory, upn: &str) -> Option<std::sync::Arc<Avatar>> {
    Avatar::of(directory.user_by_upn(upn)?.1)
}

fn tenant(state: &LabState, tenant: &Tenant, base: &str) -> TenantView {
    let (people, others): (Vec<_>, Vec<_>) = tenant.users.iter().partition(|u| u.password.is_some());
    TenantView {
        id: tenant.id.to_string(),
        name: tenant.name.clone(),
        domain: tenant.domain.clone(),
        people: people.into_iter().map(|user| people::person(state, tenant, user)).collect(),
        others: others.into_iter().map(|user| user.display_name.clone()).collect(),
        apps: tenant.apps.iter().map(|app| apps::app(state, tenant, app, base)).collect(),
        authorize: authorize(tenant, base),
        daemon: daemon(tenant),
    }
}

/// An authorization request to look at: that of the first web application.
fn authorize(tenant: &Tenant, base: &str) -> Option<String> {
    let app = tenant.apps.iter().find(|a| !a.secrets.is_empty() && !a.redirect_uris.is_empty())?;
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", &app.id.to_string())
        .append_pair("response_type", "code")
        .append_pair("redirect_uri", app.redirect_uris.first()?)
        .append_pair("scope", "openid profile User.Read")
        .append_pair("state", "just-looking")
        .append_pair("prompt", "select_account")
        .finish();
    Some(format!("{base}/{}/oauth2/v2.0/authorize?{query}", tenant.id))
}

/// The first application that may list people without a user.
fn daemon(tenant: &Tenant) -> Option<Daemon> {
    tenant.apps.iter().find_map(|app| {
        let secret = app.secrets.first()?;
        let can = !tenant.roles_of(app.object_id, GRAPH).is_empty();
        can.then(|| Daemon { id: app.id.to_string(), secret: secret.value.reveal().to_owned() })
    })
}

fn clock(offset: i64) -> String {
    let span = |seconds: u64| {
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        format!("{hours} h {minutes} min {} s", seconds % 60)
    };
    match offset {
        0 => "real time".to_owned(),
        ahead @ 1.. => format!("{} ahead of real time", span(ahead.unsigned_abs())),
        behind => format!("{} behind real time", span(behind.unsigned_abs())),
    }
}
