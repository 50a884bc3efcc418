//! `refresh_token` (RFC 6749 6): a new access token and a new refresh token.
//!
//! As with Entra the old refresh token stays valid, and the same one works for another resource as
//! long as the user has agreed to it. It is bound to the user and the client, or the client's family. Those of a
//! single-page application are renewed too, and all of them end a day after the sign-in.

use crate::errors::{
    FOREIGN_CODE, GRANT_INVALID, INVALID_SCOPE, MALFORMED_GRANT, REFRESH_INACTIVE, SPA_REFRESH_ENDED,
};
use crate::grants::TokenRequest;
use crate::issued::Presented;
use crate::refusal::Refusal;
use crate::scopes;
use crate::tokens::mint::{ForUser, TokenAnswer};

pub fn answer(request: &TokenRequest<'_>) -> Result<TokenAnswer, Refusal> {
    let handle = request.params.required("refresh_token")?;
    let mut sign_in = match request.state.issued.look_at_refresh_token(handle, request.now) {
        Presented::Good(sign_in) => sign_in,
        Presented::Malformed => return Err(MALFORMED_GRANT.into()),
        Presented::Expired(of_spa) if of_spa.ends.is_some() => {
            return Err(Refusal::from(SPA_REFRESH_ENDED).with_suberror("bad_token"));
        }
        Presented::Expired(_) => return Err(Refusal::from(REFRESH_INACTIVE).with_suberror("bad_token")),
        Presented::Unknown | Presented::AlreadyRedeemed => return Err(GRANT_INVALID.into()),
    };
    if sign_in.client != request.client.id {
        // A token of the family is every member's, and only theirs.
        let issued_to = request.directory.any_app(sign_in.client);
        match (issued_to.is_some_and(|app| app.family), request.client.family) {
            (true, true) => sign_in.client = request.client.id,
            (true, false) => return Err(Refusal::from(GRANT_INVALID).with_suberror("client_mismatch")),
            (false, _) => return Err(GRANT_INVALID.into()),
        }
    }
    if !request.authority.admits(sign_in.tenant) {
        return Err(FOREIGN_CODE.into());
    }
    let (tenant, user) = request.person(sign_in.tenant, sign_in.user)?;
    let scope = request.params.get("scope").unwrap_or(&sign_in.scope);
    let mut requested = scopes::parse(tenant, request.client.id, scope, INVALID_SCOPE)?;
    // Of several resources the first one gets the token.
    requested.resources.truncate(1);
    let (oidc, resource) = requested.single_resource()?;
    // A refresh token renews itself, whatever the scopes.
    ForUser { wants_refresh_token: true, ..request.for_user(tenant, user, oidc, sign_in) }.answer(&resource)
}
