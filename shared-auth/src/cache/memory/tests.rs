//! What a cache in memory must and must not hand out.

use jiff::SignedDuration;

use super::super::key::{Owner, PartitionRef};
use super::*;
use crate::clock::{Clock, ManualClock};
use crate::secret::{AccessToken, User};

fn cache() -> (MemoryCache<User>, ManualClock, PartitionKey) {
    let clock = ManualClock::at(Timestamp::from_second(1_800_000_000).unwrap());
    (MemoryCache::new(Arc::new(clock.clone()), MEMORY_LIMIT_BYTES, false), clock, account("u"))
}

fn account(user: &str) -> PartitionKey {
    PartitionRef::account(&Owner::new("e", "c"), "t", user).to_key()
}

fn token(cache: &MemoryCache<User>, text: &str, scopes: &str, lifetime: SignedDuration) -> CachedToken<User> {
    let now = cache.shared.clock.now();
    CachedToken::new(AccessToken::new(text), scopes.into(), now + lifetime, now)
}

fn found(cache: &MemoryCache<User>, key: &PartitionKey, scopes: &str) -> Option<String> {
    cache
        .token(key, scopes, cache.shared.clock.now())
        .map(|token| token.access_token.expose_secret().to_owned())
}

#[test]
fn a_token_serves_any_part_of_its_scopes_in_any_case() {
    let (cache, _, key) = cache();

    cache.store(
        &key,
        token(&cache, "both", "User.Read Mail.Read", SignedDuration::from_hours(1)),
        None,
        None,
    );

    assert_eq!(found(&cache, &key, "mail.read openid").as_deref(), Some("both"));
    assert_eq!(found(&cache, &key, "Files.Read"), None);
}

#[test]
fn a_token_counts_as_expired_five_minutes_early() {
    let (cache, clock, key) = cache();
    cache.store(&key, token(&cache, "t", "User.Read", SignedDuration::from_hours(1)), None, None);

    clock.advance(SignedDuration::from_mins(54));
    assert!(found(&cache, &key, "User.Read").is_some());

    clock.advance(SignedDuration::from_mins(1));
    assert!(found(&cache, &key, "User.Read").is_none());
}

#[test]
fn a_token_serves_at_once_though_the_time_of_a_hit_is_a_tick_behind() {
    let (cache, clock, key) = cache();
    cache.store(&key, token(&cache, "t", "User.Read", SignedDuration::from_hours(1)), None, None);

    let behind = |milliseconds| clock.now() - SignedDuration::from_millis(milliseconds);
    assert!(cache.token(&key, "User.Read", behind(10)).is_some());
    assert!(cache.token(&key, "User.Read", behind(1_000)).is_none(), "the clock was moved back");
}

/// Checklist 96.
#[test]
fn a_token_ends_with_its_assertion() {
    let (cache, clock, key) = cache();
    let end = clock.now() + SignedDuration::from_mins(4);
    cache.store(&key, token(&cache, "t", "A", SignedDuration::from_hours(1)).ending_with(end), None, None);

    assert!(found(&cache, &key, "A").is_some());
    clock.advance(SignedDuration::from_mins(4));
    assert!(found(&cache, &key, "A").is_none());
}

/// Checklist 37.
#[test]
fn absurd_lifetimes_and_entries_from_the_future_are_ignored() {
    let (cache, clock, key) = cache();
    cache.store(&key, token(&cache, "forever", "A", SignedDuration::from_hours(24 * 365)), None, None);
    cache.store(&key, token(&cache, "future", "B", SignedDuration::from_hours(1)), None, None);

    clock.advance(SignedDuration::from_mins(-10));

    assert_eq!((found(&cache, &key, "A"), found(&cache, &key, "B")), (None, None));
}

#[test]
fn a_new_token_replaces_those_it_overlaps_and_leaves_the_rest() {
    let (cache, _, key) = cache();
    for (text, scopes) in [("old", "A B"), ("other", "C"), ("new", "B")] {
        cache.store(&key, token(&cache, text, scopes, SignedDuration::from_hours(1)), None, None);
    }

    assert_eq!(found(&cache, &key, "A"), None);
    assert_eq!(found(&cache, &key, "B").as_deref(), Some("new"));
    assert_eq!(found(&cache, &key, "C").as_deref(), Some("other"));
}

#[test]
fn an_answer_without_a_refresh_token_keeps_the_old_one() {
    let (cache, _, key) = cache();
    let hour = SignedDuration::from_hours(1);
    cache.store(&key, token(&cache, "a", "A", hour), Some(RefreshToken::new("first")), None);

    cache.store(&key, token(&cache, "b", "B", hour), None, None);

    assert_eq!(cache.refresh_token(&key).map(|token| token.expose().to_owned()).as_deref(), Some("first"));
}

#[test]
fn a_refused_refresh_token_is_forgotten_but_not_its_successor() {
    let (cache, _, key) = cache();
    let hour = SignedDuration::from_hours(1);
    cache.store(&key, token(&cache, "a", "A", hour), Some(RefreshToken::new("second")), None);

    cache.remove_refresh_token(&key, &RefreshToken::new("first"));
    assert!(cache.refresh_token(&key).is_some());

    cache.remove_refresh_token(&key, &RefreshToken::new("second"));
    assert!(cache.refresh_token(&key).is_none());
    assert!(found(&cache, &key, "A").is_some());
}

#[test]
fn signing_out_removes_every_partition_of_the_user_and_nobody_elses() {
    let (cache, _, of_alice) = cache();
    let (also_of_alice, of_bob) = (account("1"), account("2"));
    let hour = SignedDuration::from_hours(1);
    for (key, user) in [(&of_alice, "alice"), (&also_of_alice, "alice"), (&of_bob, "bob")] {
        cache.store(key, token(&cache, user, "A", hour), Some(RefreshToken::new(user)), Some(user));
    }

    cache.remove_user("alice");

    assert_eq!((found(&cache, &of_alice, "A"), found(&cache, &also_of_alice, "A")), (None, None));
    assert!(cache.refresh_token(&also_of_alice).is_none());
    assert_eq!(found(&cache, &of_bob, "A").as_deref(), Some("bob"));
    cache.remove(&of_bob);
    assert_eq!(cache.shared.indexes.users.users(), 0);
}

#[test]
fn what_was_asked_for_before_a_removal_is_not_stored_after_it() {
    let (cache, _, key) = cache();
    let (hour, other) = (SignedDuration::from_hours(1), account("2"));
    let refresh_token = || Some(RefreshToken::new("r"));
    let store = |removals, key, user| {
        cache.store_as_of(removals, key, token(&cache, "late", "A", hour), refresh_token(), Some(user))
    };

    // Of a user: the partition is not there yet, and neither is it known whose it will be.
    let asked = cache.removals();
    cache.remove_user("alice");
    assert!(store(asked, &key, "alice").withheld);
    assert_eq!((found(&cache, &key, "A"), cache.refresh_token(&key).is_some()), (None, false));
    assert!(!store(asked, &other, "bob").withheld, "somebody else signed out");
    assert!(found(&cache, &other, "A").is_some());

    // Of a partition: the process was stopped, the user goes on.
    let asked = cache.removals();
    cache.remove(&other);
    assert!(store(asked, &other, "bob").withheld);
    assert!(found(&cache, &other, "A").is_none());

    // A new beginning counts.
    cache.store(&key, token(&cache, "new", "A", hour), refresh_token(), Some("alice"));
    assert_eq!(found(&cache, &key, "A").as_deref(), Some("new"));
    assert_eq!(cache.shared.indexes.users.users(), 1);
}

#[test]
fn signing_out_wins_against_everybody_who_stores_in_the_same_moment() {
    let (cache, _, key) = cache();
    let hour = SignedDuration::from_hours(1);
    for _ in 0..500 {
        let (asked, start) = (cache.removals(), std::sync::Barrier::new(2));
        std::thread::scope(|threads| {
            threads.spawn(|| {
                start.wait();
                for _ in 0..10 {
                    let token = token(&cache, "late", "A", hour);
                    cache.store_as_of(asked, &key, token, Some(RefreshToken::new("r")), Some("alice"));
                }
            });
            start.wait();
            cache.remove_user("alice");
        });
        assert!(found(&cache, &key, "A").is_none() && cache.refresh_token(&key).is_none());
        assert_eq!(cache.shared.indexes.users.users(), 0);
    }
}

/// Checklist 104.
#[test]
fn memory_is_bounded_however_many_assertions_come() {
    let (cache, ..) = cache();
    let large = "x".repeat(16 * 1024);

    for number in 0..10_000 {
        let key = account(&number.to_string());
        let user = number.to_string();
        cache.store(&key, token(&cache, &large, "A", SignedDuration::from_hours(1)), None, Some(&user));
    }

    assert!(cache.shared.partitions.bytes() <= MEMORY_LIMIT_BYTES);
    assert!(cache.shared.partitions.len() > 1_000);
    assert_eq!(
        cache.shared.indexes.users.users(),
        cache.shared.partitions.len(),
        "the index keeps nobody who is gone"
    );
}
