//! Tokens for managed identities, in the shapes of a virtual machine (IMDS) and of App Service.
//!
//! Whoever reaches the address gets the token, as in Azure; so the header that keeps forged requests
//! of web servers out is demanded here too.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;
use uuid::Uuid;

use crate::client_auth::Proof;
use crate::directory::{Application, Directory, Tenant};
use crate::params::Params;
use crate::recorder::note;
use crate::state::LabState;
use crate::tokens::claims::{Issue, Lifetime};
use crate::tokens::signed::sign;

/// What App Service puts into `IDENTITY_HEADER`; public like all secrets of the lab.
pub const IDENTITY_HEADER: &str = "lab-identity-header";
/// Tokens of managed identities live a day.
const LIFETIME_SECONDS: i64 = 86_400;

struct Token {
    text: String,
    client: Uuid,
    resource: String,
    lifetime: Lifetime,
}

/// `GET /metadata/identity/oauth2/token`: a virtual machine.
pub async fn imds(req: HttpRequest, state: web::Data<LabState>) -> HttpResponse {
    let header = |name: &str| req.headers().get(name).and_then(|v| v.to_str().ok());
    if !header("metadata").is_some_and(|v| v.eq_ignore_ascii_case("true")) {
        return refuse(400, "invalid_request", "Required metadata header not specified").response();
    }
    if header("x-forwarded-for").is_some() {
        return refuse(400, "invalid_request", "A forwarded request gets no token").response();
    }
    match token(&req, &state) {
        Err(refused) => refused.response(),
        Ok(token) => {
            let (from, until) = (token.lifetime.issued, token.lifetime.expires);
            HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(json!({
                "access_token": token.text,
                "client_id": token.client,
                "expires_in": token.lifetime.expires_in.to_string(),
                "expires_on": until.to_string(),
                "ext_expires_in": token.lifetime.expires_in.to_string(),
                "not_before": from.to_string(),
                "resource": token.resource,
                "token_type": "Bearer",
            }))
        }
    }
}

/// `GET /msi/token`: App Service and Functions (`IDENTITY_ENDPOINT`).
pub async fn app_service(req: HttpRequest, state: web::Data<LabState>) -> HttpResponse {
    let given = req.headers().get("x-identity-header").and_then(|v| v.to_str().ok());
    if given != Some(IDENTITY_HEADER) {
        let body = json!({ "statusCode": 401, "message": "X-IDENTITY-HEADER is missing or wrong." });
        return HttpResponse::Unauthorized().json(body);
    }
    match token(&req, &state) {
        Err(refused) => refused.response(),
        Ok(token) => HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(json!({
            "access_token": token.text,
            "client_id": token.client,
            "expires_on": token.lifetime.expires.to_string(),
            "resource": token.resource,
            "token_type": "Bearer",
        })),
    }
}

fn token(req: &HttpRequest, state: &LabState) -> Result<Token, Refused> {
    let params = Params::from_query(req);
    let missing =
        |name: &str| refuse(400, "invalid_request", &format!("Required query variable '{name}' is missing"));
    params.get("api-version").ok_or_else(|| missing("api-version"))?;
    let resource = params.get("resource").ok_or_else(|| missing("resource"))?;
    let directory = state.directory();
    let (tenant, identity) =
        identity(&directory, &params).ok_or_else(|| refuse(400, "invalid_request", "Identity not found"))?;
    note(req, |n| n.client_id = Some(identity.id));
    let named = resource.strip_suffix("/.default").unwrap_or(resource);
    let api = tenant.resource(named).ok_or_else(|| {
        refuse(400, "invalid_resource", "AADSTS500011: The tenant has no application with this identifier.")
    })?;
    state.policies.must_allow_app(tenant, identity, api).map_err(|refusal| {
        refuse(400, refusal.error, &format!("AADSTS{}: {}", refusal.row.code, refusal.sentence()))
    })?;
    let lifetime = Lifetime::of(state.clock.seconds(), LIFETIME_SECONDS);
    let base = state.base_url(req);
    let proof = Proof::Certificate;
    let issue = Issue { base_url: &base, tenant, client: identity, lifetime, proof, capable: false };
    let claims = issue.app_access(api, named);
    let text = state
        .keys
        .active()
        .and_then(|key| sign(&key, &claims, api.access_token_version))
        .map_err(|_| refuse(500, "server_error", "The token could not be signed"))?;
    Ok(Token { text, client: identity.id, resource: resource.to_owned(), lifetime })
}

/// The identity that the query names, or the one that the machine has by itself.
fn identity<'d>(directory: &'d Directory, params: &Params) -> Option<(&'d Tenant, &'d Application)> {
    let all = || {
        let of = |t: &'d Tenant| t.apps.iter().filter(|a| a.managed_identity).map(move |a| (t, a));
        directory.tenants.iter().flat_map(of)
    };
    let id = |name: &str| params.get(name).map(|text| Uuid::try_parse(text).unwrap_or_default());
    if let Some(client) = id("client_id") {
        return all().find(|(_, a)| a.id == client);
    }
    if let Some(object) = id("object_id").or_else(|| id("principal_id")) {
        return all().find(|(_, a)| a.object_id == object);
    }
    match params.get("mi_res_id").or_else(|| params.get("msi_res_id")) {
        // A resource id ends in the identity's name.
        Some(path) => all().find(|(_, a)| path.rsplit('/').next() == Some(a.name.as_str())),
        None => all().next(),
    }
}

/// A refusal on its way out.
struct Refused {
    status: u16,
    error: &'static str,
    description: String,
}

fn refuse(status: u16, error: &'static str, description: &str) -> Refused {
    Refused { status, error, description: description.to_owned() }
}

impl Refused {
    fn response(&self) -> HttpResponse {
        HttpResponse::build(StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST))
            .json(json!({ "error": self.error, "error_description": self.description }))
    }
}
