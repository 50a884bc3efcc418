//! Whom an application means: `login_hint`, `sid`, `id_token_hint` and `domain_hint`.

use entra_lab::{DEFAULT_SEED, EntraLab};
use jiff::SignedDuration;

use crate::support::{
    ALICE, BOB, Browser, CAROL, TENANT, WEB_APP, authorize_url, claims, form, lab, redeem, token_at, tokens,
};

/// A browser in which Alice and Bob are signed in, and Bob's ID token.
async fn two_people(lab: &EntraLab) -> (Browser, String) {
    let mut browser = Browser::new(lab);
    let url = authorize_url(lab, TENANT, &WEB_APP, &[("prompt", "select_account")]);
    browser.sign_in(&url, ALICE).await;
    let code = browser.sign_in(&url, BOB).await.query()["code"].clone();
    let id_token = redeem(lab, &WEB_APP, &code, &[]).await.text("id_token").to_owned();
    (browser, id_token)
}

fn silent(lab: &EntraLab, tenant: &str, hint: (&str, &str)) -> String {
    authorize_url(lab, tenant, &WEB_APP, &[("prompt", "none"), hint])
}

async fn assert_bob(lab: &EntraLab, browser: &mut Browser, hint: (&str, &str)) {
    let code = browser.open(&silent(lab, TENANT, hint)).await.query()["code"].clone();
    let answer = redeem(lab, &WEB_APP, &code, &[]).await;
    assert_eq!(answer.claims("id_token")["preferred_username"], BOB, "{}", hint.0);
}

#[tokio::test]
async fn an_id_token_hint_picks_the_account_however_old_the_token_is() {
    let lab = lab().await;
    let (mut browser, id_token) = two_people(&lab).await;
    assert_bob(&lab, &mut browser, ("id_token_hint", &id_token)).await;
    lab.advance(SignedDuration::from_hours(5));
    assert_bob(&lab, &mut browser, ("id_token_hint", &id_token)).await;
}

#[tokio::test]
async fn a_session_id_picks_its_account() {
    let lab = lab().await;
    let (mut browser, id_token) = two_people(&lab).await;
    let sid = claims(&id_token)["sid"].as_str().unwrap().to_owned();
    assert_bob(&lab, &mut browser, ("sid", &sid)).await;
}

#[tokio::test]
async fn the_value_of_the_claim_login_hint_names_the_account_and_says_nothing() {
    let seed = DEFAULT_SEED.replacen(
        "optional_claims = [\"sid\"]",
        "optional_claims = [\"login_hint\", \"sid\"]",
        1,
    );
    let lab = EntraLab::builder().seed_toml(&seed).start().await.unwrap();
    let (mut browser, id_token) = two_people(&lab).await;
    let hint = claims(&id_token)["login_hint"].as_str().unwrap().to_owned();
    assert!(hint.starts_with("O.") && !hint.contains("bob"), "{hint}");
    assert_bob(&lab, &mut browser, ("login_hint", &hint)).await;
    let both = [("login_hint", hint.as_str()), ("domain_hint", "contoso.test")];
    browser.open(&authorize_url(&lab, TENANT, &WEB_APP, &both)).await.assert_error_page(1_002_014);
}

#[tokio::test]
async fn silently_a_hint_that_fits_nobody_who_is_signed_in_is_50058() {
    let lab = lab().await;
    let foreign = tokens(&lab, &WEB_APP, BOB, "openid").await.text("id_token").to_owned();
    let mut browser = Browser::new(&lab);
    browser.sign_in(&authorize_url(&lab, TENANT, &WEB_APP, &[]), ALICE).await;
    for hint in [
        ("login_hint", CAROL),
        ("login_hint", "nobody@contoso.test"),
        ("login_hint", "O.nonsense"),
        ("sid", "00000000-0000-4000-8000-000000000000"),
        ("id_token_hint", &foreign),
        ("domain_hint", "consumers"),
    ] {
        browser.open(&silent(&lab, TENANT, hint)).await.assert_sent_back("login_required", 50058);
    }
}

#[tokio::test]
async fn what_is_no_id_token_of_the_lab_is_no_hint() {
    let lab = lab().await;
    let answer = tokens(&lab, &WEB_APP, ALICE, "openid").await;
    let mut tampered = answer.text("id_token").to_owned();
    tampered.truncate(tampered.len() - 8);
    for hint in ["garbage", answer.text("access_token"), &tampered] {
        let page = Browser::new(&lab).open(&silent(&lab, TENANT, ("id_token_hint", hint))).await;
        page.assert_sent_back("invalid_request", 90100);
    }
}

#[tokio::test]
async fn a_name_that_nobody_has_waits_in_the_form() {
    let lab = lab().await;
    let url = authorize_url(&lab, TENANT, &WEB_APP, &[("login_hint", "nobody@contoso.test")]);
    let page = Browser::new(&lab).open(&url).await;
    assert!(
        page.body.contains("id=\"username\" name=\"username\" value=\"nobody@contoso.test\""),
        "{}",
        page.body
    );
    let url = authorize_url(&lab, TENANT, &WEB_APP, &[("login_hint", "\"><script>alert(1)</script>")]);
    let page = Browser::new(&lab).open(&url).await;
    assert!(page.body.contains("script&#62;") && !page.body.contains("<script"), "{}", page.body);
}

#[tokio::test]
async fn a_session_id_and_a_login_hint_do_not_go_together() {
    let lab = lab().await;
    let url = authorize_url(&lab, TENANT, &WEB_APP, &[("sid", "x"), ("login_hint", ALICE)]);
    Browser::new(&lab).open(&url).await.assert_error_page(90005);
}

#[tokio::test]
async fn a_domain_hint_goes_past_the_accounts_of_other_organisations() {
    let seed = DEFAULT_SEED.replacen("name = \"web-app\"\n", "name = \"web-app\"\nmulti_tenant = true\n", 1);
    let lab = EntraLab::builder().seed_toml(&seed).start().await.unwrap();
    let orders = lab.tenant("orders").unwrap();
    let mut browser = Browser::new(&lab);
    let picker = authorize_url(&lab, "organizations", &WEB_APP, &[("prompt", "select_account")]);
    for user in [ALICE, "alice@orders.test"] {
        let back = browser.sign_in(&picker, user).await.query();
        assert!(back.contains_key("code"), "{back:?}");
    }
    let nobody = authorize_url(&lab, "organizations", &WEB_APP, &[("prompt", "none")]);
    browser.open(&nobody).await.assert_sent_back("interaction_required", 16000);
    // Both are accounts of organisations, and nobody has the other domain.
    for says_nothing in ["organizations", "fabrikam.test"] {
        let url = silent(&lab, "organizations", ("domain_hint", says_nothing));
        browser.open(&url).await.assert_sent_back("interaction_required", 16000);
    }
    let hinted = silent(&lab, "organizations", ("domain_hint", "orders.test"));
    let code = browser.open(&hinted).await.query()["code"].clone();
    let rest =
        [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", WEB_APP.redirect_uri)];
    let answer = token_at(&lab, "organizations", &form(&WEB_APP, &rest)).await;
    assert_eq!(answer.claims("id_token")["tid"], orders.tenant_id.to_string());

    let page = browser.open(&format!("{picker}&domain_hint=orders.test")).await;
    assert!(page.body.contains("alice@orders.test") && !page.body.contains(ALICE), "{}", page.body);
    let personal = format!("{picker}&domain_hint=consumers");
    browser.open(&personal).await.assert_sent_back("unauthorized_client", 700_016);
}
