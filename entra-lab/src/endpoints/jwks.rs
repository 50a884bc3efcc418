//! `GET /{tenant}/discovery/v2.0/keys`: the public keys (RFC 7517).
//!
//! As with Entra there is no `alg` member, and every key names the issuer that it signs for.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use crate::authority::Authority;
use crate::endpoints::{discovery, public_answer};
use crate::ids::RequestIds;
use crate::keyring::KeySet;
use crate::params::Params;
use crate::state::LabState;

/// The key set.
pub async fn jwks(req: HttpRequest, tenant: web::Path<String>, state: web::Data<LabState>) -> HttpResponse {
    let ids = RequestIds::of(&req, &Params::from_query(&req));
    let base = state.base_url(&req);
    let authority = match Authority::parse(&state.directory(), &tenant) {
        Ok(authority) => authority,
        Err(refusal) => return discovery::refuse(&req, &state, &ids, &base, refusal),
    };
    let issuer = LabState::issuer(&base, authority.issuing_tenant());
    let published = match state.keys.set() {
        KeySet::Normal => state.keys.published(),
        KeySet::Empty => Vec::new(),
        KeySet::Broken => {
            let answer =
                HttpResponse::Ok().content_type("application/json").body(r#"{"keys":[{"kty":"RSA","use":"#);
            return public_answer(answer, &ids);
        }
    };
    let keys: Vec<_> = published
        .iter()
        .map(|key| {
            let mut entry = json!({
                "kty": "RSA", "use": "sig", "kid": key.kid, "x5t": key.kid,
                "n": key.n, "e": key.e, "x5c": [key.x5c],
            });
            // The document of version 1 names no issuers.
            if req.path().ends_with("/v2.0/keys") {
                entry["issuer"] = json!(issuer);
            }
            entry
        })
        .collect();
    public_answer(HttpResponse::Ok().json(json!({ "keys": keys })), &ids)
}
