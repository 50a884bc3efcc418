//! `GET /{tenant}/oauth2/v2.0/authorize`: where an application sends the browser to sign in.
//!
//! A POST is turned into the same GET: cookies that are `SameSite=Lax` do not come with another
//! site's POST, and without them a signed-in user would have to type the password again.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::authority::Authority;
use crate::endpoints::version1;
use crate::ids::RequestIds;
use crate::params::Params;
use crate::recorder::note;
use crate::sign_in::{SignInRequest, Wrong, cookie, finish, flow, pages, request};
use crate::state::LabState;

/// Starts a sign-in.
pub async fn authorize(
    req: HttpRequest,
    tenant: web::Path<String>,
    state: web::Data<LabState>,
) -> HttpResponse {
    let version1 = version1::is_version1(req.path());
    let params = Params::from_query(&req);
    let params = if version1 { version1::with_scope(params, true) } else { params };
    let ids = RequestIds::of(&req, &params);
    let directory = state.directory();
    let authority = match Authority::parse(&directory, &tenant) {
        Ok(authority) => authority,
        Err(refusal) => return pages::refused(&req, &state, &ids, &refusal),
    };
    let checked = request::check(&state, &directory, authority, &params, ids.correlation, |client| {
        note(&req, |n| n.client_id = Some(client));
    });
    match checked {
        Err(Wrong::Page(refusal)) => pages::refused(&req, &state, &ids, &refusal),
        Err(Wrong::Redirect(told)) => finish::send_refusal(&req, &state, &ids, &told.1, &told.0),
        Ok(request) => {
            let request = SignInRequest { version1, ..request };
            let client = directory.any_app(request.client);
            if let Some(Err(refusal)) = client.map(|c| state.policies.must_be_usable(c, None)) {
                return pages::refused(&req, &state, &ids, &refusal);
            }
            let browser = cookie::browser(&req, &state);
            flow::begin(&req, &state, &ids, browser, request)
        }
    }
}

/// The same with its parameters in a form.
pub async fn authorize_post(
    req: HttpRequest,
    tenant: web::Path<String>,
    body: web::Bytes,
    state: web::Data<LabState>,
) -> HttpResponse {
    let params = Params::from_form(&req, &body);
    let query = params.to_query();
    // A URL of this length is more than any client sends and less than what the parser refuses.
    if query.len() > 16 * 1024 {
        let ids = RequestIds::of(&req, &params);
        return pages::refused(&req, &state, &ids, &crate::errors::BAD_PARAMETER.into());
    }
    // Encoded again, because the segment could hold anything.
    let segment: String = url::form_urlencoded::byte_serialize(tenant.as_bytes()).collect();
    let version = if version1::is_version1(req.path()) { "" } else { "v2.0/" };
    HttpResponse::SeeOther()
        .insert_header(("location", format!("/{segment}/oauth2/{version}authorize?{query}")))
        .insert_header(("cache-control", "no-store"))
        .finish()
}
