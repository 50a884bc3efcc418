//! What every server has: headers for its answers, and the two questions of an orchestrator (do you live, can you work).

use actix_web::http::header;
use actix_web::middleware::DefaultHeaders;
use actix_web::{HttpResponse, web};

/// Headers for the answers of an API: personal data stays out of caches, and a type is what it is called.
///
/// ```
/// let app = actix_web::App::new().wrap(shared_auth::actix::api_headers());
/// ```
pub fn api_headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((header::CACHE_CONTROL, "no-store"))
        .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
}

/// Adds `/health/live` and `/health/ready`, for GET and HEAD.
///
/// A program that uses [`service::until_reachable`](crate::service::until_reachable) opens its routes when it knows its
/// authority, so from then on both answers are the same: it answers at all.
///
/// ```
/// let app = actix_web::App::new().configure(shared_auth::actix::health_routes);
/// ```
pub fn health_routes(app: &mut web::ServiceConfig) {
    for path in ["/health/live", "/health/ready"] {
        app.service(web::resource(path).route(web::get().to(well)).route(web::head().to(well)));
    }
}

async fn well() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "status": "ok" }))
}
