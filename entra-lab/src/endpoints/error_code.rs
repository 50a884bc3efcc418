//! `GET /error?code=…`: what a code means. The `error_uri` of every refusal leads here.

use actix_web::{HttpRequest, HttpResponse};

use crate::errors;
use crate::params::Params;
use crate::sign_in::pages;

/// One row of the catalogue as a page.
pub async fn error_code(req: HttpRequest) -> HttpResponse {
    let params = Params::from_query(&req);
    let code: Option<u32> = params.get("code").and_then(|c| c.trim_start_matches("AADSTS").parse().ok());
    pages::explained(errors::ALL.iter().find(|row| Some(row.code) == code))
}
