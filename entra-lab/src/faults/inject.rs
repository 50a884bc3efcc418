//! Middleware that carries out the faults. Without any it does nothing but look at an empty list.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody, to_bytes};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error, HttpResponse, web};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::errors::{OVERLOADED, SERVER_ERROR, TENANT_THROTTLED};
use crate::faults::{Target, What};
use crate::ids::RequestIds;
use crate::params::Params;
use crate::recorder::note;
use crate::state::LabState;

/// Carries out the fault that a request meets.
pub async fn inject<B: MessageBody + 'static>(
    state: web::Data<LabState>,
    mut req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let found = match target(req.path()) {
        Some(on) if !state.faults.list().is_empty() => {
            meet(&state, &mut req, on).await?.map(|what| (on, what))
        }
        _ => None,
    };
    let Some((on, what)) = found else { return Ok(next.call(req).await?.map_into_boxed_body()) };
    match what {
        What::Status { status, retry_after } => {
            let response = refusal(&state, &req, on, status, retry_after);
            Ok(req.into_response(response))
        }
        What::Html { status } => {
            let page = "<!doctype html><title>Gateway</title><h1>The gateway could not reach the server</h1>";
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            let response = HttpResponse::build(status).content_type("text/html").body(page);
            Ok(req.into_response(response))
        }
        What::Slow { milliseconds } => {
            actix_web::rt::time::sleep(Duration::from_millis(milliseconds)).await;
            Ok(next.call(req).await?.map_into_boxed_body())
        }
        What::Cut | What::Truncated => {
            let (request, response) = next.call(req).await?.into_parts();
            let (head, body) = response.into_parts();
            let whole =
                to_bytes(body).await.map_err(|_| actix_web::error::ErrorInternalServerError("no body"))?;
            let half = whole.slice(..whole.len() / 2);
            let body = match what {
                What::Cut => BoxBody::new(CutBody { rest: Some(half), announced: whole.len() as u64 }),
                _ => BoxBody::new(half),
            };
            Ok(ServiceResponse::new(request, head.set_body(body)))
        }
    }
}

fn target(path: &str) -> Option<Target> {
    if path.starts_with("/v1.0/") {
        return Some(Target::Graph);
    }
    let ends = |end: &str| path.ends_with(end);
    if ends("/oauth2/v2.0/token") || ends("/oauth2/token") {
        Some(Target::Token)
    } else if ends("/.well-known/openid-configuration") || ends("/discovery/instance") {
        Some(Target::Discovery)
    } else if ends("/discovery/v2.0/keys") || ends("/discovery/keys") {
        Some(Target::Keys)
    } else if ends("/oauth2/v2.0/authorize") || ends("/oauth2/authorize") {
        Some(Target::Authorize)
    } else {
        None
    }
}

/// The fault for this request. The form is read for it and put back.
async fn meet(state: &LabState, req: &mut ServiceRequest, on: Target) -> Result<Option<What>, Error> {
    let mut params = Params::from_query(req.request());
    if on == Target::Token {
        let body = req.extract::<Bytes>().await?;
        params = Params::from_form(req.request(), &body);
        req.set_payload(Payload::from(body));
    }
    let ids = RequestIds::of(req.request(), &params);
    let client = match on {
        Target::Graph => token_client(req),
        _ => params.get("client_id").map(str::to_owned).or_else(|| basic_client(req)),
    };
    let client = client.and_then(|id| Uuid::try_parse(&id).ok());
    note(req.request(), |n| n.client_id = client);
    Ok(state.faults.meet(on, client, Some(ids.correlation)))
}

fn authorization(req: &ServiceRequest) -> Option<(&str, &str)> {
    req.headers().get("authorization")?.to_str().ok()?.split_once(' ')
}

fn basic_client(req: &ServiceRequest) -> Option<String> {
    let (_, encoded) = authorization(req).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))?;
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    text.split_once(':').map(|(id, _)| id.to_owned())
}

/// The client that a Graph token was issued to. Unchecked, which is enough to choose a fault.
fn token_client(req: &ServiceRequest) -> Option<String> {
    let payload = authorization(req)?.1.split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    claims.get("appid").or(claims.get("azp")).and_then(Value::as_str).map(str::to_owned)
}

fn refusal(
    state: &LabState,
    req: &ServiceRequest,
    on: Target,
    status: u16,
    retry_after: Option<u32>,
) -> HttpResponse {
    let ids = RequestIds::of(req.request(), &Params::from_query(req.request()));
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let mut response = if on == Target::Graph {
        let word = match status {
            429 => "TooManyRequests",
            503 => "serviceNotAvailable",
            _ => "generalException",
        };
        let message = "This fault was ordered from the lab.";
        let details = json!({ "request-id": ids.trace, "client-request-id": ids.correlation });
        HttpResponse::build(code)
            .json(json!({ "error": { "code": word, "message": message, "innerError": details } }))
    } else {
        let row = match status {
            429 => TENANT_THROTTLED,
            503 => OVERLOADED,
            _ => SERVER_ERROR,
        };
        note(req.request(), |n| n.error_code = Some(row.code));
        let refusal = row.about("This fault was ordered from the lab.");
        let mut response = refusal.json(&ids, state.clock.now(), &state.base_url(req.request()));
        *response.status_mut() = code;
        response
    };
    let headers = response.headers_mut();
    ids.put_into(headers);
    if let Some(seconds) = retry_after {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// Announces the whole body, sends half of it, and then fails.
struct CutBody {
    rest: Option<Bytes>,
    announced: u64,
}

impl MessageBody for CutBody {
    type Error = std::io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.announced)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        match self.rest.take() {
            Some(half) => Poll::Ready(Some(Ok(half))),
            None => Poll::Ready(Some(Err(std::io::Error::other("cut by order")))),
        }
    }
}
