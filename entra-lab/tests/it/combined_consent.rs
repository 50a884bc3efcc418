//! Consent that reaches further than one client and one API: known clients, pre-authorized clients.

use entra_lab::{DEFAULT_SEED, EntraLab};

use crate::support::{
    API, API_SCOPE, Browser, CAROL, GRAPH, OBO, PASSWORD, Page, TENANT, WEB_APP, authorize_url, form, redeem,
    token,
};

const API_DEFAULT: &str = "api://c0ffee00-0000-4000-8000-000000004000/.default";

/// The built-in seed with another line in the registration of the API.
async fn with(line: &str) -> EntraLab {
    let seed = DEFAULT_SEED.replace("name = \"web-api-obo\"\n", &format!("name = \"web-api-obo\"\n{line}\n"));
    EntraLab::builder().seed_toml(&seed).start().await.unwrap()
}

async fn after_the_password(lab: &EntraLab, browser: &mut Browser, scope: &str) -> Page {
    let url = authorize_url(lab, TENANT, &WEB_APP, &[("scope", scope), ("login_hint", CAROL)]);
    let page = browser.open(&url).await;
    browser.type_password(&page, PASSWORD).await
}

#[tokio::test]
async fn a_known_clients_users_agree_to_what_the_api_needs_at_the_same_time() {
    let lab = with(&format!("known_clients = [\"{}\"]", WEB_APP.id)).await;
    let mut browser = Browser::new(&lab);
    let page = after_the_password(&lab, &mut browser, API_DEFAULT).await;
    assert!(page.is("Permissions requested"), "{}", page.body);
    assert!(page.body.contains("access_as_user") && page.body.contains("Mail.Read"), "{}", page.body);
    assert!(page.body.contains("for web-api-obo"), "{}", page.body);
    let code = browser.accept(&page).await.query()["code"].clone();
    let answer = redeem(&lab, &WEB_APP, &code, &[]).await;

    // Carol was the one for whom the API had no consent.
    let scope = format!("{GRAPH}/Mail.Read");
    let rest = [
        ("grant_type", OBO),
        ("requested_token_use", "on_behalf_of"),
        ("assertion", answer.text("access_token")),
        ("scope", &scope),
    ];
    assert_eq!(token(&lab, &form(&API, &rest)).await.status, 200);
}

#[tokio::test]
async fn a_client_that_the_api_does_not_know_asks_for_itself_only() {
    let lab = with("known_clients = []").await;
    let mut browser = Browser::new(&lab);
    let page = after_the_password(&lab, &mut browser, API_DEFAULT).await;
    assert!(page.body.contains("access_as_user") && !page.body.contains("Mail.Read"), "{}", page.body);
}

#[tokio::test]
async fn for_a_pre_authorized_client_nobody_is_asked() {
    let line = format!("pre_authorized = [{{ client = \"{}\", scopes = [\"access_as_user\"] }}]", WEB_APP.id);
    let lab = with(&line).await;
    let mut browser = Browser::new(&lab);
    let page = after_the_password(&lab, &mut browser, API_SCOPE).await;
    let answer = redeem(&lab, &WEB_APP, &page.query()["code"], &[]).await;
    assert_eq!(answer.claims("access_token")["scp"], "access_as_user");
}

#[tokio::test]
async fn a_pre_authorized_scope_that_the_api_does_not_have_names_its_line() {
    let line = format!("pre_authorized = [{{ client = \"{}\", scopes = [\"access_as_usr\"] }}]", WEB_APP.id);
    let seed = DEFAULT_SEED.replace("name = \"web-api-obo\"\n", &format!("name = \"web-api-obo\"\n{line}\n"));
    let error = entra_lab::seed::parse(&seed).unwrap_err();
    let at = seed.lines().position(|l| l == line).unwrap() + 1;
    assert_eq!((error.line, error.message.as_str()), (at, "web-api-obo exposes no scope access_as_usr"));
}
