//! `/lab/…`: what tests and lessons need and Entra does not have: the clock, a reset, health, the CA.
//!
//! The two that change something take JSON only. No other site's form can send that, and there is
//! no CORS answer that would let a script do it.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

use crate::state::LabState;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MoveClock {
    advance_seconds: i64,
}

/// `GET /lab/health`
pub async fn health() -> HttpResponse {
    HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(json!({ "status": "ok" }))
}

/// `GET /lab/ca.pem`
pub async fn ca_pem(state: web::Data<LabState>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/x-pem-file")
        .insert_header(("cache-control", "no-store"))
        .body(state.ca_pem().to_owned())
}

/// `POST /lab/clock` with `{"advance_seconds": n}`
pub async fn clock(req: HttpRequest, body: web::Bytes, state: web::Data<LabState>) -> HttpResponse {
    if !is_json(&req) {
        return json_only();
    }
    match serde_json::from_slice::<MoveClock>(&body) {
        Ok(change) => {
            let offset = state.clock.advance(change.advance_seconds);
            HttpResponse::Ok().json(json!({ "offset_seconds": offset, "now": state.clock.now() }))
        }
        Err(error) => HttpResponse::BadRequest().json(json!({
            "error": "invalid_json",
            "message": format!("Send {{\"advance_seconds\": n}}. {error}"),
        })),
    }
}

/// `POST /lab/reset`
pub async fn reset(req: HttpRequest, state: web::Data<LabState>) -> HttpResponse {
    if !is_json(&req) {
        return json_only();
    }
    state.reset();
    HttpResponse::Ok().json(json!({ "status": "as seeded" }))
}

fn is_json(req: &HttpRequest) -> bool {
    let content_type = req.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn json_only() -> HttpResponse {
    HttpResponse::UnsupportedMediaType()
        .json(json!({ "error": "json_only", "message": "Send Content-Type: application/json." }))
}
