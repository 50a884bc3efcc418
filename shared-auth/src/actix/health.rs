//! What every server has: headers for its answers, and the two questions of an orchestrator (do you live, can you work).
//!
//! What readiness means while Redis is away is decided here: ready, and said so. See [`health_routes_with`].

use actix_web::http::header;
use actix_web::middleware::DefaultHeaders;
use actix_web::{HttpResponse, web};

#[cfg(feature = "redis")]
use crate::cache::redis::RedisCache;

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

/// As [`health_routes`], and `/health/ready` says how it stands with Redis: it is asked once, within its time limit.
///
/// | Redis | answer |
/// |---|---|
/// | answers | 200 `{"status":"ok","redis":"ok"}` |
/// | does not answer | 200 `{"status":"degraded","redis":"away"}` |
/// | has no room for writes | 200 `{"status":"degraded","redis":"full"}` |
/// | is not configured | 200 `{"status":"ok"}` |
///
/// A service stays ready without Redis: tokens come from memory and from Entra, and all replicas would leave the load
/// balancer at the same moment. What it cannot do meanwhile it answers with 503 itself: signing in and out with sessions in
/// Redis, filing background work. Whoever wants to hear of it watches the body or the metrics, and not the status.
///
/// ```
/// # fn example(redis: Option<shared_auth::RedisCache>) {
/// let health = shared_auth::actix::health_routes_with(redis);
/// let app = actix_web::App::new().configure(&health);
/// # }
/// ```
#[cfg(feature = "redis")]
pub fn health_routes_with(
    redis: impl Into<Option<RedisCache>>,
) -> impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static {
    let redis = redis.into();
    move |app| {
        let Some(redis) = redis.clone() else { return health_routes(app) };
        let ready = move || ready(redis.clone());
        app.service(web::resource("/health/live").route(web::get().to(well)).route(web::head().to(well)));
        app.service(
            web::resource("/health/ready").route(web::get().to(ready.clone())).route(web::head().to(ready)),
        );
    }
}

#[cfg(feature = "redis")]
async fn ready(redis: RedisCache) -> HttpResponse {
    let state = redis.check().await;
    let (status, redis) = match (state.available, state.full) {
        (false, _) => ("degraded", "away"),
        (true, true) => ("degraded", "full"),
        (true, false) => ("ok", "ok"),
    };
    HttpResponse::Ok().json(serde_json::json!({ "status": status, "redis": redis }))
}

async fn well() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "status": "ok" }))
}
