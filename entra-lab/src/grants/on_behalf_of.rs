//! On-behalf-of (RFC 7523 with `requested_token_use`): an API exchanges the token that it received
//! for one that it can use downstream, for the same user.
//!
//! The user cannot be asked here, so what nobody has agreed to is refused with `consent_required`.

use crate::errors::{
    ASSERTION_APP_ONLY, ASSERTION_AUDIENCE, ASSERTION_EXPIRED, ASSERTION_INVALID, ASSERTION_IS_ID_TOKEN,
    BAD_PARAMETER, INVALID_SCOPE, NO_SECRET,
};
use crate::grants::TokenRequest;
use crate::issued::SignIn;
use crate::refusal::Refusal;
use crate::scopes;
use crate::tokens::mint::TokenAnswer;
use crate::tokens::verify::{self, AccessClaims, TokenFault};

pub fn answer(request: &TokenRequest<'_>) -> Result<TokenAnswer, Refusal> {
    let tenant = request.authority.tenant(request.directory)?;
    if request.params.required("requested_token_use")? != "on_behalf_of" {
        return Err(BAD_PARAMETER.about("It is 'requested_token_use', which must be 'on_behalf_of'."));
    }
    let assertion = request.params.required("assertion")?;
    let scope = request.params.required("scope")?;
    if request.client.public_client {
        return Err(NO_SECRET.about("A public client cannot act on behalf of a user."));
    }
    let incoming = check(request, assertion)?;
    if incoming.tenant != tenant.id {
        return Err(ASSERTION_INVALID.about("It was issued by another tenant."));
    }
    let (_, user) = request.person(incoming.tenant, incoming.object_id)?;
    let (oidc, resource) =
        scopes::parse(tenant, request.client.id, scope, INVALID_SCOPE)?.single_resource()?;
    let sign_in = SignIn {
        tenant: tenant.id,
        user: user.id,
        client: request.client.id,
        scope: scope.to_owned(),
        // The password was typed earlier; the assertion only says when it was issued itself.
        auth_time: incoming.issued,
        sid: incoming.sid.unwrap_or_default(),
        strength: incoming.strength,
        ends: None,
    };
    request.for_user(tenant, user, oidc, sign_in).answer(&resource)
}

/// The assertion must be a user's access token for this very application.
fn check(request: &TokenRequest<'_>, assertion: &str) -> Result<AccessClaims, Refusal> {
    let own_id = request.client.id.to_string();
    let uris = request.client.identifier_uris.iter().map(String::as_str);
    let audiences: Vec<&str> = uris.chain([own_id.as_str()]).collect();
    let claims = verify::access_token(request.state, assertion, &audiences).map_err(|fault| {
        let row = match fault {
            TokenFault::IdToken => ASSERTION_IS_ID_TOKEN,
            TokenFault::Expired => ASSERTION_EXPIRED,
            TokenFault::Audience => ASSERTION_AUDIENCE,
            TokenFault::Malformed
            | TokenFault::UnknownKey
            | TokenFault::Signature
            | TokenFault::Issuer
            | TokenFault::NotYetValid => ASSERTION_INVALID,
        };
        row.about(format!("The assertion is refused: {fault}."))
    })?;
    if claims.app_only {
        return Err(ASSERTION_APP_ONLY.into());
    }
    Ok(claims)
}
