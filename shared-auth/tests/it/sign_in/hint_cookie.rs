//! The cookie that remembers whom to ask for when a session was lost: a hint to Entra, and worth nothing else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use serde_json::json;
use wiremock::ResponseTemplate;

use super::site::{Browser, From, HTTPS, LabSite, Site, parameter, without_hint};
use crate::support::{API, client};
use crate::tokens::{KEY, TestAuthority};

const HINT: &str = "hint";

impl LabSite {
    /// Its sessions are gone, and nothing else.
    fn loses_its_sessions(&mut self) {
        self.site = Site::start(&self.client, None, |routes| routes);
    }
}

/// Whom Entra would be asked for.
async fn hinted(site: &Site, browser: &Browser) -> Option<String> {
    let answer = browser.clone().send(site.get("/auth/sign-in?return_to=/hello")).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    parameter(&answer.location.unwrap(), "login_hint")
}

async fn sign_out(app: &LabSite, browser: &mut Browser) {
    let page = browser.send(app.site.get("/hello")).await.body;
    let form = [("csrf_token", page.split('|').nth(1).unwrap())];
    assert_eq!(browser.send(app.site.post("/auth/sign-out").form(&form)).await.status, 303);
}

#[tokio::test]
async fn whoever_lost_their_session_is_asked_for_until_they_sign_out() {
    let mut app = LabSite::start().await;
    let (mut alice, mut bob) = (Browser::default(), Browser::default());
    assert_eq!(hinted(&app.site, &alice).await, None);
    app.sign_in(&mut alice, "alice").await;
    app.sign_in(&mut bob, "bob").await;

    app.loses_its_sessions();

    for (browser, name) in [(&mut alice, "alice"), (&mut bob, "bob")] {
        assert_eq!(app.who(browser).await, "nobody", "a hint signs nobody in");
        let to_sign_in = browser.send(app.site.get("/hello")).await.location.unwrap();
        let to_entra = browser.send(app.site.get(&to_sign_in)).await.location.unwrap();
        assert_eq!(parameter(&to_entra, "login_hint").unwrap(), format!("{name}@contoso.test"));
        let answer = crate::support::Person::default().sign_in(&to_entra, name).await;
        assert_eq!(app.callback(browser, &answer).await.location.as_deref(), Some("/hello"));

        sign_out(&app, browser).await;
        assert!(browser.cookie(HINT).is_none());
        assert_eq!(hinted(&app.site, browser).await, None);
    }
}

#[tokio::test]
async fn of_two_users_in_turn_the_last_one_is_asked_for() {
    let mut app = LabSite::start().await;
    let mut browser = Browser::default();
    app.sign_in(&mut browser, "alice").await;
    sign_out(&app, &mut browser).await;
    app.sign_in(&mut browser, "bob").await;
    app.loses_its_sessions();
    assert_eq!(hinted(&app.site, &browser).await.as_deref(), Some("bob@contoso.test"));

    // Somebody else, without a sign-out in between.
    let to_entra = app.begin(&mut browser, "/auth/sign-in").await;
    let answer = crate::support::Person::default().sign_in(&without_hint(&to_entra), "alice").await;
    assert_eq!(app.callback(&mut browser, &answer).await.status, 303);
    app.loses_its_sessions();
    assert_eq!(hinted(&app.site, &browser).await.as_deref(), Some("alice@contoso.test"));
}

#[tokio::test]
async fn a_sign_out_ends_the_hint_also_where_the_session_was_lost_and_where_it_comes_from_entra() {
    let mut app = LabSite::start().await;
    let (mut alice, mut bob) = (Browser::default(), Browser::default());
    let answer = app.answer(&mut alice, "alice").await;
    assert_eq!(app.callback(&mut alice, &answer).await.status, 303);
    app.sign_in(&mut bob, "bob").await;

    // No cookie goes along, and none can be taken away.
    let sid = parameter(&format!("/?{answer}"), "session_state").unwrap();
    let frame = app.site.get(&format!("/signout-oidc?sid={sid}"));
    assert_eq!(alice.send_from(From::AnotherSite, frame).await.status, 200);
    assert!(alice.cookie(HINT).is_some());
    assert_eq!(hinted(&app.site, &alice).await, None);

    app.loses_its_sessions();
    // A form of another site comes without cookies: it takes nobody's hint.
    let form = || app.site.post("/auth/sign-out").form(&[("csrf_token", "of a page that is still open")]);
    bob.send_from(From::AnotherSite, form()).await;
    assert_eq!(hinted(&app.site, &bob).await.as_deref(), Some("bob@contoso.test"));
    assert_eq!(bob.send(form()).await.location.as_deref(), Some("/"));
    assert!(bob.cookie(HINT).is_none());
}

#[tokio::test]
async fn the_cookie_is_for_this_host_and_nobody_reads_a_name_in_it() {
    for (public_url, name, https) in [(None, "hint=", false), (Some(HTTPS), "__Host-hint=", true)] {
        let app = LabSite::start_with(public_url, |routes| routes).await;
        let mut values = Vec::new();
        for _ in 0..2 {
            let mut browser = Browser::default();
            let answer = app.answer(&mut browser, "alice").await;
            let done = app.callback(&mut browser, &answer).await;
            let cookie = done.cookies().into_iter().find(|cookie| cookie.starts_with(name)).unwrap();
            let has = |what: &str| cookie.split("; ").any(|part| part == what);
            assert!(has("HttpOnly") && has("SameSite=Lax") && has("Path=/"), "{cookie}");
            assert_eq!(has("Secure"), https, "{cookie}");
            // With the browser it ends, as the session's cookie does.
            assert!(!["Domain", "Max-Age", "Expires"].iter().any(|part| cookie.contains(part)), "{cookie}");
            values.push(cookie[name.len()..].split(';').next().unwrap().to_owned());
        }
        assert_ne!(values[0], values[1]);
        for value in values {
            let raw = URL_SAFE_NO_PAD.decode(&value).unwrap();
            for telling in ["alice", "contoso", "login_hint", "sid"] {
                assert!(!value.contains(telling));
                assert!(!raw.windows(telling.len()).any(|part| part == telling.as_bytes()), "{telling}");
            }
        }
    }
}

#[tokio::test]
async fn what_was_tampered_with_made_up_or_is_another_applications_is_ignored() {
    let mut app = LabSite::start().await;
    let mut browser = Browser::default();
    app.sign_in(&mut browser, "alice").await;
    let good = browser.cookie(HINT).unwrap();
    app.loses_its_sessions();

    let changed = |at: usize| {
        let mut bytes = URL_SAFE_NO_PAD.decode(&good).unwrap();
        bytes[at] ^= 1;
        URL_SAFE_NO_PAD.encode(bytes)
    };
    let last = URL_SAFE_NO_PAD.decode(&good).unwrap().len() - 1;
    let table = [
        changed(0),
        changed(2),
        changed(8),
        changed(20),
        changed(last),
        good[..good.len() / 2].to_owned(),
        format!("{good}AAAA"),
        good.to_lowercase(),
        browser.cookie("session").unwrap(),
        URL_SAFE_NO_PAD.encode(json!({"login_hint": "eve@evil.test", "ends": i64::MAX}).to_string()),
        "eve@evil.test".to_owned(),
        String::new(),
        "A".repeat(20_000),
        "é😀".to_owned(),
        "%00%ff".to_owned(),
    ];
    for value in table {
        let mut tampered = Browser::default();
        tampered.put(HINT, &value);
        let page = tampered.send(app.site.get("/hello")).await;
        assert!(page.status < 500, "{value:.40}: {}", page.status);
        let begun = tampered.send(app.site.get("/auth/sign-in")).await;
        assert!(begun.status < 500, "{value:.40}: {}", begun.status);
        let hint = begun.location.and_then(|to_entra| parameter(&to_entra, "login_hint"));
        assert_eq!(hint, None, "{value:.40}");
    }
    // The same key, another client.
    let other = Site::start(&client(&app.lab, API), None, |routes| routes);
    assert_eq!(hinted(&other, &browser).await, None);
    assert_eq!(
        hinted(&app.site, &browser).await.as_deref(),
        Some("alice@contoso.test"),
        "the good one works"
    );
}

#[tokio::test]
async fn a_hint_is_not_believed_for_longer_than_a_session_lives() {
    let mut app = LabSite::start().await;
    let mut browser = Browser::default();
    app.sign_in(&mut browser, "alice").await;
    app.loses_its_sessions();

    app.clock.advance(SignedDuration::from_hours(24) - SignedDuration::from_secs(5));
    assert!(hinted(&app.site, &browser).await.is_some());
    app.clock.advance(SignedDuration::from_secs(5));
    assert_eq!(hinted(&app.site, &browser).await, None);
}

#[tokio::test]
async fn entras_own_word_for_a_user_is_preferred_to_the_name_which_can_change() {
    for (claim, expected) in [(None, "alice@contoso.test"), (Some("O.CiQ.opaque"), "O.CiQ.opaque")] {
        let authority = TestAuthority::start().await;
        let site = Site::start(&authority.client, None, |routes| routes);
        let mut browser = Browser::default();
        let to_entra = browser.send(site.get("/auth/sign-in")).await.location.unwrap();
        let mut claims = authority.id_token(&parameter(&to_entra, "nonce").unwrap());
        if let Some(claim) = claim {
            claims["login_hint"] = claim.into();
        }
        let tokens = json!({"token_type": "Bearer", "expires_in": 3599, "access_token": "opaque", "id_token": KEY.token(&claims)});
        authority.answer_tokens_with(ResponseTemplate::new(200).set_body_json(tokens));
        let state = parameter(&to_entra, "state").unwrap();
        let done = browser.send(site.get(&format!("/signin-oidc?code=abc&state={state}"))).await;
        assert_eq!(done.status, 303, "{}", done.body);

        // While the session is there, and when it is lost.
        let without = Site::start(&authority.client, None, |routes| routes);
        for site in [&site, &without] {
            assert_eq!(hinted(site, &browser).await.as_deref(), Some(expected));
        }
    }
}
