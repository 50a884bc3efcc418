//! What must be so wherever tokens are kept.

use futures_util::future::join_all;
use jiff::SignedDuration;

use super::{Entry, Place, Whose, account};

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

pub async fn what_was_written_is_read_with_any_of_its_scopes_and_no_others(place: &impl Place) {
    let alice = account("alice");
    place.write(Entry::new(&alice, "token", "User.Read Mail.Read")).await;

    assert_eq!(place.read(&alice, "User.Read Mail.Read").await.as_deref(), Some("token"));
    assert_eq!(place.read(&alice, "mail.read openid").await.as_deref(), Some("token"));
    assert_eq!(place.read(&alice, "User.Read Files.Read").await, None);
}

pub async fn a_token_ends_five_minutes_early(place: &impl Place) {
    let alice = account("alice");
    place.write(Entry::new(&alice, "short", "A").lifetime(minutes(10))).await;
    place.write(Entry::new(&alice, "long", "B").lifetime(minutes(60))).await;

    place.clock().advance(minutes(4));
    assert_eq!(place.read(&alice, "A").await.as_deref(), Some("short"));
    place.clock().advance(minutes(1));
    assert_eq!(place.read(&alice, "A").await, None);
    assert_eq!(place.read(&alice, "B").await.as_deref(), Some("long"));
    place.clock().advance(minutes(50));
    assert_eq!(place.read(&alice, "B").await, None);
}

pub async fn a_newer_token_replaces_those_whose_scopes_it_overlaps(place: &impl Place) {
    let alice = account("alice");
    place.write(Entry::new(&alice, "first", "A B")).await;
    place.write(Entry::new(&alice, "other", "C")).await;
    place.clock().advance(minutes(1));

    place.write(Entry::new(&alice, "second", "B D")).await;

    assert_eq!(place.read(&alice, "B").await.as_deref(), Some("second"));
    assert_eq!(place.read(&alice, "A").await, None, "it went with the one that it came with");
    assert_eq!(place.read(&alice, "C").await.as_deref(), Some("other"));
}

/// Checklist 37.
pub async fn a_token_of_the_future_is_not_believed(place: &impl Place) {
    let alice = account("alice");
    place.write(Entry::new(&alice, "token", "A")).await;

    place.clock().advance(minutes(-60));

    assert_eq!(place.read(&alice, "A").await, None);
}

/// Checklist 94.
pub async fn partitions_do_not_mix(place: &impl Place) {
    let all = [
        Whose::account("login", "tenant", "client", "alice"),
        Whose::account("login", "tenant", "client", "bob"),
        Whose::account("login", "tenant", "other", "alice"),
        Whose::account("login", "other", "client", "alice"),
        Whose::account("other", "tenant", "client", "alice"),
        Whose::long_running("login", "tenant", "client", "alice"),
        Whose::app("login", "tenant", "client"),
    ];
    for (number, partition) in all.iter().enumerate() {
        assert_eq!(place.read(partition, "A").await, None, "{number} is still empty");
        let refresh_token = format!("refresh {number}");
        place
            .write(Entry::new(partition, &format!("token {number}"), "A").refresh_token(&refresh_token))
            .await;
    }

    for (number, partition) in all.iter().enumerate() {
        assert_eq!(place.read(partition, "A").await, Some(format!("token {number}")));
        assert_eq!(place.refresh_token(partition).await, Some(format!("refresh {number}")));
    }
}

pub async fn a_removed_partition_is_gone_and_can_begin_anew(place: &impl Place) {
    let (alice, bob) = (account("alice"), account("bob"));
    for partition in [&alice, &bob] {
        place.write(Entry::new(partition, "before", "A").refresh_token("before")).await;
    }

    place.remove(&alice).await;

    assert_eq!(place.read(&alice, "A").await, None);
    assert_eq!(place.refresh_token(&alice).await, None);
    assert_eq!(place.read(&bob, "A").await.as_deref(), Some("before"));
    place.clock().advance(minutes(1));
    place.write(Entry::new(&alice, "after", "A").refresh_token("after")).await;
    assert_eq!(place.read(&alice, "A").await.as_deref(), Some("after"));
    assert_eq!(place.refresh_token(&alice).await.as_deref(), Some("after"));
}

/// Checklist 107.
pub async fn signing_out_removes_what_is_the_users_and_nothing_else(place: &impl Place) {
    let (own, on_behalf) = (account("alice"), Whose::long_running("login", "tenant", "client", "job"));
    let bobs = account("bob");
    place.write(Entry::new(&own, "own", "A").refresh_token("own")).await;
    place.write(Entry::new(&on_behalf, "on behalf", "A")).await;
    place.write(Entry::new(&bobs, "bob's", "A").of("bob.contoso").refresh_token("bob's")).await;

    place.remove_user("alice.contoso").await;

    for gone in [&own, &on_behalf] {
        assert_eq!(place.read(gone, "A").await, None);
        assert_eq!(place.refresh_token(gone).await, None);
    }
    assert_eq!(place.read(&bobs, "A").await.as_deref(), Some("bob's"));
    assert_eq!(place.refresh_token(&bobs).await.as_deref(), Some("bob's"));
}

/// Checklist 99.
pub async fn a_rotated_refresh_token_replaces_the_old_one_and_none_keeps_it(place: &impl Place) {
    let alice = account("alice");
    place.write(Entry::new(&alice, "1", "A").refresh_token("first")).await;
    // In the same second: what came later is later all the same.
    place.write(Entry::new(&alice, "2", "A").refresh_token("second")).await;
    assert_eq!(place.refresh_token(&alice).await.as_deref(), Some("second"));
    place.clock().advance(minutes(1));

    place.write(Entry::new(&alice, "3", "A")).await;

    assert_eq!(place.refresh_token(&alice).await.as_deref(), Some("second"));
    place.clock().advance(minutes(1));
    place.write(Entry::new(&alice, "4", "A").refresh_token("third")).await;
    assert_eq!(place.refresh_token(&alice).await.as_deref(), Some("third"));
}

/// Checklist 99.
pub async fn a_refused_refresh_token_goes_and_its_successor_stays(place: &impl Place) {
    let alice = account("alice");
    place.write(Entry::new(&alice, "1", "A").refresh_token("first")).await;

    place.remove_refresh_token(&alice, "an earlier one").await;
    assert_eq!(place.refresh_token(&alice).await.as_deref(), Some("first"));
    place.remove_refresh_token(&alice, "first").await;

    assert_eq!(place.refresh_token(&alice).await, None);
    assert_eq!(place.read(&alice, "A").await.as_deref(), Some("1"), "the access token is still good");
}

pub async fn writers_at_once_lose_nothing(place: &impl Place) {
    const USERS: usize = 5;
    const SCOPES: usize = 8;
    let entries = (0..USERS * SCOPES).map(|number| {
        let (user, scope) = (number % USERS, number / USERS);
        let partition = account(&format!("user {user}"));
        Entry::new(&partition, &format!("token {number}"), &format!("scope{scope}"))
            .of(&format!("user {user}"))
    });
    let entries: Vec<_> = entries.collect();

    join_all(entries.iter().map(|entry| place.write(entry.clone()))).await;

    for entry in &entries {
        assert_eq!(place.read(&entry.partition, &entry.scopes).await.as_ref(), Some(&entry.text));
    }
}

/// Checklist 107.
pub async fn what_was_under_way_when_it_was_removed_does_not_come_back(place: &impl Place) {
    let (alice, bob) = (account("alice"), account("bob"));
    for (partition, user) in [(&alice, "alice.contoso"), (&bob, "bob.contoso")] {
        place.write(Entry::new(partition, "before", "A").of(user).refresh_token("before")).await;
    }
    place.clock().advance(minutes(1));

    let late = Entry::new(&alice, "late", "A").refresh_token("late");
    place.write_late(late, place.remove_user("alice.contoso")).await;
    let late = Entry::new(&bob, "late", "A").of("bob.contoso").refresh_token("late");
    place.write_late(late, place.remove(&bob)).await;

    for partition in [&alice, &bob] {
        assert_eq!(place.read(partition, "A").await, None);
        assert_eq!(place.refresh_token(partition).await, None);
    }
}
