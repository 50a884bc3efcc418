//! Single-page applications: a page redeems its code itself, across origins, without a secret and for a day.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_lab::{DEFAULT_SEED, EntraLab};
use jiff::SignedDuration;
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::json;

use crate::support::{
    self, ALICE, API_SCOPE, App, Browser, DAEMON, GRAPH, Json, TENANT, TOOL, WEB_APP, authorize_url, client,
    form, lab, redeem,
};

const PAGE: App =
    App { id: "c0ffee00-0000-4000-8000-00000000a000", secret: "", redirect_uri: "http://localhost:5000/" };
const ORIGIN: &str = "http://localhost:5000";
const VERIFIER: &str = "a-verifier-of-forty-three-letters-or-even-more";

/// The URL that a page opens, with a challenge.
fn page_url(lab: &EntraLab, app: &App, scope: &str) -> String {
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
    let changes = [("scope", scope), ("code_challenge", &challenge), ("code_challenge_method", "S256")];
    authorize_url(lab, TENANT, app, &changes)
}

async fn page_code(lab: &EntraLab) -> String {
    let url = page_url(lab, &PAGE, &format!("openid profile offline_access {API_SCOPE}"));
    Browser::new(lab).sign_in(&url, ALICE).await.query()["code"].clone()
}

/// A request to the token endpoint as a browser makes it for a page of this origin.
async fn ask(lab: &EntraLab, app: &App, origin: Option<&str>, rest: &[(&str, &str)]) -> Json {
    let url = format!("{}/{TENANT}/oauth2/v2.0/token", lab.url());
    let mut request = client().post(url).form(&form(app, rest));
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    Json::of(request.send().await.unwrap()).await
}

fn with_code<'a>(app: &App, code: &'a str) -> Vec<(&'a str, &'a str)> {
    let redirect_uri = app.redirect_uri;
    vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", redirect_uri),
        ("code_verifier", VERIFIER),
    ]
}

fn with_refresh_token(token: &str) -> [(&str, &str); 2] {
    [("grant_type", "refresh_token"), ("refresh_token", token)]
}

async fn beforehand(lab: &EntraLab, path: &str, origin: &str, method: &str) -> HeaderMap {
    let request = client()
        .request(Method::OPTIONS, format!("{}{path}", lab.url()))
        .header("origin", origin)
        .header("access-control-request-method", method)
        .header("access-control-request-headers", "authorization,x-client-sku");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    response.headers().clone()
}

#[tokio::test]
async fn a_page_redeems_its_code_across_origins_without_a_secret() {
    let lab = lab().await;
    let code = page_code(&lab).await;
    let answer = ask(&lab, &PAGE, Some(ORIGIN), &with_code(&PAGE, &code)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.claims("access_token")["azpacr"], "0", "nobody proved to be the client");
    assert_eq!(answer.body["refresh_token_expires_in"], 86_399);
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", "POST, OPTIONS"),
        ("access-control-expose-headers", "Content-Length,Content-Encoding,x-ms-request-id,x-ms-srs"),
    ] {
        assert_eq!(answer.headers[name], value);
    }
    let renewed = ask(&lab, &PAGE, Some(ORIGIN), &with_refresh_token(answer.text("refresh_token"))).await;
    assert_eq!(renewed.status, 200, "{}", renewed.body);
}

#[tokio::test]
async fn without_an_origin_what_is_a_pages_is_9002327() {
    let lab = lab().await;
    let code = page_code(&lab).await;
    let alone = ask(&lab, &PAGE, None, &with_code(&PAGE, &code)).await;
    alone.assert_refused(400, "invalid_request", 9_002_327);
    assert!(!alone.headers.contains_key("access-control-allow-origin"), "no page asked");
    // Nothing was used up.
    let answer = ask(&lab, &PAGE, Some(ORIGIN), &with_code(&PAGE, &code)).await;
    let alone = ask(&lab, &PAGE, None, &with_refresh_token(answer.text("refresh_token"))).await;
    alone.assert_refused(400, "invalid_request", 9_002_327);
}

#[tokio::test]
async fn across_origins_nothing_but_a_registered_page_gets_tokens() {
    let lab = lab().await;
    let code = page_code(&lab).await;
    for origin in ["https://evil.example", "null", "http://localhost:5000/", "http://127.0.0.1:5000", ""] {
        let refused = ask(&lab, &PAGE, Some(origin), &with_code(&PAGE, &code)).await;
        refused.assert_refused(400, "invalid_request", 9_002_326);
        assert_eq!(refused.headers["access-control-allow-origin"], "*", "the page can read why");
    }
    // A web application's code is no page's, and a service is none.
    let web = support::code(&lab, &WEB_APP, ALICE, "openid").await;
    let rest = [("grant_type", "authorization_code"), ("code", &web), ("redirect_uri", WEB_APP.redirect_uri)];
    let refused = ask(&lab, &WEB_APP, Some("http://localhost:3000"), &rest).await;
    refused.assert_refused(400, "invalid_request", 9_002_326);
    assert_eq!(redeem(&lab, &WEB_APP, &web, &[]).await.status, 200);
    let scope = format!("{GRAPH}/.default");
    let service = [("grant_type", "client_credentials"), ("scope", scope.as_str())];
    ask(&lab, &DAEMON, Some(ORIGIN), &service).await.assert_refused(400, "invalid_request", 9_002_326);
    assert_eq!(ask(&lab, &PAGE, Some(ORIGIN), &with_code(&PAGE, &code)).await.status, 200);
}

#[tokio::test]
async fn a_page_that_sends_no_code_challenge_is_sent_back_with_9002325() {
    let lab = lab().await;
    let url = authorize_url(&lab, TENANT, &PAGE, &[]);
    Browser::new(&lab).open(&url).await.assert_sent_back("invalid_request", 9_002_325);
}

#[tokio::test]
async fn a_page_must_not_send_a_secret_and_wrong_codes_are_told_apart() {
    let lab = lab().await;
    let code = page_code(&lab).await;
    let with_secret = App { secret: "a secret that anybody could read", ..PAGE };
    let refused = ask(&lab, &with_secret, Some(ORIGIN), &with_code(&PAGE, &code)).await;
    refused.assert_refused(401, "invalid_client", 700_025);
    let garbage = ask(&lab, &PAGE, Some(ORIGIN), &with_code(&PAGE, "garbage")).await;
    garbage.assert_refused(400, "invalid_grant", 9_002_313);
}

#[tokio::test]
async fn renewing_does_not_make_the_day_longer_and_then_it_is_700084() {
    let lab = lab().await;
    let code = page_code(&lab).await;
    let first = ask(&lab, &PAGE, Some(ORIGIN), &with_code(&PAGE, &code)).await;
    lab.advance(SignedDuration::from_hours(23));
    let second = ask(&lab, &PAGE, Some(ORIGIN), &with_refresh_token(first.text("refresh_token"))).await;
    let left = second.body["refresh_token_expires_in"].as_i64().unwrap();
    assert!((3500..3600).contains(&left), "{left}");
    lab.advance(SignedDuration::from_hours(1));
    for token in [first.text("refresh_token"), second.text("refresh_token")] {
        let refused = ask(&lab, &PAGE, Some(ORIGIN), &with_refresh_token(token)).await;
        refused.assert_refused(400, "invalid_grant", 700_084);
        assert_eq!(refused.text("suberror"), "bad_token");
    }
}

#[tokio::test]
async fn a_browser_that_asks_beforehand_learns_which_pages_may_ask() {
    let lab = lab().await;
    let token = format!("/{TENANT}/oauth2/v2.0/token");
    let allowed = beforehand(&lab, &token, ORIGIN, "POST").await;
    assert_eq!(allowed["access-control-allow-origin"], "*");
    assert_eq!(allowed["access-control-allow-headers"], "authorization,x-client-sku");
    let foreign = beforehand(&lab, &token, "https://evil.example", "POST").await;
    assert!(!foreign.contains_key("access-control-allow-origin"));
    let document = format!("/{TENANT}/v2.0/.well-known/openid-configuration");
    for (path, method) in [("/v1.0/me", "GET"), ("/oidc/userinfo", "GET"), (&document, "GET")] {
        let everybody = beforehand(&lab, path, "https://another.example", method).await;
        assert_eq!(everybody["access-control-allow-origin"], "*", "{path}");
        assert!(everybody["access-control-allow-methods"].to_str().unwrap().contains(method));
    }
}

#[tokio::test]
async fn graph_lets_a_page_read_its_answers_and_the_controls_do_not() {
    let lab = lab().await;
    for (path, readable) in [("/v1.0/me", true), ("/oidc/userinfo", true), ("/lab/keys", false), ("/", false)]
    {
        let request = client().get(format!("{}{path}", lab.url())).header("origin", ORIGIN);
        let headers = request.send().await.unwrap().headers().clone();
        let origin = headers.get("access-control-allow-origin").map(|v| v.to_str().unwrap());
        assert_eq!(origin, readable.then_some("*"), "{path}");
        if path == "/v1.0/me" {
            assert!(headers["access-control-expose-headers"].to_str().unwrap().contains("WWW-Authenticate"));
        }
    }
}

#[tokio::test]
async fn a_registration_tool_registers_a_page_beside_a_server() {
    let lab = lab().await;
    let scope = format!("{GRAPH}/.default");
    let rest = [("grant_type", "client_credentials"), ("scope", scope.as_str())];
    let token = support::token(&lab, &form(&TOOL, &rest)).await;
    let url = format!("{}/applications(appId='{}')", lab.graph_url(), WEB_APP.id);
    let change = json!({ "spa": { "redirectUris": ["https://portal.contoso.test/app"] } });
    let request = client().patch(&url).bearer_auth(token.text("access_token")).json(&change);
    assert_eq!(request.send().await.unwrap().status(), 204);
    let shown = client().get(&url).bearer_auth(token.text("access_token")).send().await.unwrap();
    let shown = Json::of(shown).await.body;
    assert_eq!(shown["spa"], change["spa"]);
    assert_eq!(shown["web"]["redirectUris"][0], WEB_APP.redirect_uri, "the other platform is as it was");
    assert_eq!(shown["optionalClaims"]["idToken"][0]["name"], "sid", "and so are the claims");

    let page = App { redirect_uri: "https://portal.contoso.test/app", secret: "", ..WEB_APP };
    let mut browser = Browser::new(&lab);
    let code = browser.sign_in(&page_url(&lab, &page, "openid"), ALICE).await.query()["code"].clone();
    let origin = Some("https://portal.contoso.test");
    assert_eq!(ask(&lab, &page, origin, &with_code(&page, &code)).await.status, 200);
    // The server goes on with its secret and without an origin.
    let code =
        browser.sign_in(&authorize_url(&lab, TENANT, &WEB_APP, &[]), ALICE).await.query()["code"].clone();
    assert_eq!(redeem(&lab, &WEB_APP, &code, &[]).await.status, 200);
}

#[tokio::test]
async fn a_uri_that_is_registered_letter_by_letter_decides_the_platform() {
    let line = "redirect_uris = [\"http://localhost:3000/signin-oidc\"";
    let seed = DEFAULT_SEED.replacen(
        line,
        &format!("spa_redirect_uris = [\"http://localhost/signin-oidc\"]\n{line}"),
        1,
    );
    let lab = EntraLab::builder().seed_toml(&seed).start().await.unwrap();
    for (port, spa) in [("3000", false), ("3001", true)] {
        let uri = format!("http://localhost:{port}/signin-oidc");
        let url = authorize_url(&lab, TENANT, &WEB_APP, &[("redirect_uri", &uri)]);
        let page = Browser::new(&lab).open(&url).await;
        assert_eq!(page.location.is_some(), spa, "only a page is asked for a challenge: {uri}");
    }
}
