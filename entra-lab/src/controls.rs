//! `/lab/…`: what tests and lessons need and Entra does not have: the clock, a reset, health, the CA.
//!
//! The two that change something take JSON only. No other site's form can send that, and there is
//! no CORS answer that would let a script do it.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::faults::Order;
use crate::keyring::KeyChange;
use crate::policy::change::PolicyChange;
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

/// `GET /lab/policy`
pub async fn policies(state: web::Data<LabState>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(("cache-control", "no-store"))
        .json(json!({ "policies": state.policies.list() }))
}

/// `POST /lab/policy` with one change
pub async fn policy(req: HttpRequest, body: web::Bytes, state: web::Data<LabState>) -> HttpResponse {
    if !is_json(&req) {
        return json_only();
    }
    let change = serde_json::from_slice::<PolicyChange>(&body).map_err(|error| error.to_string());
    answer(change.and_then(|change| change.apply(&state)))
}

/// `GET /lab/fault`
pub async fn faults(state: web::Data<LabState>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(("cache-control", "no-store"))
        .json(json!({ "faults": state.faults.list() }))
}

/// `POST /lab/fault` with one order
pub async fn fault(req: HttpRequest, body: web::Bytes, state: web::Data<LabState>) -> HttpResponse {
    if !is_json(&req) {
        return json_only();
    }
    let order = serde_json::from_slice::<Order>(&body).map_err(|error| error.to_string());
    answer(order.and_then(|order| order.apply(&state)))
}

/// `POST /lab/keys` with one change
pub async fn keys(req: HttpRequest, body: web::Bytes, state: web::Data<LabState>) -> HttpResponse {
    if !is_json(&req) {
        return json_only();
    }
    let change = match serde_json::from_slice::<KeyChange>(&body) {
        Ok(change) => change,
        Err(error) => return answer(Err(error.to_string())),
    };
    // A new RSA key takes a while.
    let changed = web::block(move || state.keys.apply(change)).await;
    answer(changed.unwrap_or_else(|error| Err(error.to_string())))
}

fn answer(result: Result<Value, String>) -> HttpResponse {
    match result {
        Ok(value) => HttpResponse::Ok().json(value),
        Err(message) => HttpResponse::BadRequest().json(json!({ "error": "not_done", "message": message })),
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
