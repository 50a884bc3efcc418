//! `GET` or `POST /{tenant}/oauth2/v2.0/logout`: ends the browser's session at the lab.
//!
//! The browser goes back to `post_logout_redirect_uri` only if that is a registered redirect URI;
//! otherwise it stays on a page that says that it is signed out. Applications with a front-channel
//! address are told in hidden frames.

use actix_web::{HttpRequest, HttpResponse, web};
use url::Url;

use crate::authority::Authority;
use crate::directory::Directory;
use crate::ids::RequestIds;
use crate::params::Params;
use crate::redirect_uri;
use crate::sessions::Browser;
use crate::sign_in::{cookie, pages};
use crate::state::LabState;

/// Signs out.
pub async fn logout(
    req: HttpRequest,
    tenant: web::Path<String>,
    body: web::Bytes,
    state: web::Data<LabState>,
) -> HttpResponse {
    let form = Params::from_form(&req, &body);
    let query = Params::from_query(&req);
    let ids = RequestIds::of(&req, &query);
    let directory = state.directory();
    let authority = match Authority::parse(&directory, &tenant) {
        Ok(authority) => authority,
        Err(refusal) => return pages::refused(&req, &state, &ids, &refusal),
    };
    let mut frames = Vec::new();
    if let Some((cookie, browser)) = cookie::known_browser(&req, &state) {
        frames = front_channel(&directory, &browser);
        state.sessions.sign_out(&cookie);
    }
    let get = |name| query.get(name).or_else(|| form.get(name));
    let registered = get("post_logout_redirect_uri").filter(|uri| {
        let tenants = directory.tenants.iter().filter(|t| authority.admits(t.id));
        tenants.flat_map(|t| &t.apps).any(|app| redirect_uri::is_registered(app, uri))
    });
    let mut response = match registered.and_then(|uri| Url::parse(uri).ok()) {
        Some(mut back) => {
            if let Some(value) = get("state") {
                back.query_pairs_mut().append_pair("state", value);
            }
            if frames.is_empty() {
                HttpResponse::Found()
                    .insert_header(("location", back.as_str()))
                    .insert_header(("cache-control", "no-store"))
                    .finish()
            } else {
                // The browser needs a page to load the frames in; it goes on by itself.
                pages::signed_out(&frames, Some(back.as_str()))
            }
        }
        None => pages::signed_out(&frames, None),
    };
    cookie::remove(&req, &mut response);
    response
}

/// The registered sign-out addresses of the session's applications. As with Entra they get the
/// session's id and nothing else.
fn front_channel(directory: &Directory, browser: &Browser) -> Vec<String> {
    let apps = browser.clients.iter().filter_map(|id| directory.any_app(*id));
    let urls = apps.filter_map(|app| app.front_channel_logout_url.clone());
    let with_session = urls.map(|mut url| {
        url.query_pairs_mut().append_pair("sid", &browser.id.to_string());
        url.to_string()
    });
    with_session.collect()
}
