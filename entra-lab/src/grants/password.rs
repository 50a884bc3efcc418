//! `password` (RFC 6749 4.3): user name and password in one request, which Microsoft advises against.
//!
//! Nothing can be asked here: no consent, no second factor. So most policies end it.

use uuid::Uuid;

use crate::authority::Authority;
use crate::directory::{Tenant, User};
use crate::errors::{BAD_PASSWORD, FOREIGN_ACCOUNT, INVALID_SCOPE, NO_PASSWORD, NOT_AT_COMMON, UNKNOWN_USER};
use crate::grants::TokenRequest;
use crate::issued::SignIn;
use crate::policy::decide::Strength;
use crate::refusal::Refusal;
use crate::scopes;
use crate::tokens::mint::TokenAnswer;

pub fn answer(request: &TokenRequest<'_>) -> Result<TokenAnswer, Refusal> {
    let upn = request.params.required("username")?;
    let password = request.params.required("password")?;
    let scope = request.params.required("scope")?;
    let (tenant, user) = person(request, upn, password)?;
    let (oidc, resource) =
        scopes::parse(tenant, request.client.id, scope, INVALID_SCOPE)?.single_resource()?;
    let sign_in = SignIn {
        tenant: tenant.id,
        user: user.id,
        client: request.client.id,
        scope: scope.to_owned(),
        auth_time: request.now,
        sid: Uuid::new_v4(),
        strength: Strength { epoch: request.state.policies.epoch(user.id), ..Strength::default() },
        ends: None,
    };
    request.for_user(tenant, user, oidc, sign_in).answer(&resource)
}

/// Neither `common` nor `consumers` takes passwords; that is said before anything is looked at.
pub fn must_have_a_place(authority: Authority) -> Result<(), Refusal> {
    match authority {
        Authority::Common | Authority::Consumers => Err(NOT_AT_COMMON.into()),
        Authority::Tenant(_) | Authority::Organizations => Ok(()),
    }
}

fn person<'a>(
    request: &TokenRequest<'a>,
    upn: &str,
    password: &str,
) -> Result<(&'a Tenant, &'a User), Refusal> {
    let (tenant, user) = request.directory.user_by_upn(upn).ok_or(UNKNOWN_USER)?;
    if !request.authority.admits(tenant.id) {
        return Err(FOREIGN_ACCOUNT.into());
    }
    match &user.password {
        None => Err(NO_PASSWORD.into()),
        Some(right) if right.matches(password) => {
            request.state.policies.must_be_in_order(user)?;
            Ok((tenant, user))
        }
        Some(_) => Err(BAD_PASSWORD.into()),
    }
}
