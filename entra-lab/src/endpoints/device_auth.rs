//! `/deviceauth`: the page where a person types the code that a device shows, and says yes or no.
//!
//! Yes starts an ordinary sign-in; its end is noted for the device instead of a redirect URI.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::ids::RequestIds;
use crate::params::Params;
use crate::recorder::note;
use crate::sign_in::{SignInRequest, cookie, flow, html};
use crate::state::LabState;

#[derive(Template)]
#[template(path = "device_code.html")]
struct EnterCode {
    wrong: bool,
}

#[derive(Template)]
#[template(path = "device_confirm.html")]
struct Confirm<'a> {
    client: &'a str,
    code: &'a str,
}

#[derive(Template)]
#[template(path = "device_done.html")]
struct Done {
    approved: bool,
}

/// `GET`: the empty form.
pub async fn page() -> HttpResponse {
    html::page(StatusCode::OK, &EnterCode { wrong: false })
}

/// `POST`: the code, and then the answer.
pub async fn submit(req: HttpRequest, body: web::Bytes, state: web::Data<LabState>) -> HttpResponse {
    let params = Params::from_form(&req, &body);
    let ids = RequestIds::of(&req, &params);
    let typed = params.get("code").unwrap_or_default();
    let Some((device_code, asked)) = state.devices.waiting(typed, state.clock.seconds()) else {
        return html::page(StatusCode::OK, &EnterCode { wrong: true });
    };
    note(&req, |n| n.client_id = Some(asked.client));
    // Another site may post here too, and over HTTPS the cookie comes along; the answer has to be this page's.
    let site = req.headers().get("sec-fetch-site").and_then(|site| site.to_str().ok());
    let here = site.is_none_or(|site| matches!(site, "same-origin" | "none"));
    match params.get("action").filter(|_| here) {
        Some("decline") => {
            state.devices.decline(&device_code);
            done(false)
        }
        Some("approve") => {
            let request = SignInRequest::for_device(device_code, &asked, ids.correlation);
            let browser = cookie::browser(&req, &state);
            flow::begin(&req, &state, &ids, browser, request)
        }
        _ => {
            let directory = state.directory();
            let client = directory.any_app(asked.client).map(|a| a.name.as_str()).unwrap_or_default();
            html::page(StatusCode::OK, &Confirm { client, code: typed })
        }
    }
}

/// The last page: the device goes on by itself.
pub fn done(approved: bool) -> HttpResponse {
    html::page(StatusCode::OK, &Done { approved })
}
