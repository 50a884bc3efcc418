//! What must happen in one piece on the server. Each script touches one key, so that it runs in a cluster too.
//!
//! They are sent whole: 1 KB more on the way, and no second round trip after a restart has emptied the server's scripts.
//! Field `g` of a partition is the time of its last removal; the others are sealed values that begin with 15 digits of
//! time.

/// KEYS: partition. ARGV: the removal that the writer knew of, or nothing; TTL in ms; count of drops; drops as pairs of
/// field and first bytes; puts as pairs of field and value. Returns 1 and the last removal, or 0 where there was one since.
pub(super) const WRITE: &str = r"
local k = KEYS[1]
local kind = redis.call('TYPE', k).ok
if kind ~= 'hash' and kind ~= 'none' then redis.call('DEL', k) end
local removed = redis.call('HGET', k, 'g') or '0'
if ARGV[1] ~= '' and (tonumber(removed) or 0) > tonumber(ARGV[1]) then return {0, removed} end
local puts = 4 + 2 * tonumber(ARGV[3])
for i = 4, puts - 1, 2 do
  local old = redis.call('HGET', k, ARGV[i])
  if old and string.sub(old, 1, 15) == ARGV[i + 1] then redis.call('HDEL', k, ARGV[i]) end
end
for i = puts, #ARGV, 2 do
  local old = redis.call('HGET', k, ARGV[i])
  local before = old and tonumber(string.sub(old, 1, 15)) or -1
  if before <= tonumber(string.sub(ARGV[i + 1], 1, 15)) then redis.call('HSET', k, ARGV[i], ARGV[i + 1]) end
end
if redis.call('PTTL', k) < tonumber(ARGV[2]) then redis.call('PEXPIRE', k, ARGV[2]) end
return {1, removed}
";

/// KEYS: partition. ARGV: how long the removal is remembered, in ms. Nothing older than now may come back.
pub(super) const REMOVE: &str = r"
local k = KEYS[1]
local now = redis.call('TIME')
local at = string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000))
redis.call('DEL', k)
local kept = redis.pcall('HSET', k, 'g', at)
if type(kept) == 'number' then redis.call('PEXPIRE', k, ARGV[1]) end
return 1
";

/// KEYS: partition. ARGV: field, value. Removes the field if it still holds the value.
pub(super) const REMOVE_FIELD: &str = r"
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then return redis.call('HDEL', KEYS[1], ARGV[1]) end
return 0
";

/// KEYS: index of a user. ARGV: partition, its end, now, TTL (all in ms). Ended partitions leave the index.
pub(super) const INDEX: &str = r"
local k = KEYS[1]
local kind = redis.call('TYPE', k).ok
if kind ~= 'zset' and kind ~= 'none' then redis.call('DEL', k) end
redis.call('ZADD', k, ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', k, '-inf', ARGV[3])
if redis.call('PTTL', k) < tonumber(ARGV[4]) then redis.call('PEXPIRE', k, ARGV[4]) end
return 1
";

/// KEYS: lease. ARGV: holder. Gives back what is still held.
pub(super) const RELEASE: &str = r"
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
";
