//! `/lab/…`: what tests and lessons need and Entra does not have: the clock, policies, faults, keys, tenants, a reset,
//! tokens taken apart and made wrong, health, the CA. `assets/openapi.json` describes them for programs.
//!
//! Those that change or show something take JSON only, and from a browser only from the lab's own pages: no other
//! site's form can send that, there is no CORS answer, and a name that was bent to this machine does not help either.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::faults::Order;
use crate::forge;
use crate::keyring::KeyChange;
use crate::params::Params;
use crate::policy::change::PolicyChange;
use crate::state::LabState;
use crate::tenants;

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
    if let Some(refused) = refusal(&req, &state) {
        return refused;
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
    if let Some(refused) = refusal(&req, &state) {
        return refused;
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
    if let Some(refused) = refusal(&req, &state) {
        return refused;
    }
    let order = serde_json::from_slice::<Order>(&body).map_err(|error| error.to_string());
    answer(order.and_then(|order| order.apply(&state)))
}

/// `POST /lab/keys` with one change
pub async fn keys(req: HttpRequest, body: web::Bytes, state: web::Data<LabState>) -> HttpResponse {
    if let Some(refused) = refusal(&req, &state) {
        return refused;
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
    if let Some(refused) = refusal(&req, &state) {
        return refused;
    }
    state.reset();
    HttpResponse::Ok().json(json!({ "status": "as seeded" }))
}

/// `GET /lab/requests`, narrowed by `client_id`, `correlation_id` or `path`
pub async fn requests(req: HttpRequest, state: web::Data<LabState>) -> HttpResponse {
    let params = Params::from_query(&req);
    let id = |name: &str| params.get(name).map(|text| Uuid::try_parse(text).unwrap_or_default());
    let (client, correlation, path) = (id("client_id"), id("correlation_id"), params.get("path"));
    let mut list = state.recorder.requests();
    list.retain(|r| {
        client.is_none_or(|id| r.client_id == Some(id))
            && correlation.is_none_or(|id| r.correlation_id == Some(id))
            && path.is_none_or(|part| r.path.contains(part))
    });
    HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(json!({ "requests": list }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTenant {
    name: String,
}

/// `POST /lab/tenants` with `{"name": "…"}`
pub async fn tenants(req: HttpRequest, body: web::Bytes, state: web::Data<LabState>) -> HttpResponse {
    if let Some(refused) = refusal(&req, &state) {
        return refused;
    }
    let new = serde_json::from_slice::<NewTenant>(&body).map_err(|error| error.to_string());
    answer(new.and_then(|new| tenants::on_demand(&state, &new.name)).map(|info| json!(info)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSeed {
    seed: Option<String>,
}

/// `POST /lab/seed`: the text in `seed`, or without it the file that the lab was started with, read again
pub async fn seed(req: HttpRequest, body: web::Bytes, state: web::Data<LabState>) -> HttpResponse {
    if let Some(refused) = refusal(&req, &state) {
        return refused;
    }
    let new = serde_json::from_slice::<NewSeed>(&body).map_err(|error| error.to_string());
    answer(new.and_then(|new| state.read_seed(new.seed)).map(|tenants| json!({ "tenants": tenants })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Inspect {
    token: String,
}

/// `POST /lab/inspect` with `{"token": "…"}`
pub async fn inspect(req: HttpRequest, body: web::Bytes, state: web::Data<LabState>) -> HttpResponse {
    if let Some(refused) = refusal(&req, &state) {
        return refused;
    }
    let order = serde_json::from_slice::<Inspect>(&body).map_err(|error| error.to_string());
    answer(order.and_then(|order| forge::inspect(&state, &order.token)))
}

/// `POST /lab/forge`
pub async fn forge(req: HttpRequest, body: web::Bytes, state: web::Data<LabState>) -> HttpResponse {
    if let Some(refused) = refusal(&req, &state) {
        return refused;
    }
    let order = match serde_json::from_slice::<forge::Order>(&body) {
        Ok(order) => order,
        Err(error) => return answer(Err(error.to_string())),
    };
    // A key of its own takes a while.
    let forged = web::block(move || forge::forge(&state, order)).await;
    answer(forged.unwrap_or_else(|error| Err(error.to_string())))
}

/// `GET /lab/openapi.json`
pub async fn openapi() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(include_str!("../assets/openapi.json"))
}

/// Anything but JSON, and what a browser sends from a page that is not the lab's.
fn refusal(req: &HttpRequest, state: &LabState) -> Option<HttpResponse> {
    let header = |name: &str| req.headers().get(name).and_then(|v| v.to_str().ok());
    let essence = header("content-type").unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        let message = "Send Content-Type: application/json.";
        return Some(
            HttpResponse::UnsupportedMediaType().json(json!({ "error": "json_only", "message": message })),
        );
    }
    if header("origin").is_some_and(|origin| !state.is_own_page(origin)) {
        let message = "Another site's page must not reach the controls. Use the lab's own address.";
        return Some(HttpResponse::Forbidden().json(json!({ "error": "foreign_page", "message": message })));
    }
    None
}
