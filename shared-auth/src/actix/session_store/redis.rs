//! Sessions in Redis (6.2 or newer), for an app that runs as several processes: sealed values under hashed
//! ids.
//!
//! While Redis is away nobody's session can be read; cookies stay as they are, and so do the sessions. What does not
//! open, or was lost, is no session: it leads to a sign-in.

use std::sync::Arc;
use std::time::Duration;

use actix_session::storage::{SessionKey, generate_session_key};
use actix_web::cookie::time;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use deadpool_redis::redis::{Pipeline, Value};
use zeroize::Zeroizing;

use super::{Away, IDLE_LIFETIME, OnceKey, State, hashed, lifetime, once, session_at_entra};
use crate::cache::redis::RedisCache;

/// A sign-out while Redis is away is tried again for about ten minutes.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_secs(3);
/// Of its idle lifetime a session may have lost this much before a read makes it whole again.
const SLACK: Duration = Duration::from_secs(60);
/// How long it is known which sessions belong to one at Entra: at least as long as a session can live.
const INDEX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, Clone)]
pub(super) struct RedisSessionStore {
    redis: RedisCache,
    prefix: Arc<str>,
    /// What serves once, and which sessions belong to one at Entra, stand under names of their own.
    namespace: Arc<str>,
}

impl RedisSessionStore {
    pub fn new(redis: RedisCache, namespace: &str) -> Self {
        Self { redis, prefix: format!("{namespace}:s:").into(), namespace: namespace.into() }
    }

    pub async fn keep_once(&self, key: &OnceKey, value: Vec<u8>) -> Result<(), Away> {
        let (name, value) = (self.once(key), Zeroizing::new(value));
        let sealed = self.redis.keys.seal(&place(&name), &value).map_err(|_| Away)?;
        let mut commands = Pipeline::new();
        commands.cmd("SET").arg(&name).arg(sealed).arg("PX").arg(once::LIFETIME.as_millis());
        self.run(&commands).await.map(|_| ())
    }

    pub async fn take_once(&self, key: &OnceKey) -> Result<Option<Vec<u8>>, Away> {
        let name = self.once(key);
        let mut commands = Pipeline::new();
        commands.cmd("GETDEL").arg(&name);
        let Some(Value::BulkString(sealed)) = self.run(&commands).await? else { return Ok(None) };
        Ok(self.redis.keys.open(&place(&name), &sealed).map(|plain| plain.to_vec()))
    }

    pub async fn end_by_sid(&self, sid: &[u8; 32]) -> Result<Vec<State>, Away> {
        let index = self.index(sid);
        let mut commands = Pipeline::new();
        commands.cmd("SMEMBERS").arg(&index);
        let Some(Value::Array(names)) = self.run(&commands).await? else { return Ok(Vec::new()) };
        let names: Vec<String> = names
            .into_iter()
            .filter_map(|name| match name {
                Value::BulkString(name) => String::from_utf8(name).ok(),
                _ => None,
            })
            .filter(|name| name.starts_with(&*self.prefix))
            .collect();
        let mut commands = Pipeline::new();
        for name in &names {
            commands.cmd("GETDEL").arg(name);
        }
        commands.cmd("DEL").arg(&index);
        if !names.is_empty() {
            // Not for every `sid` that anybody makes up.
            commands.cmd("SET").arg(self.ended(sid)).arg("1").arg("PX").arg(INDEX_LIFETIME.as_millis());
        }
        let answers = self.answers(&commands).await?;
        let ended = names.iter().zip(answers).filter_map(|(name, answer)| match answer {
            Value::BulkString(sealed) => {
                serde_json::from_slice(&self.redis.keys.open(&place(name), &sealed)?).ok()
            }
            _ => None,
        });
        Ok(ended.collect())
    }

    pub async fn was_ended(&self, sid: &[u8; 32]) -> bool {
        let mut commands = Pipeline::new();
        commands.cmd("EXISTS").arg(self.ended(sid));
        matches!(self.run(&commands).await, Ok(Some(Value::Int(1))))
    }

    async fn enter(&self, sid: &[u8; 32], key: &SessionKey) {
        let index = self.index(sid);
        let mut commands = Pipeline::new();
        commands.cmd("SADD").arg(&index).arg(self.name(key));
        commands.cmd("PEXPIRE").arg(&index).arg(INDEX_LIFETIME.as_millis());
        let _an_own_sign_out_still_ends_it = self.run(&commands).await;
    }

    pub async fn ready(&self) -> Result<(), Away> {
        let mut commands = Pipeline::new();
        // A write, for a Redis without room answers a PING.
        commands.cmd("SET").arg(format!("{}ready", self.prefix)).arg("1").arg("PX").arg(1_000);
        self.run(&commands).await.map(|_| ())
    }

    /// Reading counts as use: the idle lifetime begins anew. How long it is depends on the sealed state, so that takes
    /// a second round trip, at most once a minute.
    pub async fn load(&self, key: &SessionKey) -> Result<Option<State>, Away> {
        let name = self.name(key);
        let mut commands = Pipeline::new();
        commands.cmd("GET").arg(&name).cmd("PTTL").arg(&name);
        let mut answers = self.answers(&commands).await?.into_iter();
        let Some(Value::BulkString(sealed)) = first(answers.next())? else { return Ok(None) };
        let state = self.redis.keys.open(&place(&name), &sealed);
        let state: Option<State> = state.and_then(|plain| serde_json::from_slice(&plain).ok());
        if let (Some(state), Some(Value::Int(left))) = (&state, answers.next()) {
            self.extend(&name, left, &lifetime(state, &IDLE_LIFETIME)).await;
        }
        Ok(state)
    }

    async fn extend(&self, name: &str, left: i64, ttl: &time::Duration) {
        let whole = milliseconds(ttl);
        let left = u64::try_from(left).unwrap_or_default();
        if Duration::from_millis(whole.saturating_sub(left)) >= SLACK {
            let mut commands = Pipeline::new();
            commands.cmd("PEXPIRE").arg(name).arg(whole);
            let _the_next_read_tries_again = self.run(&commands).await;
        }
    }

    /// While Redis is away the id is good for nothing; whoever comes with it signs in again.
    pub async fn save(&self, state: State, ttl: &time::Duration) -> SessionKey {
        let key = generate_session_key();
        let _nothing_to_undo = self.put(&key, &state, ttl, None).await;
        if let Some(sid) = session_at_entra(&state) {
            self.enter(&sid, &key).await;
        }
        key
    }

    /// False where the session has ended.
    pub async fn update(&self, key: &SessionKey, state: State, ttl: &time::Duration) -> bool {
        !matches!(self.put(key, &state, ttl, Some("XX")).await, Ok(Value::Nil))
    }

    pub async fn delete(&self, key: &SessionKey) {
        let mut commands = Pipeline::new();
        commands.cmd("DEL").arg(self.name(key));
        if self.run(&commands).await.is_ok() {
            return;
        }
        // The browser has no cookie any more, but whoever copied it must not come back.
        let store = self.clone();
        let again = async move {
            for _ in 0..TRIES {
                tokio::time::sleep(PAUSE).await;
                if store.run(&commands).await.is_ok() {
                    return;
                }
            }
        };
        if let Some(runtime) = self.redis.link.runtime() {
            runtime.spawn(again);
        }
    }

    async fn put(
        &self,
        key: &SessionKey,
        state: &State,
        ttl: &time::Duration,
        condition: Option<&str>,
    ) -> Result<Value, Away> {
        let name = self.name(key);
        let length: usize = state.iter().map(|(key, value)| key.len() + 2 * value.len() + 16).sum();
        let mut plain = Zeroizing::new(Vec::with_capacity(length + 64));
        serde_json::to_writer(&mut *plain, state).map_err(|_| Away)?;
        let sealed = self.redis.keys.seal(&place(&name), &plain).map_err(|_| Away)?;
        let mut commands = Pipeline::new();
        commands.cmd("SET").arg(&name).arg(sealed).arg("PX").arg(milliseconds(ttl)).arg(condition);
        self.run(&commands).await.map(|answer| answer.unwrap_or(Value::Nil))
    }

    async fn run(&self, commands: &Pipeline) -> Result<Option<Value>, Away> {
        first(self.answers(commands).await?.into_iter().next())
    }

    async fn answers(&self, commands: &Pipeline) -> Result<Vec<Value>, Away> {
        self.redis.link.run(commands).await.map_err(|_| Away)
    }

    fn once(&self, key: &OnceKey) -> String {
        format!("{}:o:{}", self.namespace, URL_SAFE_NO_PAD.encode(key))
    }

    fn index(&self, sid: &[u8; 32]) -> String {
        format!("{}:i:{}", self.namespace, URL_SAFE_NO_PAD.encode(sid))
    }

    fn ended(&self, sid: &[u8; 32]) -> String {
        format!("{}:e:{}", self.namespace, URL_SAFE_NO_PAD.encode(sid))
    }

    fn name(&self, key: &SessionKey) -> String {
        format!("{}{}", self.prefix, URL_SAFE_NO_PAD.encode(hashed(key)))
    }
}

/// The answer of the command that matters.
fn first(answer: Option<Value>) -> Result<Option<Value>, Away> {
    match answer {
        // Something that is no session lies under the name.
        Some(Value::ServerError(error)) if error.code() == "WRONGTYPE" => Ok(None),
        Some(Value::ServerError(error)) => {
            tracing::warn!("Redis refused a session's command: {}", error.code());
            Err(Away)
        }
        answer => Ok(answer),
    }
}

fn place(name: &str) -> [&[u8]; 2] {
    [b"session", name.as_bytes()]
}

fn milliseconds(ttl: &time::Duration) -> u64 {
    u64::try_from(ttl.whole_milliseconds()).unwrap_or_default().max(1)
}
