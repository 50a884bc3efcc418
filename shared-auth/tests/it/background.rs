//! Journey 6, work that goes on for a user when the request and its token are gone: in one process, and in replicas.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use entra_lab::EntraLab;
use jiff::SignedDuration;
use serde_json::Value;
use shared_auth::background::{BackgroundWork, Progress, Task, TaskId};
use shared_auth::{ApiConfig, Caller, ConfidentialClient, DownstreamApi, Error, UserClaims};

use crate::support::{API, WEB_APP, access_as_user, client, client_with_clock, sign_in};

pub type Greetings = BackgroundWork<String, String>;

/// The user, as the API knows them after the check of their token.
pub async fn caller(lab: &EntraLab, user: &str) -> UserClaims {
    let token = sign_in(&client(lab, WEB_APP), user, &access_as_user()).await.result.access_token.clone();
    let validator = client(lab, API).access_token_validator(&ApiConfig::new(API));
    match validator.validate(token.expose_secret()).await.unwrap() {
        Caller::User(user) => (*user).clone(),
        other => panic!("{other:?}"),
    }
}

/// Greets the user by the name that Graph knows.
async fn greet(graph: DownstreamApi, task: Task<String>) -> Result<String, Error> {
    let token = task.acquire_token("User.Read").await?;
    let me: Value = graph.get("/me", &token.access_token).await?;
    Ok(format!("{}, {}!", task.input, me["displayName"].as_str().unwrap_or_default()))
}

pub fn worker(lab: &EntraLab, api: &ConfidentialClient, work: &Greetings) -> tokio::task::JoinHandle<()> {
    let graph = DownstreamApi::new("Graph", lab.graph_url().parse().unwrap(), api);
    tokio::spawn(work.clone().run(move |task| greet(graph.clone(), task)))
}

/// What comes of it, within a few of the worker's looks.
pub async fn outcome(work: &Greetings, user: &UserClaims, id: &TaskId) -> Progress<String> {
    for _ in 0..1_000 {
        match work.progress(user, id).await.unwrap().expect("the work is known") {
            Progress::Accepted | Progress::Running => tokio::time::sleep(Duration::from_millis(10)).await,
            ended => return ended,
        }
    }
    panic!("it did not end")
}

#[tokio::test]
async fn work_is_done_with_the_users_token_after_the_incoming_one_has_ended() {
    let lab = EntraLab::start().await.unwrap();
    let (api, clock) = client_with_clock(&lab, API);
    let alice = caller(&lab, "alice").await;
    let greetings = Greetings::new("greetings", &api);

    let id = greetings.accept(&alice, "User.Read", &"Hello".to_owned()).await.unwrap();
    assert_eq!(greetings.progress(&alice, &id).await.unwrap(), Some(Progress::Accepted));
    lab.advance(SignedDuration::from_hours(2));
    clock.advance(SignedDuration::from_hours(2));
    let worker = worker(&lab, &api, &greetings);

    assert_eq!(outcome(&greetings, &alice, &id).await, Progress::Done("Hello, Alice Kim!".to_owned()));
    clock.advance(SignedDuration::from_mins(59));
    assert!(greetings.progress(&alice, &id).await.unwrap().is_some());
    clock.advance(SignedDuration::from_mins(2));
    assert_eq!(greetings.progress(&alice, &id).await.unwrap(), None, "kept for an hour");
    worker.abort();
}

#[tokio::test]
async fn an_outcome_is_shown_to_its_owner_alone() {
    let lab = EntraLab::start().await.unwrap();
    let api = client(&lab, API);
    let (alice, bob) = (caller(&lab, "alice").await, caller(&lab, "bob").await);
    let greetings = Greetings::new("greetings", &api);
    let worker = worker(&lab, &api, &greetings);

    let id = greetings.accept(&alice, "User.Read", &"Hello".to_owned()).await.unwrap();
    outcome(&greetings, &alice, &id).await;

    assert_eq!(greetings.progress(&bob, &id).await.unwrap(), None);
    for forged in ["", "AAAAAAAAAAAAAAAAAAAAAA", "../..", &"x".repeat(100_000)] {
        let id: TaskId = serde_json::from_value(Value::from(forged)).unwrap();
        assert_eq!(greetings.progress(&alice, &id).await.unwrap(), None);
    }
    worker.abort();
}

#[tokio::test]
async fn what_the_user_must_do_is_said_at_once_and_not_to_nobody_later() {
    let lab = EntraLab::start().await.unwrap();
    let greetings = Greetings::new("greetings", &client(&lab, API));

    let error =
        greetings.accept(&caller(&lab, "carol").await, "Mail.Read", &String::new()).await.unwrap_err();

    assert!(error.refusal().is_some_and(|refusal| refusal.is_consent_required()), "{error}");
}

#[tokio::test]
async fn a_user_who_signed_out_meanwhile_is_needed_again() {
    let lab = EntraLab::start().await.unwrap();
    let api = client(&lab, API);
    let signed_in = sign_in(&client(&lab, WEB_APP), "alice", &access_as_user()).await;
    let validator = api.access_token_validator(&ApiConfig::new(API));
    let Caller::User(alice) =
        validator.validate(signed_in.result.access_token.expose_secret()).await.unwrap()
    else {
        panic!("a user")
    };
    let greetings = Greetings::new("greetings", &api);

    let id = greetings.accept(&alice, "User.Read", &"Hello".to_owned()).await.unwrap();
    api.remove_account(&signed_in.account);
    let worker = worker(&lab, &api, &greetings);

    assert_eq!(outcome(&greetings, &alice, &id).await, Progress::NeedsTheUser);
    worker.abort();
}

#[tokio::test]
async fn what_fails_in_passing_is_tried_again_and_what_breaks_its_worker_ends() {
    let lab = EntraLab::start().await.unwrap();
    let (api, clock) = client_with_clock(&lab, API);
    let alice = caller(&lab, "alice").await;
    let greetings = Greetings::new("greetings", &api);
    let begun = Arc::new(AtomicU32::default());
    let count = Arc::clone(&begun);
    let worker = tokio::spawn(greetings.clone().run(move |task: Task<String>| {
        let attempt = count.fetch_add(1, Ordering::SeqCst) + 1;
        async move {
            assert_ne!(task.input, "break", "a mistake of the handler");
            if attempt < 3 {
                return Err(shared_auth::TransportError {
                    tried: "greeting".into(),
                    endpoint: "nowhere".into(),
                    happened: "busy".into(),
                    retryable: true,
                    correlation_id: None,
                }
                .into());
            }
            Ok(format!("attempt {attempt}"))
        }
    }));
    let ended = |id: TaskId| {
        let (greetings, alice, clock) = (&greetings, &alice, &clock);
        async move {
            for _ in 0..1_000 {
                match greetings.progress(alice, &id).await.unwrap().unwrap() {
                    Progress::Accepted | Progress::Running => clock.advance(SignedDuration::from_secs(1)),
                    ended => return ended,
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            panic!("it did not end")
        }
    };

    let id = greetings.accept(&alice, "User.Read", &"try".to_owned()).await.unwrap();
    assert_eq!(ended(id).await, Progress::Done("attempt 3".to_owned()));

    begun.store(0, Ordering::SeqCst);
    let id = greetings.accept(&alice, "User.Read", &"break".to_owned()).await.unwrap();
    assert_eq!(ended(id).await, Progress::Failed);
    assert_eq!(begun.load(Ordering::SeqCst), 5, "five attempts, and no more");
    worker.abort();
}

#[cfg(feature = "redis")]
mod shared {
    use super::*;
    use crate::redis_server::{RedisServer, cache, replica, replica_with_clock};

    #[tokio::test]
    async fn what_one_replica_accepts_another_one_does() {
        let (lab, redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
        let alice = caller(&lab, "alice").await;
        let (one, other) = (replica(&lab, API, &redis), replica(&lab, API, &redis));
        let here = Greetings::new("greetings", &one).shared(cache(&redis));
        let there = Greetings::new("greetings", &other).shared(cache(&redis));
        let other_kind = Greetings::new("farewells", &other).shared(cache(&redis));

        let id = here.accept(&alice, "User.Read", &"Hello".to_owned()).await.unwrap();
        let everything = redis.everything().await;
        drop(one);
        let worker = worker(&lab, &other, &there);

        assert_eq!(outcome(&here, &alice, &id).await, Progress::Done("Hello, Alice Kim!".to_owned()));
        assert_eq!(other_kind.progress(&alice, &id).await.unwrap(), None);
        for bytes in everything.into_iter().chain(redis.everything().await) {
            let text = String::from_utf8_lossy(&bytes);
            for secret in ["Hello", "Alice", "alice", "eyJ", id.to_string().as_str(), &alice.object_id] {
                assert!(!text.contains(secret), "{secret} lies open in Redis");
            }
        }
        worker.abort();
    }

    #[tokio::test]
    async fn what_a_dead_worker_leaves_behind_the_next_one_begins_again() {
        let (lab, redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
        let alice = caller(&lab, "alice").await;
        let (one, other) = (replica(&lab, API, &redis), replica_with_clock(&lab, API, &redis));
        let here = Greetings::new("greetings", &one).shared(cache(&redis));
        let there = Greetings::new("greetings", &other.0).shared(cache(&redis));
        let begun = Arc::new(tokio::sync::Notify::new());
        let tell = Arc::clone(&begun);
        let dying = tokio::spawn(here.clone().run(move |_| {
            tell.notify_one();
            std::future::pending()
        }));
        let id = here.accept(&alice, "User.Read", &"Hello".to_owned()).await.unwrap();
        begun.notified().await;
        dying.abort();
        let worker = worker(&lab, &other.0, &there);
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        assert_eq!(there.progress(&alice, &id).await.unwrap(), Some(Progress::Running), "the lease lasts");

        other.1.advance(SignedDuration::from_mins(2)); // More than the lease: the two clocks began apart.

        assert_eq!(outcome(&there, &alice, &id).await, Progress::Done("Hello, Alice Kim!".to_owned()));
        worker.abort();
    }

    #[tokio::test]
    async fn without_redis_nothing_is_accepted_and_the_worker_goes_on_when_it_is_back() {
        let (lab, mut redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
        let alice = caller(&lab, "alice").await;
        let api = replica(&lab, API, &redis);
        let greetings = Greetings::new("greetings", &api).shared(cache(&redis));
        let worker = worker(&lab, &api, &greetings);
        redis.stop();

        let error = greetings.accept(&alice, "User.Read", &String::new()).await.unwrap_err();
        assert!(error.is_retryable() && error.to_string().contains("Redis does not answer"), "{error}");

        redis.start_again().await;
        let id = loop {
            match greetings.accept(&alice, "User.Read", &"Hello".to_owned()).await {
                Ok(id) => break id,
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        assert_eq!(outcome(&greetings, &alice, &id).await, Progress::Done("Hello, Alice Kim!".to_owned()));
        worker.abort();
    }
}
