//! `/me`, `/users` page by page, and `/users/{id or sign-in name}`.
//!
//! `User.Read` opens one's own profile only, also under `/users/{id}`.

use actix_web::HttpResponse;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::directory::{Tenant, User};
use crate::graph::call::Call;
use crate::graph::caller::Caller;
use crate::graph::entity::Page;
use crate::graph::errors::GraphError;
use crate::graph::permissions::{OWN_PROFILE, PEOPLE, PEOPLE_IN_FULL};
use crate::graph::person::{ALONE, IN_LIST, Sight, shown};
use crate::graph::query::Options;

const PAGE: u32 = 100;

/// `GET /me`
pub fn me(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::with_user(call)?;
    caller.must(&OWN_PROFILE, GraphError::directory_denied)?;
    single(call, caller.me()?, Sight::Full)
}

/// `GET /users/{id or sign-in name}`
pub fn one(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::of(call)?;
    let wanted = call.path_part("user");
    let own = caller.is_me(wanted);
    caller.must(if own { &OWN_PROFILE } else { &PEOPLE }, GraphError::directory_denied)?;
    let sight = if own { Sight::Full } else { sight(&caller) };
    single(call, caller.user(wanted)?, sight)
}

/// `GET /users`
pub fn list(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::of(call)?;
    caller.must(&PEOPLE, GraphError::directory_denied)?;
    let options = Options::read(&call.ask.query, &IN_LIST)?;
    let tenant = caller.tenant()?;
    let start = options.skip_token.as_deref().map_or(Ok(0), |token| position(tenant, token))?;
    let size = options.top.unwrap_or(PAGE) as usize;
    let page: Vec<&User> = tenant.users.iter().skip(start).take(size).collect();

    // A link only if somebody is left: its absence is how clients know the end.
    let more = tenant.users.len() > start + page.len();
    let next_link = page.last().filter(|_| more).map(|last| {
        format!("{}/v1.0/users?{}", call.base_url(), options.next_query("skiptoken", &skip_token(last.id)))
    });
    let own = |user: &User| !caller.is_app() && user.id == caller.id();
    let value = page
        .into_iter()
        .map(|user| shown(user, &options, if own(user) { Sight::Full } else { sight(&caller) }))
        .collect();
    Ok(call.json(&Page { context: call.context(&format!("users{}", options.selected())), next_link, value }))
}

fn single(call: &Call<'_>, user: &User, sight: Sight) -> Result<HttpResponse, GraphError> {
    let options = Options::read(&call.ask.query, &ALONE)?;
    let context = call.context(&format!("users{}/$entity", options.selected()));
    Ok(call.json(&shown(user, &options, sight).in_context(context)))
}

fn sight(caller: &Caller) -> Sight {
    if caller.may(&PEOPLE_IN_FULL) { Sight::Full } else { Sight::Basic }
}

/// Opaque to clients: behind whom the next page starts.
fn skip_token(last: Uuid) -> String {
    URL_SAFE_NO_PAD.encode([b"after".as_slice(), last.as_bytes().as_slice()].concat())
}

fn position(tenant: &Tenant, token: &str) -> Result<usize, GraphError> {
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| GraphError::lost_page())?;
    let id = bytes.strip_prefix(b"after").and_then(|id| Uuid::from_slice(id).ok());
    let found = id.and_then(|id| tenant.users.iter().position(|u| u.id == id));
    found.map(|index| index + 1).ok_or_else(GraphError::lost_page)
}
