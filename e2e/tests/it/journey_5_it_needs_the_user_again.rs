//! Journey 5, it needs the user again: Entra wants a second factor in the middle of the chain, where nobody sits.
//! The API passes the challenge on, the web app sends the user back to Entra with it, and the same page works.

use serde_json::json;

use crate::browser::Browser;
use crate::stack::{Stack, http};

/// Alice's code on the lab's home page.
const OTP_OF_ALICE: &str = "246810";

/// Checklist 129.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_wanted_in_the_middle_is_asked_for_and_the_same_page_works() {
    let stack = Stack::start().await;
    stack.reset_the_lab().await;
    let browser = Browser::open().await;
    browser.go(&format!("{}/claims", stack.web_app)).await;
    browser.sign_in_as("alice").await;
    browser.accept_if_asked().await;
    assert_eq!(browser.text("#user-name").await, "Alice Kim");

    // From now on the API gets no token for Graph on Alice's behalf without a second factor.
    let policy =
        json!({ "kind": "require_mfa", "resource": "Microsoft Graph", "user": "alice@contoso.test" });
    let answer = http().post(format!("{}/lab/policy", stack.lab)).json(&policy).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
    browser.go(&format!("{}/messages", stack.web_app)).await;

    // The browser is at Entra, which asks for the code, and comes back to the page that was wanted.
    assert!(browser.address().await.starts_with(&stack.lab), "{}", browser.address().await);
    browser.type_into("#otp", OTP_OF_ALICE).await;
    browser.photograph("second-factor").await;
    browser.click("#verify").await;
    assert!(!browser.text(".message").await.is_empty());
    assert_eq!(browser.address().await, format!("{}/messages", stack.web_app));

    stack.reset_the_lab().await;
    browser.close().await;
}
