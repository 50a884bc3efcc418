//! What comes after the sign-in: silent, renewal, other resources, removal.

use entra_lab::EntraLab;
use jiff::SignedDuration;
use shared_auth::TokenSource;

use super::{client, client_with_clock, sign_in};
use crate::support::{access_as_user, token_requests};

#[tokio::test]
async fn an_expired_token_is_renewed_without_anybody_and_without_a_secret() {
    let lab = EntraLab::start().await.unwrap();
    let (desktop, clock) = client_with_clock(&lab);
    let account = sign_in(&desktop, "alice", &access_as_user()).await.account;

    lab.advance(SignedDuration::from_hours(2));
    clock.advance(SignedDuration::from_hours(2));
    let renewed = desktop.acquire_token_silent(&account, access_as_user()).await.unwrap();

    assert_eq!(renewed.source, TokenSource::IdentityProvider);
    assert_eq!(token_requests(&lab, "refresh_token"), 1);
}

#[tokio::test]
async fn a_removed_account_is_gone_with_its_tokens() {
    let lab = EntraLab::start().await.unwrap();
    let desktop = client(&lab);
    let alice = sign_in(&desktop, "alice", &access_as_user()).await.account;
    let bob = sign_in(&desktop, "bob", &access_as_user()).await.account;
    assert_eq!(desktop.accounts().await, [bob.clone(), alice.clone()], "the latest first");

    desktop.remove_account(&alice).await;

    assert_eq!(desktop.accounts().await, std::slice::from_ref(&bob));
    let error = desktop.acquire_token_silent(&alice, access_as_user()).await.unwrap_err();
    assert!(error.is_interaction_required(), "{error}");
    desktop.acquire_token_silent(&bob, access_as_user()).await.unwrap();
}

#[tokio::test]
async fn who_signs_in_again_is_listed_once() {
    let lab = EntraLab::start().await.unwrap();
    let desktop = client(&lab);

    sign_in(&desktop, "alice", &access_as_user()).await;
    sign_in(&desktop, "bob", &access_as_user()).await;
    let alice = sign_in(&desktop, "alice", &access_as_user()).await.account;

    let accounts = desktop.accounts().await;
    assert_eq!(accounts.len(), 2);
    assert_eq!(accounts[0], alice);
}
