//! An access token in a cache, and when it serves: for which scopes, and until when.

use std::ops::Deref;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::partition::Partition;
use crate::protocol::scope::Scopes;
use crate::result::Exchange;
use crate::secret::{AccessToken, TokenKind};

/// A token counts as expired this long before it is: it must survive the call it is meant for, and clocks differ.
const EXPIRY_BUFFER: SignedDuration = SignedDuration::from_mins(5);
/// Longer than the longest token that Entra issues (28 hours, continuous access evaluation); what claims more is
/// corrupt, or the clock was moved.
const LONGEST_LIFETIME: SignedDuration = SignedDuration::from_hours(48);

/// A time as a hit looks at it: half as long as a [`Timestamp`], and there may be many of them.
type Milliseconds = i64;
/// A hit's time may be that far behind the time at which a token was got ([`Clock::lately`](crate::Clock::lately)).
const TICK: Milliseconds = 100;
const NEVER: Milliseconds = Milliseconds::MAX;

/// When a token serves, and when a successor should be fetched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    cached_at: Milliseconds,
    /// Five minutes before the token ends, or when the assertion ends with which it was got.
    usable_until: Milliseconds,
    refresh_at: Milliseconds,
}

impl Times {
    /// A token from the future means that the clock was moved back: its expiry says nothing any more. So does one that
    /// lives longer than tokens do.
    pub fn are_good(self, now: Timestamp) -> bool {
        let (now, longest) = (now.as_millisecond(), LONGEST_LIFETIME.as_secs() * 1_000);
        self.cached_at <= now + TICK
            && now < self.usable_until
            && self.usable_until.saturating_sub(now) <= longest
    }

    /// True where the token is old enough for a successor.
    pub fn want_refresh(self, now: Timestamp) -> bool {
        self.refresh_at <= now.as_millisecond()
    }

    pub fn cached_at(self) -> Timestamp {
        time(self.cached_at)
    }

    pub fn usable_until(self) -> Timestamp {
        time(self.usable_until)
    }

    /// From when on a successor should be fetched, if Entra named a time.
    pub fn refresh_at(self) -> Option<Timestamp> {
        (self.refresh_at != NEVER).then(|| time(self.refresh_at))
    }
}

fn time(at: Milliseconds) -> Timestamp {
    Timestamp::from_millisecond(at).unwrap_or(Timestamp::MAX)
}

/// An access token as it was issued: what everybody shares who gets it, from the first caller to the last hit.
///
/// ```no_run
/// # async fn example(client: shared_auth::ConfidentialClient) -> Result<(), shared_auth::Error> {
/// let result = client.acquire_token_for_client("api://orders/.default").await?;
/// let token: &shared_auth::CachedToken<shared_auth::App> = &result;
/// println!("{} until {}", token.scopes, token.expires_at);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct CachedToken<K: TokenKind> {
    /// The token, to be sent to the API that it is for and to nobody else.
    pub access_token: AccessToken<K>,
    /// What it allows; may be more than was asked for.
    pub scopes: Scopes,
    /// What was asked for and not granted. Asking again does not change it; the user's consent may.
    pub declined_scopes: Scopes,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Whose it is, as every MSAL files it: `{object id}.{tenant id}` of the user's home. `None` for an application, and
    /// where Entra did not say.
    pub home_account_id: Option<Arc<str>>,
    /// How it was asked for, for who did. Not kept in the cache.
    pub(crate) exchange: Option<Arc<Exchange>>,
    times: Times,
    /// Its user signed out while it was asked for: whoever asked has it, nobody else gets it.
    pub(super) withheld: bool,
}

impl<K: TokenKind> CachedToken<K> {
    pub(crate) fn new(
        access_token: AccessToken<K>,
        scopes: Scopes,
        expires_at: Timestamp,
        cached_at: Timestamp,
    ) -> Self {
        let usable_until = expires_at.checked_sub(EXPIRY_BUFFER).unwrap_or(Timestamp::MIN);
        let times = Times {
            cached_at: cached_at.as_millisecond(),
            usable_until: usable_until.as_millisecond(),
            refresh_at: NEVER,
        };
        let declined_scopes = Scopes::default();
        Self {
            access_token,
            scopes,
            declined_scopes,
            expires_at,
            home_account_id: None,
            exchange: None,
            times,
            withheld: false,
        }
    }

    /// What was asked for. The token then serves the same request again even where less was granted: asking Entra once
    /// more would bring the same answer.
    #[must_use]
    pub(crate) fn asked_for(mut self, asked: &Scopes) -> Self {
        self.declined_scopes = asked.without(&self.scopes);
        self
    }

    /// What was asked for with it and not granted.
    #[must_use]
    pub(crate) fn declining(mut self, declined: Scopes) -> Self {
        self.declined_scopes = declined;
        self
    }

    /// True where its user signed out while it was asked for.
    pub fn is_withheld(&self) -> bool {
        self.withheld
    }

    /// From when on a successor is fetched in the background, if Entra named a time.
    pub fn refresh_on(&self) -> Option<Timestamp> {
        self.times.refresh_at()
    }

    /// When it was got, to the millisecond.
    pub fn cached_at(&self) -> Timestamp {
        self.times.cached_at()
    }

    /// The times that decide about it, beside its expiry.
    pub(super) fn times(&self) -> Times {
        self.times
    }

    pub(super) fn serves(&self, wanted: &str) -> bool {
        self.scopes.serve(wanted)
            || (!self.declined_scopes.is_empty() && self.scopes.with(&self.declined_scopes).serve(wanted))
    }

    /// The token must not be served after `end`. The five minutes do not apply here: the assertion is not sent again.
    #[must_use]
    pub(crate) fn ending_with(mut self, end: Timestamp) -> Self {
        self.times.usable_until = self.times.usable_until.min(end.as_millisecond());
        self
    }

    /// A successor should be fetched from `at` on.
    #[must_use]
    pub(crate) fn refreshed_at(mut self, at: Option<Timestamp>) -> Self {
        self.times.refresh_at = at.map_or(NEVER, Timestamp::as_millisecond);
        self
    }

    pub(super) fn is_usable(&self, now: Timestamp) -> bool {
        self.times.are_good(now)
    }
}

/// A token in somebody's hands: shared by those who asked for it together, or where it is filed, with those that lie
/// beside it. A hit so takes one share, copies nothing, and goes no further than it must.
#[derive(Debug)]
pub(crate) enum Held<K: TokenKind> {
    Asked(Arc<CachedToken<K>>),
    Filed(Arc<Partition<K>>, usize),
}

impl<K: TokenKind> Held<K> {
    /// True where it is old enough for a successor.
    pub fn wants_refresh(&self, now: Timestamp) -> bool {
        let times = match self {
            Held::Asked(token) => token.times,
            Held::Filed(partition, at) => partition.entry(*at).times,
        };
        times.want_refresh(now)
    }
}

impl<K: TokenKind> Deref for Held<K> {
    type Target = CachedToken<K>;

    fn deref(&self) -> &CachedToken<K> {
        match self {
            Held::Asked(token) => token,
            Held::Filed(partition, at) => &partition.entry(*at).token,
        }
    }
}

impl<K: TokenKind> Clone for Held<K> {
    fn clone(&self) -> Self {
        match self {
            Held::Asked(token) => Held::Asked(Arc::clone(token)),
            Held::Filed(partition, at) => Held::Filed(Arc::clone(partition), *at),
        }
    }
}

impl<K: TokenKind> From<Arc<CachedToken<K>>> for Held<K> {
    fn from(token: Arc<CachedToken<K>>) -> Self {
        Held::Asked(token)
    }
}

impl<K: TokenKind> Clone for CachedToken<K> {
    fn clone(&self) -> Self {
        let (access_token, scopes, declined_scopes) =
            (self.access_token.clone(), self.scopes.clone(), self.declined_scopes.clone());
        let (home_account_id, exchange) = (self.home_account_id.clone(), self.exchange.clone());
        Self { access_token, scopes, declined_scopes, home_account_id, exchange, ..*self }
    }
}
