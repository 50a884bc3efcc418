//! Requests that a page makes itself, across origins: only single-page applications may, and they must.
//!
//! A browser says with `Origin` which page asks. What was issued to a redirect URI of the platform "single-page
//! application" is redeemed with it and without a secret; everything else is redeemed without it.

use crate::directory::Application;
use crate::errors::{CROSS_ORIGIN, SPA_NEEDS_ORIGIN};
use crate::grants::Grant;
use crate::params::Params;
use crate::redirect_uri::is_origin_of_spa;
use crate::refusal::Refusal;
use crate::state::LabState;

/// Whether a page of a single-page application asks, if the request is allowed to come as it comes.
pub fn check(
    state: &LabState,
    client: &Application,
    grant: &Grant,
    params: &Params,
    origin: Option<&str>,
) -> Result<bool, Refusal> {
    let issued = &state.issued;
    let of_spa = match grant.name {
        "authorization_code" => params.get("code").map(|code| issued.code_is_spas(code)),
        "refresh_token" => params.get("refresh_token").map(|token| issued.refresh_token_is_spas(token)),
        // Nothing else is a page's to ask for.
        _ => Some(Some(false)),
    };
    match (origin, of_spa.flatten()) {
        (None, Some(true)) => Err(SPA_NEEDS_ORIGIN.into()),
        (None, _) => Ok(false),
        // Whether a code is good for anything is for its grant to say.
        (Some(origin), None | Some(true)) if is_origin_of_spa(client, origin) => Ok(true),
        (Some(origin), _) => {
            let origin: String = origin.chars().filter(|c| !c.is_control()).take(120).collect();
            Err(CROSS_ORIGIN.about(format!("The request came from '{origin}'.")))
        }
    }
}
