//! `POST /{tenant}/oauth2/v2.0/devicecode` (RFC 8628 3.1): a device without a browser starts here.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use crate::authority::Authority;
use crate::devices::{Asked, EXPIRES_SECONDS, INTERVAL_SECONDS};
use crate::endpoints::{token, version1};
use crate::errors::{INVALID_SCOPE, UNKNOWN_SCOPE};
use crate::ids::RequestIds;
use crate::params::Params;
use crate::policy::claims_request::ClaimsRequest;
use crate::recorder::note;
use crate::refusal::Refusal;
use crate::scopes;
use crate::state::LabState;

/// The device authorization endpoint.
pub async fn device_code(
    req: HttpRequest,
    tenant: web::Path<String>,
    body: web::Bytes,
    state: web::Data<LabState>,
) -> HttpResponse {
    let params = Params::from_form(&req, &body);
    let version1 = version1::is_version1(req.path());
    let params = if version1 { version1::with_scope(params, true) } else { params };
    let ids = RequestIds::of(&req, &params);
    let base = state.base_url(&req);
    let answer = answer(&req, &tenant, &state, &params, &base);
    token::finish(&req, &state, &ids, &base, answer)
}

fn answer(
    req: &HttpRequest,
    segment: &str,
    state: &LabState,
    params: &Params,
    base: &str,
) -> Result<Value, Refusal> {
    let directory = state.directory();
    let authority = Authority::parse(&directory, segment)?;
    let client = authority.client(&directory, params.required("client_id")?)?;
    note(req, |n| n.client_id = Some(client.id));
    let scope = params.required("scope")?;
    // Names can be checked where the tenant is known; otherwise the sign-in finds out.
    if let Ok(tenant) = authority.tenant(&directory) {
        let requested = scopes::parse(tenant, client.id, scope, UNKNOWN_SCOPE)?;
        if requested.resources.len() > 1 {
            return Err(INVALID_SCOPE.about("It names more than one resource, and a token is for one."));
        }
    }
    let asked =
        Asked { authority, client: client.id, scope: scope.to_owned(), claims: ClaimsRequest::of(params)? };
    let (device_code, user_code) = state.devices.begin(asked, state.clock.seconds());
    let uri = format!("{base}/deviceauth");
    Ok(json!({
        "user_code": user_code,
        "device_code": device_code,
        "verification_uri": uri,
        "expires_in": EXPIRES_SECONDS,
        "interval": INTERVAL_SECONDS,
        "message": format!("To sign in, open the page {uri} in a web browser and enter the code {user_code}."),
    }))
}
