//! `GET /{tenant}/v2.0/.well-known/openid-configuration`: OpenID Connect discovery, version 2.0.
//!
//! Members, their order and their values are Entra's, also what a registration must have switched on before it is
//! answered (hybrid responses): a client must cope with both. For `common` and `organizations` the issuer is a
//! template whose placeholder, braces included, is part of the string.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use crate::authority::Authority;
use crate::endpoints::public_answer;
use crate::ids::RequestIds;
use crate::params::Params;
use crate::recorder::note;
use crate::refusal::Refusal;
use crate::state::LabState;

const CLAIMS: [&str; 19] = [
    "sub",
    "iss",
    "cloud_instance_name",
    "cloud_instance_host_name",
    "cloud_graph_host_name",
    "msgraph_host",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "acr",
    "nonce",
    "preferred_username",
    "name",
    "tid",
    "ver",
    "at_hash",
    "c_hash",
    "email",
];

#[derive(Serialize)]
struct Document {
    token_endpoint: String,
    token_endpoint_auth_methods_supported: [&'static str; 3],
    jwks_uri: String,
    response_modes_supported: [&'static str; 3],
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: [&'static str; 1],
    response_types_supported: [&'static str; 4],
    scopes_supported: [&'static str; 4],
    issuer: String,
    request_uri_parameter_supported: bool,
    userinfo_endpoint: String,
    authorization_endpoint: String,
    device_authorization_endpoint: String,
    http_logout_supported: bool,
    frontchannel_logout_supported: bool,
    end_session_endpoint: String,
    claims_supported: [&'static str; 19],
    kerberos_endpoint: String,
    tenant_region_scope: Option<&'static str>,
    cloud_instance_name: &'static str,
    cloud_graph_host_name: &'static str,
    msgraph_host: &'static str,
    rbac_url: &'static str,
}

/// The discovery document.
pub async fn discovery(
    req: HttpRequest,
    tenant: web::Path<String>,
    state: web::Data<LabState>,
) -> HttpResponse {
    let ids = RequestIds::of(&req, &Params::from_query(&req));
    let base = state.base_url(&req);
    match Authority::parse(&state.directory(), &tenant) {
        Ok(authority) => public_answer(HttpResponse::Ok().json(document(&base, authority)), &ids),
        Err(refusal) => refuse(&req, &state, &ids, &base, refusal),
    }
}

/// Discovery endpoints say `invalid_tenant` where the others say `invalid_request`.
pub fn refuse(
    req: &HttpRequest,
    state: &LabState,
    ids: &RequestIds,
    base: &str,
    refusal: Refusal,
) -> HttpResponse {
    note(req, |n| n.error_code = Some(refusal.row.code));
    let refusal = match refusal.row.code {
        90002 => refusal.with_error("invalid_tenant"),
        _ => refusal,
    };
    public_answer(refusal.json(ids, state.clock.now(), base), ids)
}

fn document(base: &str, authority: Authority) -> Document {
    let segment = authority.segment();
    let v2 = |rest: &str| format!("{base}/{segment}/oauth2/v2.0/{rest}");
    Document {
        token_endpoint: v2("token"),
        token_endpoint_auth_methods_supported: [
            "client_secret_post",
            "private_key_jwt",
            "client_secret_basic",
        ],
        jwks_uri: format!("{base}/{segment}/discovery/v2.0/keys"),
        response_modes_supported: ["query", "fragment", "form_post"],
        subject_types_supported: ["pairwise"],
        id_token_signing_alg_values_supported: ["RS256"],
        response_types_supported: ["code", "id_token", "code id_token", "id_token token"],
        scopes_supported: ["openid", "profile", "email", "offline_access"],
        issuer: LabState::issuer(base, authority.issuing_tenant()),
        request_uri_parameter_supported: false,
        userinfo_endpoint: format!("{base}/oidc/userinfo"),
        authorization_endpoint: v2("authorize"),
        device_authorization_endpoint: v2("devicecode"),
        http_logout_supported: true,
        frontchannel_logout_supported: true,
        end_session_endpoint: v2("logout"),
        claims_supported: CLAIMS,
        kerberos_endpoint: format!("{base}/{segment}/kerberos"),
        tenant_region_scope: authority.region(),
        cloud_instance_name: "microsoftonline.com",
        cloud_graph_host_name: "graph.windows.net",
        msgraph_host: "graph.microsoft.com",
        rbac_url: "https://pas.windows.net",
    }
}
