//! Partitions, leases and removals as Redis commands: one round trip for each call.
//!
//! | key | what it holds |
//! |---|---|
//! | `auth:registration:p:{partition}` | a hash: one sealed value for each credential, the last removal |
//! | `auth:registration:u:{user}` | which partitions belong to a user |
//! | `auth:registration:l:{partition}request` | who asks Entra at the moment |
//! | `auth:registration:changes` | a channel: what was changed or removed |
//!
//! The braces are there: a cluster keeps a partition and its leases on one server.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use deadpool_redis::redis::{FromRedisValue, Pipeline, RedisError, Value, from_redis_value};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::link::Link;
use super::notices::{Kind, Notices};
use super::scripts;
use crate::cache::key::Id;
use crate::cache::shared::{
    Away, Backend, LEASE, Lease, Listener, Raw, Recognise, Write, Written, milliseconds,
};

/// For how long a removal is remembered, so that a request which was under way does not bring back what was removed,
/// and a replica that could not hear of it hears of it.
const REMOVAL_REMEMBERED: Duration = Duration::from_secs(60 * 60);
/// The field that remembers it.
const REMOVED_AT: &str = "g";
/// Removals that go in one round trip.
const AT_ONCE: usize = 500;

/// The entries of one registration in a Redis.
#[derive(Debug)]
pub(crate) struct RedisBackend {
    link: Arc<Link>,
    namespace: String,
    notices: Notices,
}

impl RedisBackend {
    pub fn new(link: Arc<Link>, namespace: String) -> Self {
        let notices =
            Notices::new(Arc::clone(&link), format!("{namespace}:changes"), Uuid::new_v4().into_bytes());
        Self { link, namespace, notices }
    }

    fn key(&self, kind: char, id: Id) -> String {
        const AROUND: &str = "::{}";
        let mut key = String::with_capacity(self.namespace.len() + AROUND.len() + 1 + Id::TEXT);
        key.push_str(&self.namespace);
        key.push(':');
        key.push(kind);
        key.push_str(":{");
        id.write_to(&mut key);
        key.push('}');
        key
    }

    fn lease(&self, lease: &Lease) -> String {
        format!("{}{}", self.key('l', lease.partition), lease.of.text())
    }

    async fn run(&self, commands: &Pipeline) -> Result<Vec<Value>, Away> {
        self.notices.listen();
        self.link.run(commands).await
    }

    fn parse(&self, answer: Option<Value>) -> Raw {
        let mut raw = Raw::default();
        let Some(answer) = answer else { return raw };
        // Something of another type under our name: absent, and replaced by the next write.
        let Ok(fields) = answer.into_map_iter() else {
            if self.link.misplaced.add() == 0 {
                tracing::warn!(
                    "a key of the shared cache in Redis holds something else; it counts as absent"
                );
            }
            return raw;
        };
        for (field, value) in fields {
            let (Value::BulkString(field), Value::BulkString(value)) = (field, value) else { continue };
            match String::from_utf8(field) {
                Ok(field) if field == REMOVED_AT => {
                    raw.removed_at =
                        std::str::from_utf8(&value).ok().and_then(|at| at.parse().ok()).unwrap_or_default();
                }
                Ok(field) => raw.fields.push((field, value)),
                Err(_) => {}
            }
        }
        raw
    }

    fn written(&self, answer: Option<Value>) -> Result<Written, Away> {
        let answer = answer.map(from::<(i64, String)>);
        match answer {
            Some(Ok((1, removed_at))) => {
                if self.link.full.swap(false, Ordering::Relaxed) {
                    tracing::info!("Redis has room again");
                }
                Ok(Written::Kept(removed_at.parse().unwrap_or_default()))
            }
            Some(Ok(_)) => Ok(Written::RemovedMeanwhile),
            Some(Err(error)) if error.code() == Some("OOM") => {
                if !self.link.full.swap(true, Ordering::Relaxed) {
                    tracing::warn!("Redis has no room left; new tokens stay in the memory of this process");
                }
                Ok(Written::Full)
            }
            Some(Err(error)) => {
                tracing::warn!("Redis refused a write to the shared cache: {}", error.category());
                Err(Away)
            }
            None => Err(Away),
        }
    }

    fn add_removal(&self, commands: &mut Pipeline, partition: Id) {
        let remembered = u64::try_from(REMOVAL_REMEMBERED.as_millis()).unwrap_or(u64::MAX);
        commands.cmd("EVAL").arg(scripts::REMOVE).arg(1).arg(self.key('p', partition)).arg(remembered);
        self.notices.add(commands, Kind::Removed, partition);
    }

    async fn remove_all(&self, partitions: &[Id]) -> Result<(), Away> {
        for some in partitions.chunks(AT_ONCE) {
            let mut commands = Pipeline::new();
            some.iter().for_each(|partition| self.add_removal(&mut commands, *partition));
            self.run(&commands).await?;
        }
        Ok(())
    }
}

fn from<T: FromRedisValue>(answer: Value) -> Result<T, RedisError> {
    let answer = answer.extract_error()?;
    Ok(from_redis_value(answer)?)
}

impl Backend for RedisBackend {
    fn read(&self, partition: Id) -> BoxFuture<'_, Result<Raw, Away>> {
        async move {
            let mut commands = Pipeline::new();
            commands.cmd("HGETALL").arg(self.key('p', partition));
            let answers = self.run(&commands).await?;
            Ok(self.parse(answers.into_iter().next()))
        }
        .boxed()
    }

    fn lease_and_read(&self, partition: Id, lease: Lease) -> BoxFuture<'_, Result<(bool, Raw), Away>> {
        async move {
            let mut commands = Pipeline::new();
            let milliseconds = u64::try_from(LEASE.as_millis()).unwrap_or(u64::MAX);
            commands
                .cmd("SET")
                .arg(self.lease(&lease))
                .arg(lease.holder)
                .arg("NX")
                .arg("PX")
                .arg(milliseconds);
            // After the lease, in this order: what the last holder wrote is there before the lease is free.
            commands.cmd("HGETALL").arg(self.key('p', partition));
            let mut answers = self.run(&commands).await?.into_iter();
            // A Redis without room gives no leases. Then everybody asks for themselves.
            let ours = match answers.next() {
                Some(Value::Okay | Value::ServerError(_)) => true,
                Some(_) => false,
                None => true,
            };
            Ok((ours, self.parse(answers.next())))
        }
        .boxed()
    }

    fn release(&self, lease: Lease) -> BoxFuture<'_, Result<(), Away>> {
        async move {
            let mut commands = Pipeline::new();
            self.add_release(&mut commands, lease);
            self.run(&commands).await.map(|_| ())
        }
        .boxed()
    }

    fn write(&self, write: Write) -> BoxFuture<'_, Result<Written, Away>> {
        async move {
            let ttl = u64::try_from(write.ttl.as_millis()).unwrap_or(u64::MAX);
            let mut commands = Pipeline::new();
            let command = commands
                .cmd("EVAL")
                .arg(scripts::WRITE)
                .arg(1)
                .arg(self.key('p', write.partition))
                .arg(write.knew_removal.map_or(String::new(), |at| at.to_string()))
                .arg(ttl)
                .arg(write.drops.len());
            for (field, value) in write.drops.into_iter().chain(write.puts) {
                command.arg(field).arg(value);
            }
            if let Some((user, end)) = write.user {
                commands
                    .cmd("EVAL")
                    .arg(scripts::INDEX)
                    .arg(1)
                    .arg(self.key('u', user))
                    .arg(write.partition.text())
                    .arg(milliseconds(end))
                    .arg(milliseconds(write.now))
                    .arg(ttl);
            }
            if write.announce {
                self.notices.add(&mut commands, Kind::Changed, write.partition);
            }
            if let Some(lease) = write.release {
                self.add_release(&mut commands, lease);
            }
            let answers = self.run(&commands).await?;
            self.written(answers.into_iter().next())
        }
        .boxed()
    }

    fn remove(&self, partitions: Vec<Id>) -> BoxFuture<'_, Result<(), Away>> {
        async move { self.remove_all(&partitions).await }.boxed()
    }

    fn remove_user(&self, user: Id) -> BoxFuture<'_, Result<(), Away>> {
        async move {
            let index = self.key('u', user);
            let mut commands = Pipeline::new();
            commands.cmd("ZRANGE").arg(&index).arg(0).arg(-1);
            let answer = self.run(&commands).await?.into_iter().next().map(from::<Vec<String>>);
            let partitions: Vec<Id> = answer
                .and_then(Result::ok)
                .unwrap_or_default()
                .iter()
                .filter_map(|text| Id::parse(text))
                .collect();
            self.remove_all(&partitions).await?;
            let mut commands = Pipeline::new();
            commands.cmd("DEL").arg(&index);
            self.run(&commands).await.map(|_| ())
        }
        .boxed()
    }

    fn remove_field(
        &self,
        partition: Id,
        field: &'static str,
        is_it: Recognise,
    ) -> BoxFuture<'_, Result<(), Away>> {
        async move {
            let key = self.key('p', partition);
            let mut commands = Pipeline::new();
            commands.cmd("HGET").arg(&key).arg(field);
            let answer = self.run(&commands).await?.into_iter().next().map(from::<Option<Vec<u8>>>);
            let Some(Ok(Some(value))) = answer else { return Ok(()) };
            if !is_it(&value) {
                return Ok(());
            }
            let mut commands = Pipeline::new();
            commands.cmd("EVAL").arg(scripts::REMOVE_FIELD).arg(1).arg(&key).arg(field).arg(value);
            self.run(&commands).await.map(|_| ())
        }
        .boxed()
    }

    fn tell(&self, listener: Weak<dyn Listener>) {
        self.notices.tell(listener);
    }

    fn spawn(&self, work: BoxFuture<'static, ()>) {
        match self.link.runtime() {
            Some(runtime) => drop(runtime.spawn(work)),
            None => tracing::warn!("Redis was not told of a change: there is no runtime to do it in"),
        }
    }
}

impl RedisBackend {
    fn add_release(&self, commands: &mut Pipeline, lease: Lease) {
        commands.cmd("EVAL").arg(scripts::RELEASE).arg(1).arg(self.lease(&lease)).arg(lease.holder);
    }
}
