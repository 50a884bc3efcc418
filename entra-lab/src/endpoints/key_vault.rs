//! `GET /secrets/{name}`: a secret of a Key Vault, as far as fetching a certificate needs it.
//!
//! The challenge of the first, anonymous request tells a client where to get its token.

use actix_web::http::StatusCode;
use actix_web::http::header::WWW_AUTHENTICATE;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;
use uuid::Uuid;

use crate::directory::{Directory, VaultSecret};
use crate::params::Params;
use crate::recorder::note;
use crate::state::LabState;
use crate::tokens::verify;

const RESOURCE: &str = "https://vault.azure.net";

/// The latest version.
pub async fn latest(req: HttpRequest, name: web::Path<String>, state: web::Data<LabState>) -> HttpResponse {
    read(&req, &state, &name, None)
}

/// A certain version; there is only one.
pub async fn version(
    req: HttpRequest,
    path: web::Path<(String, String)>,
    state: web::Data<LabState>,
) -> HttpResponse {
    let (name, version) = path.into_inner();
    read(&req, &state, &name, Some(&version))
}

fn read(req: &HttpRequest, state: &LabState, name: &str, version: Option<&str>) -> HttpResponse {
    let directory = state.directory();
    let header = req.headers().get("authorization").and_then(|v| v.to_str().ok()).unwrap_or_default();
    let token =
        header.split_once(' ').filter(|(s, _)| s.eq_ignore_ascii_case("bearer")).map(|(_, t)| t.trim());
    let Some(Ok(claims)) = token.map(|t| verify::access_token(state, t, &[RESOURCE])) else {
        return challenge(state, &directory, req);
    };
    note(req, |n| n.client_id = Some(claims.client_id));
    if Params::from_query(req).get("api-version").is_none() {
        return refuse(400, "BadParameter", "api-version must be specified");
    }
    let tenant = directory.tenant_by_id(claims.tenant);
    let found = tenant.and_then(|t| t.vault_secrets.iter().find(|s| s.name.eq_ignore_ascii_case(name)));
    let Some(secret) = found.filter(|s| version.is_none_or(|v| v.eq_ignore_ascii_case(&version_of(s))))
    else {
        return refuse(
            404,
            "SecretNotFound",
            "A secret with this name or version was not found in this key vault.",
        );
    };
    if !secret.readers.contains(&claims.client_id) {
        return refuse(403, "Forbidden", "The caller is not a reader of this secret.");
    }
    let mut body = json!({
        "value": secret.value.reveal(),
        "id": format!("{}/secrets/{}/{}", state.base_url(req), secret.name, version_of(secret)),
        "attributes": {
            "enabled": true, "created": 1_735_689_600, "updated": 1_735_689_600,
            "recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90,
        },
    });
    if let Some(content_type) = &secret.content_type {
        body["contentType"] = json!(content_type);
    }
    HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(body)
}

fn version_of(secret: &VaultSecret) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, secret.name.as_bytes()).simple().to_string()
}

fn challenge(state: &LabState, directory: &Directory, req: &HttpRequest) -> HttpResponse {
    let tenant = directory.tenants.first().map(|t| t.id).unwrap_or_default();
    let base = state.base_url(req);
    let mut response = refuse(401, "Unauthorized", "AKV10000: Request is missing a Bearer or PoP token.");
    let value = format!(r#"Bearer authorization="{base}/{tenant}", resource="{RESOURCE}""#);
    if let Ok(value) = value.parse() {
        response.headers_mut().insert(WWW_AUTHENTICATE, value);
    }
    response
}

fn refuse(status: u16, code: &str, message: &str) -> HttpResponse {
    HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST))
        .json(json!({ "error": { "code": code, "message": message } }))
}
