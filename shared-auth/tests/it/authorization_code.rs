//! A user signs in (RFC 6749 §4.1, RFC 7636), and what silent makes of it afterwards, against the lab.

use entra_lab::{EntraLab, PolicyChange};
use jiff::SignedDuration;
use shared_auth::{AuthCodeFlow, AuthorizationResponse, Error, SignInError, TokenSource};

use crate::support::{Person, WEB_APP, access_as_user, client, client_with_clock, sign_in, token_requests};

const BOTH: &str = "api://c0ffee00-0000-4000-8000-000000004000/access_as_user User.Read";

#[tokio::test]
async fn a_sign_in_ends_with_an_account_checked_claims_and_a_token_for_the_first_resource() {
    let lab = EntraLab::start().await.unwrap();
    let web_app = client(&lab, WEB_APP);

    let signed_in = sign_in(&web_app, "alice", BOTH).await;

    assert_eq!(signed_in.account.username, "alice@contoso.test");
    assert_eq!(
        signed_in.account.home_account_id,
        format!("a0000000-0000-4000-8000-00000000000a.{}", lab.tenant_id())
    );
    assert_eq!(signed_in.id_token.name.as_deref(), Some("Alice Kim"));
    assert!(signed_in.result.scopes.contains_all(&access_as_user().into()));
    let silent = web_app.acquire_token_silent(&signed_in.account, access_as_user()).await.unwrap();
    assert_eq!(silent.source, TokenSource::Cache);
}

/// Checklist 99.
#[tokio::test]
async fn another_resource_comes_silently_by_the_refresh_token_once() {
    let lab = EntraLab::start().await.unwrap();
    let web_app = client(&lab, WEB_APP);
    let account = sign_in(&web_app, "alice", BOTH).await.account;

    let callers: Vec<_> = (0..50)
        .map(|_| {
            let (web_app, account) = (web_app.clone(), account.clone());
            tokio::spawn(async move { web_app.acquire_token_silent(&account, "User.Read").await })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }

    assert_eq!(token_requests(&lab, "refresh_token"), 1);
}

/// Checklist 99.
#[tokio::test]
async fn a_refresh_token_that_entra_calls_dead_is_not_sent_again() {
    let lab = EntraLab::start().await.unwrap();
    let web_app = client(&lab, WEB_APP);
    let account = sign_in(&web_app, "alice", BOTH).await.account;
    lab.policy(PolicyChange::RevokeSessions { user: "alice@contoso.test".into() }).unwrap();

    for _ in 0..3 {
        let renewed = web_app.acquire_token_silent(&account, access_as_user()).force_refresh().await;
        assert!(renewed.unwrap_err().is_interaction_required());
    }

    assert_eq!(token_requests(&lab, "refresh_token"), 1);
}

#[tokio::test]
async fn an_expired_token_is_renewed_silently() {
    let lab = EntraLab::start().await.unwrap();
    let (web_app, clock) = client_with_clock(&lab, WEB_APP);
    let account = sign_in(&web_app, "bob", BOTH).await.account;

    lab.advance(SignedDuration::from_hours(2));
    clock.advance(SignedDuration::from_hours(2));
    let renewed = web_app.acquire_token_silent(&account, access_as_user()).await.unwrap();

    assert_eq!(renewed.source, TokenSource::IdentityProvider);
}

#[tokio::test]
async fn after_removal_of_the_account_the_user_is_needed() {
    let lab = EntraLab::start().await.unwrap();
    let web_app = client(&lab, WEB_APP);
    let account = sign_in(&web_app, "alice", BOTH).await.account;

    web_app.remove_account(&account);

    let error = web_app.acquire_token_silent(&account, access_as_user()).await.unwrap_err();
    assert!(error.is_interaction_required(), "{error}");
}

#[tokio::test]
async fn a_permission_that_nobody_consented_to_needs_the_user() {
    let lab = EntraLab::start().await.unwrap();
    let web_app = client(&lab, WEB_APP);
    let account = sign_in(&web_app, "alice", &access_as_user()).await.account;

    let error = web_app.acquire_token_silent(&account, "User.Read").await.unwrap_err();

    assert!(error.is_interaction_required(), "{error}");
    assert_eq!(error.codes(), [65001]);
    assert!(error.refusal().unwrap().is_consent_required());
    // The refresh token is still good for what was consented.
    assert!(web_app.acquire_token_silent(&account, access_as_user()).force_refresh().await.is_ok());
}

#[tokio::test]
async fn an_answer_counts_only_for_its_own_flow_and_only_for_a_while() {
    let lab = EntraLab::start().await.unwrap();
    let (web_app, clock) = client_with_clock(&lab, WEB_APP);
    let redirect_uri = "http://localhost:3000/signin-oidc".parse().unwrap();
    let flow = web_app.initiate_auth_code_flow(BOTH, &redirect_uri).await.unwrap();
    let other = web_app.initiate_auth_code_flow(BOTH, &redirect_uri).await.unwrap();
    let answer = Person::default().sign_in(flow.authorization_url().as_str(), "alice").await;
    let answer = AuthorizationResponse::parse(&answer).unwrap();

    let foreign = web_app.acquire_token_by_authorization_code(other, answer.clone()).await.unwrap_err();
    clock.advance(SignedDuration::from_mins(16));
    let late = web_app.acquire_token_by_authorization_code(flow, answer).await.unwrap_err();

    for error in [foreign, late] {
        assert!(matches!(error, Error::SignIn(SignInError::UnknownFlow)), "{error}");
    }
    assert_eq!(token_requests(&lab, "authorization_code"), 0, "no code was redeemed");
}

/// Checklist 64.
#[tokio::test]
async fn a_code_is_worth_nothing_the_second_time_or_with_another_verifier() {
    let lab = EntraLab::start().await.unwrap();
    let web_app = client(&lab, WEB_APP);
    let redirect_uri = "http://localhost:3000/signin-oidc".parse().unwrap();
    let flow = web_app.initiate_auth_code_flow(BOTH, &redirect_uri).await.unwrap();
    let answer = Person::default().sign_in(flow.authorization_url().as_str(), "alice").await;
    let answer = AuthorizationResponse::parse(&answer).unwrap();

    let forged = with(&flow, "verifier", "x".repeat(43));
    let wrong = web_app.acquire_token_by_authorization_code(forged, answer.clone()).await.unwrap_err();
    assert_eq!(wrong.codes(), [501481]);

    let flow = web_app.initiate_auth_code_flow(BOTH, &redirect_uri).await.unwrap();
    let answer = Person::default().sign_in(flow.authorization_url().as_str(), "alice").await;
    let answer = AuthorizationResponse::parse(&answer).unwrap();
    web_app.acquire_token_by_authorization_code(flow.clone(), answer.clone()).await.unwrap();
    let again = web_app.acquire_token_by_authorization_code(flow, answer).await.unwrap_err();
    assert_eq!(again.codes(), [54005]);
}

/// Checklist 62.
#[tokio::test]
async fn an_id_token_of_another_sign_in_is_refused() {
    let lab = EntraLab::start().await.unwrap();
    let web_app = client(&lab, WEB_APP);
    let redirect_uri = "http://localhost:3000/signin-oidc".parse().unwrap();
    let flow = web_app.initiate_auth_code_flow(BOTH, &redirect_uri).await.unwrap();
    let answer = Person::default().sign_in(flow.authorization_url().as_str(), "alice").await;

    let other_nonce = with(&flow, "nonce", "another".to_owned());
    let error = web_app
        .acquire_token_by_authorization_code(other_nonce, AuthorizationResponse::parse(&answer).unwrap())
        .await
        .unwrap_err();

    assert!(matches!(error, Error::SignIn(SignInError::IdToken(_))), "{error}");
}

/// Checklist 144.
#[tokio::test]
async fn the_request_carries_pkce_state_and_nonce_new_each_time_and_the_flow_prints_none_of_them() {
    let lab = EntraLab::start().await.unwrap();
    let web_app = client(&lab, WEB_APP);
    let redirect_uri = "http://localhost:3000/signin-oidc".parse().unwrap();
    let mut seen = std::collections::HashSet::new();

    for _ in 0..20 {
        let flow = web_app
            .initiate_auth_code_flow(BOTH, &redirect_uri)
            .login_hint("alice@contoso.test")
            .await
            .unwrap();
        let query: std::collections::HashMap<_, _> =
            flow.authorization_url().query_pairs().into_owned().collect();
        assert_eq!(query["code_challenge_method"], "S256");
        assert_eq!(query["login_hint"], "alice@contoso.test");
        for name in ["state", "nonce", "code_challenge"] {
            assert_eq!(query[name].len(), 43, "{name}");
            assert!(!format!("{flow:?}").contains(&query[name]), "{name} is printed");
            assert!(seen.insert(query[name].clone()), "{name} was used before");
        }
    }
}

/// The flow with one of its secrets replaced: what an attacker who mixes up two sign-ins would have.
fn with(flow: &AuthCodeFlow, name: &str, value: String) -> AuthCodeFlow {
    let mut json = serde_json::to_value(flow).unwrap();
    json[name] = value.into();
    serde_json::from_value(json).unwrap()
}
