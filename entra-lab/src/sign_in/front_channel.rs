//! Tokens straight from the authorization endpoint: the hybrid flow's ID token beside a code, and the implicit flow's
//! (OpenID Connect Core 3.2 and 3.3). `request` has looked at whether the registration has them on.

use crate::client_auth::Proof;
use crate::errors::{GRANT_INVALID, UNKNOWN_APP, UNKNOWN_SCOPE};
use crate::issued::SignIn;
use crate::refusal::Refusal;
use crate::scopes;
use crate::sign_in::SignInRequest;
use crate::state::LabState;
use crate::tokens::mint::ForUser;

/// The members that the answer has besides the code; none for a request that wants nothing but a code.
pub fn tokens(
    state: &LabState,
    base_url: &str,
    request: &SignInRequest,
    sign_in: SignIn,
    code: Option<&str>,
) -> Result<Vec<(&'static str, String)>, Refusal> {
    let wants = request.wants;
    let mut members = Vec::new();
    if !wants.id_token && !wants.token {
        return Ok(members);
    }
    let directory = state.directory();
    let gone = || GRANT_INVALID.about("Its user is gone.");
    let tenant = directory.tenant_by_id(sign_in.tenant).ok_or_else(gone)?;
    let requested = scopes::parse(tenant, request.client, &request.scope, UNKNOWN_SCOPE)?;
    let made = || -> Result<ForUser<'_>, Refusal> {
        Ok(ForUser {
            state,
            base_url,
            tenant,
            client: directory.app_in(tenant, request.client).ok_or(UNKNOWN_APP)?,
            user: tenant.user(sign_in.user).ok_or_else(gone)?,
            sign_in: sign_in.clone(),
            oidc: requested.oidc.clone(),
            nonce: request.nonce.clone(),
            wants_auth_time: request.max_age.is_some(),
            wants_refresh_token: false,
            wants_client_info: false,
            proof: Proof::None,
            claims: request.claims.clone(),
            version1: request.version1,
            front_channel: true,
        })
    };
    let mut access_token = None;
    if wants.token {
        let (mut oidc, resource) = requested.clone().single_resource()?;
        // The ID token comes afterwards: it names the access token.
        oidc.remove("openid");
        let answer = ForUser { oidc, ..made()? }.answer(&resource)?;
        members.push(("access_token", answer.access_token.clone()));
        members.push(("token_type", answer.token_type.to_owned()));
        members.push(("expires_in", answer.expires_in.to_string()));
        members.push(("scope", answer.scope.unwrap_or_default()));
        access_token = Some(answer.access_token);
    }
    if wants.id_token {
        members.push(("id_token", made()?.front_channel_id_token(code, access_token.as_deref())?));
    }
    Ok(members)
}
