//! Partitions in memory, by what they are filed under, and bounded in bytes.
//!
//! A hit takes one shared lock of one shard and one share of the partition. The table holds nothing but the way to the
//! partition: with many of them every further step waits for memory. Whoever was never asked for, or not since the last
//! round, gives way first (CLOCK, in the order of the table, which is no order that anybody outside can choose): many that
//! come once do not drive out those who come again.

use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use quick_cache::{DefaultHashBuilder, Equivalent};

use super::key::FiledKey;
use super::partition::Partition;
use crate::secret::TokenKind;

/// So many partitions are looked at to find one that may give way. All of them in use, and the next one does: who has a token
/// to store waits for that, however many there are.
const LOOKED_AT: usize = 64;
/// Two threads hardly ever want the same one. But each has room for many, so that it is not the new one that gives way.
const SHARDS_PER_PROCESSOR: usize = 32;
const BYTES_PER_SHARD: u64 = 256 * 1024;

#[derive(Debug)]
pub(super) struct Partitions<K: TokenKind> {
    shards: Box<[Shard<K>]>,
    numbers: DefaultHashBuilder,
    bytes: AtomicU64,
    limit_bytes: u64,
}

/// Far enough from each other that two threads do not wait for the same line of memory.
#[derive(Debug)]
#[repr(align(128))]
struct Shard<K: TokenKind>(RwLock<Table<K>>);

#[derive(Debug)]
struct Table<K: TokenKind> {
    partitions: HashTable<Arc<Partition<K>>>,
    /// The place that was looked at last.
    hand: usize,
}

impl<K: TokenKind> Partitions<K> {
    pub fn new(limit_bytes: u64) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let with_room = usize::try_from(limit_bytes / BYTES_PER_SHARD).unwrap_or(usize::MAX).max(1);
        let count = (processors * SHARDS_PER_PROCESSOR).min(with_room).next_power_of_two();
        let shard = || Shard(RwLock::new(Table { partitions: HashTable::new(), hand: 0 }));
        Self {
            shards: std::iter::repeat_with(shard).take(count).collect(),
            numbers: DefaultHashBuilder::default(),
            bytes: AtomicU64::new(0),
            limit_bytes,
        }
    }

    /// What a key comes to: a number that only this process knows how to come to. The same one for two keys is as good as
    /// impossible, and then the later one takes the other's place.
    pub fn number(&self, key: &(impl Hash + ?Sized)) -> u64 {
        self.numbers.hash_one(key)
    }

    /// The partition of a key, which may be borrowed parts.
    pub fn get<P>(&self, key: &P) -> Option<Arc<Partition<K>>>
    where
        P: Hash + Equivalent<FiledKey<K>> + ?Sized,
    {
        let number = self.number(key);
        let table = self.read(number);
        let found = table.partitions.find(number, |partition| key.equivalent(&partition.key))?;
        found.mark.use_it();
        Some(Arc::clone(found))
    }

    pub fn get_by_number(&self, number: u64) -> Option<Arc<Partition<K>>> {
        self.read(number).partitions.find(number, self.is(number)).cloned()
    }

    /// True where this very one is there, and has not given way or been replaced.
    pub fn contains(&self, number: u64, partition: &Arc<Partition<K>>) -> bool {
        self.read(number).partitions.find(number, |here| Arc::ptr_eq(here, partition)).is_some()
    }

    /// Adds a partition, in place of the one that has its number. `gone` is told who gives way to it. One that takes more
    /// than all may take together is not kept.
    pub fn insert(&self, number: u64, partition: Arc<Partition<K>>, gone: impl Fn(u64, &Partition<K>)) {
        let bytes = partition.bytes();
        if bytes > self.limit_bytes {
            self.remove(number);
            return;
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let before = {
            let mut table = self.write(number);
            let hash = |partition: &Arc<Partition<K>>| self.number(&partition.key);
            match table.partitions.entry(number, self.is(number), hash) {
                Entry::Occupied(mut entry) => Some(std::mem::replace(entry.get_mut(), partition)),
                Entry::Vacant(entry) => {
                    entry.insert(partition);
                    None
                }
            }
        };
        if let Some(before) = before {
            self.bytes.fetch_sub(before.bytes(), Ordering::Relaxed);
        }
        self.make_room(number, gone);
    }

    pub fn remove(&self, number: u64) -> Option<Arc<Partition<K>>> {
        let entry = |table: &mut Table<K>| {
            table.partitions.find_entry(number, self.is(number)).ok().map(|entry| entry.remove().0)
        };
        let removed = entry(&mut self.write(number))?;
        self.bytes.fetch_sub(removed.bytes(), Ordering::Relaxed);
        Some(removed)
    }

    /// Shows every partition, some of those that come or go meanwhile among them.
    pub fn for_each(&self, mut show: impl FnMut(u64, &Partition<K>)) {
        for shard in &self.shards {
            let all: Vec<_> = read(shard).partitions.iter().cloned().collect();
            all.iter().for_each(|partition| show(self.number(&partition.key), partition));
        }
    }

    /// In the shard of who is new there is somebody to give way, at the least who is new. `gone` is told under the lock of
    /// the shard, so that nobody stores the same one in between.
    fn make_room(&self, number: u64, gone: impl Fn(u64, &Partition<K>)) {
        let is_short = || self.bytes.load(Ordering::Relaxed) > self.limit_bytes;
        let from_its_own_on = self.shards.iter().cycle().skip(self.place(number)).take(self.shards.len());
        for shard in from_its_own_on.take_while(|_| is_short()) {
            let mut table = write(shard);
            while is_short()
                && let Some(partition) = table.give_way()
            {
                self.bytes.fetch_sub(partition.bytes(), Ordering::Relaxed);
                gone(self.number(&partition.key), &partition);
            }
        }
    }

    fn is(&self, number: u64) -> impl Fn(&Arc<Partition<K>>) -> bool {
        move |partition| self.number(&partition.key) == number
    }

    fn read(&self, number: u64) -> RwLockReadGuard<'_, Table<K>> {
        read(self.shard(number))
    }

    fn write(&self, number: u64) -> RwLockWriteGuard<'_, Table<K>> {
        write(self.shard(number))
    }

    /// There is a power of two of them.
    fn shard(&self, number: u64) -> &Shard<K> {
        &self.shards[self.place(number)]
    }

    /// By bits that the table has no use for.
    fn place(&self, number: u64) -> usize {
        (number >> 40) as usize & (self.shards.len() - 1)
    }

    #[cfg(test)]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| read(shard).partitions.len()).sum()
    }
}

impl<K: TokenKind> Table<K> {
    /// Takes one out that was not asked for since the hand came by last.
    fn give_way(&mut self) -> Option<Arc<Partition<K>>> {
        let mut looked_at = 0;
        while !self.partitions.is_empty() {
            self.hand = (self.hand + 1) % self.partitions.num_buckets();
            let Some(partition) = self.partitions.get_bucket(self.hand) else { continue };
            looked_at += 1;
            if partition.mark.was_used() && looked_at < LOOKED_AT {
                continue;
            }
            return self.partitions.get_bucket_entry(self.hand).ok().map(|entry| entry.remove().0);
        }
        None
    }
}

fn read<K: TokenKind>(shard: &Shard<K>) -> RwLockReadGuard<'_, Table<K>> {
    shard.0.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<K: TokenKind>(shard: &Shard<K>) -> RwLockWriteGuard<'_, Table<K>> {
    shard.0.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use jiff::{SignedDuration, Timestamp};

    use super::super::key::{Owner, PartitionKey, PartitionRef};
    use super::super::token::CachedToken;
    use super::*;
    use crate::secret::{AccessToken, App};

    const LIMIT: u64 = 100_000;

    struct Fixture {
        partitions: Partitions<App>,
        owner: Arc<Owner>,
        gone: Mutex<Vec<u64>>,
    }

    impl Fixture {
        fn new() -> Self {
            let partitions = Partitions::new(LIMIT);
            Self { partitions, owner: Owner::new("e", "c"), gone: Mutex::default() }
        }

        fn key(&self, tenant: usize) -> PartitionKey {
            PartitionRef::app(&self.owner, tenant.to_string()).to_key()
        }

        fn insert(&self, tenant: usize, bytes: usize) {
            let (key, now) = (self.key(tenant), Timestamp::UNIX_EPOCH);
            let token = AccessToken::new("x".repeat(bytes));
            let token =
                CachedToken::new(token, "a/.default".into(), now + SignedDuration::from_hours(1), now);
            let mut partition = Partition::new(&key);
            partition.add(Arc::new(token), now);
            let gone = |number, partition: &Partition<App>| {
                assert_eq!(number, self.partitions.number(&partition.key));
                self.gone.lock().unwrap().push(number);
            };
            self.partitions.insert(self.partitions.number(&key), Arc::new(partition), gone);
        }

        fn has(&self, tenant: usize) -> bool {
            self.partitions.get_by_number(self.partitions.number(&self.key(tenant))).is_some()
        }
    }

    #[test]
    fn what_is_asked_for_again_and_again_stays_and_whoever_gives_way_is_named() {
        let cache = Fixture::new();
        (0..10).for_each(|asked_for| cache.insert(asked_for, 1_000));

        for other in 10..10_000 {
            cache.insert(other, 1_000);
            (0..10).for_each(|asked_for| drop(cache.partitions.get(&cache.key(asked_for))));
            assert!(cache.partitions.bytes() <= LIMIT);
        }

        let stayed = (0..10).filter(|asked_for| cache.has(*asked_for)).count();
        assert_eq!(stayed, 10);
        let gone = cache.gone.lock().unwrap().len();
        assert_eq!(cache.partitions.len() + gone, 10_000);
        assert!(cache.partitions.len() > 30, "there is room for more than that");
    }

    #[test]
    fn where_everybody_is_asked_for_somebody_gives_way_all_the_same() {
        let cache = Fixture::new();

        for tenant in 0..1_000 {
            cache.insert(tenant, 1_000);
            (0..=tenant).for_each(|tenant| drop(cache.partitions.get(&cache.key(tenant))));
        }

        assert!(cache.partitions.bytes() <= LIMIT && cache.partitions.len() > 30);
    }

    #[test]
    fn what_is_larger_than_the_whole_is_not_kept_and_nobody_gives_way_to_it() {
        let cache = Fixture::new();
        cache.insert(1, 1_000);
        cache.insert(2, 1_000);

        cache.insert(2, LIMIT as usize);
        cache.insert(3, LIMIT as usize);

        assert_eq!([1, 2, 3].map(|tenant| cache.has(tenant)), [true, false, false]);
        assert!(cache.gone.lock().unwrap().is_empty());
    }

    #[test]
    fn a_successor_takes_the_place_and_the_bytes_are_those_of_what_is_there() {
        let cache = Fixture::new();

        for bytes in [1_000, 5_000, 10] {
            cache.insert(1, bytes);
        }
        let held = cache.partitions.get(&cache.key(1)).unwrap();
        assert_eq!((cache.partitions.len(), cache.partitions.bytes()), (1, held.bytes()));
        let number = cache.partitions.number(&cache.key(1));
        assert!(cache.partitions.contains(number, &held));

        assert!(cache.partitions.remove(number).is_some());
        assert!(!cache.partitions.contains(number, &held));
        assert_eq!((cache.partitions.len(), cache.partitions.bytes()), (0, 0));
        assert!(!cache.has(1));
    }

    #[test]
    fn threads_that_store_and_remove_at_once_leave_no_byte_behind() {
        let cache = Fixture::new();

        std::thread::scope(|scope| {
            for thread in 0..4 {
                let cache = &cache;
                scope.spawn(move || {
                    for n in 0..2_000 {
                        cache.insert((n * 7 + thread) % 50, 100 + n % 900);
                        cache.partitions.remove(cache.partitions.number(&cache.key(n % 50)));
                    }
                });
            }
        });

        let mut bytes = 0;
        cache.partitions.for_each(|_, partition| bytes += partition.bytes());
        assert_eq!(cache.partitions.bytes(), bytes);
    }
}
