//! What holds of entries that come back from a store: as they were written, or not at all.

use jiff::{SignedDuration, Timestamp};

use super::record::{RefreshRecord, TokenRecord};
use super::seal::KeyRing;
use super::token::CachedToken;
pub use super::unified::properties::msal_cache;
use crate::properties::{text, two};
use crate::protocol::scope::Scopes;
use crate::secret::{AccessToken, RefreshToken, User};

const PLACE: &[&[u8]] = &[b"partition", b"field"];

/// A record as it lies there, a sealed value, and records made of the same bytes.
pub fn cache_entry(data: &[u8]) {
    let now = Timestamp::from_second(1_800_000_000).unwrap_or(Timestamp::UNIX_EPOCH);
    if let Some((token, user)) = TokenRecord::decode::<User>(data, now) {
        let _ = (token.is_usable(now), token.times().want_refresh(now), token.serves("User.Read"));
        written(&token, user.as_deref(), now);
    }
    if let Some(record) = RefreshRecord::decode(data) {
        kept(&record.token, record.user.as_deref());
    }

    let (token, user) = two(data);
    let (token, user) = (text(token), text(user));
    let made = CachedToken::<User>::new(
        AccessToken::new(token.as_ref()),
        Scopes::from(user.as_ref()),
        now + SignedDuration::from_hours(1),
        now,
    );
    written(&made, Some(&user), now);
    kept(&RefreshToken::new(token.as_ref()), Some(&user));

    let _ = text(data).parse::<KeyRing>().map(|ring| format!("{ring:?}"));
    let Ok(ring) = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=".parse::<KeyRing>() else { return };
    assert!(ring.open(PLACE, data).is_none(), "nobody guesses a seal");
    let sealed = ring.seal(PLACE, data).unwrap_or_default();
    assert_eq!(ring.open(PLACE, &sealed).as_deref(), Some(data));
    assert!(ring.open(&[b"elsewhere"], &sealed).is_none());
}

fn written(token: &CachedToken<User>, user: Option<&str>, now: Timestamp) {
    let plain = TokenRecord::encode(token, user);
    let again = TokenRecord::decode::<User>(&plain, now);
    assert_eq!(again.as_ref().map(|(again, user)| (all(again), user.as_deref())), Some((all(token), user)));
}

/// Everything that decides, to the millisecond.
fn all(token: &CachedToken<User>) -> (&str, &Scopes, &Scopes, [Option<i64>; 4]) {
    let times = token.times();
    let times =
        [Some(token.expires_at), Some(times.cached_at()), Some(times.usable_until()), times.refresh_at()];
    let times = times.map(|time| time.map(Timestamp::as_millisecond));
    (token.access_token.expose_secret(), &token.scopes, &token.declined_scopes, times)
}

fn kept(token: &RefreshToken, user: Option<&str>) {
    let again = RefreshRecord::decode(&RefreshRecord::encode(token, user));
    let again = again.as_ref().map(|again| (again.token.expose(), again.user.as_deref()));
    assert_eq!(again, Some((token.expose(), user)));
}
