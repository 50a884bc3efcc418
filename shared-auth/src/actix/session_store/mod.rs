//! Where sessions live: in memory for one process, in Redis for several. Found by a hash of the id.
//!
//! The cookie carries the opaque id and nothing else (Entra's tokens do not fit a cookie and do not belong there). A
//! session ends when nobody uses it for a while, and in any case a day after the sign-in. One without a user, which
//! anybody may begin, ends much sooner. One that is lost leads to a sign-in, which Entra answers without asking for a
//! password; it is never an error.

mod memory;
mod once;
#[cfg(feature = "redis")]
mod redis;

use std::collections::HashMap;

use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use actix_web::cookie::time;
use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::memory::MemorySessionStore;
#[cfg(feature = "redis")]
use self::redis::RedisSessionStore;
use super::session::TypedSession;
use crate::clock::SharedClock;

/// A session of a user that nobody uses for this long ends.
pub(super) const IDLE_LIFETIME: time::Duration = time::Duration::hours(8);
/// A session without a user that nobody uses for this long ends. This library begins none; where an app keeps something
/// about its visitors, anybody can begin one with a single request, and these must not fill the store.
const ANONYMOUS_LIFETIME: time::Duration = time::Duration::minutes(20);
/// A session ends this long after its sign-in, however much it is used.
pub(super) const ABSOLUTE_LIFETIME: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);
/// The entry that says when the session began, in seconds.
const SINCE: &str = "since";
/// The entry of a session that could not be read. It exists for one request and is never kept.
const AWAY: &str = "away";

pub(super) type State = HashMap<String, String>;
/// The name of something that serves once: a hash of secrets that only one browser has.
pub(super) type OnceKey = [u8; 32];

/// The sessions of an app. Clones share them.
#[derive(Debug, Clone)]
pub struct Sessions {
    kept: Kept,
    clock: SharedClock,
}

#[derive(Debug, Clone)]
enum Kept {
    Memory(MemorySessionStore),
    #[cfg(feature = "redis")]
    Redis(RedisSessionStore),
}

/// What is kept cannot be read or written at the moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Away;

macro_rules! kept {
    ($self:ident, $store:ident => $call:expr) => {
        match &$self.kept {
            Kept::Memory($store) => $call,
            #[cfg(feature = "redis")]
            Kept::Redis($store) => $call,
        }
    };
}

impl Sessions {
    /// In the memory of this process.
    pub(super) fn in_memory(clock: SharedClock) -> Self {
        Self { kept: Kept::Memory(MemorySessionStore::new()), clock }
    }

    /// In a Redis that replicas share.
    #[cfg(feature = "redis")]
    pub(super) fn in_redis(
        redis: crate::cache::redis::RedisCache,
        namespace: &str,
        clock: SharedClock,
    ) -> Self {
        Self { kept: Kept::Redis(RedisSessionStore::new(redis, namespace)), clock }
    }

    /// Asks whether sessions can be kept now; a sign-in that is begun and then not recognised helps nobody.
    pub(super) async fn ready(&self) -> Result<(), Away> {
        match &self.kept {
            Kept::Memory(_) => Ok(()),
            #[cfg(feature = "redis")]
            Kept::Redis(redis) => redis.ready().await,
        }
    }

    /// True for the state of a session that exists, perhaps, but could not be read.
    pub(super) fn is_away(state: &actix_session::Session) -> bool {
        state.contains_key(AWAY)
    }

    /// Keeps something until it is taken, or for a quarter of an hour.
    pub(super) async fn keep_once(&self, key: &OnceKey, value: &impl Serialize) -> Result<(), Away> {
        let value = serde_json::to_vec(value).map_err(|_| Away)?;
        kept!(self, store => store.keep_once(key, value).await)
    }

    /// Takes what is kept under `key`. Of several who try at once, one gets it.
    pub(super) async fn take_once<T: DeserializeOwned>(&self, key: &OnceKey) -> Result<Option<T>, Away> {
        let value = kept!(self, store => store.take_once(key).await)?;
        Ok(value.and_then(|value| serde_json::from_slice(&value).ok()))
    }

    pub(super) async fn forget_once(&self, key: &OnceKey) {
        let _it_ends_by_itself = kept!(self, store => store.take_once(key).await);
    }

    /// Ends the sessions that Entra knows as `sid`, and returns what was in them.
    pub(super) async fn end_by_sid(&self, sid: &str) -> Result<Vec<State>, Away> {
        let Ok(sid) = serde_json::to_string(sid) else { return Ok(Vec::new()) };
        kept!(self, store => store.end_by_sid(&hash(&sid)).await)
    }

    /// True where Entra ended what it knows as `sid`, for as long as a session could have lived. No where nobody can say.
    pub(super) async fn was_ended(&self, sid: &str) -> bool {
        let Ok(sid) = serde_json::to_string(sid) else { return false };
        kept!(self, store => store.was_ended(&hash(&sid)).await)
    }

    fn now(&self) -> i64 {
        self.clock.now().as_second()
    }

    fn has_ended(&self, state: &State) -> bool {
        let since: Option<i64> = state.get(SINCE).and_then(|since| since.parse().ok());
        since.is_none_or(|since| self.now() - since >= ABSOLUTE_LIFETIME.as_secs())
    }
}

/// How long `state` is kept without being used: `ttl` where it has a user.
fn lifetime(state: &State, ttl: &time::Duration) -> time::Duration {
    if state.contains_key(TypedSession::USER) { *ttl } else { ANONYMOUS_LIFETIME.min(*ttl) }
}

/// The id is a secret of the browser's; what is kept is a hash of it.
fn hashed(key: &SessionKey) -> [u8; 32] {
    hash(key.as_ref())
}

/// The session at Entra that a state belongs to, as it is found again.
fn session_at_entra(state: &State) -> Option<[u8; 32]> {
    state.get(TypedSession::SID).map(|sid| hash(sid))
}

fn hash(text: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    hash
}

impl SessionStore for Sessions {
    async fn load(&self, key: &SessionKey) -> Result<Option<State>, LoadError> {
        match kept!(self, store => store.load(key).await) {
            Ok(Some(state)) if self.has_ended(&state) => {
                self.delete(key).await.map_err(LoadError::Other)?;
                Ok(None)
            }
            Ok(state) => Ok(state),
            // Not `None`: the browser keeps its cookie, and is signed in again when the sessions are back.
            Err(Away) => Ok(Some(State::from([(AWAY.to_owned(), "true".to_owned())]))),
        }
    }

    async fn save(&self, mut state: State, ttl: &time::Duration) -> Result<SessionKey, SaveError> {
        state.remove(AWAY);
        state.entry(SINCE.to_owned()).or_insert_with(|| self.now().to_string());
        let ttl = lifetime(&state, ttl);
        Ok(kept!(self, store => store.save(state, &ttl).await))
    }

    async fn update(
        &self,
        key: SessionKey,
        state: State,
        ttl: &time::Duration,
    ) -> Result<SessionKey, UpdateError> {
        if state.contains_key(AWAY) {
            return Ok(key); // What could not be read must not be replaced.
        }
        let ttl = lifetime(&state, ttl);
        // False where it ended during this request, by a sign-out or a sign-in in another tab. It must not come back to
        // life: the id stays worth nothing, and the cookie that says it is not sent again.
        let _is_there = kept!(self, store => store.update(&key, state, &ttl).await);
        Ok(key)
    }

    async fn update_ttl(&self, _: &SessionKey, _: &time::Duration) -> Result<(), anyhow::Error> {
        Ok(()) // Reading has done so, for as long as the state allows.
    }

    async fn delete(&self, key: &SessionKey) -> Result<(), anyhow::Error> {
        kept!(self, store => store.delete(key).await);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Barrier};

    use futures_util::FutureExt;

    use super::*;
    use crate::clock::ManualClock;

    const MINUTES_20: std::time::Duration = std::time::Duration::from_secs(20 * 60);
    const HOURS_8: std::time::Duration = std::time::Duration::from_secs(8 * 60 * 60);

    fn sessions() -> Sessions {
        Sessions::in_memory(Arc::new(ManualClock::at(jiff::Timestamp::UNIX_EPOCH)))
    }

    fn state(keys: &[&str]) -> State {
        keys.iter().map(|key| ((*key).to_owned(), format!("\"{key}\""))).collect()
    }

    /// Nothing in memory waits.
    fn now<T>(future: impl Future<Output = T>) -> T {
        future.now_or_never().unwrap()
    }

    fn copy(key: &SessionKey) -> SessionKey {
        SessionKey::try_from(key.as_ref().to_owned()).unwrap()
    }

    fn lifetime_of(sessions: &Sessions, key: &SessionKey) -> std::time::Duration {
        match &sessions.kept {
            Kept::Memory(store) => store.lifetime(key).unwrap(),
            #[cfg(feature = "redis")]
            Kept::Redis(_) => unreachable!(),
        }
    }

    #[test]
    fn a_session_without_a_user_lives_20_minutes_and_one_with_a_user_8_hours() {
        let sessions = sessions();
        let key = now(sessions.save(state(&["visitor"]), &IDLE_LIFETIME)).unwrap();
        assert_eq!(lifetime_of(&sessions, &key), MINUTES_20);
        let key = now(sessions.update(key, state(&["since", "visitor"]), &IDLE_LIFETIME)).unwrap();
        assert_eq!(lifetime_of(&sessions, &key), MINUTES_20);

        let key = now(sessions.save(state(&["user"]), &IDLE_LIFETIME)).unwrap();
        assert_eq!(lifetime_of(&sessions, &key), HOURS_8);
        let key = now(sessions.update(key, state(&["since", "user", "visitor"]), &IDLE_LIFETIME)).unwrap();
        assert_eq!(lifetime_of(&sessions, &key), HOURS_8);
    }

    #[test]
    fn of_a_session_that_has_ended_meanwhile_nothing_remains() {
        let sessions = sessions();
        let old = now(sessions.save(state(&["user"]), &IDLE_LIFETIME)).unwrap();
        now(sessions.delete(&old)).unwrap();

        let key = now(sessions.update(copy(&old), state(&["since", "user"]), &IDLE_LIFETIME)).unwrap();

        assert_eq!(key.as_ref(), old.as_ref(), "no new id for whoever came with the old one");
        assert!(now(sessions.load(&key)).unwrap().is_none());
    }

    #[test]
    fn what_serves_once_is_got_by_one_of_many() {
        let sessions = sessions();
        for _ in 0..200 {
            now(sessions.keep_once(&[7; 32], &"it")).unwrap();
            let both = Barrier::new(4);
            let got: usize = std::thread::scope(|scope| {
                let takers: Vec<_> = (0..4)
                    .map(|_| {
                        scope.spawn(|| {
                            both.wait();
                            usize::from(now(sessions.take_once::<String>(&[7; 32])).unwrap().is_some())
                        })
                    })
                    .collect();
                takers.into_iter().map(|taker| taker.join().unwrap()).sum()
            });
            assert_eq!(got, 1);
        }
    }

    #[test]
    fn a_sid_ends_the_sessions_that_carry_it_and_no_others() {
        let sessions = sessions();
        let of = |sid: &str| {
            State::from([("user".to_owned(), "{}".to_owned()), ("sid".to_owned(), format!("\"{sid}\""))])
        };
        let [first, second, other] =
            ["a", "a", "b"].map(|sid| now(sessions.save(of(sid), &IDLE_LIFETIME)).unwrap());
        let gone = now(sessions.save(of("a"), &IDLE_LIFETIME)).unwrap();
        now(sessions.delete(&gone)).unwrap();

        assert_eq!(now(sessions.end_by_sid("c")).unwrap().len(), 0);
        assert_eq!(now(sessions.end_by_sid("a")).unwrap().len(), 2);
        assert_eq!(now(sessions.end_by_sid("a")).unwrap().len(), 0);

        for ended in [&first, &second] {
            assert!(now(sessions.load(ended)).unwrap().is_none());
        }
        assert!(now(sessions.load(&other)).unwrap().is_some());
    }

    #[test]
    fn a_session_that_is_deleted_stays_so_however_an_update_of_it_falls() {
        let sessions = sessions();
        for _ in 0..1_000 {
            let key = now(sessions.save(state(&["user"]), &IDLE_LIFETIME)).unwrap();
            let both = Barrier::new(2);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    both.wait();
                    for _ in 0..20 {
                        now(sessions.update(copy(&key), state(&["user"]), &IDLE_LIFETIME)).unwrap();
                    }
                });
                both.wait();
                now(sessions.delete(&key)).unwrap();
            });
            assert!(matches!(&sessions.kept, Kept::Memory(store) if store.lifetime(&key).is_none()));
        }
    }
}
