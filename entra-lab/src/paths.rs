//! Paths without case: Entra does not tell `/Common/OAuth2/…` from `/common/oauth2/…`.
//!
//! Middleware that runs before the routes are matched. Graph's own paths are left alone.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Uri;
use actix_web::http::uri::PathAndQuery;
use actix_web::middleware::Next;

/// Writes the path in small letters.
pub async fn ignore_case<B: MessageBody>(
    mut req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let path = req.path();
    let graph = path.len() >= 5 && path.as_bytes().get(..5).is_some_and(|p| p.eq_ignore_ascii_case(b"/v1.0"));
    if !graph && path.bytes().any(|b| b.is_ascii_uppercase()) {
        let query = req.uri().query().map(|q| format!("?{q}")).unwrap_or_default();
        let lower = format!("{}{query}", path.to_ascii_lowercase());
        if let Some(uri) = with_path(req.uri(), &lower) {
            req.match_info_mut().get_mut().update(&uri);
            req.head_mut().uri = uri;
        }
    }
    next.call(req).await
}

fn with_path(uri: &Uri, path_and_query: &str) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path_and_query).ok()?);
    Uri::from_parts(parts).ok()
}
