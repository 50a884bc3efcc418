//! What must be so wherever tokens are kept outside the process, where others can reach them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Entry, KEY, OLD_KEY, Outside, View, account, keys, until};
use crate::cache::key::Id;
use crate::cache::shared::{Backend, Lease, Listener, Write, Written};

pub async fn what_one_process_wrote_the_other_reads(place: &impl Outside) {
    let (one, other, alice) = (place.view(&keys(KEY)), place.view(&keys(KEY)), account("alice"));

    one.write_late(place.clock(), Entry::new(&alice, "token", "A").refresh_token("refresh"), async {}).await;

    assert_eq!(other.read(place.clock(), &alice, "A").await.as_deref(), Some("token"));
    assert_eq!(other.refresh_token(&alice).await.as_deref(), Some("refresh"));
    other.remove(&alice).await;
    assert_eq!(one.read(place.clock(), &alice, "A").await, None);
}

pub async fn whoever_reads_it_learns_nothing(place: &impl Outside) {
    let alice = account("alice@contoso.test");
    let entry = Entry::new(&alice, "eyJ0eXAi.s3cret", "User.Read").refresh_token("0.s3cret");
    place.write(entry.of("alice-object-id.contoso-tenant-id")).await;

    let all = place.everything().await.concat();

    assert!(all.len() > 100, "something lies there");
    for telling in ["eyJ", "s3cret", "alice", "contoso", "User.Read", "account", "login", "client"] {
        assert!(!all.windows(telling.len()).any(|window| window == telling.as_bytes()), "{telling}");
    }
}

/// Checklist 98.
pub async fn values_that_were_swapped_cut_or_forged_count_as_absent_and_are_replaced(place: &impl Outside) {
    let (alice, bob) = (account("alice"), account("bob"));
    place.write(Entry::new(&alice, "alice's", "A").refresh_token("alice's")).await;
    place.write(Entry::new(&bob, "bob's", "A").of("bob").refresh_token("bob's")).await;
    let view = place.view(&keys(KEY));
    let of = async |id: Id| view.backend.read(id).await.unwrap().fields;
    let (own, foreign) = (of(alice.id()).await, of(bob.id()).await);
    assert_eq!(own.len(), 2);

    // Somebody who can write there, but has not got the key.
    type Forgery = fn(&[u8], &[u8]) -> Vec<u8>;
    let forgeries: [Forgery; 6] = [
        |_, foreign| foreign.to_vec(),
        |own, _| own[..own.len() - 1].to_vec(),
        |own, _| own[..15].to_vec(),
        |own, _| [own, b"x"].concat(),
        |own, _| [b"999999999999999", &own[15..]].concat(),
        |own, _| [&own[..15], b"{\"token\":\"eyJ\",\"scopes\":\"A\"}".as_slice()].concat(),
    ];
    for (number, forgery) in forgeries.into_iter().enumerate() {
        let view = place.view(&keys(KEY));
        let value = |fields: &[(String, Vec<u8>)], field: &str| {
            fields.iter().find(|(name, _)| name == field).unwrap().1.clone()
        };
        let puts: Vec<_> =
            own.iter().map(|(name, own)| (name.clone(), forgery(own, &value(&foreign, name)))).collect();
        put(&view, alice.id(), puts).await;

        assert_eq!(view.read(place.clock(), &alice, "A").await, None, "forgery {number}");
        assert_eq!(view.refresh_token(&alice).await, None, "forgery {number}");
        assert!(view.unreadable() >= 2, "it is counted");
        assert_eq!(view.read(place.clock(), &bob, "A").await.as_deref(), Some("bob's"), "others go on");
        let again = Entry::new(&alice, "again", "A").refresh_token("again");
        view.write_late(place.clock(), again, async {}).await;
        assert_eq!(view.read(place.clock(), &alice, "A").await.as_deref(), Some("again"), "forgery {number}");
    }
    // The right value under another name of the same partition.
    put(
        &view,
        alice.id(),
        vec![("r".to_owned(), own.iter().find(|(name, _)| name != "r").unwrap().1.clone())],
    )
    .await;
    assert_eq!(view.refresh_token(&alice).await, None);
}

/// Replaces fields, whatever is there.
async fn put(view: &View, partition: Id, puts: Vec<(String, Vec<u8>)>) {
    let there = view.backend.read(partition).await.unwrap().fields;
    let drops = there.into_iter().map(|(name, value)| (name, value[..15].to_vec())).collect();
    let write = Write { drops, puts, ..write(partition, None, "") };
    assert!(matches!(view.backend.write(write).await.unwrap(), Written::Kept(_)));
}

pub async fn keys_are_rotated_without_losing_the_cache(place: &impl Outside) {
    let (alice, bob) = (account("alice"), account("bob"));
    let view = |text: &str| place.view(&keys(text));
    view(OLD_KEY).write_late(place.clock(), Entry::new(&alice, "old", "A"), async {}).await;

    let both = view(&format!("{KEY},{OLD_KEY}"));
    assert_eq!(both.read(place.clock(), &alice, "A").await.as_deref(), Some("old"));
    both.write_late(place.clock(), Entry::new(&bob, "new", "A").of("bob"), async {}).await;

    assert_eq!(view(KEY).read(place.clock(), &bob, "A").await.as_deref(), Some("new"), "the new one seals");
    assert_eq!(both.unreadable(), 0);
}

/// Checklist 100.
pub async fn a_foreign_key_opens_nothing_and_is_counted(place: &impl Outside) {
    let alice = account("alice");
    place.write(Entry::new(&alice, "token", "A").refresh_token("refresh")).await;

    let foreign = place.view(&keys(OLD_KEY));
    assert_eq!(foreign.read(place.clock(), &alice, "A").await, None);
    assert_eq!(foreign.refresh_token(&alice).await, None);

    assert!(foreign.unreadable() > 0);
    foreign.write_late(place.clock(), Entry::new(&alice, "own", "A"), async {}).await;
    assert_eq!(foreign.read(place.clock(), &alice, "A").await.as_deref(), Some("own"));
}

fn write(partition: Id, knew_removal: Option<u64>, value: &str) -> Write {
    Write {
        partition,
        knew_removal,
        puts: vec![("f".to_owned(), value.as_bytes().to_vec())],
        drops: Vec::new(),
        ttl: Duration::from_secs(60),
        user: Some((Id::of(&["user"]), Timestamp::MAX)),
        now: Timestamp::UNIX_EPOCH,
        announce: true,
        release: None,
    }
}

async fn value(backend: &Arc<dyn Backend>, partition: Id) -> Option<String> {
    let fields = backend.read(partition).await.unwrap().fields;
    fields.into_iter().next().map(|(_, value)| String::from_utf8(value).unwrap())
}

pub async fn an_older_value_never_replaces_a_newer_one_however_late_it_comes(place: &impl Outside) {
    let (backend, partition) = (place.view(&keys(KEY)).backend, Id::of(&["p"]));
    let (older, newer) = ("000000000000001 older", "000000000000002 newer");

    assert_eq!(backend.write(write(partition, Some(0), newer)).await.unwrap(), Written::Kept(0));
    assert_eq!(backend.write(write(partition, Some(0), older)).await.unwrap(), Written::Kept(0));

    assert_eq!(value(&backend, partition).await.as_deref(), Some(newer));
}

pub async fn only_what_was_seen_is_dropped(place: &impl Outside) {
    let (backend, partition) = (place.view(&keys(KEY)).backend, Id::of(&["p"]));
    backend.write(write(partition, None, "000000000000005 present")).await.unwrap();
    let drop = |first: &[u8]| {
        let drops = vec![("f".to_owned(), first.to_vec())];
        backend.write(Write { puts: Vec::new(), drops, ..write(partition, None, "") })
    };

    drop(b"000000000000004").await.unwrap();
    assert!(value(&backend, partition).await.is_some(), "it was replaced since");
    drop(b"000000000000005").await.unwrap();
    assert!(value(&backend, partition).await.is_none());
}

pub async fn a_removal_is_remembered_and_a_new_beginning_is_possible(place: &impl Outside) {
    let (backend, partition) = (place.view(&keys(KEY)).backend, Id::of(&["p"]));
    backend.write(write(partition, None, "000000000000001 first")).await.unwrap();
    let known = backend.read(partition).await.unwrap().removed_at;

    backend.remove_user(Id::of(&["user"])).await.unwrap();
    let late = backend.write(write(partition, Some(known), "000000000000002 late")).await.unwrap();

    assert_eq!(late, Written::RemovedMeanwhile);
    assert_eq!(value(&backend, partition).await, None);
    let removed_at = backend.read(partition).await.unwrap().removed_at;
    assert!(removed_at > 0, "the removal is remembered");
    let again = backend.write(write(partition, None, "000000000000003 signed in again")).await.unwrap();
    assert_eq!(again, Written::Kept(removed_at));
    assert!(value(&backend, partition).await.is_some());
}

fn lease(holder: &str) -> Lease {
    Lease { partition: Id::of(&["p"]), of: Id::of(&["l"]), holder: holder.to_owned() }
}

pub async fn a_lease_has_one_holder_and_is_given_back_by_that_one_only(place: &impl Outside) {
    let (backend, partition) = (place.view(&keys(KEY)).backend, Id::of(&["p"]));

    assert!(backend.lease_and_read(partition, lease("a")).await.unwrap().0);
    assert!(!backend.lease_and_read(partition, lease("b")).await.unwrap().0);
    backend.release(lease("b")).await.unwrap();
    assert!(!backend.lease_and_read(partition, lease("b")).await.unwrap().0);
    backend.release(lease("a")).await.unwrap();
    assert!(backend.lease_and_read(partition, lease("b")).await.unwrap().0);
    let write = Write { release: Some(lease("b")), ..write(partition, None, "000000000000001 done") };
    backend.write(write).await.unwrap();
    assert!(backend.lease_and_read(partition, lease("a")).await.unwrap().0, "a write gives it back");
}

pub async fn the_lease_of_a_holder_that_died_ends(place: &impl Outside) {
    let (backend, partition) = (place.view(&keys(KEY)).backend, Id::of(&["p"]));
    assert!(backend.lease_and_read(partition, lease("dead")).await.unwrap().0);

    place.passes(SignedDuration::from_millis(2_100)).await;

    until("the lease is free", || async {
        backend.lease_and_read(partition, lease("alive")).await.unwrap().0
    })
    .await;
}

pub async fn a_field_goes_only_while_it_holds_what_was_refused(place: &impl Outside) {
    let (backend, partition) = (place.view(&keys(KEY)).backend, Id::of(&["p"]));
    backend.write(write(partition, None, "000000000000001 second")).await.unwrap();

    backend.remove_field(partition, "f", Box::new(|value| value.ends_with(b"first"))).await.unwrap();
    assert!(value(&backend, partition).await.is_some());
    backend.remove_field(partition, "f", Box::new(|value| value.ends_with(b"second"))).await.unwrap();
    assert!(value(&backend, partition).await.is_none());
}

pub async fn values_end_by_themselves(place: &impl Outside) {
    let (backend, partition) = (place.view(&keys(KEY)).backend, Id::of(&["p"]));
    let write = Write { ttl: Duration::from_secs(1), ..write(partition, None, "000000000000001 short") };
    backend.write(write).await.unwrap();
    assert!(value(&backend, partition).await.is_some());

    place.passes(SignedDuration::from_millis(1_100)).await;

    until("it is gone", || async { value(&backend, partition).await.is_none() }).await;
}

/// Counts what it hears.
#[derive(Default)]
struct Ear(AtomicU64);

impl Listener for Ear {
    fn removed(&self, _: Id) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn changed(&self, _: Id) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn anything_may_have_changed(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

pub async fn another_process_is_heard_of(place: &impl Outside) {
    let (one, other) = (place.view(&keys(KEY)).backend, place.view(&keys(KEY)).backend);
    let (ear, partition) = (Arc::new(Ear::default()), Id::of(&["p"]));
    let heard = || ear.0.load(Ordering::SeqCst);
    let weak: std::sync::Weak<dyn Listener> = Arc::downgrade(&(ear.clone() as Arc<dyn Listener>));
    one.tell(weak);
    one.write(write(partition, None, "000000000000001 own")).await.unwrap();
    // Whatever is said at the beginning has been said.
    tokio::time::sleep(Duration::from_millis(700)).await;
    let before = heard();
    one.write(write(partition, None, "000000000000002 own")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(heard(), before, "its own writes are no news");

    other.write(write(partition, None, "000000000000003 foreign")).await.unwrap();
    until("the write is heard of", || async { heard() > before }).await;
    let before = heard();
    other.remove(vec![partition]).await.unwrap();
    until("the removal is heard of", || async { heard() > before }).await;
}
