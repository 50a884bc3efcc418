//! One span for each request that a server answers, in the trace that the caller began.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::telemetry::continue_from;

/// A span around everything that happens for a request. With the feature `otel` it continues the caller's trace (W3C
/// `traceparent`), so what is asked of Entra, Graph and other APIs in between belongs to it as well.
///
/// It holds the method, the route's pattern and the status. Not the path and not the query: they may name people, or hold
/// the code of a sign-in.
///
/// ```
/// use actix_web::{App, middleware::from_fn};
///
/// let app = App::new().wrap(from_fn(shared_auth::actix::request_span));
/// ```
///
/// # Errors
/// What the service behind it returns.
pub async fn request_span<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let method = match request.method() {
        known @ (&Method::GET
        | &Method::HEAD
        | &Method::POST
        | &Method::PUT
        | &Method::PATCH
        | &Method::DELETE
        | &Method::OPTIONS) => known.as_str(),
        _ => "_OTHER", // Anybody can invent one.
    };
    let route = request.match_pattern();
    let name = [method, route.as_deref().unwrap_or("(no such route)")].join(" ");
    let span = tracing::debug_span!(
        "request",
        otel.kind = "server",
        otel.name = name,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        otel.status_code = Empty,
    );
    continue_from(&span, |name| request.headers().get(name).and_then(|value| value.to_str().ok()));
    async {
        let outcome = next.call(request).await;
        let status = match &outcome {
            Ok(response) => response.status(),
            Err(error) => error.as_response_error().status_code(),
        };
        record(status);
        outcome
    }
    .instrument(span)
    .await
}

fn record(status: StatusCode) {
    let span = Span::current();
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}
