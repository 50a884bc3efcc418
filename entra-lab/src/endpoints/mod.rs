//! One file per URL of the lab.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, HeaderName, HeaderValue};

use crate::ids::RequestIds;

pub mod admin_consent;
pub mod assets;
pub mod authorize;
pub mod device_auth;
pub mod device_code;
pub mod discovery;
pub mod error_code;
pub mod home;
pub mod inspector;
pub mod instance;
pub mod jwks;
pub mod key_vault;
pub mod login;
pub mod logout;
pub mod managed_identity;
pub mod token;
pub mod user_realm;
pub mod userinfo;
pub mod version1;

/// The headers of the discovery documents: anyone may read them, and keep them for a day.
fn public_answer(mut response: HttpResponse, ids: &RequestIds) -> HttpResponse {
    let cache = if response.status().is_success() { "max-age=86400, private" } else { "no-store, no-cache" };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", "GET, OPTIONS"),
        ("content-type", "application/json; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    ids.put_into(headers);
    response
}
