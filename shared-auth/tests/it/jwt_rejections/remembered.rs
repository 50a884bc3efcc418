//! A token that was good before costs a hash; it must never cost more than that, such as being wrong.

use std::sync::Arc;

use serde_json::json;
use shared_auth::{AccessTokenValidator, ApiConfig, Caller, Error, UserClaims};
use wiremock::ResponseTemplate;

use super::{header, with};
use crate::tokens::{API, FOREIGN_KEY, KEY, TestAuthority, WEB_APP, start};

async fn user(validator: &AccessTokenValidator, token: &str) -> Arc<UserClaims> {
    match validator.validate(token).await {
        Ok(Caller::User(user)) => user,
        other => panic!("expected a user, found {other:?}"),
    }
}

/// The authority reloads its keys: an unknown key id asks for them, five minutes after the last one that did.
async fn reload_keys(authority: &TestAuthority) {
    authority.advance_minutes(5);
    let unknown = KEY.token_with(&header(&json!({"kid": "unknown"})), "{}");
    assert_eq!(authority.rejection("an unknown key", &unknown).await.check.name(), "key");
}

#[tokio::test]
async fn a_token_seen_before_is_taken_from_memory() {
    let authority = TestAuthority::start().await;
    let token = KEY.token(&authority.user_claims());

    let first = user(&authority.validator, &token).await;
    let second = user(&authority.validator.clone(), &token).await;

    assert!(Arc::ptr_eq(&first, &second), "the very same claims, not read again");
    let remembered = authority.validator.remembered();
    assert_eq!(remembered.tokens, 1);
    assert!(
        remembered.bytes > token.len() as u64 && remembered.bytes < 4 * token.len() as u64,
        "{remembered:?}"
    );
}

/// Checklist 8.
#[tokio::test]
async fn one_byte_changed_makes_another_token() {
    let authority = TestAuthority::start().await;
    let token = KEY.token(&authority.user_claims());
    user(&authority.validator, &token).await;

    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        authority.rejection(&format!("byte {at}"), &changed).await;
    }
    for changed in [format!("{token}="), format!("{token} "), format!(" {token}"), token[1..].to_owned()] {
        authority.rejection("longer or shorter", &changed).await;
    }
    assert_eq!(authority.validator.remembered().tokens, 1, "and none of them is remembered");
}

/// Checklist 20.
#[tokio::test]
async fn a_key_that_is_withdrawn_takes_its_tokens_along() {
    let authority = TestAuthority::start().await;
    authority.publish(&[KEY.jwk(), FOREIGN_KEY.jwk()]);
    let claims = authority.user_claims();
    let (old, other) = (KEY.token(&claims), FOREIGN_KEY.token(&claims));
    user(&authority.validator, &old).await;
    user(&authority.validator, &other).await;

    authority.publish(&[FOREIGN_KEY.jwk()]);
    reload_keys(&authority).await;

    assert_eq!(authority.rejection("its key is gone", &old).await.check.name(), "key");
    user(&authority.validator, &other).await;
    assert_eq!(authority.validator.remembered().tokens, 1);
}

#[tokio::test]
async fn another_key_under_the_same_id_takes_its_tokens_along() {
    let authority = TestAuthority::start().await;
    let token = KEY.token(&authority.user_claims());
    user(&authority.validator, &token).await;

    let mut impostor = FOREIGN_KEY.jwk();
    impostor["kid"] = json!(KEY.kid);
    authority.publish(&[impostor]);
    reload_keys(&authority).await;

    assert_eq!(authority.rejection("another key", &token).await.check.name(), "signature");
}

#[tokio::test]
async fn a_key_that_may_no_longer_sign_for_the_issuer_takes_its_tokens_along() {
    let authority = TestAuthority::start().await;
    let token = KEY.token(&authority.user_claims());
    user(&authority.validator, &token).await;

    let mut elsewhere = KEY.jwk();
    elsewhere["issuer"] = json!("https://login.other.example/{tenantid}/v2.0");
    authority.publish(&[elsewhere]);
    reload_keys(&authority).await;

    assert_eq!(authority.rejection("not for us", &token).await.check.name(), "key issuer");
}

#[tokio::test]
async fn keys_that_are_the_same_after_a_reload_keep_their_tokens() {
    let authority = TestAuthority::start().await;
    let token = KEY.token(&authority.user_claims());
    let first = user(&authority.validator, &token).await;

    authority.publish(&[json!("garbage"), KEY.jwk()]);
    reload_keys(&authority).await;

    assert!(Arc::ptr_eq(&first, &user(&authority.validator, &token).await));
    assert_eq!(authority.key_requests().await, 2);
}

/// Checklist 31.
#[tokio::test]
async fn a_remembered_token_ends_when_it_would_have_ended() {
    let authority = TestAuthority::start().await;
    let now = start().as_second();
    let claims = with(&with(&authority.user_claims(), "exp", now + 600), "nbf", now - 600);
    let token = KEY.token(&claims);
    user(&authority.validator, &token).await;

    // 600 seconds and 60 for the clocks' difference.
    authority.advance_seconds(659);
    user(&authority.validator, &token).await;
    authority.advance_seconds(1);
    assert_eq!(authority.rejection("after its end", &token).await.check.name(), "lifetime");
    assert_eq!(authority.validator.remembered().tokens, 0, "it is forgotten");

    // A clock that was put back does not bring it to life before its time.
    authority.advance_seconds(-660);
    user(&authority.validator, &token).await;
    authority.advance_seconds(-660);
    user(&authority.validator, &token).await;
    authority.advance_seconds(-1);
    assert_eq!(authority.rejection("before its time", &token).await.check.name(), "lifetime");
}

/// Checklist 37.
#[tokio::test]
async fn a_clock_that_jumps_back_by_days_is_noticed() {
    let authority = TestAuthority::start().await;
    let mut claims = authority.user_claims();
    claims.as_object_mut().unwrap().remove("nbf");
    let token = KEY.token(&claims);
    user(&authority.validator, &token).await;

    authority.advance_minutes(-40 * 60);

    assert_eq!(authority.rejection("ends too late", &token).await.check.name(), "lifetime");
}

#[tokio::test]
async fn a_validator_with_other_options_remembers_nothing_of_this_one() {
    let authority = TestAuthority::start().await;
    let token = KEY.token(&authority.user_claims());
    user(&authority.validator, &token).await;

    let other = ApiConfig { audiences: vec![WEB_APP.to_owned()], ..ApiConfig::new(API) };
    let other = authority.client.access_token_validator(&other);

    let Err(Error::InvalidToken(rejection)) = other.validate(&token).await else {
        panic!("it must be refused")
    };
    assert_eq!(rejection.check.name(), "audience");
    assert_eq!((authority.validator.remembered().tokens, other.remembered().tokens), (1, 0));
}

/// Checklist 104.
#[tokio::test]
async fn refusals_take_no_memory() {
    let authority = TestAuthority::start().await;
    let claims = authority.user_claims();

    for at in 0..500 {
        let claims = with(&claims, "jti", at);
        let tokens = [
            FOREIGN_KEY.token_with(&header(&json!({})), &claims.to_string()),
            KEY.token(&with(&claims, "aud", WEB_APP)),
            KEY.token(&with(&claims, "exp", 1)),
            format!("opaque-{at}"),
        ];
        for token in &tokens {
            authority.rejection("no good token", token).await;
        }
    }

    let remembered = authority.validator.remembered();
    assert_eq!((remembered.tokens, remembered.bytes), (0, 0));
}

/// Checklist 104.
#[tokio::test]
async fn a_flood_of_good_tokens_stays_within_the_limit() {
    let authority = TestAuthority::start().await;
    let limit = 64 * 1024;
    let api = ApiConfig { verified_tokens_bytes: Some(limit), ..ApiConfig::new(API) };
    let validator = authority.client.access_token_validator(&api);
    let tokens: Vec<String> =
        (0..400).map(|at| KEY.token(&with(&authority.user_claims(), "jti", at))).collect();

    for _ in 0..2 {
        for token in &tokens {
            user(&validator, token).await;
            let remembered = validator.remembered();
            assert!(remembered.bytes <= limit, "{remembered:?}");
        }
    }

    let remembered = validator.remembered();
    assert!(remembered.tokens > 5 && remembered.tokens < 100, "{remembered:?}");
    assert_eq!(remembered.limit_bytes, limit);
}

/// Checklist 21.
#[tokio::test]
async fn keys_that_could_not_be_confirmed_for_a_day_vouch_for_nothing() {
    let authority = TestAuthority::start().await;
    let token = KEY.token(&with(&authority.user_claims(), "exp", start().as_second() + 27 * 3_600));
    user(&authority.validator, &token).await;
    authority.answer_keys_with(ResponseTemplate::new(500));

    // Last known good: an outage of hours locks nobody out, not even with a refresh that is due and fails.
    authority.advance_minutes(24 * 60 - 1);
    user(&authority.validator, &token).await;
    let fresh = KEY.token(&with(&authority.user_claims(), "exp", start().as_second() + 26 * 3_600));
    user(&authority.validator, &fresh).await;

    authority.advance_minutes(1);
    for token in [&token, &fresh] {
        assert!(matches!(authority.validate(token).await, Err(Error::Transport(_))), "remembered or not");
    }

    authority.publish(&[KEY.jwk()]);
    authority.advance_seconds(1);
    user(&authority.validator, &token).await;
}

/// Every token of a key begins with the same header, which is not read again. It says which key is meant, and no more.
#[tokio::test]
async fn a_header_that_was_seen_before_proves_nothing() {
    let authority = TestAuthority::start().await;
    let named = header(&json!({"kid": KEY.kid}));
    let claims = |name: &str| with(&authority.user_claims(), "name", json!(name)).to_string();
    user(&authority.validator, &KEY.token_with(&named, &claims("first"))).await;

    assert_eq!(
        user(&authority.validator, &KEY.token_with(&named, &claims("second"))).await.name.as_deref(),
        Some("second")
    );
    let foreign = FOREIGN_KEY.token_with(&named, &claims("third"));
    assert_eq!(authority.rejection("signed by another key", &foreign).await.check.name(), "signature");
    let garbage = FOREIGN_KEY.token_with(&named, "{");
    assert_eq!(authority.rejection("not even claims", &garbage).await.check.name(), "signature");

    // Another key signs now, and then the first one is withdrawn.
    authority.publish(&[FOREIGN_KEY.jwk()]);
    reload_keys(&authority).await;
    user(&authority.validator, &FOREIGN_KEY.token(&authority.user_claims())).await;
    let withdrawn = KEY.token_with(&named, &claims("fourth"));
    assert_eq!(authority.rejection("a withdrawn key", &withdrawn).await.check.name(), "key");
}
