//! Single sign-on, `prompt`, `login_hint` and `max_age`.

use jiff::SignedDuration;

use crate::support::{ALICE, BOB, Browser, PASSWORD, TENANT, WEB_APP, authorize_url, claims, lab, redeem};

#[tokio::test]
async fn a_second_sign_in_asks_nothing() {
    let lab = lab().await;
    let mut browser = Browser::new(&lab);
    let url = authorize_url(&lab, TENANT, &WEB_APP, &[]);
    browser.sign_in(&url, ALICE).await;
    assert!(browser.open(&url).await.query().contains_key("code"));
    let silent = authorize_url(&lab, TENANT, &WEB_APP, &[("prompt", "none")]);
    assert!(browser.open(&silent).await.query().contains_key("code"));
}

#[tokio::test]
async fn none_without_consent_is_65001() {
    let lab = lab().await;
    let mut browser = Browser::new(&lab);
    browser.sign_in(&authorize_url(&lab, TENANT, &WEB_APP, &[]), ALICE).await;
    let more = authorize_url(&lab, TENANT, &WEB_APP, &[("prompt", "none"), ("scope", "Mail.Read")]);
    browser.open(&more).await.assert_sent_back("consent_required", 65001);
}

#[tokio::test]
async fn none_with_two_accounts_is_16000_unless_a_hint_says_which() {
    let lab = lab().await;
    let mut browser = Browser::new(&lab);
    for user in [ALICE, BOB] {
        browser.sign_in(&authorize_url(&lab, TENANT, &WEB_APP, &[("prompt", "select_account")]), user).await;
    }
    let silent = authorize_url(&lab, TENANT, &WEB_APP, &[("prompt", "none")]);
    browser.open(&silent).await.assert_sent_back("interaction_required", 16000);
    let hinted = authorize_url(&lab, TENANT, &WEB_APP, &[("prompt", "none"), ("login_hint", BOB)]);
    let code = browser.open(&hinted).await.query()["code"].clone();
    let answer = redeem(&lab, &WEB_APP, &code, &[]).await;
    assert_eq!(answer.claims("id_token")["preferred_username"], BOB);
}

#[tokio::test]
async fn select_account_always_shows_the_picker() {
    let lab = lab().await;
    let mut browser = Browser::new(&lab);
    browser.sign_in(&authorize_url(&lab, TENANT, &WEB_APP, &[]), ALICE).await;
    let url = authorize_url(&lab, TENANT, &WEB_APP, &[("prompt", "select_account")]);
    let picker = browser.open(&url).await;
    assert!(picker.is("Pick an account") && picker.body.contains("signed in"), "{}", picker.body);
    assert!(browser.pick(&picker, ALICE).await.query().contains_key("code"), "no password the second time");
}

#[tokio::test]
async fn login_asks_for_the_password_again() {
    let lab = lab().await;
    let mut browser = Browser::new(&lab);
    browser.sign_in(&authorize_url(&lab, TENANT, &WEB_APP, &[]), ALICE).await;
    let url = authorize_url(&lab, TENANT, &WEB_APP, &[("prompt", "login"), ("login_hint", ALICE)]);
    let page = browser.open(&url).await;
    assert!(page.is("Enter password"), "{}", page.body);
    assert!(browser.type_password(&page, PASSWORD).await.query().contains_key("code"));
}

#[tokio::test]
async fn consent_asks_again_what_was_agreed_before() {
    let lab = lab().await;
    let mut browser = Browser::new(&lab);
    browser.sign_in(&authorize_url(&lab, TENANT, &WEB_APP, &[]), ALICE).await;
    let page = browser.open(&authorize_url(&lab, TENANT, &WEB_APP, &[("prompt", "consent")])).await;
    assert!(page.is("Permissions requested"), "{}", page.body);
    assert!(browser.accept(&page).await.query().contains_key("code"));
}

#[tokio::test]
async fn max_age_asks_again_when_the_sign_in_is_too_old() {
    let lab = lab().await;
    let mut browser = Browser::new(&lab);
    let url = authorize_url(&lab, TENANT, &WEB_APP, &[("max_age", "600")]);
    let code = browser.sign_in(&url, ALICE).await.query()["code"].clone();
    let id_token = redeem(&lab, &WEB_APP, &code, &[]).await.claims("id_token");
    assert!(id_token["auth_time"].is_i64(), "{id_token}");
    assert!(browser.open(&url).await.query().contains_key("code"));
    lab.advance(SignedDuration::from_mins(11));
    assert!(browser.open(&url).await.is("Enter password"));
}

#[tokio::test]
async fn the_session_id_of_a_browser_stands_in_its_tokens() {
    let lab = lab().await;
    let mut browser = Browser::new(&lab);
    let url = authorize_url(&lab, TENANT, &WEB_APP, &[]);
    let mut sids = Vec::new();
    for _ in 0..2 {
        let back = browser.sign_in(&url, ALICE).await.query();
        let answer = redeem(&lab, &WEB_APP, &back["code"], &[]).await;
        let sid = claims(answer.text("id_token"))["sid"].clone();
        assert_eq!(sid, back["session_state"]);
        sids.push(sid);
    }
    assert_eq!(sids[0], sids[1]);
}
