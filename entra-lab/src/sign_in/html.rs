//! HTML answers: drawn, never cached, never framed, with a strict content security policy.
//!
//! There is no `form-action` in the policy: Chrome holds it against the redirect that follows a form
//! too, and that one leads to the application, wherever it lives.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

/// A page without any script.
pub fn page(status: StatusCode, template: &impl Template) -> HttpResponse {
    html(status, template, "")
}

/// The same with an addition to the content security policy.
pub fn html(status: StatusCode, template: &impl Template, script_policy: &str) -> HttpResponse {
    let text = template.render().unwrap_or_else(|error| {
        tracing::error!(%error, "a page could not be drawn");
        "entra-lab could not draw this page.".to_owned()
    });
    let policy = format!(
        "default-src 'none'; {script_policy}style-src 'self'; img-src 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    );
    HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header(("content-security-policy", policy))
        .insert_header(("cache-control", "no-store"))
        .insert_header(("x-frame-options", "DENY"))
        .insert_header(("x-content-type-options", "nosniff"))
        .insert_header(("referrer-policy", "no-referrer"))
        .body(text)
}
