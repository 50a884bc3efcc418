//! Refresh (RFC 6749 §6): a new access token for an account or a long-running process, perhaps for another resource.

use std::sync::Arc;

use secrecy::ExposeSecret;

use super::{Options, home_account_id, redeem, to_cache};
use crate::cache::{CachedToken, PartitionKey};
use crate::client::Inner;
use crate::error::{Error, InteractionRequired, Refusal, SignInError, TransportError};
use crate::jwt::issuer_and_subject;
use crate::protocol::error_response::ErrorResponse;
use crate::protocol::scope::Scopes;
use crate::protocol::token_request::Grant;
use crate::secret::User;

/// Redeems the refresh token of a partition and stores what comes back. `user` is whose tokens these must be, where
/// that is known.
pub(super) async fn refresh(
    client: Arc<Inner>,
    partition: PartitionKey,
    elsewhere: Vec<PartitionKey>,
    user: Option<String>,
    scopes: Scopes,
    options: Options,
) -> Result<Arc<CachedToken<User>>, Error> {
    let cache = &client.user_tokens.cache;
    if cache.refresh_token(&partition).is_none() {
        client.user_tokens.fetch(&elsewhere).await;
    }
    // From here on a sign-out wins: what comes back is for whoever asked, and is not stored.
    let removals = cache.removals();
    let holders = std::iter::once(&partition).chain(&elsewhere);
    let found = { holders }.find_map(|holder| Some((holder, cache.refresh_token(holder)?)));
    #[cfg(feature = "desktop")]
    let found = match (found, &user) {
        (None, Some(user)) => client.family.refresh_token(user).await.map(|token| (&partition, token)),
        (found, _) => found,
    };
    let Some((holder, refresh_token)) = found else {
        return Err(InteractionRequired::no_account(scopes).into());
    };
    tracing::info!(step = 9, %scopes, "no token in the user-token cache; asking Entra with the refresh token");
    let grant = Grant::RefreshToken(refresh_token.clone());
    let redeemed = redeem(&client, &grant, &scopes, &options).await.inspect_err(|error| {
        // A dead refresh token would only be refused again, and Entra counts that (AADSTS50196).
        if error.refusal().is_some_and(is_dead) {
            client.user_tokens.remove_refresh_token(holder, &refresh_token);
        }
    });
    #[cfg(feature = "desktop")]
    if let (Err(error), Some(user)) = (&redeemed, &user)
        && error.refusal().is_some_and(is_dead)
    {
        client.family.refused(user, &refresh_token).await;
    }
    let tokens = redeemed?;
    // Tokens of somebody else must not land in this partition, whatever the reason.
    let home = home_account_id(&tokens);
    if let (Some(user), Some(home)) = (&user, &home)
        && !home.eq_ignore_ascii_case(user)
    {
        return Err(TransportError {
            tried: "refreshing a token".to_owned(),
            endpoint: "the token endpoint".to_owned(),
            happened: "the answer is about another account than the one that was asked for; it is not used"
                .to_owned(),
            retryable: false,
            correlation_id: None,
        }
        .into());
    }
    if let (Some((issuer, subject)), Some(id_token)) = (&options.rare.signed_in_as, &tokens.id_token) {
        let named = issuer_and_subject(id_token.expose_secret());
        if !named.is_some_and(|(iss, sub)| iss == *issuer && sub == *subject) {
            client.user_tokens.remove_refresh_token(holder, &refresh_token);
            return Err(SignInError::AnotherUser.into());
        }
    }
    let (token, next) = to_cache::<User>(&client, &tokens, &scopes);
    let user = user.or(home);
    let token = cache.store_as_of(removals, &partition, token, next, user.as_deref());
    #[cfg(feature = "desktop")]
    if let (false, Some(user)) = (token.is_withheld(), &user) {
        client.family.renewed(user, &tokens).await;
    }
    if let (false, Some(user), Some(id_token)) = (token.is_withheld(), &user, &tokens.id_token) {
        let named = options.tenant.filter(|_| client.authority.has_tenants());
        let tenant = named.or_else(|| client.authority.tenant_id().map(Into::into));
        client.ledger.renewed(user, &tenant.unwrap_or_default(), id_token.expose_secret());
    }
    Ok(token)
}

fn is_dead(refusal: &Refusal) -> bool {
    ErrorResponse {
        error: refusal.error.clone(),
        error_codes: refusal.codes.clone(),
        suberror: refusal.suberror.clone(),
        ..ErrorResponse::default()
    }
    .ends_the_refresh_token()
}
