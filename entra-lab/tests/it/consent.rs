//! Consent: asked once per user, client and resource; remembered until the reset.

use entra_lab::{DEFAULT_SEED, EntraLab};

use crate::support::{
    ALICE, API_SCOPE, BOB, Browser, GRAPH, PASSWORD, TENANT, WEB_APP, authorize_url, lab, redeem,
};

#[tokio::test]
async fn declining_sends_access_denied_back() {
    let lab = lab().await;
    let mut browser = Browser::new(&lab);
    let page = browser.open(&authorize_url(&lab, TENANT, &WEB_APP, &[("login_hint", ALICE)])).await;
    let consent = browser.type_password(&page, PASSWORD).await;
    browser.submit(&consent, &[("action", "decline")]).await.assert_sent_back("access_denied", 65004);
    let again = browser.open(&authorize_url(&lab, TENANT, &WEB_APP, &[])).await;
    assert!(again.is("Permissions requested"), "nothing was remembered");
}

#[tokio::test]
async fn agreeing_counts_for_one_user_only() {
    let lab = lab().await;
    let url = authorize_url(&lab, TENANT, &WEB_APP, &[("scope", API_SCOPE)]);
    Browser::new(&lab).sign_in(&url, ALICE).await.query();
    let mut alice = Browser::new(&lab);
    let page = alice
        .open(&authorize_url(&lab, TENANT, &WEB_APP, &[("scope", API_SCOPE), ("login_hint", ALICE)]))
        .await;
    assert!(alice.type_password(&page, PASSWORD).await.query().contains_key("code"), "asked once");
    let mut bob = Browser::new(&lab);
    let page =
        bob.open(&authorize_url(&lab, TENANT, &WEB_APP, &[("scope", API_SCOPE), ("login_hint", BOB)])).await;
    assert!(bob.type_password(&page, PASSWORD).await.is("Permissions requested"));
}

#[tokio::test]
async fn only_what_is_new_is_asked() {
    let lab = lab().await;
    let mut browser = Browser::new(&lab);
    browser.sign_in(&authorize_url(&lab, TENANT, &WEB_APP, &[("scope", "openid User.Read")]), ALICE).await;
    let page = browser
        .open(&authorize_url(&lab, TENANT, &WEB_APP, &[("scope", "openid User.Read Mail.Read")]))
        .await;
    assert!(
        page.body.contains("Read your mail") && !page.body.contains("read your profile"),
        "{}",
        page.body
    );
}

#[tokio::test]
async fn several_resources_are_agreed_to_at_once_and_redeemed_one_by_one() {
    let lab = lab().await;
    let scope = format!("openid offline_access {API_SCOPE} {GRAPH}/User.Read");
    let mut browser = Browser::new(&lab);
    let url = authorize_url(&lab, TENANT, &WEB_APP, &[("scope", &scope), ("login_hint", ALICE)]);
    let page = browser.open(&url).await;
    let consent = browser.type_password(&page, PASSWORD).await;
    assert!(consent.body.contains("web-api-obo") && consent.body.contains("Microsoft Graph"));
    let code = browser.accept(&consent).await.query()["code"].clone();
    redeem(&lab, &WEB_APP, &code, &[("scope", &scope)]).await.assert_refused(400, "invalid_scope", 28000);
    let answer = redeem(&lab, &WEB_APP, &code, &[("scope", "https://graph.microsoft.com/User.Read")]).await;
    assert_eq!(answer.claims("access_token")["aud"], GRAPH);
}

#[tokio::test]
async fn default_does_not_ask_whoever_has_agreed_to_anything_of_the_api() {
    let listed = "delegated = [\"User.Read\", \"openid\"";
    let seed = DEFAULT_SEED.replacen(listed, &listed.replace("[", "[\"Mail.Read\", "), 1);
    let lab = EntraLab::builder().seed_toml(&seed).start().await.unwrap();
    let scope = "https://graph.microsoft.com/.default";
    let url =
        |more: &[(&str, &str)]| authorize_url(&lab, TENANT, &WEB_APP, &[&[("scope", scope)], more].concat());

    // Nothing yet: everything that is listed.
    let mut browser = Browser::new(&lab);
    let page = browser.open(&url(&[("login_hint", BOB)])).await;
    let page = browser.type_password(&page, PASSWORD).await;
    assert!(page.body.contains("Read your mail") && page.body.contains("read your profile"), "{}", page.body);

    // One permission was enough: the token has that one, and the others are for prompt=consent.
    let mut browser = Browser::new(&lab);
    browser.sign_in(&authorize_url(&lab, TENANT, &WEB_APP, &[("scope", "User.Read")]), ALICE).await;
    let code = browser.open(&url(&[])).await.query()["code"].clone();
    let answer = redeem(&lab, &WEB_APP, &code, &[("scope", scope)]).await;
    assert_eq!(answer.claims("access_token")["scp"], "User.Read");
    let page = browser.open(&url(&[("prompt", "consent")])).await;
    assert!(page.body.contains("Read your mail"), "{}", page.body);
}

#[tokio::test]
async fn default_means_what_the_registration_lists() {
    let lab = lab().await;
    let scope = "https://graph.microsoft.com/.default";
    let mut browser = Browser::new(&lab);
    let url = authorize_url(&lab, TENANT, &WEB_APP, &[("scope", scope)]);
    let code = browser.sign_in(&url, ALICE).await.query()["code"].clone();
    let answer = redeem(&lab, &WEB_APP, &code, &[("scope", scope)]).await;
    assert_eq!(answer.claims("access_token")["scp"], "User.Read email openid profile");
    assert!(answer.text("scope").ends_with(" https://graph.microsoft.com/.default"), "{}", answer.body);
    assert!(answer.text("scope").contains("https://graph.microsoft.com/User.Read"), "{}", answer.body);
}
