//! The two questions that an orchestrator asks: do you live, and can you work?

use actix_web::{HttpResponse, web};

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
