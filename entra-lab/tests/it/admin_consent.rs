//! The admin-consent page: one yes for everybody.

use crate::support::{ALICE, API_SCOPE, BOB, Browser, PASSWORD, TENANT, WEB_APP, authorize_url, lab};

fn url(lab: &entra_lab::EntraLab, path: &str, scope: &str) -> String {
    let mut pairs = vec![("client_id", WEB_APP.id), ("redirect_uri", WEB_APP.redirect_uri), ("state", "s 1")];
    if !scope.is_empty() {
        pairs.push(("scope", scope));
    }
    let base = format!("{}/{TENANT}/{path}", lab.url());
    url::Url::parse_with_params(&base, &pairs).unwrap().into()
}

async fn answer(browser: &mut Browser, url: &str, scope: &str, action: &str) -> crate::support::Page {
    let page = browser.open(url).await;
    assert!(page.is("Permissions for everyone"), "{}", page.body);
    let path = format!("/{}", url.split('/').skip(3).collect::<Vec<_>>().join("/"));
    let token = page.hidden("form_token");
    let fields = [
        ("form_token", token.as_str()),
        ("client_id", WEB_APP.id),
        ("redirect_uri", WEB_APP.redirect_uri),
        ("state", "s 1"),
        ("scope", scope),
        ("action", action),
    ];
    browser.post(&path, &fields).await
}

#[tokio::test]
async fn after_it_nobody_is_asked_for_consent() {
    let lab = lab().await;
    let mut browser = Browser::new(&lab);
    let members = answer(&mut browser, &url(&lab, "adminconsent", ""), "", "accept").await.query();
    assert_eq!((members["admin_consent"].as_str(), members["tenant"].as_str()), ("True", TENANT));
    assert_eq!(members["state"], "s 1");
    for user in [ALICE, BOB] {
        let mut browser = Browser::new(&lab);
        let scope = format!("openid profile {API_SCOPE}");
        let changes = [("scope", scope.as_str()), ("login_hint", user)];
        let page = browser.open(&authorize_url(&lab, TENANT, &WEB_APP, &changes)).await;
        assert!(browser.type_password(&page, PASSWORD).await.query().contains_key("code"));
    }
}

#[tokio::test]
async fn the_second_version_takes_scopes_and_returns_them() {
    let lab = lab().await;
    let url = url(&lab, "v2.0/adminconsent", API_SCOPE);
    let members = answer(&mut Browser::new(&lab), &url, API_SCOPE, "accept").await.query();
    assert_eq!(members["scope"], API_SCOPE);
}

#[tokio::test]
async fn no_is_permission_denied_and_nothing_is_granted() {
    let lab = lab().await;
    let members =
        answer(&mut Browser::new(&lab), &url(&lab, "adminconsent", ""), "", "decline").await.query();
    assert_eq!(members["error"], "permission_denied");
    let mut browser = Browser::new(&lab);
    let page = browser.open(&authorize_url(&lab, TENANT, &WEB_APP, &[("login_hint", ALICE)])).await;
    assert!(browser.type_password(&page, PASSWORD).await.is("Permissions requested"));
}

#[tokio::test]
async fn a_foreign_form_and_a_foreign_redirect_uri_are_refused() {
    let lab = lab().await;
    let fields = [("client_id", WEB_APP.id), ("redirect_uri", WEB_APP.redirect_uri), ("action", "accept")];
    let path = format!("/{TENANT}/adminconsent");
    Browser::new(&lab).post(&path, &fields).await.assert_error_page(165000);
    let foreign = format!("{}{path}?client_id={}&redirect_uri=http://evil.example/", lab.url(), WEB_APP.id);
    Browser::new(&lab).open(&foreign).await.assert_error_page(50011);
}
