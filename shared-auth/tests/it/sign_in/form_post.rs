//! Answers that come as a form, from Entra's site: no address holds the code, and no cookie but the sign-in's comes along.

use shared_auth::ResponseMode;

use super::site::{Answer, Browser, From, HTTPS, LabSite, parameter};
use crate::support::{Person, token_requests};

async fn site() -> LabSite {
    LabSite::start_with(Some(HTTPS), |routes| routes.response_mode(ResponseMode::FormPost)).await
}

type Form = Vec<(String, String)>;

async fn answer(app: &LabSite, browser: &mut Browser, user: &str) -> Form {
    let to_entra = app.begin(browser, "/auth/sign-in?return_to=/hello").await;
    assert_eq!(parameter(&to_entra, "response_mode").as_deref(), Some("form_post"));
    Person::default().sign_in_for_form(&to_entra, user).await
}

async fn post(app: &LabSite, browser: &mut Browser, form: &Form) -> Answer {
    browser.send_from(From::AnotherSite, app.site.post("/signin-oidc").form(form)).await
}

/// Checklist 78.
#[tokio::test]
async fn a_posted_answer_signs_in_without_a_code_in_any_address() {
    let app = site().await;
    let mut browser = Browser::default();
    let form = answer(&app, &mut browser, "alice").await;
    let code = &form.iter().find(|(name, _)| name == "code").unwrap().1;

    let posted = post(&app, &mut browser, &form).await;
    assert_eq!(posted.status, 303, "{}", posted.body);
    let address = posted.location.unwrap();
    assert!(address.starts_with("/signin-oidc?posted=") && !address.contains(code.as_str()), "{address}");
    let done = browser.send(app.site.get(&address)).await;

    assert_eq!((done.status, done.location.as_deref()), (303, Some("/hello")), "{}", done.body);
    assert_eq!(app.who(&browser).await, "Alice Kim");
    assert_eq!(browser.names(), ["__Host-hint", "__Host-session"]);
    assert_eq!(browser.send(app.site.get(&address)).await.status, 400, "it counts once");
    assert_eq!(post(&app, &mut browser, &form).await.status, 400);
    assert_eq!(token_requests(&app.lab, "authorization_code"), 1);
}

/// Checklist 78.
#[tokio::test]
async fn its_cookie_is_the_one_that_browsers_send_along_with_a_foreign_form() {
    let app = site().await;
    let begun = Browser::default().send(app.site.get("/auth/sign-in")).await;

    let cookies = begun.cookies();

    assert_eq!(cookies.len(), 1);
    for part in ["__Host-sign-in-", "SameSite=None", "Secure", "HttpOnly", "Path=/"] {
        assert!(cookies[0].contains(part), "{part}: {}", cookies[0]);
    }
}

#[tokio::test]
async fn the_session_before_ends_although_its_cookie_did_not_come_with_the_form() {
    let app = site().await;
    let mut browser = Browser::default();
    for _ in 0..2 {
        let before = browser.clone();
        let form = answer(&app, &mut browser, "alice").await;
        let address = post(&app, &mut browser, &form).await.location.unwrap();
        assert_eq!(browser.send(app.site.get(&address)).await.status, 303);
        assert_eq!(app.who(&before).await, "nobody");
    }
    assert_eq!(app.who(&browser).await, "Alice Kim");
}

/// Checklist 69.
#[tokio::test]
async fn an_error_that_is_posted_is_a_page() {
    let app = site().await;
    let mut browser = Browser::default();
    let to_entra = app.begin(&mut browser, "/auth/sign-in").await;
    let form = vec![
        ("error".to_owned(), "access_denied".to_owned()),
        ("error_description".to_owned(), "AADSTS65004: <script>".to_owned()),
        ("state".to_owned(), parameter(&to_entra, "state").unwrap()),
    ];

    let address = post(&app, &mut browser, &form).await.location.unwrap();
    let page = browser.send(app.site.get(&address)).await;

    assert_eq!((page.status, page.body.as_str()), (403, "PAGE 403 You were not signed in [AADSTS65004]"));
}

/// Checklist 153.
#[tokio::test]
async fn what_comes_another_way_than_it_was_asked_for_signs_nobody_in() {
    // Asked for as a form, and come in the address.
    let app = site().await;
    let mut browser = Browser::default();
    let form = answer(&app, &mut browser, "alice").await;
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&form).finish();
    assert_eq!(app.callback(&mut browser, &query).await.status, 400);
    assert_eq!(app.who(&browser).await, "nobody");

    // A form from somewhere else, with cookies of an honest browser or none, garbage, and too much of it.
    let mut attacker = Browser::default();
    let finished = answer(&app, &mut attacker, "bob").await;
    for mut victim in [Browser::default(), browser.clone()] {
        assert_eq!(post(&app, &mut victim, &finished).await.status, 400);
    }
    for body in ["", "code=a", "code=a&state=b&state=c", "\u{0}", &"x".repeat(600_000)] {
        let refused = browser.send(app.site.post("/signin-oidc").body(body.to_owned())).await;
        assert!((400..500).contains(&refused.status), "{}", refused.status);
    }
    // The browser that comes without the form.
    let to_entra = app.begin(&mut browser, "/auth/sign-in").await;
    let state = parameter(&to_entra, "state").unwrap();
    assert_eq!(app.callback(&mut browser, &format!("posted={state}")).await.status, 400);
    assert_eq!(token_requests(&app.lab, "authorization_code"), 0);
}

/// Checklist 78.
#[tokio::test]
async fn over_plain_http_answers_come_in_the_address() {
    let app = LabSite::start_with(None, |routes| routes.response_mode(ResponseMode::FormPost)).await;
    let mut browser = Browser::default();

    let to_entra = app.begin(&mut browser, "/auth/sign-in").await;
    assert_eq!(parameter(&to_entra, "response_mode").as_deref(), Some("query"));
    app.sign_in(&mut browser, "alice").await;

    assert_eq!(app.who(&browser).await, "Alice Kim");
}
