//! The authorization endpoint and its pages.

use entra_lab::EntraLab;

use crate::support::{
    ALICE, API, API_SCOPE, BOB, Browser, CAROL, DESKTOP, PASSWORD, TENANT, WEB_APP, authorize_url, client,
    lab, members,
};

#[tokio::test]
async fn a_sign_in_goes_over_picker_password_and_consent_back_to_the_application() {
    let lab = lab().await;
    let mut browser = Browser::new(&lab);
    let picker = browser.open(&authorize_url(&lab, TENANT, &WEB_APP, &[("scope", API_SCOPE)])).await;
    assert!(picker.is("Pick an account"), "{}", picker.body);
    for id in ["account-alice", "account-bob", "account-carol", "use-another"] {
        assert!(picker.body.contains(&format!("id=\"{id}\"")), "{id}");
    }
    for text in ["Alice Kim", ALICE, "Engineer", "entra-lab: local use only"] {
        assert!(picker.body.contains(text), "{text}");
    }
    assert!(!picker.body.contains("Dmitri"), "people without a password cannot sign in");

    let password = browser.pick(&picker, ALICE).await;
    assert!(password.is("Enter password"), "{}", password.body);
    assert!(password.body.contains("id=\"password\"") && password.body.contains("id=\"sign-in\""));

    let consent = browser.type_password(&password, PASSWORD).await;
    assert!(consent.is("Permissions requested"), "{}", consent.body);
    assert!(consent.body.contains("Call the web API as you"), "{}", consent.body);
    assert!(consent.body.contains("id=\"accept\"") && consent.body.contains("id=\"decline\""));

    let back = browser.accept(&consent).await;
    assert_eq!(back.status, 302);
    assert!(back.location.as_ref().unwrap().starts_with("http://localhost:3000/signin-oidc?"));
    let answer = back.query();
    assert_eq!(answer["state"], "the state");
    assert!(answer["code"].len() > 200 && answer.contains_key("session_state"), "{answer:?}");
}

#[tokio::test]
async fn a_wrong_password_shows_the_page_again_with_50126() {
    let lab = lab().await;
    let mut browser = Browser::new(&lab);
    let url = authorize_url(&lab, TENANT, &WEB_APP, &[("login_hint", ALICE)]);
    let page = browser.open(&url).await;
    let again = browser.type_password(&page, "not the password").await;
    assert!(again.is("Enter password"), "{}", again.body);
    assert!(again.body.contains("AADSTS50126") && again.body.contains("id=\"error\""), "{}", again.body);
    assert!(!again.body.contains("not the password"));
    let consent = browser.type_password(&again, PASSWORD).await;
    assert!(consent.is("Permissions requested"), "the right one is still taken");
}

#[tokio::test]
async fn another_account_can_be_typed_and_an_unknown_one_is_50034() {
    let lab = lab().await;
    let mut browser = Browser::new(&lab);
    let picker = browser.open(&authorize_url(&lab, TENANT, &WEB_APP, &[])).await;
    let form = browser.submit(&picker, &[("action", "other")]).await;
    assert!(form.body.contains("id=\"username\"") && form.body.contains("id=\"next\""), "{}", form.body);
    let unknown = browser.submit(&form, &[("action", "username"), ("username", "<b>x@contoso.test")]).await;
    assert!(unknown.body.contains("AADSTS50034") && !unknown.body.contains("<b>x"), "{}", unknown.body);
    let known = browser.submit(&unknown, &[("action", "username"), ("username", "BOB@contoso.test")]).await;
    assert!(known.is("Enter password") && known.body.contains("Bob Novak"), "{}", known.body);
    let picker = browser.submit(&known, &[("action", "back")]).await;
    assert!(picker.is("Pick an account"));
}

#[tokio::test]
async fn people_without_a_password_cannot_sign_in() {
    let lab = lab().await;
    let mut browser = Browser::new(&lab);
    let page =
        browser.open(&authorize_url(&lab, TENANT, &WEB_APP, &[("login_hint", "erin@contoso.test")])).await;
    for password in ["", PASSWORD] {
        let again = browser.type_password(&page, password).await;
        assert!(again.body.contains("AADSTS50126"), "{}", again.body);
    }
}

/// Checklist 162, 170.
#[tokio::test]
async fn what_cannot_be_trusted_is_refused_on_a_page() {
    let lab = lab().await;
    let url = |tenant: &str, changes: &[(&str, &str)]| authorize_url(&lab, tenant, &WEB_APP, changes);
    let cases = [
        (url("10000000-0000-4000-8000-0000000000ff", &[]), 90002),
        (url("authorize", &[]), 900023),
        (url(TENANT, &[("client_id", "c0ffee00-0000-4000-8000-00000000ffff")]), 700016),
        (url(TENANT, &[("client_id", "<script>")]), 700016),
        (url(TENANT, &[("client_id", "")]), 900144),
        (url(TENANT, &[("redirect_uri", "")]), 900144),
        (url(TENANT, &[("redirect_uri", "http://localhost:3000/other")]), 50011),
        (url(TENANT, &[("redirect_uri", "http://evil.example/signin-oidc")]), 50011),
        (url(TENANT, &[("redirect_uri", "http://localhost@evil.example/signin-oidc")]), 50011),
        (url(TENANT, &[("redirect_uri", "http://localhost:3000/Signin-Oidc")]), 50011),
        (url(TENANT, &[("redirect_uri", "http://127.0.0.1:3000/signin-oidc")]), 50011),
        (url(TENANT, &[("redirect_uri", "http://localhost:3000/signin-oidc#x")]), 50011),
        (url(TENANT, &[("redirect_uri", "http://localhost:3000/signin-oidc?x=1")]), 50011),
        (url(TENANT, &[("redirect_uri", "http://localhost:3000/x/../signin-oidc")]), 50011),
        (url(TENANT, &[("redirect_uri", "http://localhost:3000/signin-oidc/")]), 50011),
        (url(TENANT, &[("redirect_uri", "http://localhost:3000/signin-oidc/..")]), 50011),
        (url("common", &[]), 50194),
        (url("organizations", &[]), 50194),
        (authorize_url(&lab, TENANT, &API, &[("redirect_uri", "http://localhost")]), 900971),
        (format!("{}&client_id={}", url(TENANT, &[]), WEB_APP.id), 90100),
    ];
    for (url, code) in cases {
        let page = Browser::new(&lab).open(&url).await;
        page.assert_error_page(code);
        assert!(!page.body.contains("<script>"), "{url}");
    }
}

#[tokio::test]
async fn every_other_refusal_goes_back_to_the_application() {
    let lab = lab().await;
    let long = "x".repeat(42);
    for (changes, error, code) in [
        (vec![("response_type", "")], "invalid_request", 900144),
        (vec![("response_type", "magic")], "unsupported_response_type", 70005),
        (
            vec![("response_type", "code id_token"), ("response_mode", "query")],
            "unsupported_response_type",
            700054,
        ),
        (vec![("response_type", "token"), ("response_mode", "query")], "unsupported_response_type", 700051),
        (vec![("response_mode", "pigeon")], "invalid_request", 90100),
        (vec![("scope", "")], "invalid_request", 900144),
        (vec![("prompt", "maybe")], "invalid_request", 90100),
        (vec![("prompt", "none login")], "invalid_request", 90100),
        (vec![("max_age", "-1")], "invalid_request", 90100),
        (vec![("code_challenge", long.as_str())], "invalid_request", 501491),
        (vec![("code_challenge_method", "S256")], "invalid_request", 501491),
        (vec![("code_challenge", long.as_str()), ("code_challenge_method", "S1")], "invalid_request", 50147),
        (vec![("prompt", "none")], "login_required", 50058),
    ] {
        let page = Browser::new(&lab).open(&authorize_url(&lab, TENANT, &WEB_APP, &changes)).await;
        page.assert_sent_back(error, code);
    }
}

#[tokio::test]
async fn what_means_nothing_here_is_accepted_and_changes_nothing() {
    let lab = lab().await;
    let mut browser = Browser::new(&lab);
    browser.sign_in(&authorize_url(&lab, TENANT, &WEB_APP, &[]), ALICE).await;
    for (name, value) in [
        ("display", "page"),
        ("display", "popup"),
        ("ui_locales", "ko en"),
        ("claims_locales", "ko"),
        ("acr_values", "1 2"),
        ("instance_aware", "true"),
        ("clidata", "1"),
        ("X-AnchorMailbox", "UPN:alice@contoso.test"),
        ("nobody_knows_this", "\"<\u{0}>"),
    ] {
        let back = browser.open(&authorize_url(&lab, TENANT, &WEB_APP, &[(name, value)])).await.query();
        assert!(back.contains_key("code"), "{name}: {back:?}");
    }
}

#[tokio::test]
async fn scopes_that_do_not_exist_go_back_once_the_user_is_known() {
    let lab = lab().await;
    for (scope, error, code) in [
        ("api://nobody/access_as_user", "invalid_resource", 500011),
        ("api://c0ffee00-0000-4000-8000-000000004000/nothing", "invalid_client", 650053),
        ("Nothing.Read", "invalid_client", 650053),
        ("api://c0ffee00-0000-4000-8000-000000004000/", "invalid_scope", 70011),
        ("https://graph.microsoft.com/.default User.Read", "invalid_scope", 70011),
        ("api://c0ffee00-0000-4000-8000-000000007000/.default", "invalid_resource", 650057),
        ("User.Read.All", "access_denied", 90094),
    ] {
        let url = authorize_url(&lab, TENANT, &WEB_APP, &[("scope", scope)]);
        Browser::new(&lab).sign_in(&url, ALICE).await.assert_sent_back(error, code);
    }
}

/// Checklist 162.
#[tokio::test]
async fn the_port_of_a_localhost_redirect_does_not_count() {
    let lab = lab().await;
    for (app, uri) in [
        (WEB_APP, "http://localhost:40123/signin-oidc"),
        (DESKTOP, "http://localhost:51234"),
        (DESKTOP, "http://localhost:51234/"),
    ] {
        let url = authorize_url(&lab, TENANT, &app, &[("redirect_uri", uri)]);
        let back = Browser::new(&lab).sign_in(&url, BOB).await;
        assert!(back.location.unwrap().starts_with(uri.trim_end_matches('/')));
    }
}

#[tokio::test]
async fn the_answer_travels_as_asked() {
    let lab = lab().await;
    let url = |mode| authorize_url(&lab, TENANT, &WEB_APP, &[("response_mode", mode), ("client_info", "1")]);
    let fragment = Browser::new(&lab).sign_in(&url("fragment"), CAROL).await.location.unwrap();
    let answer = members(fragment.split_once('#').unwrap().1);
    assert!(answer.contains_key("code") && answer.contains_key("client_info"), "{answer:?}");
    assert_eq!(answer["state"], "the state");

    let page = Browser::new(&lab).sign_in(&url("form_post"), CAROL).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("action=\"http://localhost:3000/signin-oidc\""), "{}", page.body);
    assert!(page.body.contains("id=\"continue\""), "people without scripts press a button");
    assert!(page.hidden("code").len() > 200);
    assert_eq!(page.hidden("state"), "the state");
    let nonce = page.between("<script nonce=\"", "\"");
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains(&format!("script-src 'nonce-{nonce}'")), "{policy}");
}

#[tokio::test]
async fn a_post_is_turned_into_the_same_get() {
    let lab = lab().await;
    let url = authorize_url(&lab, TENANT, &WEB_APP, &[]);
    let (address, query) = url.split_once('?').unwrap();
    let content_type = "application/x-www-form-urlencoded";
    let post = client().post(address).header("content-type", content_type).body(query.to_owned());
    let response = post.send().await.unwrap();
    assert_eq!(response.status().as_u16(), 303);
    let location = format!("{}{}", lab.url(), response.headers()["location"].to_str().unwrap());
    assert!(Browser::new(&lab).open(&location).await.is("Pick an account"));
}

/// Checklist 170.
#[tokio::test]
async fn pages_are_locked_down() {
    let lab = lab().await;
    let page = Browser::new(&lab).open(&authorize_url(&lab, TENANT, &WEB_APP, &[])).await;
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("form-action"), "Chrome would hold it against the redirect to the application");
    assert_eq!(page.headers["cache-control"], "no-store");
    assert_eq!(page.headers["x-frame-options"], "DENY");
    assert!(!page.body.contains("<script"));
    let cookie = page.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && !cookie.contains("Secure"));
}

/// Checklist 170.
#[tokio::test]
async fn a_form_is_taken_only_from_the_browser_that_it_was_shown_to() {
    let lab = lab().await;
    let url = authorize_url(&lab, TENANT, &WEB_APP, &[("login_hint", ALICE)]);
    let mut own = Browser::new(&lab);
    let page = own.open(&url).await;
    // Another site's POST comes without the cookie.
    let mut other_site = Browser::new(&lab);
    other_site.type_password(&page, PASSWORD).await.assert_error_page(165000);
    // Another browser has a cookie of its own.
    let mut other = Browser::new(&lab);
    other.open(&url).await;
    other.type_password(&page, PASSWORD).await.assert_error_page(165000);
    // The form token is one of this very sign-in.
    let second = own.open(&url).await;
    let mixed = [("transaction", page.hidden("transaction")), ("form_token", second.hidden("form_token"))];
    let address = format!("{}/{TENANT}/login", lab.url());
    let cookie = format!("entra_lab_session={}", own.cookie.clone().unwrap());
    let post = client().post(address).header("cookie", cookie).form(&mixed).send().await.unwrap();
    assert_eq!(post.status().as_u16(), 400);
    // And after all that the right browser goes on.
    assert!(own.type_password(&page, PASSWORD).await.is("Permissions requested"));
}

#[tokio::test]
async fn a_form_that_is_sent_twice_gives_one_code() {
    let lab = lab().await;
    let mut browser = Browser::new(&lab);
    let url = authorize_url(&lab, TENANT, &WEB_APP, &[("login_hint", ALICE)]);
    let page = browser.open(&url).await;
    let consent = browser.type_password(&page, PASSWORD).await;
    assert_eq!(browser.accept(&consent).await.status, 302);
    browser.accept(&consent).await.assert_error_page(165000);
}

#[tokio::test]
async fn the_cookie_changes_when_somebody_signs_in() {
    let lab = lab().await;
    let mut browser = Browser::new(&lab);
    let page = browser.open(&authorize_url(&lab, TENANT, &WEB_APP, &[("login_hint", ALICE)])).await;
    let planted = browser.cookie.clone();
    browser.type_password(&page, PASSWORD).await;
    assert_ne!(planted, browser.cookie);
    let mut attacker = Browser::new(&lab);
    attacker.cookie = planted;
    attacker
        .open(&authorize_url(&lab, TENANT, &WEB_APP, &[("prompt", "none")]))
        .await
        .assert_sent_back("login_required", 50058);
}

#[tokio::test]
async fn the_meaning_of_a_code_has_a_page() {
    let lab = lab().await;
    let page = Browser::new(&lab).open(&format!("{}/error?code=65001", lab.url())).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("AADSTS65001"), "{}", page.body);
    assert_eq!(Browser::new(&lab).open(&format!("{}/error?code=<b>", lab.url())).await.status, 404);
}

#[tokio::test]
async fn a_multi_tenant_application_works_on_common() {
    let seed = entra_lab::DEFAULT_SEED.replacen(
        "name = \"desktop-app\"",
        "name = \"desktop-app\"\nmulti_tenant = true",
        1,
    );
    let lab = EntraLab::builder().seed_toml(&seed).start().await.unwrap();
    let back = Browser::new(&lab).sign_in(&authorize_url(&lab, "common", &DESKTOP, &[]), ALICE).await;
    assert!(back.query().contains_key("code"));
}
