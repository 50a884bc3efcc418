//! Where sessions live: in memory for one process, in Redis for several. Found by a hash of the id.
//!
//! The cookie carries the opaque id and nothing else (Entra's tokens do not fit a cookie and do not belong there). A
//! session ends when nobody uses it for a while, and in any case a day after the sign-in. One without a user, which
//! anybody may begin, ends much sooner. One that is lost leads to a sign-in, which Entra answers without asking for a
//! password; it is never an error.

mod memory;
#[cfg(feature = "redis")]
mod redis;

use std::collections::HashMap;

use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use actix_web::cookie::time;
use aws_lc_rs::digest::{SHA256, digest};

use self::memory::MemorySessionStore;
#[cfg(feature = "redis")]
use self::redis::RedisSessionStore;
use super::session::TypedSession;
use crate::clock::SharedClock;

/// A session of a user that nobody uses for this long ends.
pub(super) const IDLE_LIFETIME: time::Duration = time::Duration::hours(8);
/// A session without a user that nobody uses for this long ends. Anybody can begin one with a single request, and these
/// must not fill the store. It is longer than a sign-in may take.
const ANONYMOUS_LIFETIME: time::Duration = time::Duration::minutes(20);
/// A session ends this long after its sign-in, however much it is used.
const ABSOLUTE_LIFETIME: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);
/// The entry that says when the session began, in seconds.
const SINCE: &str = "since";
/// The entry of a session that could not be read. It exists for one request and is never kept.
const AWAY: &str = "away";

type State = HashMap<String, String>;

/// The sessions of an app. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Sessions {
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

impl Sessions {
    /// In the memory of this process.
    pub fn in_memory(clock: SharedClock) -> Self {
        Self { kept: Kept::Memory(MemorySessionStore::new()), clock }
    }

    /// In a Redis that replicas share.
    #[cfg(feature = "redis")]
    pub fn in_redis(redis: crate::cache::redis::RedisCache, namespace: &str, clock: SharedClock) -> Self {
        Self { kept: Kept::Redis(RedisSessionStore::new(redis, namespace)), clock }
    }

    /// Asks whether sessions can be kept now; a sign-in that is begun and then not recognised helps nobody.
    pub async fn ready(&self) -> Result<(), Away> {
        match &self.kept {
            Kept::Memory(_) => Ok(()),
            #[cfg(feature = "redis")]
            Kept::Redis(redis) => redis.ready().await,
        }
    }

    /// True for the state of a session that exists, perhaps, but could not be read.
    pub fn is_away(state: &actix_session::Session) -> bool {
        state.contains_key(AWAY)
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

/// What outlives a session that ended during the request: the sign-ins that this browser has begun, and nothing that
/// says who it is. They sign nobody in by themselves: Entra has to answer them first, as in any new sign-in.
fn open_sign_ins(state: &State) -> Option<State> {
    let open = state.get(TypedSession::OPEN).filter(|open| *open != "[]")?;
    Some(State::from([(TypedSession::OPEN.to_owned(), open.clone())]))
}

/// The id is a secret of the browser's; what is kept is a hash of it.
fn hashed(key: &SessionKey) -> [u8; 32] {
    let mut id = [0; 32];
    id.copy_from_slice(digest(&SHA256, key.as_ref().as_bytes()).as_ref());
    id
}

macro_rules! kept {
    ($self:ident, $store:ident => $call:expr) => {
        match &$self.kept {
            Kept::Memory($store) => $call,
            #[cfg(feature = "redis")]
            Kept::Redis($store) => $call,
        }
    };
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
        let (remains, ttl) = (open_sign_ins(&state), lifetime(&state, ttl));
        if kept!(self, store => store.update(&key, state, &ttl).await) {
            return Ok(key);
        }
        // It ended during this request, by a sign-out or a sign-in in another tab, and must not come back to life. A
        // sign-in that this request began goes on, in a session of its own; without one, the id stays worth nothing.
        //
        // The middleware sets the cookie to whatever id is returned here. If the other tab's answer came first, its
        // cookie is replaced, and after a sign-in there the browser has to sign in again, which Entra answers without
        // a password. Handing out that session's id is no way around it: an id from before a sign-in would lead to
        // the one from after it.
        match remains {
            Some(remains) => self.save(remains, &ttl).await.map_err(|error| UpdateError::Other(error.into())),
            None => Ok(key),
        }
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
        let key = now(sessions.save(state(&["sign-ins"]), &IDLE_LIFETIME)).unwrap();
        assert_eq!(lifetime_of(&sessions, &key), MINUTES_20);
        let key = now(sessions.update(key, state(&["since", "sign-ins"]), &IDLE_LIFETIME)).unwrap();
        assert_eq!(lifetime_of(&sessions, &key), MINUTES_20);

        let key = now(sessions.save(state(&["user"]), &IDLE_LIFETIME)).unwrap();
        assert_eq!(lifetime_of(&sessions, &key), HOURS_8);
        let key = now(sessions.update(key, state(&["since", "user", "sign-ins"]), &IDLE_LIFETIME)).unwrap();
        assert_eq!(lifetime_of(&sessions, &key), HOURS_8);
    }

    #[test]
    fn of_a_session_that_has_ended_meanwhile_the_open_sign_ins_remain_and_never_the_user() {
        let sessions = sessions();
        let old = now(sessions.save(state(&["user"]), &IDLE_LIFETIME)).unwrap();
        now(sessions.delete(&old)).unwrap();

        let late = state(&["since", "user", "challenge", "challenged", "sign-ins"]);
        let new = now(sessions.update(copy(&old), late, &IDLE_LIFETIME)).unwrap();

        assert_ne!(new.as_ref(), old.as_ref());
        assert!(now(sessions.load(&old)).unwrap().is_none());
        let kept = now(sessions.load(&new)).unwrap().unwrap();
        assert_eq!(kept.get("sign-ins").map(String::as_str), Some("\"sign-ins\""));
        assert_eq!(kept.get("since").map(String::as_str), Some("0"), "it begins now");
        assert_eq!(kept.len(), 2, "{kept:?}");
        assert_eq!(lifetime_of(&sessions, &new), MINUTES_20);
    }

    #[test]
    fn of_a_session_that_has_ended_meanwhile_nothing_remains_where_no_sign_in_is_open() {
        let sessions = sessions();
        for open in ["[]", ""] {
            let old = now(sessions.save(state(&["user"]), &IDLE_LIFETIME)).unwrap();
            now(sessions.delete(&old)).unwrap();
            let mut late = state(&["since", "user"]);
            if !open.is_empty() {
                late.insert("sign-ins".to_owned(), open.to_owned());
            }
            let key = now(sessions.update(old, late, &IDLE_LIFETIME)).unwrap();
            assert!(now(sessions.load(&key)).unwrap().is_none());
        }
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
