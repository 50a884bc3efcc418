//! The authority's keys change, disappear and break; tokens must stay as good or as bad as they are.

use std::time::Duration;

use aws_lc_rs::hmac;
use entra_lab::{EntraLab, Fault, Target, What};
use futures_util::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared_auth::{ApiConfig, Caller, Error};
use wiremock::ResponseTemplate;

use crate::support::{API, WEB_APP, access_as_user, client, client_with_clock, sign_in};
use crate::tokens::{FOREIGN_KEY, KEY, TestAuthority, join, key_set, unsigned};

/// The name of the check that refuses the token.
async fn refused_by(authority: &TestAuthority, token: &str) -> &'static str {
    authority.rejection("this token", token).await.check.name()
}

fn accepted(outcome: &Result<Caller, Error>) -> bool {
    matches!(outcome, Ok(Caller::User(_)))
}

/// Checklist 20.
#[tokio::test]
async fn a_new_key_is_found_at_its_first_token_and_a_retired_one_is_gone() {
    let authority = TestAuthority::start().await;
    let (old, new) = (KEY.token(&authority.user_claims()), FOREIGN_KEY.token(&authority.user_claims()));
    assert!(accepted(&authority.validate(&old).await));

    // Both are published for a while.
    authority.publish(&[FOREIGN_KEY.jwk(), KEY.jwk()]);
    assert!(accepted(&authority.validate(&new).await));
    assert!(accepted(&authority.validate(&old).await));
    assert_eq!(authority.key_requests().await, 2);

    // Then the old one is withdrawn; the next reload, here that of an unknown key id, takes it out.
    authority.publish(&[FOREIGN_KEY.jwk()]);
    authority.advance_minutes(6);
    let unknown = KEY.token_with(r#"{"alg":"RS256","kid":"unknown"}"#, &authority.user_claims().to_string());
    assert_eq!(refused_by(&authority, &unknown).await, "key");
    assert_eq!(refused_by(&authority, &old).await, "key");
    assert!(accepted(&authority.validate(&new).await));
}

/// Checklist 19.
#[tokio::test]
async fn sixty_unknown_key_ids_ask_once() {
    let authority = TestAuthority::start().await;
    let good = KEY.token(&authority.user_claims());
    assert!(accepted(&authority.validate(&good).await));
    authority.answer_keys_with(key_set(&[KEY.jwk()]).set_delay(Duration::from_millis(200)));

    let flood: Vec<String> = (0..60)
        .map(|at| KEY.token_with(&json!({"alg": "RS256", "kid": format!("unknown-{at}")}).to_string(), "{}"))
        .collect();
    let (checks, good_ones) = futures_util::join!(
        join_all(flood.iter().map(|token| refused_by(&authority, token))),
        join_all((0..20).map(|_| authority.validate(&good))),
    );

    assert!(checks.iter().all(|check| *check == "key"));
    assert!(good_ones.iter().all(accepted));
    assert_eq!(authority.key_requests().await, 2, "one to begin with, one for the whole flood");

    authority.advance_minutes(4);
    assert_eq!(refused_by(&authority, &flood[0]).await, "key");
    assert_eq!(authority.key_requests().await, 2, "not before its time");
    authority.advance_minutes(1);
    assert_eq!(refused_by(&authority, &flood[0]).await, "key");
    assert_eq!(authority.key_requests().await, 3);
}

/// Checklist 19.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_random_key_ids_cause_one_request() {
    let authority = TestAuthority::start().await;
    let good = KEY.token(&authority.user_claims());
    assert!(accepted(&authority.validate(&good).await));
    // Nothing about them needs to be good: the key's id is looked up before anything is verified.
    let tokens = (0..10_000).map(|at| {
        let header = json!({"alg": "RS256", "kid": format!("{at:x}-{:x}", at * 7_919)}).to_string();
        join(&unsigned(&header, "{}"), b"signature")
    });

    let checks = join_all(tokens.map(|token| {
        let validator = authority.validator.clone();
        tokio::spawn(async move { validator.validate(&token).await })
    }))
    .await;

    let by_key = |outcome: &Result<Caller, Error>| matches!(outcome, Err(Error::InvalidToken(rejection)) if rejection.check.name() == "key");
    assert!(checks.iter().all(|outcome| by_key(outcome.as_ref().unwrap())));
    assert_eq!(authority.key_requests().await, 2, "one at the beginning, one for all of them");
    assert!(accepted(&authority.validate(&good).await));
}

#[tokio::test]
async fn an_outage_at_the_start_is_not_made_worse_by_every_token() {
    let authority = TestAuthority::start().await;
    authority.answer_keys_with(ResponseTemplate::new(500));
    let good = KEY.token(&authority.user_claims());

    for _ in 0..50 {
        assert!(matches!(authority.validate(&good).await, Err(Error::Transport(_))));
    }

    assert_eq!(authority.key_requests().await, 1, "a second has to pass before the next try");
}

#[tokio::test]
async fn the_first_keys_are_fetched_once_for_everybody() {
    let authority = TestAuthority::start().await;
    authority.answer_keys_with(key_set(&[KEY.jwk()]).set_delay(Duration::from_millis(100)));
    let good = KEY.token(&authority.user_claims());

    let outcomes = join_all((0..60).map(|_| authority.validate(&good))).await;

    assert!(outcomes.iter().all(accepted));
    assert_eq!(authority.key_requests().await, 1);
}

/// Checklist 105.
#[tokio::test]
async fn a_caller_who_hangs_up_does_not_use_up_the_reload() {
    let authority = TestAuthority::start().await;
    assert!(accepted(&authority.validate(&KEY.token(&authority.user_claims())).await));
    authority.answer_keys_with(key_set(&[FOREIGN_KEY.jwk()]).set_delay(Duration::from_millis(400)));
    let new = FOREIGN_KEY.token(&authority.user_claims());

    let hung_up = tokio::time::timeout(Duration::from_millis(20), authority.validate(&new)).await;

    assert!(hung_up.is_err());
    assert!(accepted(&authority.validate(&new).await));
    assert_eq!(authority.key_requests().await, 2);
}

/// Answers that are no key set.
fn broken() -> Vec<(&'static str, ResponseTemplate)> {
    let body = |text: &str| ResponseTemplate::new(200).set_body_string(text);
    let elsewhere = ResponseTemplate::new(302).insert_header("location", "http://127.0.0.1:1/keys");
    vec![
        ("500", ResponseTemplate::new(500)),
        ("a page", body("<html>maintenance</html>")),
        ("nothing", body("")),
        ("no keys", body(r#"{"keys":[]}"#)),
        ("no usable keys", body(r#"{"keys":[null,7,{"kty":"oct","kid":"key-2","k":"AA"}]}"#)),
        ("half a document", body(r#"{"keys":[{"kty":"RS"#)),
        ("an object", body(r#"{"keys":{}}"#)),
        ("null", body("null")),
        ("a redirect", elsewhere),
        ("64 MB", body(&" ".repeat(64 * 1024 * 1024))),
        ("64 MB of keys", body(&format!(r#"{{"keys":[{}null]}}"#, "null,".repeat(64 * 1024 * 1024 / 5)))),
    ]
}

/// Checklist 21, 22.
#[tokio::test]
async fn broken_answers_leave_the_known_keys_in_place() {
    let authority = TestAuthority::start().await;
    let good = KEY.token(&authority.user_claims());
    let foreign = FOREIGN_KEY.token(&authority.user_claims());
    assert!(accepted(&authority.validate(&good).await));

    for (what, answer) in broken() {
        authority.advance_minutes(5);
        authority.answer_keys_with(answer);
        assert_eq!(refused_by(&authority, &foreign).await, "key", "{what}");
        assert!(accepted(&authority.validate(&good).await), "{what}");
    }

    authority.advance_minutes(5);
    authority.publish(&[KEY.jwk(), FOREIGN_KEY.jwk()]);
    assert!(accepted(&authority.validate(&foreign).await), "it recovers by itself");
}

/// Checklist 21.
#[tokio::test]
async fn a_connection_that_breaks_under_the_keys_leaves_the_known_ones_in_place() {
    let lab = EntraLab::start().await.unwrap();
    let (api, clock) = client_with_clock(&lab, API);
    let validator = api.access_token_validator(&ApiConfig::new(API));
    let signed_in = sign_in(&client(&lab, WEB_APP), "alice", &access_as_user()).await;
    let good = &signed_in.result.access_token;
    assert!(accepted(&validator.validate(good.expose_secret()).await));

    for what in [What::Cut, What::Truncated, What::Html { status: 200 }] {
        lab.fault(Fault::new(Target::Keys, what));
        clock.advance(SignedDuration::from_mins(6));
        let unknown = join(&unsigned(r#"{"alg":"RS256","kid":"unknown"}"#, "{}"), b"signature");
        assert!(matches!(validator.validate(&unknown).await, Err(Error::InvalidToken(_))), "{what:?}");
        assert!(accepted(&validator.validate(good.expose_secret()).await), "{what:?}");
        lab.clear_faults();
    }
}

/// Checklist 21, 155.
#[tokio::test]
async fn an_authority_that_hangs_keeps_nobody_with_a_good_token_waiting() {
    let authority = TestAuthority::start().await;
    let (good, foreign) = (KEY.token(&authority.user_claims()), FOREIGN_KEY.token(&authority.user_claims()));
    assert!(accepted(&authority.validate(&good).await));
    authority.advance_minutes(5);
    authority.answer_keys_with(key_set(&[KEY.jwk()]).set_delay(Duration::from_secs(3_600)));

    let attacker = authority.validate(&foreign);
    let others = async {
        while authority.key_requests().await < 2 {
            tokio::task::yield_now().await;
        }
        for _ in 0..20 {
            assert!(accepted(&authority.validate(&good).await));
        }
    };

    tokio::select! {
        biased;
        outcome = attacker => panic!("nobody answered, and still: {outcome:?}"),
        () = others => {}
    }
}

/// Checklist 21.
#[tokio::test]
async fn without_any_keys_nothing_is_said_about_a_token() {
    for (what, answer) in broken() {
        let authority = TestAuthority::start().await;
        let good = KEY.token(&authority.user_claims());
        authority.answer_keys_with(answer);

        assert!(matches!(authority.validate(&good).await, Err(Error::Transport(_))), "{what}");

        authority.publish(&[KEY.jwk()]);
        authority.advance_seconds(1);
        assert!(accepted(&authority.validate(&good).await), "{what}");
    }
}

/// Checklist 155.
#[tokio::test]
async fn old_keys_are_renewed_without_making_anybody_wait() {
    let authority = TestAuthority::start().await;
    let claims = |hours: i64| {
        let mut claims = authority.user_claims();
        claims["exp"] = json!(claims["exp"].as_i64().unwrap() + hours * 3600);
        claims
    };
    assert!(accepted(&authority.validate(&KEY.token(&claims(0))).await));
    // Twelve hours, and an hour for the replicas to differ by.
    authority.advance_minutes(11 * 60 - 1);
    assert!(accepted(&authority.validate(&KEY.token(&claims(12))).await));
    assert_eq!(authority.key_requests().await, 1);
    authority
        .answer_keys_with(key_set(&[KEY.jwk(), FOREIGN_KEY.jwk()]).set_delay(Duration::from_millis(100)));

    authority.advance_minutes(2 * 60 + 1);
    for _ in 0..5 {
        assert!(accepted(&authority.validate(&KEY.token(&claims(13))).await));
    }

    // The old keys were enough for these, and yet the new ones have been asked for.
    let asked = async {
        while authority.key_requests().await < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), asked).await.unwrap();

    // Their answer is still on its way; a token of the new key waits for it.
    assert!(accepted(&authority.validate(&FOREIGN_KEY.token(&claims(13))).await));
    assert_eq!(authority.key_requests().await, 2);
}

/// Checklist 9, 23 to 25.
#[tokio::test]
async fn keys_that_may_not_sign_for_us_do_not() {
    let member = |change: Value| {
        let mut jwk = FOREIGN_KEY.jwk();
        for (name, value) in change.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        jwk
    };
    let rows = [
        ("exponent 3", member(json!({"e": "Aw"})), "key"),
        ("for encryption", member(json!({"use": "enc"})), "key"),
        ("for another algorithm", member(json!({"alg": "RS512"})), "key"),
        ("1024 bits", member(json!({"n": &FOREIGN_KEY.modulus()[..171]})), "key"),
        ("symmetric", json!({"kty": "oct", "kid": "key-2", "k": "c2VjcmV0"}), "key"),
        (
            "of a curve",
            json!({
                "kty": "EC", "crv": "P-256", "kid": "key-2", "use": "sig",
                "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
            }),
            "key",
        ),
        (
            "of personal accounts",
            member(
                json!({"issuer": "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"}),
            ),
            "key issuer",
        ),
        (
            "of another cloud",
            member(json!({"issuer": "https://login.other.example/{tenantid}/v2.0"})),
            "key issuer",
        ),
    ];
    for (what, jwk, check) in rows {
        let authority = TestAuthority::start().await;
        // Garbage around a good key does not hurt it.
        authority.publish(&[
            json!(null),
            json!("x"),
            json!({"kty": "RSA", "kid": "broken", "n": "%", "e": "AQAB"}),
            jwk,
            KEY.jwk(),
        ]);

        let rejection = authority.rejection(what, &FOREIGN_KEY.token(&authority.user_claims())).await;
        assert_eq!(rejection.check.name(), check, "{what}");
        assert!(accepted(&authority.validate(&KEY.token(&authority.user_claims())).await), "{what}");
    }
    // A secret that everybody can read is none, whoever signs with it.
    let authority = TestAuthority::start().await;
    authority.publish(&[json!({"kty": "oct", "kid": "key-2", "alg": "HS256", "k": "c2VjcmV0"}), KEY.jwk()]);
    let input = unsigned(r#"{"alg":"HS256","kid":"key-2"}"#, &authority.user_claims().to_string());
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"secret"), input.as_bytes());
    assert_eq!(refused_by(&authority, &join(&input, tag.as_ref())).await, "algorithm");

    let authority = TestAuthority::start().await;
    authority.publish(&[member(json!({"issuer": format!("{}/{{tenantid}}/v2.0", authority.server.uri())}))]);
    assert!(accepted(&authority.validate(&FOREIGN_KEY.token(&authority.user_claims())).await));
}
