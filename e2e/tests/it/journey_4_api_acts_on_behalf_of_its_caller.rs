//! Journey 4, on-behalf-of: the profile on the page came from Graph, through the API, for this user.

use crate::browser::Browser;
use crate::stack::Stack;

#[tokio::test(flavor = "multi_thread")]
async fn the_profile_comes_through_on_behalf_of_with_its_photo_and_then_from_the_cache() {
    let stack = Stack::start().await;
    let browser = Browser::open().await;

    browser.go(&format!("{}/profile", stack.web_app)).await;
    browser.sign_in_as("alice").await;
    browser.accept_if_asked().await;

    assert_eq!(browser.text("#profile-name").await, "Alice Kim");
    assert_eq!(browser.text("#profile-mail").await, "alice@contoso.test");
    assert!(browser.sees_picture("#photo").await, "the photo did not load");
    browser.photograph("profile").await;

    // Again: the API has the Graph token for this very user and caller.
    browser.go(&format!("{}/profile", stack.web_app)).await;
    assert!(browser.text("#token-source").await.contains("cache"), "{}", browser.text("#token-source").await);

    // Beside it: Graph directly, with the user's own token. Its consent is asked for when it is first needed.
    browser.go(&format!("{}/graph", stack.web_app)).await;
    browser.accept_if_asked().await;
    assert_eq!(browser.text("#graph-name").await, "Alice Kim");
    browser.photograph("graph").await;

    let log = stack.logs();
    for sentence in ["asking Entra on behalf of the caller", "the tokens are in the user-token cache"] {
        assert!(log.contains(sentence), "no \"{sentence}\" in the log:\n{log}");
    }
    browser.close().await;
}
