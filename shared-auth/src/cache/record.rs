//! What a shared entry says once it is opened: JSON, with everything that decides whether a token may be used.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::token::CachedToken;
use crate::protocol::scope::Scopes;
use crate::secret::{AccessToken, RefreshToken, TokenKind, WipedBytes};

/// Clocks of replicas may be this far apart; a token from further in the future is not believed.
pub(super) const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(5);

/// An access token.
#[derive(Serialize, Deserialize)]
pub(super) struct TokenRecord<'a> {
    /// Borrowed but where JSON had to escape it.
    #[serde(borrow)]
    token: Cow<'a, str>,
    #[serde(borrow)]
    scopes: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    declined: Cow<'a, str>,
    // Milliseconds since 1970.
    expires_at: i64,
    cached_at: i64,
    usable_until: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_at: Option<i64>,
    /// The home account id, so that signing out finds the entry.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    user: Option<Text<'a>>,
}

/// Borrowed within an `Option` too.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(text.into())
    }
}

impl From<Text<'_>> for Arc<str> {
    fn from(text: Text<'_>) -> Self {
        text.0.into()
    }
}

impl TokenRecord<'_> {
    pub fn encode<K: TokenKind>(token: &CachedToken<K>, user: Option<&str>) -> WipedBytes {
        let times = token.times();
        let record = TokenRecord {
            token: token.access_token.expose_secret().into(),
            scopes: token.scopes.as_str().into(),
            declined: token.declined_scopes.as_str().into(),
            expires_at: token.expires_at.as_millisecond(),
            cached_at: times.cached_at().as_millisecond(),
            usable_until: times.usable_until().as_millisecond(),
            refresh_at: times.refresh_at().map(Timestamp::as_millisecond),
            user: user.map(Text::from),
        };
        encoded(&record, record.token.len())
    }

    pub fn decode<K: TokenKind>(plain: &[u8], now: Timestamp) -> Option<(CachedToken<K>, Option<Arc<str>>)> {
        let record: TokenRecord<'_> = serde_json::from_slice(plain).ok()?;
        let time = |at| Timestamp::from_millisecond(at).ok();
        let mut cached_at = time(record.cached_at)?;
        if cached_at > now && cached_at.duration_since(now) <= CLOCKS_APART {
            cached_at = now; // Written by a replica whose clock is a little ahead.
        }
        let refresh_at = match record.refresh_at {
            Some(at) => Some(time(at)?),
            None => None,
        };
        let declined = match &*record.declined {
            "" => Scopes::default(),
            declined => declined.into(),
        };
        let token = CachedToken::new(
            AccessToken::new(record.token),
            Scopes::from(&*record.scopes),
            time(record.expires_at)?,
            cached_at,
        );
        let mut token =
            token.ending_with(time(record.usable_until)?).refreshed_at(refresh_at).declining(declined);
        let user: Option<Arc<str>> = record.user.map(Arc::from);
        token.home_account_id = user.clone();
        Some((token, user))
    }
}

/// A refresh token.
pub(super) struct RefreshRecord {
    pub token: RefreshToken,
    pub user: Option<Arc<str>>,
}

#[derive(Serialize, Deserialize)]
struct Refresh<'a> {
    #[serde(borrow)]
    refresh_token: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    user: Option<Text<'a>>,
}

impl RefreshRecord {
    pub fn encode(token: &RefreshToken, user: Option<&str>) -> WipedBytes {
        encoded(
            &Refresh { refresh_token: token.expose().into(), user: user.map(Text::from) },
            token.expose().len(),
        )
    }

    pub fn decode(plain: &[u8]) -> Option<Self> {
        let record: Refresh<'_> = serde_json::from_slice(plain).ok()?;
        Some(Self { token: RefreshToken::new(record.refresh_token), user: record.user.map(Arc::from) })
    }
}

/// With room enough from the start: a buffer that grows leaves copies behind.
fn encoded(record: &impl Serialize, token: usize) -> WipedBytes {
    let mut plain = WipedBytes(Vec::with_capacity(2 * token + 2048));
    // Writing to memory fails for no record of ours; an empty one would be read as garbage, that is, as absent.
    let _ = serde_json::to_writer(&mut plain.0, record);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::User;

    /// RFC 6749 §A.12, §A.17: any visible character may stand in a token.
    const ODD: &str = "a\"b\\c\u{e9}\n";

    #[test]
    fn a_token_with_quotes_in_it_comes_back_as_it_was() {
        let now = Timestamp::from_second(1_000).unwrap();
        let token = CachedToken::<User>::new(AccessToken::new(ODD), Scopes::from("a"), now, now);

        let (read, user) = TokenRecord::decode::<User>(&TokenRecord::encode(&token, Some(ODD)), now).unwrap();
        let refresh = RefreshRecord::decode(&RefreshRecord::encode(&RefreshToken::new(ODD), None)).unwrap();

        assert_eq!((read.access_token.expose_secret(), user.as_deref()), (ODD, Some(ODD)));
        assert_eq!(refresh.token.expose(), ODD);
    }
}
