//! `GET /lab/assets/{file}`: the style sheet of the pages.

use actix_web::{HttpResponse, web};
use rust_embed::RustEmbed;

#[derive(Debug, RustEmbed)]
#[folder = "assets/"]
struct Assets;

/// One embedded file.
pub async fn asset(file: web::Path<String>) -> HttpResponse {
    let Some(found) = Assets::get(&file) else { return HttpResponse::NotFound().finish() };
    HttpResponse::Ok()
        .content_type(found.metadata.mimetype())
        .insert_header(("cache-control", "max-age=300"))
        .insert_header(("x-content-type-options", "nosniff"))
        .body(found.data.into_owned())
}
