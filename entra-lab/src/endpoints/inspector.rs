//! `GET /lab/inspector`: a page that takes a token apart and makes wrong ones. Its script talks to this lab only and
//! shows claims and digests, never a token; nothing is kept.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use crate::sign_in::html;

/// Its own script, and connections to its own origin.
const SCRIPTS: &str = "script-src 'self'; connect-src 'self'; ";

#[derive(Template)]
#[template(path = "inspector.html")]
struct Inspector;

/// The page.
pub async fn page() -> HttpResponse {
    html::html(StatusCode::OK, &Inspector, SCRIPTS)
}
