//! Journey 2, the web app signs users in: page → Entra → page, and out again.

use serde_json::json;

use crate::browser::Browser;
use crate::stack::{Stack, TENANT, http, is_compose};

/// Checklist 102.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_signs_in_reads_the_claims_and_signs_out() {
    let stack = Stack::start().await;
    stack.reset_the_lab().await;
    let browser = Browser::open().await;

    // 1. A page that needs a user.
    browser.go(&stack.web_app).await;
    browser.photograph("home-signed-out").await;
    browser.go(&format!("{}/claims", stack.web_app)).await;

    // 2 and 3. Entra's pages.
    assert!(browser.address().await.starts_with(&stack.lab), "{}", browser.address().await);
    browser.photograph("lab-accounts").await;
    browser.sign_in_as("alice").await;
    browser.photograph("lab-consent").await;
    browser.accept().await;

    // 4 to 8. Back at the same page, signed in; no code is left in the address.
    assert_eq!(browser.text("#user-name").await, "Alice Kim");
    assert_eq!(browser.address().await, format!("{}/claims", stack.web_app));
    assert!(browser.text("#claims").await.contains("alice@contoso.test"));
    browser.photograph("claims").await;
    let mut cookies = browser.driver.get_all_cookies().await.unwrap();
    cookies.sort_by(|one, other| one.name.cmp(&other.name));
    let names: Vec<_> = cookies.iter().map(|cookie| cookie.name.as_str()).collect();
    assert_eq!(names, ["hint", "session"], "the session's id, and whom to ask for should it be lost");
    for cookie in &cookies {
        let tells = ["eyJ", "alice"].into_iter().find(|telling| cookie.value.contains(telling));
        assert_eq!(tells, None, "no token and no name in {}", cookie.name);
    }

    // 11. Out: the page asks again, and so does Entra.
    browser.click("#sign-out").await;
    assert_eq!(browser.text("#sign-in").await, "Sign in");
    browser.go(&format!("{}/claims", stack.web_app)).await;
    browser.sign_in_as("alice").await;
    assert_eq!(browser.text("#user-name").await, "Alice Kim");
    browser.close().await;
}

/// Checklist 73.
#[tokio::test(flavor = "multi_thread")]
async fn a_copied_cookie_is_dead_after_sign_out() {
    let stack = Stack::start().await;
    let browser = Browser::open().await;
    browser.go(&format!("{}/claims", stack.web_app)).await;
    browser.sign_in_as("bob").await;
    browser.accept_if_asked().await;
    assert_eq!(browser.text("#user-name").await, "Bob Novak");
    let cookie = browser.driver.get_named_cookie("session").await.unwrap();
    let copied = format!("{}={}", cookie.name, cookie.value);
    let with_copy =
        || http().get(format!("{}/claims", stack.web_app)).header("cookie", copied.clone()).send();
    assert_eq!(with_copy().await.unwrap().status(), 200);

    browser.click("#sign-out").await;
    browser.text("#sign-in").await;

    assert_eq!(with_copy().await.unwrap().status(), 303, "the copy is sent to sign in");
    browser.close().await;
}

/// Checklist 67.
#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_can_sign_in_at_once() {
    let stack = Stack::start().await;
    let browser = Browser::open().await;
    let start = |page: &str| format!("{}/auth/sign-in?return_to={page}", stack.web_app);

    browser.go(&start("/claims")).await;
    let first = browser.address().await;
    browser.go(&start("/profile")).await;
    browser.sign_in_as("alice").await;
    browser.accept_if_asked().await;
    assert_eq!(browser.text("#profile-name").await, "Alice Kim");

    // The tab that began first is finished last.
    browser.go(&first).await;
    if browser.shows("#account-alice").await {
        browser.click("#account-alice").await;
    }
    assert!(browser.text("#claims").await.contains("alice@contoso.test"));
    browser.close().await;
}

/// Checklist 75.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_signs_out_at_entra_is_signed_out_here_through_a_frame_without_cookies() {
    if is_compose() {
        return; // The seed of the containers' lab does not know the address, and other journeys share that lab.
    }
    let stack = Stack::start().await;
    let name = "name = \"web-app\"";
    let address = format!("{}/signout-oidc", stack.web_app);
    let seed = entra_lab::DEFAULT_SEED.replacen(
        name,
        &format!("{name}\nfront_channel_logout_url = \"{address}\""),
        1,
    );
    let reseeded = http().post(format!("{}/lab/seed", stack.lab)).json(&json!({ "seed": seed }));
    assert!(reseeded.send().await.unwrap().status().is_success());
    let browser = Browser::open().await;
    browser.go(&format!("{}/claims", stack.web_app)).await;
    browser.sign_in_as("alice").await;
    browser.accept_if_asked().await;
    assert_eq!(browser.text("#user-name").await, "Alice Kim");

    // At Entra itself, which is another site: its page holds a frame of each application.
    browser.go(&format!("{}/{TENANT}/oauth2/v2.0/logout", stack.lab)).await;
    assert!(browser.page().await.contains("/signout-oidc?sid="));

    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(15);
    loop {
        browser.go(&stack.web_app).await;
        if browser.shows("#sign-in").await {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "the session is still there");
    }
    browser.close().await;
}
