//! `POST /{tenant}/oauth2/v2.0/token`: reads the request, authenticates the client, asks the grant.
//!
//! The order of the checks is the order in which a developer meets them: address, grant type,
//! client, credential, then what is special about the grant.

use actix_web::http::header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue};
use actix_web::{Error, HttpRequest, HttpResponse, web};
use serde::Serialize;

use crate::authority::Authority;
use crate::client_assertion::{Against, fetch_keys};
use crate::client_auth;
use crate::endpoints::version1;
use crate::errors::{BAD_PARAMETER, UNKNOWN_GRANT, WRONG_VERB};
use crate::grants::{self, TokenRequest, cross_origin, password};
use crate::ids::RequestIds;
use crate::params::Params;
use crate::policy::claims_request::ClaimsRequest;
use crate::recorder::note;
use crate::refusal::Refusal;
use crate::scan;
use crate::state::LabState;
use crate::tokens::mint::TokenAnswer;

/// Parameters that must not stand in a request twice.
const KNOWN: [&str; 17] = [
    "grant_type",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "scope",
    "code",
    "redirect_uri",
    "code_verifier",
    "refresh_token",
    "device_code",
    "username",
    "password",
    "assertion",
    "requested_token_use",
    "client_info",
    "claims",
];

/// The token endpoint.
pub async fn token(
    req: HttpRequest,
    tenant: web::Path<String>,
    state: web::Data<LabState>,
    body: Result<web::Bytes, Error>,
) -> HttpResponse {
    let (params, readable) = match &body {
        Ok(bytes) => (Params::from_form(&req, bytes), Ok(())),
        Err(_) => (Params::default(), Err(BAD_PARAMETER.about("The body is too long or cannot be read."))),
    };
    let version1 = version1::is_version1(req.path());
    let params = if version1 { version1::with_scope(params, false) } else { params };
    let ids = RequestIds::of(&req, &params);
    let base = state.base_url(&req);
    let answer = match readable {
        Ok(()) => answer(&req, &tenant, &state, &params, &base).await,
        Err(refusal) => Err(refusal),
    };
    if version1 {
        let answer = answer.map(|a| version1::body(&a, state.clock.seconds(), &params));
        return finish(&req, &state, &ids, &base, answer);
    }
    finish(&req, &state, &ids, &base, answer)
}

/// Any other verb.
pub async fn wrong_verb(req: HttpRequest, state: web::Data<LabState>) -> HttpResponse {
    let ids = RequestIds::of(&req, &Params::from_query(&req));
    let base = state.base_url(&req);
    finish::<()>(&req, &state, &ids, &base, Err(WRONG_VERB.into()))
}

async fn answer(
    req: &HttpRequest,
    segment: &str,
    state: &LabState,
    params: &Params,
    base_url: &str,
) -> Result<TokenAnswer, Refusal> {
    let directory = state.directory();
    let authority = Authority::parse(&directory, segment)?;
    params.refuse_repeated(&KNOWN)?;
    for name in ["client_assertion", "assertion", "code_verifier"] {
        params.get(name).into_iter().for_each(scan::secret);
    }
    let grant = grants::find(params.required("grant_type")?).ok_or(UNKNOWN_GRANT)?;
    note(req, |n| n.grant = Some(grant.name));
    if grant.name == "password" {
        password::must_have_a_place(authority)?;
    }
    let credentials = client_auth::read(req, params)?;
    let client = authority.client(&directory, &credentials.client_id)?;
    note(req, |n| n.client_id = Some(client.id));
    let origin = req.headers().get("origin").map(|origin| origin.to_str().unwrap_or_default());
    let from_a_page = cross_origin::check(state, client, grant, params, origin)?;
    let fetched = match &credentials.assertion {
        Some(assertion) => fetch_keys(state, client, assertion).await,
        None => None,
    };
    let against = Against { state, directory: &directory, authority, client, fetched: fetched.as_ref() };
    let proof = if from_a_page { credentials.of_a_page(client)? } else { credentials.check(&against)? };
    let claims = ClaimsRequest::of(params)?;
    state.policies.must_be_usable(client, None)?;
    let now = state.clock.seconds();
    let directory = &*directory;
    let version1 = version1::is_version1(req.path());
    let request =
        TokenRequest { version1, state, directory, authority, base_url, client, params, now, proof, claims };
    (grant.answer)(&request)
}

/// The answer with everything that Entra puts around it.
pub fn finish<T: Serialize>(
    req: &HttpRequest,
    state: &LabState,
    ids: &RequestIds,
    base: &str,
    answer: Result<T, Refusal>,
) -> HttpResponse {
    let (mut response, code) = match answer {
        Ok(answer) => (HttpResponse::Ok().json(answer), 0),
        Err(refusal) => {
            note(req, |n| n.error_code = Some(refusal.row.code));
            (refusal.json(ids, state.clock.now(), base), refusal.row.code)
        }
    };
    let headers = response.headers_mut();
    ids.put_into(headers);
    put_token_headers(headers, code);
    response
}

/// What Entra sends with every answer of this endpoint.
fn put_token_headers(headers: &mut HeaderMap, code: u32) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-cache"));
    for (name, value) in [
        ("pragma", "no-cache"),
        ("expires", "-1"),
        ("content-type", "application/json; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "strict-origin-when-cross-origin"),
        ("x-ms-ests-server", "entra-lab"),
        ("x-ms-srs", "1.P"),
        ("x-xss-protection", "0"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if let Ok(value) = HeaderValue::from_str(&format!("1,{code},0,,")) {
        headers.insert(HeaderName::from_static("x-ms-clitelem"), value);
    }
}
