//! The picture of the user, through the API; their initials where there is none, so that no page shows a broken image.

use actix_web::http::header::{CacheControl, CacheDirective};
use actix_web::{HttpResponse, web};
use shared_auth::actix::{PageError, SignedInUser};

use crate::apis::Apis;
use crate::pages;

/// `GET /photo`.
pub async fn photo(user: SignedInUser, apis: web::Data<Apis>) -> Result<HttpResponse, PageError> {
    let token = user.acquire_token(&apis.api_scopes).await?;
    let photo = apis.api.get_bytes("/api/photo", &token.access_token).await;
    // Only a picture may come from this address, whatever the other side calls it.
    let (content_type, bytes) = photo
        .inspect_err(|error| tracing::info!(step = 10, "no photo, so the initials are shown: {error}"))
        .ok()
        .filter(|(content_type, _)| content_type.starts_with("image/"))
        .unwrap_or_else(|| ("image/svg+xml".to_owned(), pages::initials(user.name()).into_bytes()));
    // A picture of a person stays out of caches that others share.
    let cache = CacheControl(vec![CacheDirective::Private, CacheDirective::NoStore]);
    Ok(HttpResponse::Ok().content_type(content_type).insert_header(cache).body(bytes))
}
