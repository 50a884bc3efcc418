//! Sign-out at the lab.

use crate::support::{ALICE, BOB, Browser, TENANT, WEB_APP, authorize_url, lab, redeem};

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

/// Checklist 169.
#[tokio::test]
async fn a_way_back_that_is_not_registered_ends_on_the_labs_own_page() {
    let lab = lab().await;
    let extended = format!("{BACK}%3Fx%3D1");
    for uri in ["http://evil.example/", "http://localhost:3000/other", "javascript:alert(1)", "", &extended] {
        let url = format!("{}/{TENANT}/oauth2/v2.0/logout?state=s&post_logout_redirect_uri={uri}", lab.url());
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

#[tokio::test]
async fn of_several_accounts_a_hint_names_the_one_that_leaves() {
    let lab = lab().await;
    let picker = authorize_url(&lab, TENANT, &WEB_APP, &[("prompt", "select_account")]);
    let silent = |user| authorize_url(&lab, TENANT, &WEB_APP, &[("prompt", "none"), ("login_hint", user)]);
    for hint in ["logout_hint", "id_token_hint"] {
        let mut browser = Browser::new(&lab);
        let code = browser.sign_in(&picker, ALICE).await.query()["code"].clone();
        let id_token = redeem(&lab, &WEB_APP, &code, &[]).await.text("id_token").to_owned();
        browser.sign_in(&picker, BOB).await;
        let value = if hint == "logout_hint" { ALICE } else { &id_token };
        let url = format!("{}/{TENANT}/oauth2/v2.0/logout?{hint}={value}", lab.url());
        assert!(browser.open(&url).await.body.contains("id=\"signed-out\""));
        browser.open(&silent(ALICE)).await.assert_sent_back("login_required", 50058);
        assert!(browser.open(&silent(BOB)).await.query().contains_key("code"), "{hint}");
        // Somebody who is not signed in here cannot keep the others in.
        let url = format!("{}/{TENANT}/oauth2/v2.0/logout?{hint}={value}", lab.url());
        browser.open(&url).await;
        browser.open(&silent(BOB)).await.assert_sent_back("login_required", 50058);
    }
}

#[tokio::test]
async fn applications_with_a_front_channel_address_are_told_the_session_id() {
    let name = "name = \"web-app\"";
    let entry = format!("{name}\nfront_channel_logout_url = \"http://localhost:3000/signout-oidc?x=1\"");
    let seed = entra_lab::DEFAULT_SEED.replacen(name, &entry, 1);
    let lab = entra_lab::EntraLab::builder().seed_toml(&seed).start().await.unwrap();
    let mut browser = Browser::new(&lab);
    let signed_in = browser.sign_in(&authorize_url(&lab, TENANT, &WEB_APP, &[]), ALICE).await;
    let session = signed_in.query()["session_state"].clone();
    let url = format!("{}/{TENANT}/oauth2/v2.0/logout?post_logout_redirect_uri={BACK}", lab.url());
    let page = browser.open(&url).await;
    let frame = page.between("<iframe src=\"", "\"").replace("&#38;", "&");
    assert_eq!(frame, format!("http://localhost:3000/signout-oidc?x=1&sid={session}"));
    assert!(page.body.contains(&format!("2;url={BACK}")), "{}", page.body);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-src http://localhost:3000;"), "{policy}");
    // Nobody is signed in any more, so nobody has to be told.
    assert_eq!(browser.open(&url).await.status, 302);
}
