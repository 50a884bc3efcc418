//! Signing in with a device code (RFC 8628) against the lab; the clock is moved from poll to poll.

use std::time::Duration;

use entra_lab::EntraLab;
use jiff::SignedDuration;
use serde_json::json;
use shared_auth::{AppRegistration, Error, ManualClock, PublicClient, SignIn, SignInError};
use tokio::task::JoinHandle;
use wiremock::matchers::{method, path_regex};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{client_with_clock, http};
use crate::support::{Person, access_as_user, now, token_requests};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A device that waits, with its clock and the code to type.
async fn waiting(lab: &EntraLab) -> (JoinHandle<Result<SignIn, Error>>, ManualClock, String, PublicClient) {
    let (desktop, clock) = client_with_clock(lab);
    let flow = desktop.initiate_device_flow(access_as_user()).await.unwrap();
    let code = flow.user_code().to_owned();
    let poll = desktop.acquire_token_by_device_flow(flow);
    (tokio::spawn(async move { poll.await }), clock, code, desktop)
}

/// Moves both clocks, and waits until the device has asked once more.
async fn one_poll_later(lab: &EntraLab, clock: &ManualClock, seconds: i64) {
    let before = token_requests(lab, GRANT);
    lab.advance(SignedDuration::from_secs(seconds));
    clock.advance(SignedDuration::from_secs(seconds));
    asked(lab, before + 1).await;
}

/// Waits until the lab was asked so often, and the answer was read: the next pause begins with it.
async fn asked(lab: &EntraLab, count: usize) {
    eventually(|| token_requests(lab, GRANT) >= count).await;
    a_moment().await;
}

/// Waits for something that another task does.
async fn eventually(happened: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if happened() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never happened");
}

/// Time enough for several looks at the clock.
async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

/// Checklist 89.
#[tokio::test]
async fn the_message_names_the_page_and_the_code_and_nothing_prints_the_device_code() {
    let lab = EntraLab::start().await.unwrap();
    let (desktop, _) = client_with_clock(&lab);

    let flow = desktop.initiate_device_flow(access_as_user()).await.unwrap();

    assert!(flow.message().contains(flow.user_code()) && flow.message().contains("/deviceauth"));
    assert_eq!(flow.user_code().len(), 9);
    assert!(flow.expires_at() > now() + SignedDuration::from_mins(14));
    let shown = format!("{flow:?}");
    assert!(!shown.contains("device_code") && !shown.contains(flow.user_code()), "{shown}");
}

#[tokio::test]
async fn after_somebody_approved_the_code_the_device_has_an_account_and_a_token() {
    let lab = EntraLab::start().await.unwrap();
    let (device, clock, code, desktop) = waiting(&lab).await;
    one_poll_later(&lab, &clock, 5).await;
    assert!(!device.is_finished(), "nobody has typed the code yet");

    Person::default().approve_device(&lab, &code, "alice").await;
    clock.advance(SignedDuration::from_secs(5));
    let signed_in = device.await.unwrap().unwrap();

    assert_eq!(signed_in.account.username, "alice@contoso.test");
    assert!(signed_in.result.scopes.contains_all(&access_as_user().into()));
    assert_eq!(desktop.accounts().await, std::slice::from_ref(&signed_in.account));
    // The refresh token came along.
    desktop.acquire_token_silent(&signed_in.account, access_as_user()).force_refresh().await.unwrap();
}

/// Checklist 89.
#[tokio::test]
async fn nothing_is_asked_before_the_interval_is_over() {
    let lab = EntraLab::start().await.unwrap();
    let (device, clock, _, _) = waiting(&lab).await;

    clock.advance(SignedDuration::from_secs(4));
    a_moment().await;

    assert_eq!(token_requests(&lab, GRANT), 0);
    one_poll_later(&lab, &clock, 1).await;
    device.abort();
}

/// Checklist 89.
#[tokio::test]
async fn a_declined_code_ends_the_wait() {
    let lab = EntraLab::start().await.unwrap();
    let (device, clock, code, desktop) = waiting(&lab).await;

    let form = [("code", code.as_str()), ("action", "decline")];
    http().post(format!("{}/deviceauth", lab.url())).form(&form).send().await.unwrap();
    clock.advance(SignedDuration::from_secs(5));

    let error = device.await.unwrap().unwrap_err();
    assert!(error.is_declined(), "{error}");
    assert!(desktop.accounts().await.is_empty());
}

#[tokio::test]
async fn a_code_that_nobody_typed_ends_by_the_clock_without_another_question() {
    let lab = EntraLab::start().await.unwrap();
    let (device, clock, code, _) = waiting(&lab).await;

    clock.advance(SignedDuration::from_mins(16)); // A laptop that was closed meanwhile.
    let error = device.await.unwrap().unwrap_err();

    assert!(matches!(&error, Error::SignIn(SignInError::CodeExpired(shown)) if *shown == code), "{error}");
    assert_eq!(token_requests(&lab, GRANT), 0);
}

/// Checklist 89.
#[tokio::test]
async fn a_code_that_entra_calls_expired_is_expired_whatever_our_clock_says() {
    let lab = EntraLab::start().await.unwrap();
    let (device, clock, _, _) = waiting(&lab).await;

    lab.advance(SignedDuration::from_mins(16));
    clock.advance(SignedDuration::from_secs(5));

    let error = device.await.unwrap().unwrap_err();
    assert!(matches!(&error, Error::SignIn(SignInError::CodeExpired(_))), "{error}");
}

#[tokio::test]
async fn giving_up_ends_the_questions() {
    let lab = EntraLab::start().await.unwrap();
    let (device, clock, _, _) = waiting(&lab).await;
    one_poll_later(&lab, &clock, 5).await;

    device.abort();
    assert!(device.await.unwrap_err().is_cancelled());
    clock.advance(SignedDuration::from_mins(1));
    a_moment().await;

    assert_eq!(token_requests(&lab, GRANT), 1);
}

/// Checklist 89.
#[tokio::test]
async fn slow_down_makes_every_later_pause_five_seconds_longer() {
    let lab = EntraLab::start().await.unwrap();
    let (device, clock, _, _) = waiting(&lab).await;
    // Our clock runs, the lab's stands still: for the lab the second question comes too soon.
    clock.advance(SignedDuration::from_secs(5));
    asked(&lab, 1).await;
    clock.advance(SignedDuration::from_secs(5));
    asked(&lab, 2).await;
    lab.advance(SignedDuration::from_mins(1));
    clock.advance(SignedDuration::from_secs(9));
    a_moment().await;
    assert_eq!(token_requests(&lab, GRANT), 2, "ten seconds now, and not five");
    clock.advance(SignedDuration::from_secs(1));
    asked(&lab, 3).await;
    device.abort();
}

/// A server in place of Entra that answers as the lab would not.
async fn odd_server(device_answer: serde_json::Value) -> (MockServer, PublicClient, ManualClock) {
    let server = MockServer::start().await;
    let base = server.uri();
    let tenant = "10000000-0000-4000-8000-000000000001";
    let document = json!({
        "issuer": format!("{base}/{tenant}/v2.0"),
        "authorization_endpoint": format!("{base}/authorize"),
        "token_endpoint": format!("{base}/token"),
        "jwks_uri": format!("{base}/keys"),
        "device_authorization_endpoint": format!("{base}/devicecode"),
    });
    Mock::given(path_regex("openid-configuration$"))
        .respond_with(ResponseTemplate::new(200).set_body_json(document))
        .mount(&server)
        .await;
    Mock::given(path_regex("/devicecode$"))
        .respond_with(ResponseTemplate::new(200).set_body_json(device_answer))
        .mount(&server)
        .await;
    let registration = AppRegistration::new(base.parse().unwrap(), tenant, super::DESKTOP);
    let clock = ManualClock::at(now());
    let client =
        PublicClient::builder(registration).clock(std::sync::Arc::new(clock.clone())).build().unwrap();
    (server, client, clock)
}

/// Checklist 70.
#[tokio::test]
async fn text_of_the_server_cannot_steer_the_terminal() {
    let (_server, client, _) = odd_server(json!({
        "device_code": "s3cret", "user_code": "AB\u{1b}[2JCD", "verification_uri": "https://microsoft.com/devicelogin",
        "expires_in": 900, "interval": 5, "message": "go\u{1b}]0;owned\u{7}\r\nthere",
    }))
    .await;

    let flow = client.initiate_device_flow("User.Read").await.unwrap();

    let shown = format!("{}{}{flow:?}", flow.message(), flow.user_code());
    assert!(!shown.chars().any(char::is_control) && !shown.contains("s3cret"), "{shown:?}");
}

#[tokio::test]
async fn a_page_that_is_not_https_is_not_shown_to_anybody() {
    let (_server, client, _) = odd_server(json!({
        "device_code": "s3cret", "user_code": "ABCD", "verification_uri": "http://microsoft.example/devicelogin",
        "expires_in": 900,
    }))
    .await;

    let error = client.initiate_device_flow("User.Read").await.unwrap_err();

    assert!(error.to_string().contains("https"), "{error}");
}

#[tokio::test]
async fn garbage_instead_of_a_device_code_is_an_error_that_repeats_nothing() {
    for garbage in [
        json!(null),
        json!([]),
        json!({"device_code": "s3cret"}),
        json!({"device_code": "s3cret",
        "user_code": "A", "verification_uri": "no address", "expires_in": -5}),
    ] {
        let (_server, client, _) = odd_server(garbage).await;

        let error = client.initiate_device_flow("User.Read").await.unwrap_err();

        assert!(matches!(error, Error::Transport(_)) && !error.to_string().contains("s3cret"), "{error}");
    }
}

#[tokio::test]
async fn a_network_that_is_away_is_waited_for_with_growing_pauses() {
    let (server, client, clock) = odd_server(json!({
        "device_code": "s3cret", "user_code": "ABCD", "verification_uri": "https://microsoft.com/devicelogin",
        "expires_in": 900, "interval": 5,
    }))
    .await;
    Mock::given(method("POST"))
        .and(path_regex("/token$"))
        .respond_with(ResponseTemplate::new(503))
        .up_to_n_times(2) // The first question, and its second try.
        .mount(&server)
        .await;
    let declined =
        json!({"error": "authorization_declined", "error_description": "no", "error_codes": [65004]});
    Mock::given(method("POST"))
        .and(path_regex("/token$"))
        .respond_with(ResponseTemplate::new(400).set_body_json(declined))
        .mount(&server)
        .await;
    let flow = client.initiate_device_flow("User.Read").await.unwrap();
    let poll = client.acquire_token_by_device_flow(flow);
    let device = tokio::spawn(async move { poll.await });
    let questions = || async {
        let all = server.received_requests().await.unwrap();
        all.iter().filter(|request| request.url.path() == "/token").count()
    };

    clock.advance(SignedDuration::from_secs(5));
    while questions().await < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    a_moment().await;
    clock.advance(SignedDuration::from_secs(9));
    a_moment().await;
    assert_eq!(questions().await, 2, "ten seconds now, and not five");
    clock.advance(SignedDuration::from_secs(1));

    assert!(device.await.unwrap().unwrap_err().is_declined());
    assert_eq!(questions().await, 3);
}

#[tokio::test]
async fn an_unknown_client_is_refused_with_its_code() {
    let lab = EntraLab::start().await.unwrap();
    let unknown = AppRegistration::new(
        lab.url().parse().unwrap(),
        lab.tenant_id().to_string(),
        "c0ffee00-0000-4000-8000-00000000dead",
    );

    let error = PublicClient::new(unknown).unwrap().initiate_device_flow("User.Read").await.unwrap_err();

    assert_eq!(error.codes(), [700016]);
}
