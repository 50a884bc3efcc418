//! The session and its cookie: opaque, small, new at each sign-in, worth nothing once it has ended.

use super::site::{Browser, HTTPS, LabSite};

/// Checklist 79, 102.
#[tokio::test]
async fn the_cookies_are_small_opaque_and_for_this_host_only() {
    for (public_url, names, https) in
        [(None, ["session", "sign-in-"], false), (Some(HTTPS), ["__Host-session", "__Host-sign-in-"], true)]
    {
        let app = LabSite::start_with(public_url, |routes| routes).await;
        let mut browser = Browser::default();
        let begun = browser.send(app.site.get("/auth/sign-in")).await;
        let to_entra = begun.location.clone().unwrap();
        let answer = crate::support::Person::default().sign_in(&to_entra, "alice").await;
        let done = app.callback(&mut browser, &answer).await;

        let of_sign_in = begun.cookies();
        let of_session: Vec<_> =
            done.cookies().into_iter().filter(|cookie| cookie.starts_with(names[0])).collect();
        assert_eq!((of_sign_in.len(), of_session.len()), (1, 1), "{of_sign_in:?} {of_session:?}");
        for (cookie, name) in [(of_session[0], names[0]), (of_sign_in[0], names[1])] {
            assert!(cookie.starts_with(name), "{cookie}");
            let has = |what: &str| cookie.split("; ").any(|part| part == what);
            assert!(has("HttpOnly") && has("SameSite=Lax") && has("Path=/"), "{cookie}");
            assert_eq!(has("Secure"), https, "{cookie}");
            assert!(
                !cookie.contains("Domain") && !cookie.contains("eyJ") && cookie.len() < 4_096,
                "{cookie}"
            );
        }
        assert_eq!(app.who(&browser).await, "Alice Kim");
    }
}

/// Checklist 72.
#[tokio::test]
async fn the_id_is_new_at_each_sign_in_and_the_old_one_is_worth_nothing() {
    let app = LabSite::start().await;
    let mut browser = Browser::default();
    let mut chosen = browser.clone();
    chosen.put("session", "chosen-by-somebody-else");
    app.sign_in(&mut chosen, "alice").await;
    assert_ne!(chosen.cookie("session").as_deref(), Some("chosen-by-somebody-else"));

    app.sign_in(&mut browser, "alice").await;
    let first = browser.clone();
    app.sign_in(&mut browser, "alice").await;
    assert_ne!(first.cookie("session"), browser.cookie("session"));
    assert_eq!(app.who(&first).await, "nobody");
    assert_eq!(app.who(&browser).await, "Alice Kim");

    // As somebody else: nothing of the first one is left.
    let before = browser.clone();
    assert_eq!(app.sign_in_as_another(&mut browser, "bob").await.status, 303);
    assert_eq!(app.who(&browser).await, "Bob Novak");
    assert_eq!(app.who(&before).await, "nobody");
}

#[tokio::test]
async fn a_sign_in_that_begins_and_one_that_fails_leave_the_session_alone() {
    let app = LabSite::start().await;
    let mut browser = Browser::default();
    app.sign_in(&mut browser, "alice").await;

    let begun = browser.send(app.site.get("/auth/sign-in")).await;
    let failed = app.callback(&mut browser, "error=server_error&state=unknown").await;

    for answer in [&begun, &failed] {
        assert!(
            !answer.cookies().iter().any(|cookie| cookie.starts_with("session=")),
            "{:?}",
            answer.cookies()
        );
    }
    assert_eq!(app.who(&browser).await, "Alice Kim");
}

#[tokio::test]
async fn an_answer_that_is_late_does_not_put_an_old_cookie_in_place_of_a_new_one() {
    let app = LabSite::start().await;
    let mut browser = Browser::default();
    app.sign_in(&mut browser, "alice").await;
    // A page that was asked for with the old cookie and changes its session: it meets the challenge once more.
    let redirect = browser.send(app.site.get("/graph")).await.location.unwrap();
    let to_entra = browser.send(app.site.get(&redirect)).await.location.unwrap();
    let denied = format!("error=access_denied&state={}", super::site::parameter(&to_entra, "state").unwrap());
    app.callback(&mut browser, &denied).await;
    let old = browser.clone();

    // Meanwhile another tab signs in.
    app.sign_in(&mut browser, "alice").await;

    for path in ["/graph", "/hello", "/", "/auth/sign-in"] {
        let late = old.clone().send(app.site.get(path)).await;
        assert!(
            !late.cookies().iter().any(|cookie| cookie.starts_with("session=")),
            "{path} sets {:?}",
            late.cookies()
        );
    }
    assert_eq!(app.who(&browser).await, "Alice Kim");
}

/// Checklist 80.
#[tokio::test]
async fn a_cookie_that_was_tampered_with_is_nobodys() {
    let app = LabSite::start().await;
    let mut browser = Browser::default();
    app.sign_in(&mut browser, "alice").await;
    let good = browser.cookie("session").unwrap();
    let mut flipped = good.clone().into_bytes();
    let last = flipped.len() - 1;
    flipped[last] = if flipped[last] == b'a' { b'b' } else { b'a' };
    let table = [
        String::from_utf8(flipped).unwrap(),
        good[..good.len() / 2].to_owned(),
        good[44..].to_owned(),
        format!("{good}x"),
        String::new(),
        "x".to_owned(),
        "A".repeat(20_000),
        "é😀".to_owned(),
        "%00%ff".to_owned(),
        "eyJhbGciOiJub25lIn0.e30.".to_owned(),
    ];
    for value in table {
        let mut tampered = Browser::default();
        tampered.put("session", &value);
        let answer = tampered.send(app.site.get("/")).await;
        assert!(answer.status < 500, "{value:.40}: {}", answer.status);
        assert!(!answer.body.contains("Alice"), "{value:.40}");
        assert!(tampered.send(app.site.get("/hello")).await.status < 500);
    }
    assert_eq!(app.who(&browser).await, "Alice Kim", "the good one still works");
}
