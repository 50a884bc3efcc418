//! `GET /common/discovery/instance`: is this host a sign-in host, and what are its other names?
//!
//! MSAL asks before it trusts an authority. The lab vouches for itself and for the public cloud.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use url::Url;

use crate::endpoints::{discovery, public_answer};
use crate::errors::{BAD_PARAMETER, FOREIGN_HOST};
use crate::ids::RequestIds;
use crate::params::Params;
use crate::refusal::Refusal;
use crate::state::LabState;
use crate::tls;

/// The public cloud's sign-in hosts.
pub const CLOUD: [&str; 4] =
    ["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"];

#[derive(Serialize)]
struct Answer {
    tenant_discovery_endpoint: String,
    #[serde(rename = "api-version")]
    api_version: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    metadata: Vec<Metadata>,
}

#[derive(Serialize)]
struct Metadata {
    preferred_network: String,
    preferred_cache: String,
    aliases: Vec<String>,
}

/// Instance discovery.
pub async fn instance(req: HttpRequest, state: web::Data<LabState>) -> HttpResponse {
    let params = Params::from_query(&req);
    let ids = RequestIds::of(&req, &params);
    let base = state.base_url(&req);
    match answer(&params, &state, &base) {
        Ok(answer) => public_answer(HttpResponse::Ok().json(answer), &ids),
        Err(refusal) => discovery::refuse(&req, &state, &ids, &base, refusal),
    }
}

fn answer(params: &Params, state: &LabState, base: &str) -> Result<Answer, Refusal> {
    let api_version = match params.required("api-version")? {
        "1.0" => "1.0",
        "1.1" => "1.1",
        _ => return Err(BAD_PARAMETER.about("It is 'api-version', which is 1.0 or 1.1.")),
    };
    let endpoint = Url::parse(params.required("authorization_endpoint")?)
        .map_err(|_| BAD_PARAMETER.about("It is 'authorization_endpoint', which must be a URL."))?;
    let own = Url::parse(state.public_url()).ok();
    let own_host = own.as_ref().and_then(Url::host_str).unwrap_or_default();
    let host = endpoint.host_str().unwrap_or_default();
    let bare = host.trim_matches(['[', ']']);
    if host != own_host && !tls::NAMES.contains(&bare) && !CLOUD.contains(&host) {
        return Err(FOREIGN_HOST.into());
    }
    let tenant = endpoint.path_segments().and_then(|mut s| s.next()).filter(|s| !s.is_empty());
    let tenant = tenant.unwrap_or("common");
    let metadata = if api_version == "1.1" { metadata(state, base) } else { Vec::new() };
    Ok(Answer {
        tenant_discovery_endpoint: format!("{base}/{tenant}/v2.0/.well-known/openid-configuration"),
        api_version,
        metadata,
    })
}

/// The lab's own names with and without port, and the public cloud's.
fn metadata(state: &LabState, base: &str) -> Vec<Metadata> {
    let own = base.split_once("://").map_or(base, |(_, rest)| rest).to_owned();
    let mut aliases = vec![own.clone()];
    let urls = [Some(state.public_url().to_owned()), state.https_url(), Some(base.to_owned())];
    for url in urls.into_iter().flatten().filter_map(|u| Url::parse(&u).ok()) {
        let host = url.host_str().unwrap_or_default().to_owned();
        let with_port = url.port().map(|p| format!("{host}:{p}"));
        for name in with_port.into_iter().chain([host]) {
            if !aliases.contains(&name) {
                aliases.push(name);
            }
        }
    }
    let cloud = Metadata {
        preferred_network: "login.microsoftonline.com".into(),
        preferred_cache: "login.windows.net".into(),
        aliases: CLOUD.map(String::from).to_vec(),
    };
    vec![Metadata { preferred_network: own.clone(), preferred_cache: own, aliases }, cloud]
}
