//! The style sheet and the pictures, embedded in the binary.
//!
//! The name of a file stays the same when its content changes, so a browser may keep a file but asks each time whether
//! it is still current; the hash of the content answers that without sending the file again.

use actix_web::http::header::{CacheControl, CacheDirective, ETag, EntityTag, Header, IfNoneMatch};
use actix_web::{HttpRequest, HttpResponse, web};
use rust_embed::RustEmbed;
use shared_auth::actix::PageError;

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Assets;

/// `GET /assets/{path}`.
pub async fn asset(request: HttpRequest, path: web::Path<String>) -> Result<HttpResponse, PageError> {
    let file = Assets::get(&path).ok_or_else(PageError::not_found)?;
    let hash = file.metadata.sha256_hash();
    let tag = EntityTag::new_strong(hash[..12].iter().map(|byte| format!("{byte:02x}")).collect());
    let known = matches!(IfNoneMatch::parse(&request), Ok(IfNoneMatch::Items(tags)) if tags.iter().any(|known| known.weak_eq(&tag)));
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header(CacheControl(vec![CacheDirective::NoCache])).insert_header(ETag(tag));
    if known {
        return Ok(response.finish());
    }
    Ok(response.content_type(file.metadata.mimetype()).body(file.data.into_owned()))
}
