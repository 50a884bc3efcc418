//! A better sign-in in the middle of things: for pages, for scripts and for forms that were just posted.

use entra_lab::PolicyChange;

use super::site::{Browser, LabSite, parameter, without_hint};
use crate::support::{Person, token_requests};

const NAVIGATE: (&str, &str) = ("sec-fetch-mode", "navigate");

/// A browser with a session, and the person in front of it.
async fn signed_in(app: &LabSite, user: &str) -> (Browser, Person) {
    let (mut browser, mut person) = (Browser::default(), Person::default());
    let to_entra = app.begin(&mut browser, "/auth/sign-in").await;
    let answer = person.sign_in(&to_entra, user).await;
    assert_eq!(app.callback(&mut browser, &answer).await.status, 303);
    (browser, person)
}

async fn csrf_token(app: &LabSite, browser: &mut Browser) -> String {
    browser.send(app.site.get("/hello")).await.body.split('|').nth(1).unwrap().to_owned()
}

/// From the address of a sign-in through Entra's pages; where the callback leads.
async fn through_entra(
    app: &LabSite,
    browser: &mut Browser,
    person: &mut Person,
    start: &str,
    user: &str,
) -> String {
    let to_entra = app.begin(browser, start).await;
    let answer = person.sign_in(&to_entra, user).await;
    let done = app.callback(browser, &answer).await;
    assert_eq!(done.status, 303, "{}", done.body);
    done.location.unwrap()
}

#[tokio::test]
async fn a_page_that_needs_more_comes_back_to_itself_and_works() {
    let app = LabSite::start().await;
    let (mut browser, mut person) = signed_in(&app, "alice").await;

    let challenged = browser.send(app.site.get("/graph?x=1")).await;
    assert_eq!(challenged.status, 303, "{}", challenged.body);
    let start = challenged.location.unwrap();
    assert_eq!(parameter(&start, "return_to").as_deref(), Some("/graph?x=1"));
    let back = through_entra(&app, &mut browser, &mut person, &start, "alice").await;

    assert_eq!(back, "/graph?x=1");
    assert_eq!(browser.send(app.site.get(&back)).await.body, "Graph for Alice Kim");
}

/// Checklist 129.
#[tokio::test]
async fn the_claims_of_a_policy_reach_entra_and_only_this_users_session() {
    let app = LabSite::start().await;
    let (mut alice, mut person) = signed_in(&app, "alice").await;
    let (mut bob, _) = signed_in(&app, "bob").await;
    let policy = PolicyChange::RequireMfa {
        user: Some("alice@contoso.test".to_owned()),
        client: None,
        resource: Some("Microsoft Graph".to_owned()),
    };
    app.lab.policy(policy).unwrap();
    let grant = PolicyChange::GrantConsent {
        client: "web-app".to_owned(),
        resource: "Microsoft Graph".to_owned(),
        scopes: vec!["User.Read".to_owned()],
        user: None,
    };
    app.lab.policy(grant).unwrap();

    let start = alice.send(app.site.get("/graph")).await.location.unwrap();
    let to_entra = bob.send(app.site.get(&start)).await.location.unwrap();
    assert_eq!(parameter(&to_entra, "claims"), None, "a link with it is of no use to anybody else");
    let to_entra = app.begin(&mut alice, &start).await;
    assert!(
        parameter(&to_entra, "claims").is_some_and(|claims| claims.contains("access_token")),
        "his attempt has not used it up: {to_entra}"
    );
    let again = app.begin(&mut alice, &start).await;
    assert_eq!(parameter(&again, "claims"), None, "but it serves once");
    let answer = person.sign_in(&to_entra, "alice").await;
    assert_eq!(app.callback(&mut alice, &answer).await.status, 303);
    assert_eq!(alice.send(app.site.get("/graph")).await.body, "Graph for Alice Kim");
}

#[tokio::test]
async fn a_challenge_that_remains_after_the_step_up_is_a_page_and_no_circle() {
    let app = LabSite::start().await;
    let (mut browser, mut person) = signed_in(&app, "alice").await;
    let start = browser.send(app.site.get("/graph")).await.location.unwrap();
    let back = through_entra(&app, &mut browser, &mut person, &start, "alice").await;
    // Entra takes the consent away again at once.
    let taken = PolicyChange::WithdrawConsent {
        client: "web-app".to_owned(),
        resource: "Microsoft Graph".to_owned(),
        scopes: None,
        user: Some("alice@contoso.test".to_owned()),
    };
    app.lab.policy(taken).unwrap();
    let page = browser.send(app.site.get(&back)).await;
    assert_eq!(page.status, 403, "{}", page.body);
    assert!(page.body.starts_with("PAGE 403"));

    // Later it may be tried again; and whoever presses the back button on the way does not see that page.
    for _ in 0..3 {
        assert_eq!(browser.send(app.site.get("/graph")).await.status, 303);
    }
}

#[tokio::test]
async fn a_script_is_told_where_to_go_and_sent_nowhere() {
    let app = LabSite::start().await;
    let (mut browser, mut person) = signed_in(&app, "alice").await;
    let page = format!("{}/hello?tab=3", app.site.url);
    let callers: [&[(&str, &str)]; 4] = [
        &[("sec-fetch-mode", "cors"), ("accept", "*/*")],
        &[("sec-fetch-mode", "same-origin"), ("accept", "text/html")],
        &[("accept", "application/json")],
        &[("x-requested-with", "XMLHttpRequest")],
    ];
    for caller in callers {
        for (nobody, mut browser) in [(true, Browser::default()), (false, browser.clone())] {
            let request = { caller.iter() }
                .fold(app.site.get("/api/me"), |request, (name, value)| request.header(*name, *value));
            let answer = browser.send(request.header("referer", &page)).await;
            assert_eq!((answer.status, answer.location.as_deref()), (401, None), "{caller:?}");
            assert_eq!(answer.headers["content-type"], "application/json");
            assert_eq!(answer.headers["cache-control"], "no-store");
            assert!(answer.headers.contains_key("www-authenticate"));
            let json = answer.json();
            assert_eq!(json["error"], "sign_in_required");
            let start = json["signIn"].as_str().unwrap();
            assert!(start.starts_with("/auth/sign-in?"));
            assert_eq!(parameter(start, "return_to").as_deref(), Some("/hello?tab=3"), "the page it ran on");
            assert_eq!(parameter(start, "step_up").is_none(), nobody);
        }
    }

    let answer =
        browser.send(app.site.get("/api/me").header("sec-fetch-mode", "cors").header("referer", &page)).await;
    let start = answer.json()["signIn"].as_str().unwrap().to_owned();
    let back = through_entra(&app, &mut browser, &mut person, &start, "alice").await;
    assert_eq!(back, "/hello?tab=3");
    let again = browser.send(app.site.get("/api/me").header("sec-fetch-mode", "cors")).await;
    assert_eq!(again.body, "Graph for Alice Kim");
}

/// Checklist 71.
#[tokio::test]
async fn a_page_of_another_site_is_no_place_to_return_to() {
    let app = LabSite::start().await;
    for referer in ["https://evil.test/", "//evil.test/x", "http://localhost.evil.test/", "garbage", ""] {
        let request = app.site.get("/api/me").header("sec-fetch-mode", "cors").header("referer", referer);
        let start = Browser::default().send(request).await.json()["signIn"].as_str().unwrap().to_owned();
        assert_eq!(parameter(&start, "return_to").as_deref(), Some("/"), "{referer}");
    }
}

#[tokio::test]
async fn a_script_reads_other_failures_as_json_too() {
    let app = LabSite::start().await;
    let answer = Browser::default().send(app.site.get("/nothing").header("sec-fetch-mode", "cors")).await;
    assert_eq!(answer.status, 404);
    assert!(answer.json()["message"].as_str().is_some_and(|message| message.len() > 20));
}

#[tokio::test]
async fn a_form_that_was_posted_goes_on_after_the_step_up_with_the_same_data() {
    let app = LabSite::start().await;
    let (mut browser, mut person) = signed_in(&app, "alice").await;
    let token = csrf_token(&app, &mut browser).await;
    let text = "one & two = drei ü 셋 <b>";
    let form = [("csrf_token", token.as_str()), ("text", text)];
    let page = format!("{}/notes", app.site.url);
    let request = app.site.post("/notes?draft=7").form(&form);
    let request =
        request.header(NAVIGATE.0, NAVIGATE.1).header("origin", &app.site.url).header("referer", page);

    let challenged = browser.send(request).await;
    assert_eq!(challenged.status, 303, "{}", challenged.body);
    let start = challenged.location.unwrap();
    assert!(!start.contains("drei"), "nothing of the form is in an address: {start}");
    let back = through_entra(&app, &mut browser, &mut person, &start, "alice").await;
    assert!(back.starts_with("/notes?draft=7&resume_form="), "{back}");
    let mut copied = browser.clone();
    let done = browser.send(app.site.get(&back).header("sec-fetch-site", "cross-site")).await;

    assert_eq!((done.status, done.body.as_str()), (200, format!("Alice Kim noted {text} (true)").as_str()));
    // It serves once: the back button and a copied link show the page.
    assert_eq!(browser.send(app.site.get(&back)).await.body, "Alice Kim");
    assert_eq!(copied.send(app.site.get(&back)).await.body, "Alice Kim");
}

#[tokio::test]
async fn a_form_is_for_nobody_else() {
    let app = LabSite::start().await;
    let (mut alice, mut person) = signed_in(&app, "alice").await;
    let (mut bob, mut person_bob) = signed_in(&app, "bob").await;
    let token = csrf_token(&app, &mut alice).await;
    let post = |token: &str| app.site.post("/notes").form(&[("csrf_token", token), ("text", "hers")]);

    // The link to her form in his browser.
    let start = alice.send(post(&token)).await.location.unwrap();
    let back = through_entra(&app, &mut alice, &mut person, &start, "alice").await;
    assert_eq!(bob.send(app.site.get(&back)).await.body, "Bob Novak");
    assert_eq!(
        alice.send(app.site.get(&back)).await.body,
        "Alice Kim noted hers (true)",
        "it was not used up"
    );

    // At another address than it was sent to.
    let taken = PolicyChange::WithdrawConsent {
        client: "web-app".to_owned(),
        resource: "Microsoft Graph".to_owned(),
        scopes: None,
        user: Some("bob@contoso.test".to_owned()),
    };
    app.lab.policy(taken).unwrap();
    let token = csrf_token(&app, &mut bob).await;
    let start = bob.send(post(&token)).await.location.unwrap();
    let back = through_entra(&app, &mut bob, &mut person_bob, &start, "bob").await;
    let elsewhere = back.replace("/notes", "/hello");
    assert!(bob.send(app.site.get(&elsewhere)).await.body.starts_with("Bob Novak|"));
}

#[tokio::test]
async fn a_form_of_somebody_who_comes_back_as_another_is_dropped() {
    let app = LabSite::start().await;
    let (mut browser, _) = signed_in(&app, "alice").await;
    let token = csrf_token(&app, &mut browser).await;
    let request = app.site.post("/notes").form(&[("csrf_token", token.as_str()), ("text", "hers")]);
    let request = request.header("referer", format!("{}/hello", app.site.url));
    let start = browser.send(request).await.location.unwrap();
    let to_entra = app.begin(&mut browser, &start).await;

    let answer = Person::default().sign_in(&without_hint(&to_entra), "bob").await;
    let done = app.callback(&mut browser, &answer).await;

    assert_eq!(done.location.as_deref(), Some("/hello"), "the page, without the form");
    assert_eq!(app.who(&browser).await, "Bob Novak");
}

#[tokio::test]
async fn no_form_is_kept_of_another_site_of_nobody_or_of_any_size() {
    let app = LabSite::start().await;
    let (mut browser, _) = signed_in(&app, "alice").await;
    let token = csrf_token(&app, &mut browser).await;
    let form = |text: &str| app.site.post("/notes").form(&[("csrf_token", token.as_str()), ("text", text)]);
    let table = [
        ("another site, as it says", 403, form("x").header("origin", "https://evil.test")),
        ("another site, as the browser says", 403, form("x").header("sec-fetch-site", "cross-site")),
        ("a sibling", 403, form("x").header("sec-fetch-site", "same-site")),
        ("a sandbox", 403, form("x").header("origin", "null")),
        ("too large", 413, form(&"x".repeat(65 * 1024))),
    ];
    for (what, status, request) in table {
        let page = browser.send(request).await;
        assert_eq!((page.status, page.location.as_deref()), (status, None), "{what}: {}", page.body);
        assert!(page.body.starts_with("PAGE"), "{what}");
    }
    let nobody = Browser::default().send(form("x")).await;
    assert_eq!((nobody.status, nobody.location), (401, None), "{}", nobody.body);
    // A script has its data itself.
    let script =
        browser.send(form("x").header("sec-fetch-mode", "cors").header("origin", &app.site.url)).await;
    assert_eq!(script.status, 401);
    assert_eq!(token_requests(&app.lab, "authorization_code"), 1);
}
