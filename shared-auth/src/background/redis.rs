//! The queue in Redis: a sorted set of hashed ids by the time at which they are due, and a sealed record for each.
//!
//! All names carry the same hash tag, so that a cluster keeps them on one server. Times come from the workers' clocks;
//! a lease is long enough to bear that these differ by seconds.

use deadpool_redis::redis::{Pipeline, Value};
use jiff::{SignedDuration, Timestamp};

use super::queue::{Answer, Bytes, LARGEST, Queue, Trouble};
use super::{KEPT, WAITS};
use crate::cache::redis::RedisCache;

/// KEYS: queue. ARGV: largest, due, id, TTL in ms. Returns 0 where it is full.
const ADD: &str = r"
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
";

/// KEYS: queue. ARGV: now, until. The id that is due, now due again at the end of the lease.
const CLAIM: &str = r"
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, 1)
if #due == 0 then return false end
redis.call('ZADD', KEYS[1], ARGV[2], due[1])
return due[1]
";

#[derive(Debug)]
pub(super) struct RedisQueue {
    redis: RedisCache,
    queue: String,
    records: String,
}

impl RedisQueue {
    pub fn new(redis: RedisCache, namespace: &str, name: &str) -> Self {
        let tag = format!("{{{namespace}:w:{name}}}");
        Self { redis, queue: format!("{tag}:due"), records: format!("{tag}:r:") }
    }

    fn record(&self, id: &str) -> String {
        format!("{}{id}", self.records)
    }

    fn seal(&self, name: &str, record: &[u8]) -> Result<Vec<u8>, Trouble> {
        self.redis.keys.seal(&place(name), record).map_err(|_| Trouble::Away)
    }

    /// Adds the command that writes a record.
    fn set(
        &self,
        commands: &mut Pipeline,
        id: &str,
        record: &[u8],
        ttl: SignedDuration,
    ) -> Result<(), Trouble> {
        let name = self.record(id);
        let sealed = self.seal(&name, record)?;
        commands.cmd("SET").arg(name).arg(sealed).arg("PX").arg(milliseconds(ttl));
        Ok(())
    }

    async fn get(&self, id: &str) -> Result<Option<Bytes>, Trouble> {
        let name = self.record(id);
        let mut commands = Pipeline::new();
        commands.cmd("GET").arg(&name);
        let [answer] = self.run(&commands).await?;
        let Value::BulkString(sealed) = answer else { return Ok(None) };
        Ok(self.redis.keys.open(&place(&name), &sealed).map(|record| record.to_vec().into()))
    }

    /// As many answers as there are commands, none of them a refusal.
    async fn run<const N: usize>(&self, commands: &Pipeline) -> Result<[Value; N], Trouble> {
        let answers = self.redis.link.run(commands).await.map_err(|_| Trouble::Away)?;
        if let Some(Value::ServerError(error)) =
            answers.iter().find(|answer| matches!(answer, Value::ServerError(_)))
        {
            tracing::warn!("Redis refused a command of the background work: {}", error.code());
            return Err(Trouble::Away);
        }
        answers.try_into().map_err(|_| Trouble::Away)
    }
}

impl Queue for RedisQueue {
    fn add<'a>(&'a self, id: &'a str, record: Bytes, now: Timestamp) -> Answer<'a, ()> {
        Box::pin(async move {
            let mut commands = Pipeline::new();
            self.set(&mut commands, id, &record, WAITS)?;
            commands.cmd("EVAL").arg(ADD).arg(1).arg(&self.queue);
            commands.arg(LARGEST).arg(now.as_millisecond()).arg(id).arg(milliseconds(WAITS));
            let [_, added] = self.run(&commands).await?;
            if added == Value::Int(1) {
                return Ok(());
            }
            let mut undo = Pipeline::new();
            undo.cmd("DEL").arg(self.record(id));
            let [_] = self.run(&undo).await?;
            Err(Trouble::Full)
        })
    }

    fn claim(&self, now: Timestamp, until: Timestamp) -> Answer<'_, Option<(String, Bytes)>> {
        Box::pin(async move {
            loop {
                let mut commands = Pipeline::new();
                commands.cmd("EVAL").arg(CLAIM).arg(1).arg(&self.queue);
                commands.arg(now.as_millisecond()).arg(until.as_millisecond());
                let [Value::BulkString(id)] = self.run(&commands).await? else { return Ok(None) };
                let Ok(id) = String::from_utf8(id) else { return Ok(None) };
                if let Some(record) = self.get(&id).await? {
                    return Ok(Some((id, record)));
                }
                // Its record has ended, or does not open.
                let mut forget = Pipeline::new();
                forget.cmd("ZREM").arg(&self.queue).arg(&id);
                let [_] = self.run(&forget).await?;
            }
        })
    }

    fn update<'a>(&'a self, id: &'a str, record: Bytes, due: Timestamp, _: Timestamp) -> Answer<'a, ()> {
        Box::pin(async move {
            let mut commands = Pipeline::new();
            self.set(&mut commands, id, &record, WAITS)?;
            commands.cmd("ZADD").arg(&self.queue).arg("XX").arg(due.as_millisecond()).arg(id);
            let [_, _] = self.run(&commands).await?;
            Ok(())
        })
    }

    fn postpone<'a>(&'a self, id: &'a str, due: Timestamp) -> Answer<'a, ()> {
        Box::pin(async move {
            let mut commands = Pipeline::new();
            commands.cmd("ZADD").arg(&self.queue).arg("XX").arg(due.as_millisecond()).arg(id);
            let [_] = self.run(&commands).await?;
            Ok(())
        })
    }

    fn finish<'a>(&'a self, id: &'a str, record: Bytes, _: Timestamp) -> Answer<'a, ()> {
        Box::pin(async move {
            let mut commands = Pipeline::new();
            self.set(&mut commands, id, &record, KEPT)?;
            commands.cmd("ZREM").arg(&self.queue).arg(id);
            let [_, _] = self.run(&commands).await?;
            Ok(())
        })
    }

    fn read<'a>(&'a self, id: &'a str, _: Timestamp) -> Answer<'a, Option<Bytes>> {
        Box::pin(self.get(id))
    }
}

fn place(name: &str) -> [&[u8]; 2] {
    [b"background", name.as_bytes()]
}

fn milliseconds(span: SignedDuration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or_default().max(1)
}
