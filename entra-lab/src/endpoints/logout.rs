//! `GET` or `POST /{tenant}/oauth2/v2.0/logout`: ends the browser's session at the lab.
//!
//! The browser goes back to `post_logout_redirect_uri` only if that is a registered redirect URI;
//! otherwise it stays on a page that says that it is signed out. Applications with a front-channel
//! address are told in hidden frames. Of several accounts `logout_hint` or `id_token_hint` names the one that leaves.

use actix_web::{HttpRequest, HttpResponse, web};
use url::Url;
use uuid::Uuid;

use crate::authority::Authority;
use crate::directory::Directory;
use crate::ids::RequestIds;
use crate::params::Params;
use crate::redirect_uri;
use crate::sessions::{Browser, SignedIn};
use crate::sign_in::{cookie, hints, pages};
use crate::state::LabState;
use crate::tokens::verify;

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
    let get = |name| query.get(name).or_else(|| form.get(name));
    let mut frames = Vec::new();
    let mut stays = false;
    if let Some((cookie, browser)) = cookie::known_browser(&req, &state) {
        let hinted = get("logout_hint").and_then(|hint| hints::account(&directory, hint));
        let hinted = hinted.or_else(|| verify::id_token_hint(&state, get("id_token_hint")?));
        let leaves = |s: &SignedIn| hinted.is_none_or(|account| account == (s.tenant, s.user));
        // A hint that fits nobody here must not keep anybody signed in.
        let one = hinted.filter(|_| browser.signed_in.iter().any(leaves));
        stays = one.is_some() && browser.signed_in.len() > 1;
        frames = front_channel(&directory, &browser, one.filter(|_| stays).map(|(_, user)| user));
        match one.filter(|_| stays) {
            Some((_, user)) => state.sessions.sign_out_one(&cookie, user),
            None => state.sessions.sign_out(&cookie),
        }
    }
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
    if !stays {
        cookie::remove(&req, &mut response);
    }
    response
}

/// The registered sign-out addresses of the applications where an account, or this one, was used. As with Entra they get
/// the id of the account's session and nothing else.
fn front_channel(directory: &Directory, browser: &Browser, only: Option<Uuid>) -> Vec<String> {
    let visits = browser.visits.iter().filter(|(user, _)| only.is_none_or(|one| one == *user));
    let with_session = visits.filter_map(|(user, client)| {
        let mut url = directory.any_app(*client)?.front_channel_logout_url.clone()?;
        let session = browser.signed_in.iter().find(|s| s.user == *user)?.sid;
        url.query_pairs_mut().append_pair("sid", &session.to_string());
        Some(url.to_string())
    });
    with_session.collect()
}
