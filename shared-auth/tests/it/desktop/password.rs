//! The legacy sign-in with a password, and the ways to sign in that other platforms have.
#![allow(deprecated, reason = "what is tested is deprecated on purpose")]

use entra_lab::{EntraLab, PolicyChange};
use serde_json::json;
use shared_auth::{AppRegistration, Error, PublicClient};
use wiremock::matchers::{method, path_regex};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{DESKTOP, client, sign_in};
use crate::support::{access_as_user, token_requests};

const PASSWORD: &str = "Passw0rd!lab";

#[tokio::test]
async fn a_user_who_consented_before_signs_in_with_a_password_alone() {
    let lab = EntraLab::start().await.unwrap();
    let desktop = client(&lab);
    sign_in(&desktop, "alice", &access_as_user()).await;

    let other = client(&lab);
    let signed_in = other
        .acquire_token_by_username_password(access_as_user(), "alice@contoso.test", PASSWORD)
        .await
        .unwrap();

    assert_eq!(signed_in.account.username, "alice@contoso.test");
    assert_eq!(other.accounts().await, [signed_in.account]);
}

#[tokio::test]
async fn a_wrong_password_and_a_missing_consent_are_refused_with_their_codes() {
    let lab = EntraLab::start().await.unwrap();
    let desktop = client(&lab);

    let wrong =
        desktop.acquire_token_by_username_password(access_as_user(), "bob@contoso.test", "guess").await;
    let no_consent =
        desktop.acquire_token_by_username_password(access_as_user(), "bob@contoso.test", PASSWORD).await;

    let (wrong, no_consent) = (wrong.unwrap_err(), no_consent.unwrap_err());
    assert_eq!(wrong.codes(), [50126]);
    assert_eq!(no_consent.codes(), [65001]);
    assert!(!format!("{wrong} {wrong:?}").contains("guess"), "the password is printed");
}

#[tokio::test]
async fn where_a_second_factor_is_required_the_reason_is_said() {
    let lab = EntraLab::start().await.unwrap();
    sign_in(&client(&lab), "alice", &access_as_user()).await;
    lab.policy(PolicyChange::RequireMfa { user: None, client: None, resource: None }).unwrap();

    let error = client(&lab)
        .acquire_token_by_username_password(access_as_user(), "alice@contoso.test", PASSWORD)
        .await
        .unwrap_err();

    assert!(error.is_interaction_required() && error.codes() == [50076], "{error}");
    assert!(error.to_string().contains("AADSTS50076"), "{error}");
}

#[tokio::test]
async fn the_password_of_a_federated_account_is_not_sent_anywhere() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path_regex("^/common/userrealm/"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({ "account_type": "Federated" })))
        .mount(&server)
        .await;
    let registration = AppRegistration::new(server.uri().parse().unwrap(), "contoso.test", DESKTOP);

    let error = PublicClient::new(registration)
        .unwrap()
        .acquire_token_by_username_password("User.Read", "a b/../c@fabrikam.test", PASSWORD)
        .await
        .unwrap_err();

    assert!(matches!(error, Error::NotOnThisPlatform(_)), "{error}");
    let seen = server.received_requests().await.unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].url.path(), "/common/userrealm/a%20b%2F..%2Fc@fabrikam.test");
}

#[tokio::test]
async fn what_only_other_platforms_have_names_the_alternative() {
    let lab = EntraLab::start().await.unwrap();
    let desktop = client(&lab);

    let windows = desktop.acquire_token_by_integrated_windows_auth("User.Read").await.unwrap_err();
    let wam = desktop.acquire_token_with_wam("User.Read").await.unwrap_err();

    for error in [windows, wam] {
        assert!(matches!(error, Error::NotOnThisPlatform(_)), "{error}");
        assert!(error.to_string().contains("acquire_token_interactive"), "{error}");
    }
    assert_eq!(token_requests(&lab, "password"), 0);
}
