//! The version 1 spellings: `resource` instead of scopes, numbers as text, another discovery document.
//!
//! Old clients and old documentation use them. Each is turned into its version 2 counterpart.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value, json};

use crate::authority::Authority;
use crate::endpoints::{discovery, public_answer};
use crate::ids::RequestIds;
use crate::params::Params;
use crate::state::LabState;
use crate::tokens::mint::TokenAnswer;

/// Whether a path is one of version 1.
pub fn is_version1(path: &str) -> bool {
    path.contains("/oauth2/") && !path.contains("/oauth2/v2.0/")
}

/// `resource` becomes its `/.default`; what is asked for by scope stays.
pub fn with_scope(params: Params, sign_in: bool) -> Params {
    let Some(resource) = params.get("resource").map(str::to_owned) else {
        return match (sign_in, params.get("scope")) {
            (true, None) => params.with("scope", "openid profile email offline_access".into()),
            _ => params,
        };
    };
    if params.get("scope").is_some_and(|s| s != "openid") {
        return params;
    }
    let user = sign_in || !matches!(params.get("grant_type"), None | Some("client_credentials"));
    let oidc = if user { "openid profile email offline_access " } else { "" };
    params.with("scope", format!("{oidc}{resource}/.default"))
}

/// The success body of the version 1 token endpoint: numbers are text, and the resource is named.
pub fn body(answer: &TokenAnswer, now: i64, params: &Params) -> Value {
    let mut body = serde_json::to_value(answer).unwrap_or_default();
    if let Some(members) = body.as_object_mut() {
        text_members(members, answer.expires_in, now);
        if let Some(resource) = params.get("resource") {
            members.insert("resource".into(), json!(resource));
        }
    }
    body
}

fn text_members(members: &mut Map<String, Value>, expires_in: i64, now: i64) {
    for (name, value) in [
        ("expires_in", expires_in),
        ("ext_expires_in", expires_in),
        ("expires_on", now + expires_in + 1),
        ("not_before", now - 300),
    ] {
        members.insert(name.into(), json!(value.to_string()));
    }
}

/// `GET /{tenant}/.well-known/openid-configuration`
pub async fn document(
    req: HttpRequest,
    tenant: web::Path<String>,
    state: web::Data<LabState>,
) -> HttpResponse {
    let ids = RequestIds::of(&req, &Params::from_query(&req));
    let base = state.base_url(&req);
    let authority = match Authority::parse(&state.directory(), &tenant) {
        Ok(authority) => authority,
        Err(refusal) => return discovery::refuse(&req, &state, &ids, &base, refusal),
    };
    let segment = authority.segment();
    let at = |rest: &str| format!("{base}/{segment}/oauth2/{rest}");
    let document = json!({
        "token_endpoint": at("token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{base}/common/discovery/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "token id_token", "token"],
        "scopes_supported": ["openid"],
        "issuer": LabState::issuer_v1(authority.issuing_tenant()),
        "microsoft_multi_refresh_token": true,
        "authorization_endpoint": at("authorize"),
        "device_authorization_endpoint": at("devicecode"),
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "end_session_endpoint": at("logout"),
        "claims_supported": ["sub", "iss", "cloud_instance_name", "cloud_instance_host_name", "cloud_graph_host_name",
            "msgraph_host", "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce", "email", "given_name",
            "family_name", "nickname"],
        "check_session_iframe": at("checksession"),
        "userinfo_endpoint": format!("{base}/{segment}/openid/userinfo"),
        "kerberos_endpoint": format!("{base}/{segment}/kerberos"),
        "tenant_region_scope": authority.region(),
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": "graph.microsoft.com",
        "rbac_url": "https://pas.windows.net",
    });
    public_answer(HttpResponse::Ok().json(document), &ids)
}
