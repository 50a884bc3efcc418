//! Redis that asks for an Entra token instead of a password (Azure Managed Redis, Azure Cache for Redis): `AUTH` with the
//! object id of the application and its token, and again before the token ends.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use deadpool_redis::redis::auth::{BasicAuth, StreamingCredentialsProvider};
use deadpool_redis::redis::{ErrorKind, RedisError};
use futures_util::stream::{self, Stream};
use jiff::{SignedDuration, Timestamp};

use crate::client::ConfidentialClient;
use crate::env::ConfigError;

/// What a token for Redis is asked for.
const SCOPE: &str = "https://redis.azure.com/.default";
/// The cache gives out no token that ends sooner than in five minutes, so from then on there is a new one.
const BEFORE_ITS_END: SignedDuration = SignedDuration::from_mins(4);
const AFTER_A_FAILURE: Duration = Duration::from_secs(15);

/// Tokens for a Redis, from a client of ours.
#[derive(Clone)]
pub(super) struct Credentials {
    client: Arc<OnceLock<ConfidentialClient>>,
    user: String,
}

impl Credentials {
    /// `user` is the object id of the application's service principal, as Redis knows it.
    pub fn new(user: &str) -> Self {
        Self { client: Arc::default(), user: user.to_owned() }
    }

    /// Whose tokens they are. The first one stays.
    pub fn identify(
        &self,
        client: impl FnOnce() -> Result<ConfidentialClient, ConfigError>,
    ) -> Result<(), ConfigError> {
        if self.client.get().is_none() {
            let _another_was_faster = self.client.set(client()?);
        }
        Ok(())
    }

    /// Name and password of this moment.
    pub async fn now(&self) -> Result<(String, String), RedisError> {
        self.token().await.map(|(token, _)| (self.user.clone(), token))
    }

    /// The token, and how long it serves before the next one is to be sent.
    async fn token(&self) -> Result<(String, Duration), RedisError> {
        let failed = |detail| RedisError::from((ErrorKind::AuthenticationFailed, detail));
        let client = self.client.get().ok_or_else(|| failed("no client shares this Redis yet"))?;
        let token = client.acquire_token_for_client(SCOPE).await.map_err(|error| {
            tracing::warn!("no token for Redis: {error}");
            failed("no token for Redis")
        })?;
        let serves = until_renewal(token.expires_at, client.inner.clock.now());
        Ok((token.access_token.expose_secret().to_owned(), serves))
    }
}

impl StreamingCredentialsProvider for Credentials {
    fn subscribe(&self) -> Pin<Box<dyn Stream<Item = Result<BasicAuth, RedisError>> + Send + 'static>> {
        let first = (self.clone(), Duration::ZERO);
        Box::pin(stream::unfold(first, |(this, wait)| async move {
            tokio::time::sleep(wait).await;
            let (answer, wait) = match this.token().await {
                Ok((token, serves)) => (Ok(BasicAuth::new(this.user.clone(), token)), serves),
                Err(error) => (Err(error), AFTER_A_FAILURE),
            };
            Some((answer, (this, wait)))
        }))
    }
}

/// How long a token serves before the next one is sent.
fn until_renewal(ends: Timestamp, now: Timestamp) -> Duration {
    let left = ends.duration_since(now) - BEFORE_ITS_END;
    Duration::try_from(left).unwrap_or_default().max(AFTER_A_FAILURE)
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_while_the_old_one_still_serves() {
        let now = Timestamp::UNIX_EPOCH;
        let after = |minutes| until_renewal(now + SignedDuration::from_mins(minutes), now);

        assert_eq!(after(60), Duration::from_secs(56 * 60));
        assert_eq!(after(4), AFTER_A_FAILURE);
        assert_eq!(after(-10), AFTER_A_FAILURE);
    }
}
