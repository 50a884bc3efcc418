//! The end of every sign-in, whatever way it took: the ID token is checked, the tokens are filed under the account.
//!
//! Steps 7 and 8 of the web app scenario. Who has just signed in stands in [`SignIn`].

use secrecy::ExposeSecret;

use super::{home_account_id, to_cache};
use crate::client::{Account, AuthenticationResult, Inner};
use crate::error::{Error, SignInError};
use crate::jwt::IdTokenClaims;
use crate::protocol::scope::Scopes;
use crate::protocol::token_response::TokenResponse;
use crate::secret::User;

/// A completed sign-in.
///
/// ```no_run
/// # async fn example(
/// #     client: shared_auth::ConfidentialClient,
/// #     flow: shared_auth::AuthCodeFlow,
/// # ) -> Result<(), Box<dyn std::error::Error>> {
/// use shared_auth::AuthorizationResponse;
///
/// let response = AuthorizationResponse::parse("code=…&state=…")?; // the query that came to the redirect URI
/// let sign_in = client.acquire_token_by_authorization_code(flow, response).await?;
/// println!("{} signed in", sign_in.id_token.preferred_username.as_deref().unwrap_or("somebody"));
/// // Later, and for other APIs: client.acquire_token_silent(&sign_in.account, …)
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SignIn {
    /// The key to the user's tokens in the cache.
    pub account: Account,
    /// Who signed in: the checked claims of the ID token.
    pub id_token: IdTokenClaims,
    /// The access token for the first resource that was asked for.
    pub result: AuthenticationResult<User>,
}

/// `nonce` is that of the authorization request, where there was one; `tenant` the one chosen for this sign-in, with B2C
/// the user flow.
pub(crate) async fn signed_in(
    client: &Inner,
    tokens: &TokenResponse,
    scopes: &Scopes,
    nonce: Option<&str>,
    tenant: Option<&str>,
) -> Result<SignIn, Error> {
    // Step 7. The ID token says who signed in, so it is checked like any token that crosses a border.
    let raw_id_token = tokens.id_token.as_ref().ok_or_else(|| {
        SignInError::IdToken("the token endpoint sent none; was openid asked for?".to_owned())
    })?;
    let authority = client.authority_for(tenant)?;
    let (raw, access_token) = (raw_id_token.expose_secret(), tokens.access_token.expose_secret());
    let id_token = client.id_tokens.validate(raw, access_token, nonce, &authority).await?;
    tracing::info!(step = 7, "the ID token passed every check");

    // Step 8. The tokens are filed under the user's home account.
    let policy = tenant.and(authority.policy());
    let account = Account {
        // AD FS and OpenID Connect providers send no `client_info` and have no tenants: the user's id is all there is.
        home_account_id: home_account_id(tokens).unwrap_or_else(|| {
            match (id_token.tenant_id.as_str(), policy) {
                ("", _) => id_token.object_id.clone(),
                // As B2C names a user that came by this user flow.
                (tenant, Some(policy)) => {
                    format!("{}-{policy}.{tenant}", id_token.object_id).to_ascii_lowercase()
                }
                (tenant, None) => format!("{}.{tenant}", id_token.object_id),
            }
        }),
        tenant_id: id_token.tenant_id.clone(),
        username: id_token.preferred_username.clone().unwrap_or_default(),
    };
    let (token, refresh_token) = to_cache::<User>(client, tokens, scopes);
    let chosen = match policy {
        Some(_) => Some(authority.realm()),
        None => tenant.is_some().then_some(account.tenant_id.as_str()),
    };
    let (partition, user) = (client.account_partition(&account, chosen).to_key(), &account.home_account_id);
    let token = client.user_tokens.cache.store(&partition, token, refresh_token, Some(user));
    client.user_tokens.begins_anew(&partition);
    client.user_tokens.share(&partition, &token).await;
    #[cfg(feature = "desktop")]
    client.family.signed_in(&account, tokens).await;
    let (object_id, name) = (&id_token.object_id, id_token.name.as_deref());
    client.ledger.signed_in(&account, object_id, name, raw_id_token.expose_secret());
    tracing::info!(step = 8, "the tokens are in the user-token cache");
    Ok(SignIn { account, id_token, result: AuthenticationResult::of_exchange(token) })
}
