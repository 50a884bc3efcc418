//! Journey 3, the web app calls the API: each user sees their own data and never another's.

use crate::browser::Browser;
use crate::stack::Stack;

/// Checklist 84.
#[tokio::test(flavor = "multi_thread")]
async fn two_users_in_two_browsers_see_their_own_profile_and_mail() {
    let stack = Stack::start().await;
    let (of_alice, of_bob) = (Browser::open().await, Browser::open().await);
    for (browser, name) in [(&of_alice, "alice"), (&of_bob, "bob")] {
        browser.go(&format!("{}/profile", stack.web_app)).await;
        browser.sign_in_as(name).await;
        browser.accept_if_asked().await;
    }

    for _ in 0..2 {
        for (browser, name, mail, other) in [
            (&of_alice, "Alice Kim", "alice@contoso.test", "Bob Novak"),
            (&of_bob, "Bob Novak", "bob@contoso.test", "Alice Kim"),
        ] {
            browser.go(&format!("{}/profile", stack.web_app)).await;
            assert_eq!(browser.text("#profile-name").await, name);
            assert_eq!(browser.text("#profile-mail").await, mail);
            assert!(!browser.page().await.contains(other), "{name} sees {other}");
            browser.go(&format!("{}/messages", stack.web_app)).await;
            assert!(!browser.text(".message").await.is_empty());
        }
    }
    of_alice.photograph("messages").await;
    of_alice.close().await;
    of_bob.close().await;
}
