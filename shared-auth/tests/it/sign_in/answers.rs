//! What comes back instead of a good answer: errors as pages, garbage, other issuers, an identity provider in trouble.

use std::time::Duration;

use entra_lab::{Fault, Target, What};
use futures_util::future::join_all;
use shared_auth::ConfidentialClient;
use tokio::time::Instant;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::site::{Browser, LabSite, Site, parameter};
use crate::authority::{config, document};
use crate::patience::{Manner, Slow};
use crate::support::token_requests;
use crate::tokens::{KEY, TestAuthority};

/// Checklist 69, 70.
#[tokio::test]
async fn every_error_is_a_page_of_4xx_with_nothing_of_its_text_and_no_session() {
    let app = LabSite::start().await;
    let script = "<script>alert(1)</script>{{7*7}}${7*7}";
    let long = "x".repeat(5_000);
    let table = [
        ("access_denied", "AADSTS65004: User declined to consent.", 403),
        ("access_denied", "", 403),
        ("server_error", "AADSTS90033", 400),
        ("temporarily_unavailable", "later", 400),
        ("interaction_required", "AADSTS50076", 400),
        ("login_required", "AADSTS50058", 400),
        ("consent_required", "AADSTS65001", 400),
        ("invalid_request", long.as_str(), 400),
        ("unknown", script, 400),
        (script, script, 400),
        (long.as_str(), "x", 400),
    ];

    for (error, description, status) in table {
        let mut browser = Browser::default();
        let to_entra = app.begin(&mut browser, "/auth/sign-in").await;
        let state = parameter(&to_entra, "state").unwrap();
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("error", error)
            .append_pair("error_description", description)
            .append_pair("error_uri", "https://evil.test/")
            .append_pair("state", &state)
            .finish();
        let page = app.callback(&mut browser, &query).await;
        assert_eq!(page.status, status, "{}", &error[..error.len().min(40)]);
        assert!(page.body.starts_with("PAGE") && page.body.len() < 300, "{}", page.body);
        assert!(
            !page.body.contains("evil.test") && !page.body.contains(description.get(12..).unwrap_or("\0"))
        );
        assert_eq!(app.who(&browser).await, "nobody");
        assert_eq!(app.callback(&mut browser, &query).await.status, 400, "and it counts once");
    }
}

/// Checklist 69.
#[tokio::test]
async fn an_error_beside_a_code_is_neither() {
    let app = LabSite::start().await;
    let mut browser = Browser::default();
    let answer = app.answer(&mut browser, "alice").await;

    let refused = app.callback(&mut browser, &format!("{answer}&error=access_denied")).await;

    assert_eq!(refused.status, 400);
    assert_eq!(token_requests(&app.lab, "authorization_code"), 0);
}

/// Checklist 83.
#[tokio::test]
async fn a_code_that_is_garbage_is_a_page_and_adds_no_header() {
    let app = LabSite::start().await;
    let long = "A".repeat(6_000);
    for code in
        ["garbage", "", "a\r\nSet-Cookie: session=evil", "\0", "é", "{}", &long, "0.AX%00", "\u{202e}"]
    {
        let mut browser = Browser::default();
        let to_entra = app.begin(&mut browser, "/auth/sign-in").await;
        let state = parameter(&to_entra, "state").unwrap();
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("code", code)
            .append_pair("state", &state)
            .finish();
        let page = app.callback(&mut browser, &query).await;
        assert!(
            (400..=502).contains(&page.status) && page.body.starts_with("PAGE"),
            "{code:?}: {}",
            page.body
        );
        assert!(page.cookies().is_empty(), "{code:?}: {:?}", page.cookies());
        assert_eq!(app.who(&browser).await, "nobody", "{code:?}");
    }
}

/// Checklist 68.
#[tokio::test]
async fn the_issuer_that_an_answer_names_is_the_one_that_was_asked() {
    let app = LabSite::start().await;
    let right = format!("{}/{}/v2.0", app.lab.url(), app.lab.tenant_id());
    let table = [
        (Some(right.clone()), true),
        (None, true), // Entra names none, and does not say that it would.
        (Some("https://login.evil.test/v2.0".to_owned()), false),
        (Some(format!("{right}/")), false),
        (Some(right.to_uppercase()), false),
        (Some(right.replace("10000000", "20000000")), false),
        (Some(app.lab.url().to_owned()), false),
    ];
    for (issuer, good) in table {
        let before = token_requests(&app.lab, "authorization_code");
        let mut browser = Browser::default();
        let mut answer = app.answer(&mut browser, "alice").await;
        if let Some(issuer) = &issuer {
            answer.push_str("&iss=");
            answer.extend(url::form_urlencoded::byte_serialize(issuer.as_bytes()));
        }
        let done = app.callback(&mut browser, &answer).await;
        assert_eq!(done.status, if good { 303 } else { 400 }, "{issuer:?}: {}", done.body);
        let redeemed = token_requests(&app.lab, "authorization_code") - before;
        assert_eq!(redeemed, usize::from(good), "{issuer:?}: a code of one issuer goes to no other");
    }
}

/// Checklist 68.
#[tokio::test]
async fn an_issuer_that_says_it_names_itself_has_to() {
    let authority = TestAuthority::start_naming_itself().await;
    let site = Site::start(&authority.client, None, |routes| routes);
    for (named, good) in [(None, false), (Some(authority.issuer.clone()), true)] {
        let mut browser = Browser::default();
        let to_entra = browser.send(site.get("/auth/sign-in")).await.location.unwrap();
        authority.answer_code_with(&KEY.token(&authority.id_token(&parameter(&to_entra, "nonce").unwrap())));
        let mut query = format!("code=abc&state={}", parameter(&to_entra, "state").unwrap());
        query.extend(named.map(|issuer| format!("&iss={issuer}")));
        let done = browser.send(site.get(&format!("/signin-oidc?{query}"))).await;
        assert_eq!(done.status, if good { 303 } else { 400 }, "{}", done.body);
    }
}

/// Checklist 91.
#[tokio::test]
async fn an_identity_provider_in_trouble_is_a_page_and_the_next_sign_in_works() {
    let app = LabSite::start().await;
    let status = |status| What::Status { status, retry_after: None };
    let table = [
        status(500),
        status(503),
        status(429),
        status(302),
        What::Cut,
        What::Truncated,
        What::Html { status: 200 },
        What::Html { status: 502 },
    ];
    for what in table {
        let mut browser = Browser::default();
        let answer = app.answer(&mut browser, "alice").await;
        app.lab.fault(Fault::new(Target::Token, what));
        let page = app.callback(&mut browser, &answer).await;
        app.lab.clear_faults();
        assert!((500..=503).contains(&page.status) && page.body.starts_with("PAGE"), "{what:?}: {page:?}");
        assert_eq!(app.who(&browser).await, "nobody", "{what:?}");
        let mut browser = Browser::default();
        app.sign_in(&mut browser, "alice").await;
        assert_eq!(app.who(&browser).await, "Alice Kim", "after {what:?}");
    }
}

/// Checklist 91.
#[tokio::test]
async fn an_identity_provider_that_keeps_a_callback_waiting_is_a_page_in_time() {
    let rows = [Manner::Silent, Manner::BodyDropByDrop].map(|manner| async move {
        let authority = Slow::start(manner).await;
        let site = Site::start(&authority.client(), None, |routes| routes);
        let mut browser = Browser::default();
        let to_entra = browser.send(site.get("/auth/sign-in")).await.location.unwrap();
        let state = parameter(&to_entra, "state").unwrap();
        let started = Instant::now();
        let page = browser.send(site.get(&format!("/signin-oidc?code=abc&state={state}"))).await;
        assert!(started.elapsed() < Duration::from_secs(35), "{manner:?}: {:?}", started.elapsed());
        assert!((500..=503).contains(&page.status) && page.body.starts_with("PAGE"), "{manner:?}: {page:?}");
        assert_eq!(browser.send(site.get("/")).await.body, "nobody", "{manner:?}");
        assert_eq!(
            browser.send(site.get("/auth/sign-in")).await.status,
            303,
            "{manner:?}: one can begin anew"
        );
    });
    join_all(rows).await;
}

/// Checklist 76.
#[tokio::test]
async fn nobody_is_sent_to_an_authority_that_names_another_issuer() {
    let server = MockServer::start().await;
    let thief = document("https://evil.test/10000000-0000-4000-8000-000000000001/v2.0", &server.uri());
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_json(thief)).mount(&server).await;
    let site = Site::start(&ConfidentialClient::new(config(&server.uri())).unwrap(), None, |routes| routes);

    let page = Browser::default().send(site.get("/auth/sign-in")).await;

    assert!(page.status >= 500 && page.location.is_none() && page.cookies().is_empty(), "{page:?}");
}

/// Checklist 59, 62, 91, 114.
#[tokio::test]
async fn whatever_the_token_endpoint_answers_signs_nobody_in() {
    let authority = TestAuthority::start().await;
    let site = Site::start(&authority.client, None, |routes| routes);
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let huge = format!("{{\"access_token\":\"{}\"}}", "A".repeat(20 * 1024 * 1024));
    let thief =
        ResponseTemplate::new(307).insert_header("location", format!("{}/thief", authority.server.uri()));
    let text = |body: &str| ResponseTemplate::new(200).set_body_raw(body.to_owned(), "application/json");
    let table = [
        ("empty", text("")),
        ("null", text("null")),
        ("an array", text("[]")),
        ("half", text("{\"access_token\":\"eyJ")),
        ("deep", text(&deep)),
        ("huge", text(&huge)),
        ("no ID token", text("{\"token_type\":\"Bearer\",\"expires_in\":3599,\"access_token\":\"a\"}")),
        ("a page", ResponseTemplate::new(200).set_body_raw("<html>".to_owned(), "text/html")),
        ("a redirect to a thief", thief),
        ("a slow refusal", ResponseTemplate::new(503).set_delay(std::time::Duration::from_millis(200))),
    ];
    for (what, answer) in table {
        let mut browser = Browser::default();
        let to_entra = browser.send(site.get("/auth/sign-in")).await.location.unwrap();
        authority.answer_tokens_with(answer);
        let state = parameter(&to_entra, "state").unwrap();
        let page = browser.send(site.get(&format!("/signin-oidc?code=abc&state={state}"))).await;
        assert!(page.status >= 400 && page.body.starts_with("PAGE"), "{what}: {page:?}");
        assert_eq!(browser.send(site.get("/")).await.body, "nobody", "{what}");
    }
    let asked = authority.server.received_requests().await.unwrap();
    assert!(!asked.iter().any(|request| request.url.path() == "/thief"), "no credential goes elsewhere");

    // The next one works.
    let mut browser = Browser::default();
    let to_entra = browser.send(site.get("/auth/sign-in")).await.location.unwrap();
    authority.answer_code_with(&KEY.token(&authority.id_token(&parameter(&to_entra, "nonce").unwrap())));
    let state = parameter(&to_entra, "state").unwrap();
    assert_eq!(browser.send(site.get(&format!("/signin-oidc?code=abc&state={state}"))).await.status, 303);
    // The same ID token for the next sign-in: it answers another question.
    let mut replayed = Browser::default();
    let to_entra = replayed.send(site.get("/auth/sign-in")).await.location.unwrap();
    let state = parameter(&to_entra, "state").unwrap();
    let page = replayed.send(site.get(&format!("/signin-oidc?code=abc&state={state}"))).await;
    assert_eq!((page.status, replayed.send(site.get("/")).await.body.as_str()), (502, "nobody"));
}
