//! `authorization_code` (RFC 6749 4.1.3, RFC 7636 4.5): redeems a code once, for the client, tenant
//! and redirect URI that it was issued for, and only with the verifier of its challenge.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

use crate::errors::{
    CODE_REDEEMED, FOREIGN_CODE, GRANT_EXPIRED, GRANT_INVALID, INVALID_SCOPE, MALFORMED_GRANT, REDIRECT_URI,
    VERIFIER,
};
use crate::grants::TokenRequest;
use crate::issued::{Challenge, Presented, SPA_REFRESH_SECONDS};
use crate::refusal::Refusal;
use crate::scopes;
use crate::tokens::mint::{ForUser, TokenAnswer};

pub fn answer(request: &TokenRequest<'_>) -> Result<TokenAnswer, Refusal> {
    let handle = request.params.required("code")?;
    let redirect_uri = request.params.required("redirect_uri")?;
    let mut code = match request.state.issued.look_at_code(handle, request.now) {
        Presented::Good(code) => code,
        Presented::Malformed => return Err(MALFORMED_GRANT.into()),
        Presented::Unknown => return Err(GRANT_INVALID.into()),
        Presented::Expired(_) => return Err(GRANT_EXPIRED.into()),
        Presented::AlreadyRedeemed => return Err(CODE_REDEEMED.into()),
    };
    if code.sign_in.client != request.client.id || !request.authority.admits(code.sign_in.tenant) {
        return Err(FOREIGN_CODE.into());
    }
    if code.redirect_uri != redirect_uri {
        return Err(REDIRECT_URI.about("The token request has another one than the authorization request."));
    }
    check_verifier(code.challenge.as_ref(), request.params.get("code_verifier"))?;
    code.sign_in.ends = code.spa.then_some(request.now + SPA_REFRESH_SECONDS);

    let (tenant, user) = request.person(code.sign_in.tenant, code.sign_in.user)?;
    let first = scopes::parse(tenant, request.client.id, &code.sign_in.scope, INVALID_SCOPE)?;
    let (mut oidc, resource) = match request.params.get("scope") {
        // The request at the token endpoint may name one of the resources that were agreed to.
        Some(scope) => scopes::parse(tenant, request.client.id, scope, INVALID_SCOPE)?.single_resource()?,
        // Without it the token is for the first one.
        None => {
            let mut first = first.clone();
            first.resources.truncate(1);
            first.single_resource()?
        }
    };
    oidc.extend(first.oidc);

    let answer = ForUser {
        nonce: code.nonce,
        wants_auth_time: code.wants_auth_time,
        ..request.for_user(tenant, user, oidc, code.sign_in)
    }
    .answer(&resource)?;
    // Last, so that a request that is refused does not use the code up.
    if request.state.issued.redeem_code(handle) { Ok(answer) } else { Err(CODE_REDEEMED.into()) }
}

/// RFC 7636 4.6. A verifier without a challenge is refused too: it means that somebody removed the
/// challenge on the way (RFC 9700 2.1.1).
fn check_verifier(challenge: Option<&Challenge>, verifier: Option<&str>) -> Result<(), Refusal> {
    let fits = match (challenge, verifier) {
        (None, None) => true,
        (Some(challenge), Some(verifier)) => {
            let transformed = if challenge.hashed {
                URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
            } else {
                verifier.to_owned()
            };
            transformed.as_bytes().ct_eq(challenge.value.as_bytes()).into()
        }
        _ => false,
    };
    if fits { Ok(()) } else { Err(VERIFIER.into()) }
}
