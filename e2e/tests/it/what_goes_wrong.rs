//! The mistakes that everybody makes once: each ends in the right page or status, and in a sentence that helps.

use serde_json::json;

use crate::browser::Browser;
use crate::stack::{API, OTHER_API, Stack, http};

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_ends_the_daemons_round_with_the_code() {
    let stack = Stack::start().await;

    let round = stack.run_daemon_once(&[("AZURE_CLIENT_SECRET", "not-the-secret-7f3a")]);

    let said =
        format!("{}{}", String::from_utf8_lossy(&round.stdout), String::from_utf8_lossy(&round.stderr));
    assert!(!round.status.success());
    assert!(said.contains("AADSTS7000215"), "{said}");
    assert!(!said.contains("7f3a"), "the secret is not repeated:\n{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_of_the_web_app_is_a_page_that_says_so() {
    let stack = Stack::start_with(&[("AZURE_CLIENT_SECRET", "wrong")]).await;
    let browser = Browser::open().await;

    browser.go(&format!("{}/profile", stack.web_app)).await;
    browser.sign_in_as("alice").await;
    browser.accept_if_asked().await;

    assert_eq!(browser.text("#failure-code").await, "AADSTS7000215");
    assert!(browser.text("#failure-advice").await.contains("AZURE_CLIENT_SECRET"));
    assert!(!browser.page().await.contains("code="), "the authorization code is not on the page");
    browser.photograph("wrong-secret").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_consent_of_the_api_is_a_page_that_says_whom_to_ask() {
    let stack = Stack::start().await;
    let browser = Browser::open().await;

    browser.go(&format!("{}/messages", stack.web_app)).await;
    browser.sign_in_as("carol").await;
    browser.accept_if_asked().await;

    assert_eq!(browser.text("#failure-title").await, "A permission is missing");
    assert!(browser.text("#failure-advice").await.contains("administrator"));
    assert_eq!(browser.text("#failure-code").await, "consent_required");
    browser.photograph("consent-missing").await;

    // The rest works for her, without a photo.
    browser.go(&format!("{}/profile", stack.web_app)).await;
    assert_eq!(browser.text("#profile-name").await, "Carol Diaz");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn declining_the_consent_is_a_page_and_no_session() {
    let stack = Stack::start().await;
    stack.reset_the_lab().await;
    let browser = Browser::open().await;

    browser.go(&format!("{}/profile", stack.web_app)).await;
    browser.sign_in_as("bob").await;
    browser.click("#decline").await;

    assert_eq!(browser.text("#failure-code").await, "AADSTS65004");
    browser.go(&stack.web_app).await;
    assert!(browser.shows("#sign-in").await);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_only_administrators_give_is_a_page_with_the_code() {
    let stack = Stack::start_with(&[("API_SCOPES", "https://graph.microsoft.com/User.Read.All")]).await;
    stack.reset_the_lab().await;
    let browser = Browser::open().await;

    browser.go(&format!("{}/auth/sign-in", stack.web_app)).await;
    browser.sign_in_as("alice").await;
    assert_eq!(browser.text("#failure-code").await, "AADSTS90094");
    assert!(browser.text("#failure-advice").await.contains("administrator"));
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_is_for_others_is_a_page_that_says_whom_to_ask() {
    let stack = Stack::start().await;
    stack.reset_the_lab().await;
    let policy = json!({ "kind": "assignment_required", "app": "web-api-obo", "on": true });
    let answer = http().post(format!("{}/lab/policy", stack.lab)).json(&policy).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
    let browser = Browser::open().await;
    browser.go(&format!("{}/auth/sign-in", stack.web_app)).await;
    browser.sign_in_as("bob").await;
    assert_eq!(browser.text("#failure-code").await, "AADSTS50105");
    assert_eq!(browser.text("#failure-title").await, "This app is not open to you");
    assert!(browser.text("#failure-advice").await.contains("administrator"));
    assert!(!browser.shows("#retry").await, "trying again helps nobody");
    browser.photograph("not-assigned").await;

    stack.reset_the_lab().await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_and_a_foreign_audience_get_401_from_the_api() {
    let stack = Stack::start().await;

    stack.move_the_labs_clock(-3 * 3600).await;
    let expired = stack.daemons_token_for(API).await;
    stack.move_the_labs_clock(3 * 3600).await;
    let good = stack.daemons_token_for(API).await;
    let foreign = stack.daemons_token_for(OTHER_API).await;
    let graphs = stack.daemons_token_for("https://graph.microsoft.com").await;

    assert_eq!(stack.ask_api("/api/directory", Some(&good)).await.0, 200);
    for (name, token) in [("expired", &expired), ("foreign", &foreign), ("Graph's", &graphs)] {
        let (status, challenge, body) = stack.ask_api("/api/directory", Some(token)).await;
        assert_eq!(status, 401, "{name}");
        assert!(challenge.contains("error=\"invalid_token\""), "{name}: {challenge}");
        assert_eq!(body["error"], "invalid_token", "{name}");
    }
    let (status, challenge, _) = stack.ask_api("/api/directory", None).await;
    assert_eq!((status, challenge.as_str()), (401, "Bearer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemons_token_opens_no_users_route() {
    let stack = Stack::start().await;

    let token = stack.daemons_token_for(API).await;

    let (status, challenge, _) = stack.ask_api("/api/profile", Some(&token)).await;
    assert_eq!(status, 403);
    assert!(challenge.contains("insufficient_scope"), "{challenge}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_does_not_exist_and_a_forged_answer_are_pages_too() {
    let stack = Stack::start().await;
    let browser = Browser::open().await;

    browser.go(&format!("{}/no-such-page", stack.web_app)).await;
    assert_eq!(browser.text("#failure-title").await, "There is no such page");
    browser.photograph("not-found").await;

    browser.go(&format!("{}/signin-oidc?code=stolen&state=forged", stack.web_app)).await;
    assert_eq!(browser.text("#failure-title").await, "This sign-in cannot be finished");
    browser.close().await;
}

/// Checklist 141, 142.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_secret_is_in_the_logs_even_at_trace_level() {
    let stack = Stack::start_with(&[("RUST_LOG", "trace")]).await;
    let browser = Browser::open().await;
    browser.go(&format!("{}/profile", stack.web_app)).await;
    browser.sign_in_as("alice").await;
    browser.accept_if_asked().await;
    assert_eq!(browser.text("#profile-name").await, "Alice Kim");
    let cookies = browser.driver.get_all_cookies().await.unwrap();

    let daemon = stack.run_daemon_once(&[("RUST_LOG", "trace")]);

    let log = format!("{}{}", stack.logs(), String::from_utf8_lossy(&daemon.stdout));

    for sentence in
        ["signed in, under a new session id", "on behalf of the caller", "with client credentials"]
    {
        assert!(log.contains(sentence), "the log is not the one of the whole chain: no \"{sentence}\"");
    }
    let cookies = cookies.iter().map(|cookie| cookie.value.as_str());
    for secret in ["eyJ", "lab-secret", "code=", "code_verifier", "Passw0rd"].into_iter().chain(cookies) {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "found {secret}");
    }
    browser.close().await;
}
