//! What a hit may cost beside time: allocations, memory for each entry, waiting for others. Figures from an allocator
//! that counts; what it counts is of the whole process, so the tests of this file run one after the other.
#![allow(clippy::unwrap_used, reason = "tests say what they expect")]

use std::alloc::System;
use std::future::IntoFuture;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bench::{GRAPH, REFRESH_TOKEN_BYTES, TOKEN_BYTES, USER_SCOPES};
use futures_util::FutureExt;
use shared_auth::{Scopes, TokenSource};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;
static ALONE: Mutex<()> = Mutex::new(());

/// Allocations, and bytes of them, for one call of `hit`.
fn allocations(hit: impl Fn()) -> (usize, usize) {
    hit();
    let region = Region::new(ALLOCATOR);
    for _ in 0..1_000 {
        hit();
    }
    let change = region.change();
    (change.allocations.div_ceil(1_000), change.bytes_allocated.div_ceil(1_000))
}

/// What was taken since and not given back; a block that grew counts among both already.
fn held(region: &Region<'_, System>) -> usize {
    let change = region.change();
    change.bytes_allocated.saturating_sub(change.bytes_deallocated)
}

#[test]
fn a_hit_allocates_at_most_twice_and_copies_no_token() {
    let _alone = ALONE.lock();
    let (tenants, graph, scopes) = (bench::tenants(10), Scopes::from(GRAPH), Scopes::from(USER_SCOPES));
    let app = bench::with_app_tokens(&tenants);
    let (users, accounts) = bench::with_accounts(10);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sts = bench::start_sts(Duration::ZERO);
    let (api, assertions) = runtime.block_on(bench::with_assertions(&sts, 10));

    let hits: [(&str, usize, &dyn Fn()); 6] = [
        ("app", 0, &|| drop(app.acquire_token_for_client(&graph).into_future().now_or_never().unwrap().unwrap())),
        ("app, scopes as text", 0, &|| drop(app.acquire_token_for_client(GRAPH).into_future().now_or_never().unwrap().unwrap())),
        ("app, tenant and scopes as text", 0, &|| {
            drop(app.acquire_token_for_client(GRAPH).tenant(&tenants[7]).into_future().now_or_never().unwrap().unwrap());
        }),
        ("silent", 0, &|| drop(users.acquire_token_silent(&accounts[7], &scopes).into_future().now_or_never().unwrap().unwrap())),
        ("silent, scopes as text", 0, &|| {
            drop(users.acquire_token_silent(&accounts[7], USER_SCOPES).into_future().now_or_never().unwrap().unwrap());
        }),
        ("obo", 0, &|| {
            drop(api.acquire_token_on_behalf_of(&assertions[7], &scopes).into_future().now_or_never().unwrap().unwrap());
        }),
    ];
    for (name, most, hit) in hits {
        let (count, bytes) = allocations(hit);
        println!("{name}: {count} allocations, {bytes} bytes");
        assert!(count <= most && bytes < 200, "{name}: {count} allocations, {bytes} bytes");
    }
}

#[test]
fn an_entry_takes_little_beside_its_tokens() {
    let _alone = ALONE.lock();
    const ENTRIES: usize = 20_000;
    let bytes = |region: &Region<'_, System>| held(region) / ENTRIES;

    let tenants = bench::tenants(ENTRIES);
    let region = Region::new(ALLOCATOR);
    let app = bench::with_app_tokens(&tenants);
    let of_app = bytes(&region);
    drop(app);

    let region = Region::new(ALLOCATOR);
    let users = bench::client();
    for homes in bench::homes(ENTRIES).chunks(1_000) {
        users.import_msal_cache(bench::signed_in(homes)).unwrap();
    }
    let of_user = bytes(&region);
    drop(users);

    // An access token, a refresh token, and the account as the document had it.
    let texts = TOKEN_BYTES + REFRESH_TOKEN_BYTES + bench::account_entry(&bench::homes(1)[0]).to_string().len();
    let (of_app, of_user) = (of_app - TOKEN_BYTES, (of_user - texts) / 3);
    println!("an entry beside its text: {of_app} bytes, each of the three of a user {of_user}");
    assert!(of_app <= 400, "app: {of_app}");
    assert!(of_user <= 400, "user: {of_user}");
}

/// Checklist 104.
#[test]
fn the_cap_holds_under_a_million_insertions() {
    let _alone = ALONE.lock();
    const LIMIT: usize = 16 * 1024 * 1024;
    let client = bench::client_with("https://login.microsoftonline.com", LIMIT as u64);
    let tenants = bench::tenants(1_000_000);
    let region = Region::new(ALLOCATOR);
    let mut largest = 0;
    for batch in tenants.chunks(1_000) {
        client.import_msal_cache(bench::app_tokens(batch)).unwrap();
        largest = largest.max(held(&region));
    }
    println!("at most {largest} bytes of {LIMIT}");
    assert!(largest <= LIMIT * 11 / 10, "{largest} bytes were held");
    assert!(largest >= LIMIT / 2, "{largest} bytes: nothing was kept");
}

/// Checklist 103.
#[test]
fn a_hit_does_not_wait_for_another_keys_request_and_a_hundred_misses_make_one() {
    let _alone = ALONE.lock();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let host = bench::start_sts(Duration::from_millis(100));
    runtime.block_on(async {
        let (client, scopes) = (bench::client_of(&host), Scopes::from(GRAPH));
        let hundred = (0..100).map(|_| client.acquire_token_for_client(&scopes).into_future());
        let sources: Vec<_> =
            futures_util::future::join_all(hundred).await.into_iter().map(|token| token.unwrap().source).collect();
        let asked = sources.iter().filter(|source| **source == TokenSource::IdentityProvider).count();
        assert_eq!(asked, 1);
        assert_eq!(client.metrics().token_requests.count, 1);

        let slow = tokio::spawn(client.acquire_token_for_client("api://other/.default").into_future());
        tokio::task::yield_now().await;
        let started = Instant::now();
        let hit = client.acquire_token_for_client(&scopes).into_future().now_or_never();
        println!("a hit beside a request that hangs: {:?}", started.elapsed());
        assert_eq!(hit.unwrap().unwrap().source, TokenSource::Cache, "it was there at once");
        assert!(!slow.is_finished());
        slow.await.unwrap().unwrap();
    });
}
