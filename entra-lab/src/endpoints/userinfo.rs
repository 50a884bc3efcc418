//! `GET` or `POST /oidc/userinfo` (OpenID Connect Core 5.3), with a Graph token that has `openid`.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use crate::directory::{GRAPH, GRAPH_URI};
use crate::state::LabState;
use crate::tokens::claims::pairwise;
use crate::tokens::verify;

/// The signed-in user, as the OpenID Connect claims name them.
pub async fn userinfo(req: HttpRequest, state: web::Data<LabState>) -> HttpResponse {
    let header = req.headers().get("authorization").and_then(|v| v.to_str().ok()).unwrap_or_default();
    let token =
        header.split_once(' ').filter(|(s, _)| s.eq_ignore_ascii_case("bearer")).map(|(_, t)| t.trim());
    let graph = GRAPH.to_string();
    let audiences = [GRAPH_URI, graph.as_str()];
    let Some(Ok(claims)) = token.map(|t| verify::access_token(&state, t, &audiences)) else {
        return HttpResponse::Unauthorized()
            .insert_header(("www-authenticate", "Bearer error=\"invalid_token\""))
            .json(json!({ "error": "invalid_token" }));
    };
    if !claims.scopes.contains("openid") {
        return HttpResponse::Forbidden()
            .insert_header(("www-authenticate", "Bearer error=\"insufficient_scope\", scope=\"openid\""))
            .json(json!({ "error": "insufficient_scope" }));
    }
    let directory = state.directory();
    let user = directory.tenant_by_id(claims.tenant).and_then(|t| t.user(claims.object_id));
    let Some(user) = user else { return HttpResponse::NotFound().json(json!({ "error": "not_found" })) };
    HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(json!({
        // The same subject as in the client's ID token.
        "sub": pairwise(claims.tenant, user.id, claims.client_id),
        "name": user.display_name,
        "family_name": user.surname,
        "given_name": user.given_name,
        "picture": format!("{}/v1.0/me/photo/$value", state.base_url(&req)),
        "email": user.mail,
    }))
}
