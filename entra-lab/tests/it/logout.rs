//! Sign-out at the lab.

use crate::support::{ALICE, Browser, TENANT, WEB_APP, authorize_url, lab};

const BACK: &str = "http://localhost:3000/signout-callback-oidc";

#[tokio::test]
async fn sign_out_ends_the_session_and_goes_back_with_the_state() {
    let lab = lab().await;
    let mut browser = Browser::new(&lab);
    browser.sign_in(&authorize_url(&lab, TENANT, &WEB_APP, &[]), ALICE).await;
    let cookie = browser.cookie.clone();
    let url =
        format!("{}/{TENANT}/oauth2/v2.0/logout?post_logout_redirect_uri={BACK}&state=s%201", lab.url());
    let back = browser.open(&url).await;
    assert_eq!(back.status, 302);
    assert_eq!(back.location.as_deref(), Some("http://localhost:3000/signout-callback-oidc?state=s+1"));
    assert_eq!(browser.cookie, None, "the cookie is taken away");
    // Even who kept the cookie is not signed in any more.
    browser.cookie = cookie;
    let silent = authorize_url(&lab, TENANT, &WEB_APP, &[("prompt", "none")]);
    browser.open(&silent).await.assert_sent_back("login_required", 50058);
}

#[tokio::test]
async fn a_way_back_that_is_not_registered_ends_on_the_labs_own_page() {
    let lab = lab().await;
    for uri in ["http://evil.example/", "http://localhost:3000/other", "javascript:alert(1)", ""] {
        let url = format!("{}/{TENANT}/oauth2/v2.0/logout?post_logout_redirect_uri={uri}", lab.url());
        let page = Browser::new(&lab).open(&url).await;
        assert_eq!((page.status, page.location.as_deref()), (200, None), "{uri}");
        assert!(page.body.contains("id=\"signed-out\""));
    }
}

#[tokio::test]
async fn sign_out_of_an_unknown_tenant_is_90002() {
    let lab = lab().await;
    let url = format!("{}/fabrikam.test/oauth2/v2.0/logout", lab.url());
    Browser::new(&lab).open(&url).await.assert_error_page(90002);
}
