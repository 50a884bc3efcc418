//! Brings the result of a sign-in to the application: in the query, in the fragment or as a form
//! that posts itself (OAuth 2.0 Form Post Response Mode).

use actix_web::HttpResponse;
use url::Url;

use crate::sign_in::{ResponseMode, Return, pages};

/// Sends these members, and `state` if the application sent one, to the redirect URI.
pub fn send(to: &Return, mut members: Vec<(&'static str, String)>) -> HttpResponse {
    if let Some(state) = &to.state {
        let position = members.len().min(1);
        members.insert(position, ("state", state.clone()));
    }
    // The URI was compared with a registered one and parsed before, so this cannot go wrong twice.
    let Ok(mut url) = Url::parse(&to.uri) else { return HttpResponse::BadRequest().finish() };
    match to.mode {
        ResponseMode::FormPost => return pages::form_post(&to.uri, &members),
        ResponseMode::Query => {
            url.query_pairs_mut().extend_pairs(&members);
        }
        ResponseMode::Fragment => {
            let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&members).finish();
            url.set_fragment(Some(&text));
        }
    }
    HttpResponse::Found()
        .insert_header(("location", url.as_str()))
        .insert_header(("cache-control", "no-store"))
        .insert_header(("referrer-policy", "no-referrer"))
        .finish()
}
