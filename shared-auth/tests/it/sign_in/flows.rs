//! `state`, its cookie and the flow behind them: an answer counts once, for the browser that asked, for a while.

use std::collections::HashSet;

use entra_lab::KeyChange;
use jiff::SignedDuration;

use super::site::{Browser, LabSite, parameter};
use crate::support::{Person, token_requests};

/// `query` with another `state`.
fn with_state(query: &str, state: &str) -> String {
    let pairs = url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "state");
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .append_pair("state", state)
        .finish()
}

/// Checklist 63, 66.
#[tokio::test]
async fn every_request_has_pkce_with_s256_and_values_of_256_bits_that_were_never_used_before() {
    let app = LabSite::start().await;
    let (mut browser, mut seen) = (Browser::default(), HashSet::new());

    for _ in 0..30 {
        let to_entra = app.begin(&mut browser, "/auth/sign-in").await;
        assert_eq!(parameter(&to_entra, "code_challenge_method").as_deref(), Some("S256"));
        assert_eq!(parameter(&to_entra, "response_type").as_deref(), Some("code"));
        for name in ["state", "nonce", "code_challenge"] {
            let value = parameter(&to_entra, name).unwrap();
            assert_eq!(value.len(), 43, "{name}: 256 bits in base64url");
            assert!(seen.insert(value), "{name} was used before");
        }
    }
}

/// Checklist 60.
#[tokio::test]
async fn an_answer_with_any_other_state_signs_nobody_in_and_redeems_nothing() {
    let app = LabSite::start().await;
    let mut browser = Browser::default();
    let answer = app.answer(&mut browser, "alice").await;
    let state = parameter(&format!("/?{answer}"), "state").unwrap();
    let swapped: String = state
        .chars()
        .map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
        .collect();
    let table = [
        ("missing", answer.replace(&format!("state={state}"), "x=y")),
        ("empty", with_state(&answer, "")),
        ("wrong", with_state(&answer, &"a".repeat(43))),
        ("truncated", with_state(&answer, &state[..42])),
        ("extended", with_state(&answer, &format!("{state}A"))),
        ("another case", with_state(&answer, &swapped)),
        ("twice", format!("{answer}&state={state}")),
        ("twice, one wrong", format!("state=x&{answer}")),
        ("the code twice", format!("{answer}&code=x")),
        ("under another name", answer.replace("state=", "State=")),
        ("with a NUL", with_state(&answer, &format!("{state}\0"))),
        ("with a line break", with_state(&answer, &format!("{state}\r\nSet-Cookie: a=b"))),
    ];

    for (what, query) in table {
        let refused = app.callback(&mut browser, &query).await;
        assert_eq!(refused.status, 400, "{what}: {}", refused.body);
        assert!(refused.cookies().is_empty(), "{what} sets {:?}", refused.cookies());
        assert_eq!(app.who(&browser).await, "nobody", "{what}");
    }
    assert_eq!(token_requests(&app.lab, "authorization_code"), 0, "no code was redeemed");
    // None of them used the sign-in up.
    assert_eq!(app.callback(&mut browser, &answer).await.status, 303);
    assert_eq!(app.who(&browser).await, "Alice Kim");
}

/// Checklist 61.
#[tokio::test]
async fn an_answer_counts_once_and_the_second_time_changes_nothing() {
    let app = LabSite::start().await;
    let mut browser = Browser::default();
    let answer = app.answer(&mut browser, "alice").await;
    let mut early = browser.clone();
    assert_eq!(app.callback(&mut browser, &answer).await.status, 303);

    // The back button, and a copy of the browser from before, which still has the cookie of the sign-in.
    for who in [&mut browser.clone(), &mut early] {
        let again = app.callback(who, &answer).await;
        assert_eq!(again.status, 400, "{}", again.body);
        assert!(again.body.contains("cannot be finished") && again.cookies().is_empty());
    }
    assert_eq!(token_requests(&app.lab, "authorization_code"), 1);
    assert_eq!(app.who(&browser).await, "Alice Kim", "who is signed in stays so");
}

/// Checklist 61.
#[tokio::test]
async fn of_many_answers_at_the_same_moment_one_is_redeemed() {
    let app = LabSite::start().await;
    let mut browser = Browser::default();
    let answer = app.answer(&mut browser, "alice").await;

    let all = (0..10).map(|_| {
        let mut browser = browser.clone();
        let request = app.site.get(&format!("/signin-oidc?{answer}"));
        async move { browser.send(request).await.status }
    });
    let statuses = futures_util::future::join_all(all).await;

    assert_eq!(statuses.iter().filter(|status| **status == 303).count(), 1, "{statuses:?}");
    assert_eq!(token_requests(&app.lab, "authorization_code"), 1);
}

/// Checklist 64, 65.
#[tokio::test]
async fn an_answer_that_was_got_in_one_browser_is_worth_nothing_in_another() {
    let app = LabSite::start().await;
    let (mut attacker, mut victim) = (Browser::default(), Browser::default());
    let finished = app.answer(&mut attacker, "bob").await;
    let code = parameter(&format!("/?{finished}"), "code").unwrap();

    // A browser that never began anything, and one that is at Entra itself.
    assert_eq!(app.callback(&mut victim.clone(), &finished).await.status, 400);
    let to_entra = app.begin(&mut victim, "/auth/sign-in").await;
    assert_eq!(app.callback(&mut victim, &finished).await.status, 400);
    // The attacker's code with the victim's own state: bound to another verifier.
    let state = parameter(&to_entra, "state").unwrap();
    let injected = app.callback(&mut victim, &format!("code={code}&state={state}")).await;
    assert!((400..600).contains(&injected.status), "{}", injected.body);

    assert_eq!(app.who(&victim).await, "nobody");
    assert!(!injected.cookies().iter().any(|cookie| cookie.starts_with("session=")));
}

/// Checklist 65.
#[tokio::test]
async fn the_cookie_of_another_sign_in_does_not_open_this_one() {
    let app = LabSite::start().await;
    let (mut attacker, mut victim) = (Browser::default(), Browser::default());
    let finished = app.answer(&mut attacker, "bob").await;
    app.begin(&mut victim, "/auth/sign-in").await;
    let name = attacker.names()[0].to_owned();
    let of_victim = victim.cookie(victim.names()[0]).unwrap();

    for value in [of_victim.as_str(), "", "x", "0.", &"é".repeat(30)] {
        let mut planted = victim.clone();
        planted.put(&name, value);
        assert_eq!(app.callback(&mut planted, &finished).await.status, 400, "{value}");
        assert_eq!(app.who(&planted).await, "nobody");
    }
    assert_eq!(token_requests(&app.lab, "authorization_code"), 0);
}

#[tokio::test]
async fn a_sign_in_that_took_too_long_is_a_page_that_starts_it_again() {
    let app = LabSite::start().await;
    let mut browser = Browser::default();
    let answer = app.answer(&mut browser, "alice").await;

    app.clock.advance(SignedDuration::from_mins(16));
    let late = app.callback(&mut browser, &answer).await;

    assert_eq!((late.status, late.body.contains("cannot be finished")), (400, true), "{}", late.body);
    assert_eq!(token_requests(&app.lab, "authorization_code"), 0);
    assert_eq!(app.who(&browser).await, "nobody");
}

/// Checklist 67.
#[tokio::test]
async fn two_tabs_sign_in_at_once_in_either_order() {
    for first in [0, 1] {
        let app = LabSite::start().await;
        let mut browser = Browser::default();
        let mut tabs = Vec::new();
        for page in ["/hello?tab=1", "/hello?tab=2"] {
            let to_entra = app.begin(&mut browser, &format!("/auth/sign-in?return_to={page}")).await;
            tabs.push((page, Person::default().sign_in(&to_entra, "alice").await));
        }
        tabs.rotate_left(first);
        for (page, answer) in tabs {
            let done = app.callback(&mut browser, &answer).await;
            assert_eq!((done.status, done.location.as_deref()), (303, Some(page)), "{}", done.body);
            assert_eq!(app.who(&browser).await, "Alice Kim");
        }
        assert_eq!(browser.names(), ["hint", "session"], "nothing of the sign-ins is left");
    }
}

/// Checklist 77.
#[tokio::test]
async fn keys_that_change_between_two_sign_ins_or_during_one_cost_nobody_a_sign_in() {
    for grace in [true, false] {
        let app = LabSite::start().await;
        app.sign_in(&mut Browser::default(), "alice").await;

        // Between two of them.
        app.lab.keys(KeyChange::Rotate { grace }).unwrap();
        app.sign_in(&mut Browser::default(), "bob").await;

        // While somebody is at Entra: the ID token is signed with a key that did not exist when the sign-in began.
        app.clock.advance(SignedDuration::from_mins(6));
        app.lab.advance(SignedDuration::from_mins(6));
        let mut browser = Browser::default();
        let answer = app.answer(&mut browser, "carol").await;
        app.lab.keys(KeyChange::Rotate { grace }).unwrap();
        let done = app.callback(&mut browser, &answer).await;

        assert_eq!(done.status, 303, "{}", done.body);
        assert_eq!(app.who(&browser).await, "Carol Diaz");
    }
}

/// Checklist 93.
#[tokio::test]
async fn whoever_sends_people_to_sign_in_does_not_choose_where() {
    let app = LabSite::start().await;
    let mut browser = Browser::default();
    let evil = "https%3A%2F%2Fevil.test%2F";

    let to_entra = app
        .begin(
            &mut browser,
            &format!("/auth/sign-in?iss={evil}&target_link_uri={evil}&login_hint=eve&domain_hint=evil.test"),
        )
        .await;
    let answer = Person::default().sign_in(&to_entra, "alice").await;

    assert!(to_entra.starts_with(&format!("{}/{}/", app.lab.url(), app.lab.tenant_id())), "{to_entra}");
    assert!(!to_entra.contains("evil") && !to_entra.contains("eve"), "{to_entra}");
    assert_eq!(app.callback(&mut browser, &answer).await.location.as_deref(), Some("/"));
}

#[tokio::test]
async fn a_browser_has_eight_sign_ins_open_and_the_oldest_gives_way() {
    let app = LabSite::start().await;
    let mut browser = Browser::default();
    let mut begun = Vec::new();
    for _ in 0..12 {
        begun.push(app.begin(&mut browser, "/auth/sign-in").await);
        app.clock.advance(SignedDuration::from_secs(1));
        assert!(browser.names().len() <= 8, "{:?}", browser.names());
    }

    let oldest = Person::default().sign_in(&begun[0], "alice").await;
    assert_eq!(app.callback(&mut browser, &oldest).await.status, 400);
    let latest = Person::default().sign_in(&begun[11], "alice").await;
    assert_eq!(app.callback(&mut browser, &latest).await.status, 303);
}

/// Checklist 84.
#[tokio::test]
async fn thirty_people_who_sign_in_at_once_get_their_own_sessions() {
    let app = LabSite::start().await;
    let mut people = Vec::new();
    for number in 0..30 {
        let (mut browser, user) = (Browser::default(), ["alice", "bob", "carol"][number % 3]);
        let answer = app.answer(&mut browser, user).await;
        people.push((browser, user, answer));
    }

    let done = people.into_iter().map(|(mut browser, user, answer)| {
        let app = &app;
        async move {
            assert_eq!(app.callback(&mut browser, &answer).await.status, 303);
            (user, app.who(&browser).await, browser.cookie("session").unwrap())
        }
    });

    let mut ids = HashSet::new();
    for (user, name, id) in futures_util::future::join_all(done).await {
        assert!(name.to_lowercase().starts_with(user), "{user} became {name}");
        assert!(ids.insert(id), "an id was given twice");
    }
}

/// Checklist 82.
#[tokio::test]
async fn only_a_get_with_an_answer_is_an_answer() {
    let app = LabSite::start().await;
    let mut browser = Browser::default();
    let answer = app.answer(&mut browser, "alice").await;
    let address = format!("{}/signin-oidc?{answer}", app.site.url);

    for method in ["HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "POST"] {
        let request = app.site.http.request(method.parse().unwrap(), &address);
        let refused = browser.send(request).await;
        assert!((400..500).contains(&refused.status), "{method}: {}", refused.status);
    }
    assert_eq!(app.callback(&mut browser, "").await.status, 400, "nothing at all");
    assert_eq!(token_requests(&app.lab, "authorization_code"), 0);
}
