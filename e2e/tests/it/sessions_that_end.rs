//! A session that somebody or something ends while a page is open: the next click shows it, and one sign-in mends it.

use thirtyfour::Cookie;

use entra_lab::EntraLab;

use crate::browser::Browser;
use crate::redis::{KEYS, Redis};
use crate::stack::{Stack, is_compose};

async fn signed_in_as_alice(stack: &Stack) -> Browser {
    let browser = Browser::open().await;
    browser.go(&format!("{}/claims", stack.web_app)).await;
    browser.sign_in_as("alice").await;
    browser.accept_if_asked().await;
    assert_eq!(browser.text("#user-name").await, "Alice Kim");
    browser
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_out_in_another_tab_is_noticed_with_the_next_click_in_this_one() {
    let stack = Stack::start().await;
    let browser = signed_in_as_alice(&stack).await;
    let first = browser.driver.window().await.unwrap();
    let second = browser.driver.new_tab().await.unwrap();
    browser.driver.switch_to_window(second).await.unwrap();
    browser.go(&stack.web_app).await;
    browser.click("#sign-out").await;
    assert_eq!(browser.text("#sign-in").await, "Sign in");

    // The page of before still stands in the first tab.
    browser.driver.switch_to_window(first).await.unwrap();
    assert_eq!(browser.text("#user-name").await, "Alice Kim");
    browser.click("a[href='/profile']").await;

    assert!(browser.address().await.starts_with(&stack.lab), "{}", browser.address().await);
    browser.photograph("signed-out-in-another-tab").await;
    browser.sign_in_as("bob").await;
    browser.accept_if_asked().await;
    assert_eq!(browser.text("#profile-name").await, "Bob Novak", "whoever comes next, and nothing of hers");
    browser.close().await;
}

/// The cookie with the session's id.
async fn session(browser: &Browser) -> Cookie {
    let cookies = browser.driver.get_all_cookies().await.unwrap();
    cookies.into_iter().find(|cookie| cookie.name == "session").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_that_was_tampered_with_is_nobodys() {
    let stack = Stack::start().await;
    let browser = signed_in_as_alice(&stack).await;
    let own = session(&browser).await;
    let mut value = own.value.clone();
    let last = value.pop().unwrap();
    value.push(if last == 'A' { 'B' } else { 'A' });
    for changed in
        [value, format!("{}x", own.value), "garbage".to_owned(), own.value[..own.value.len() / 2].to_owned()]
    {
        let mut cookie = Cookie::new(own.name.clone(), changed);
        cookie.set_path("/");
        browser.driver.add_cookie(cookie).await.unwrap();
        browser.go(&stack.web_app).await;
        assert!(browser.shows("#sign-in").await && !browser.shows("#user-name").await);
    }
    browser.photograph("cookie-tampered").await;

    // Entra still knows her: a page that needs a user is there again, under another session.
    browser.go(&format!("{}/claims", stack.web_app)).await;
    browser.accept_if_asked().await;
    if browser.shows("#account-alice").await {
        browser.click("#account-alice").await;
    }
    assert_eq!(browser.text("#user-name").await, "Alice Kim");
    assert_ne!(session(&browser).await.value, own.value);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_redis_costs_a_way_through_entra_and_no_password() {
    if is_compose() {
        return; // The containers' Redis is everybody's.
    }
    let redis = Redis::start();
    let shared = [("REDIS_URL", redis.url.as_str()), ("CACHE_KEYS", KEYS)];
    let stack = Stack::at(EntraLab::start().await.unwrap(), &shared);
    let browser = signed_in_as_alice(&stack).await;
    browser.go(&format!("{}/profile", stack.web_app)).await;
    assert_eq!(browser.text("#profile-name").await, "Alice Kim");

    redis.empty();
    browser.go(&stack.web_app).await;
    assert!(browser.shows("#sign-in").await, "the session is gone, and the page says so");
    browser.photograph("redis-emptied").await;
    browser.go(&format!("{}/profile", stack.web_app)).await;
    browser.accept_if_asked().await;

    assert_eq!(browser.text("#profile-name").await, "Alice Kim", "without a password");
    assert_eq!(browser.address().await, format!("{}/profile", stack.web_app));
    browser.close().await;
}
