//! Journey 5, it needs the user again: Entra wants a second factor in the middle of the chain, where nobody sits.
//! The API passes the challenge on, the web app sends the user back to Entra with it, and the same page works.

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::stack::{Stack, http};

/// Alice's code on the lab's home page.
const OTP_OF_ALICE: &str = "246810";

/// What Entra demands from now on.
async fn demand(stack: &Stack, policy: Value) {
    let answer = http().post(format!("{}/lab/policy", stack.lab)).json(&policy).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
}

async fn signed_in_as_alice(stack: &Stack, page: &str) -> Browser {
    let browser = Browser::open().await;
    browser.go(&format!("{}{page}", stack.web_app)).await;
    browser.sign_in_as("alice").await;
    browser.accept_if_asked().await;
    assert_eq!(browser.text("#user-name").await, "Alice Kim");
    browser
}

/// From now on the API gets no token for Graph on Alice's behalf without a second factor.
fn second_factor() -> Value {
    json!({ "kind": "require_mfa", "resource": "Microsoft Graph", "user": "alice@contoso.test" })
}

/// Checklist 129.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_wanted_in_the_middle_is_asked_for_and_the_same_page_works() {
    let stack = Stack::start().await;
    stack.reset_the_lab().await;
    let browser = signed_in_as_alice(&stack, "/claims").await;

    demand(&stack, second_factor()).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_script_is_told_where_to_go_and_its_call_works_when_it_is_back() {
    let stack = Stack::start().await;
    stack.reset_the_lab().await;
    let browser = signed_in_as_alice(&stack, "/claims").await;
    demand(&stack, second_factor()).await;

    // What a page's own script does: it asks, reads the JSON, and opens the address that it names.
    let call = r#"
        const done = arguments[arguments.length - 1];
        const answer = await fetch("/messages", { headers: { "X-Requested-With": "XMLHttpRequest" } });
        const text = await answer.text();
        done({ status: answer.status, challenge: answer.headers.get("WWW-Authenticate"), text });
    "#;
    let told = browser.run(call).await;
    assert_eq!(told["status"], 401, "{told}");
    assert!(told["challenge"].as_str().is_some_and(|challenge| challenge.starts_with("Cookie")), "{told}");
    let json: Value = serde_json::from_str(told["text"].as_str().unwrap()).unwrap();
    assert_eq!(json["error"], "sign_in_required");
    browser.run(&format!("location.assign({}); arguments[0]();", json["signIn"])).await;

    // Entra asks for the second factor, and sends the browser back to the page on which the script ran.
    browser.type_into("#otp", OTP_OF_ALICE).await;
    browser.click("#verify").await;
    assert!(browser.text("#claims").await.contains("alice@contoso.test"));
    assert_eq!(browser.address().await, format!("{}/claims", stack.web_app));
    let again = browser.run(call).await;
    assert_eq!(again["status"], 200, "{again}");
    assert!(again["text"].as_str().is_some_and(|page| page.contains("class=\"message\"")), "{again}");

    stack.reset_the_lab().await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_whose_user_cannot_help_is_told_whom_to_ask() {
    let stack = Stack::start().await;
    let browser = Browser::open().await;
    browser.go(&format!("{}/claims", stack.web_app)).await;
    browser.sign_in_as("carol").await;
    browser.accept_if_asked().await;
    assert_eq!(browser.text("#user-name").await, "Carol Diaz");

    let call = r#"
        const answer = await fetch("/messages", { headers: { "X-Requested-With": "XMLHttpRequest" } });
        arguments[0]({ status: answer.status, json: await answer.json() });
    "#;
    let told = browser.run(call).await;

    assert_eq!(
        (told["status"].as_u64(), told["json"]["error"].as_str()),
        (Some(403), Some("consent_required"))
    );
    assert!(told["json"]["signIn"].is_null(), "{told}");
    assert!(told["json"]["message"].as_str().is_some_and(|text| text.contains("administrator")), "{told}");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_own_script_takes_a_new_list_into_the_page() {
    let stack = Stack::start().await;
    stack.reset_the_lab().await;
    let browser = signed_in_as_alice(&stack, "/messages").await;
    assert!(!browser.text(".message").await.is_empty());
    // The script takes the new list into the page: what was written on it is gone, and the page was never left.
    browser
        .run("document.querySelector('h1').textContent = 'old'; window.still = 'here'; arguments[0]();")
        .await;
    browser.click("#refresh").await;
    let title = "arguments[0](document.querySelector('h1').textContent);";
    browser.until(async || browser.run(title).await == "Your latest messages").await;
    assert_eq!(browser.run("arguments[0](window.still);").await, "here");

    stack.reset_the_lab().await;
    browser.close().await;
}

/// Her password was changed, say: Graph takes none of the tokens that are in the API's cache, which are older.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_session_is_asked_for_again_and_the_page_works_with_its_script_and_without() {
    let stack = Stack::start().await;
    stack.reset_the_lab().await;
    let browser = signed_in_as_alice(&stack, "/messages").await;
    assert!(!browser.text(".message").await.is_empty());

    for with_script in [true, false] {
        stack.move_the_labs_clock(2).await;
        demand(&stack, json!({ "kind": "revoke_sessions", "user": "alice@contoso.test" })).await;
        match with_script {
            true => browser.click("#refresh").await,
            false => browser.go(&format!("{}/messages", stack.web_app)).await,
        }
        browser.until(async || browser.address().await.starts_with(&stack.lab)).await;
        browser.photograph("session-revoked").await;
        browser.type_password().await;
        assert!(!browser.text(".message").await.is_empty());
        assert_eq!(browser.address().await, format!("{}/messages", stack.web_app));
    }

    stack.reset_the_lab().await;
    browser.close().await;
}
