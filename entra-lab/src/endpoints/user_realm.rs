//! `GET /common/userrealm/{upn}`: how an account signs in. Libraries ask before the password grant.
//!
//! Everybody in the lab is "managed": the password is checked here, by no other identity provider.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use crate::endpoints::public_answer;
use crate::ids::RequestIds;
use crate::params::Params;
use crate::state::LabState;

/// The realm of a sign-in name.
pub async fn user_realm(
    req: HttpRequest,
    upn: web::Path<String>,
    state: web::Data<LabState>,
) -> HttpResponse {
    let ids = RequestIds::of(&req, &Params::from_query(&req));
    let domain = upn.rsplit_once('@').map(|(_, domain)| domain).unwrap_or_default();
    let answer = match state.directory().tenant(domain) {
        Some(tenant) => json!({
            "ver": "1.0",
            "account_type": "Managed",
            "domain_name": tenant.domain,
            "cloud_instance_name": "microsoftonline.com",
            "cloud_audience_urn": "urn:federation:MicrosoftOnline",
        }),
        None => {
            json!({ "ver": "1.0", "account_type": "Unknown", "cloud_instance_name": "microsoftonline.com" })
        }
    };
    public_answer(HttpResponse::Ok().json(answer), &ids)
}
