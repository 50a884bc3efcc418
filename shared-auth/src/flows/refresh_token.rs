//! Refresh (RFC 6749 §6): a new access token for an account, perhaps for another resource.

use std::sync::Arc;

use super::{Options, redeem, to_cache};
use crate::cache::CachedToken;
use crate::client::{Account, Inner};
use crate::error::{Error, InteractionRequired, TransportError};
use crate::protocol::client_info::ClientInfo;
use crate::protocol::error_response::ErrorResponse;
use crate::protocol::scope::Scopes;
use crate::protocol::token_request::Grant;
use crate::secret::User;

/// Redeems the account's refresh token and stores what comes back.
pub(super) async fn refresh(
    client: Arc<Inner>,
    account: Account,
    scopes: Scopes,
    options: Options,
) -> Result<CachedToken<User>, Error> {
    let partition = client.account_partition(&account);
    let Some(refresh_token) = client.user_tokens.cache.refresh_token(&partition) else {
        return Err(InteractionRequired::no_account(scopes).into());
    };
    tracing::info!(step = 9, %scopes, "no token in the user-token cache; asking Entra with the refresh token");
    let tokens = match redeem(&client, &Grant::RefreshToken(refresh_token.clone()), &scopes, &options).await {
        Ok(tokens) => tokens,
        Err(error) => {
            // A dead refresh token would only be refused again, and Entra counts that (AADSTS50196).
            if error.refusal().is_some_and(is_dead) {
                client.user_tokens.cache.remove_refresh_token(&partition, &refresh_token);
            }
            return Err(error);
        }
    };
    // Tokens of somebody else must not land in this account's partition, whatever the reason.
    let home = tokens.client_info.as_deref().and_then(ClientInfo::decode).map(|info| info.home_account_id());
    if home.is_some_and(|home| !home.eq_ignore_ascii_case(&account.home_account_id)) {
        return Err(TransportError {
            tried: "refreshing a token".to_owned(),
            endpoint: "the token endpoint".to_owned(),
            happened: "the answer is about another account than the one that was asked for; it is not used"
                .to_owned(),
            retryable: false,
        }
        .into());
    }
    let (token, next) = to_cache::<User>(&client, &tokens, &scopes);
    client.user_tokens.cache.store(&partition, token.clone(), next);
    Ok(token)
}

fn is_dead(refusal: &crate::error::Refusal) -> bool {
    ErrorResponse {
        error: refusal.error.clone(),
        error_codes: refusal.codes.clone(),
        suberror: refusal.suberror.clone(),
        ..ErrorResponse::default()
    }
    .ends_the_refresh_token()
}
