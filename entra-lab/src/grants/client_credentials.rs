//! `client_credentials` (RFC 6749 4.4): a token for the application itself, with its app roles.
//!
//! A client without any role still gets a token, as with Entra: the API has to look.

use crate::directory::Application;
use crate::errors::{INVALID_SCOPE, NO_PRINCIPAL, NO_SECRET, NOT_DEFAULT, OWN_URI, UNKNOWN_RESOURCE};
use crate::grants::TokenRequest;
use crate::loops;
use crate::refusal::Refusal;
use crate::tokens::claims::{Issue, Lifetime};
use crate::tokens::mint::TokenAnswer;
use crate::tokens::signed::sign;

pub fn answer(request: &TokenRequest<'_>) -> Result<TokenAnswer, Refusal> {
    // A token for an application must say in which tenant it acts.
    let tenant = request.authority.tenant(request.directory)?;
    if request.client.public_client {
        return Err(NO_SECRET.about("A public client cannot act for itself."));
    }
    if !request.client.registration.has_principal {
        return Err(NO_PRINCIPAL.about(format!("It is {}.", request.client.name)));
    }
    let (identifier, api) = resource(request)?;
    request.state.policies.must_allow_app(tenant, request.client, api)?;
    let asked = loops::Request {
        tenant: tenant.id,
        client: request.client.id,
        user: None,
        resource: api.id,
        scope: String::new(),
    };
    request.state.loops.must_not_loop(asked, request.now)?;
    let lifetime = Lifetime::access(request.now, api, request.claims.capable);
    let issue = Issue {
        base_url: request.base_url,
        tenant,
        client: request.client,
        lifetime,
        proof: request.proof,
        capable: request.claims.capable,
    };
    let claims = issue.app_access(api, identifier);
    let key = request.state.keys.active()?;
    Ok(TokenAnswer {
        token_type: "Bearer",
        scope: None,
        expires_in: lifetime.expires_in,
        ext_expires_in: lifetime.expires_in,
        refresh_in: lifetime.refresh_in(),
        access_token: sign(&key, &claims, api.access_token_version)?,
        refresh_token: None,
        refresh_token_expires_in: None,
        id_token: None,
        client_info: None,
        foci: None,
    })
}

/// The one resource of `{resource}/.default`.
fn resource<'a>(request: &TokenRequest<'a>) -> Result<(&'a str, &'a Application), Refusal> {
    let tenant = request.authority.tenant(request.directory)?;
    let mut entries = request.params.required("scope")?.split_whitespace();
    let Some(scope) = entries.next() else { return Err(INVALID_SCOPE.into()) };
    if entries.next().is_some() {
        return Err(INVALID_SCOPE.about("It has more than one entry."));
    }
    let identifier = scope.strip_suffix("/.default").ok_or(NOT_DEFAULT)?;
    let api = tenant.resource(identifier).ok_or(UNKNOWN_RESOURCE)?;
    if api.id == request.client.id && uuid::Uuid::try_parse(identifier).is_err() {
        return Err(OWN_URI.into());
    }
    Ok((identifier, api))
}
