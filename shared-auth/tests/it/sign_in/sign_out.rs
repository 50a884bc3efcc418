//! Out: of the session, of the token cache, of Entra; from here, and from elsewhere by the front channel.

use actix_web::cookie::Cookie;
use actix_web::{App, test};
use shared_auth::actix::SignInRoutes;

use super::site::{Answer, Browser, From, LabSite, options, parameter};
use crate::support::{Log, Person};
use crate::tokens::{KEY, TestAuthority};

async fn csrf_token(app: &LabSite, browser: &mut Browser) -> String {
    let page = browser.send(app.site.get("/hello")).await.body;
    page.split('|').nth(1).unwrap_or_else(|| panic!("{page}")).to_owned()
}

async fn sign_out(app: &LabSite, browser: &mut Browser, csrf_token: &str) -> Answer {
    browser.send(app.site.post("/auth/sign-out").form(&[("csrf_token", csrf_token)])).await
}

/// Signs in and returns what Entra calls the session.
async fn sid(app: &LabSite, browser: &mut Browser, user: &str) -> String {
    let answer = app.answer(browser, user).await;
    assert_eq!(app.callback(browser, &answer).await.status, 303);
    parameter(&format!("/?{answer}"), "session_state").unwrap()
}

/// Checklist 73, 74.
#[tokio::test]
async fn a_sign_out_ends_session_and_tokens_and_goes_on_to_entra_and_back() {
    let app = LabSite::start().await;
    let mut browser = Browser::default();
    app.sign_in(&mut browser, "alice").await;
    let copied = browser.clone();
    let token = csrf_token(&app, &mut browser).await;

    let out = sign_out(&app, &mut browser, &token).await;

    let entra = out.location.unwrap();
    assert!(
        entra.starts_with(&format!("{}/{}/oauth2/v2.0/logout?", app.lab.url(), app.lab.tenant_id())),
        "{entra}"
    );
    let back = parameter(&entra, "post_logout_redirect_uri").unwrap();
    assert_eq!(back, format!("{}/signout-callback-oidc", app.site.url));
    let home = browser
        .send(app.site.get("/signout-callback-oidc?state=x&post_logout_redirect_uri=//evil.test"))
        .await;
    assert_eq!(home.location.as_deref(), Some("/"));
    assert!(browser.names().is_empty(), "the cookie is gone");
    assert_eq!(app.who(&copied).await, "nobody", "a copy of it is worth nothing");
    let account = shared_auth::Account {
        home_account_id: format!("a0000000-0000-4000-8000-00000000000a.{}", app.lab.tenant_id()),
        tenant_id: app.lab.tenant_id().to_string(),
        username: String::new(),
    };
    let error =
        app.client.acquire_token_silent(&account, crate::support::access_as_user()).await.unwrap_err();
    assert!(error.is_interaction_required(), "no token and no refresh token is left: {error}");
}

/// Checklist 74.
#[tokio::test]
async fn another_site_cannot_sign_anybody_out() {
    let app = LabSite::start().await;
    let (mut browser, mut other) = (Browser::default(), Browser::default());
    app.sign_in(&mut browser, "alice").await;
    app.sign_in(&mut other, "bob").await;
    let of_other = csrf_token(&app, &mut other).await;
    let own = csrf_token(&app, &mut browser).await;

    for token in ["", "x", &of_other, &own[1..], &own.to_uppercase()] {
        let refused = sign_out(&app, &mut browser, token).await;
        assert_eq!((refused.status, refused.cookies().len()), (400, 0), "{token}: {}", refused.body);
    }
    // A form of another site comes without the cookie, a picture or a link of it is no POST.
    let form = app.site.post("/auth/sign-out").form(&[("csrf_token", &own)]);
    assert_eq!(browser.send_from(From::AnotherSite, form).await.location.as_deref(), Some("/"));
    let picture = app.site.get(&format!("/auth/sign-out?csrf_token={own}"));
    assert!((400..500).contains(&browser.send(picture).await.status));

    assert_eq!(app.who(&browser).await, "Alice Kim");
    assert_eq!(sign_out(&app, &mut browser, &own).await.status, 303);
    assert_eq!(sign_out(&app, &mut browser, &own).await.location.as_deref(), Some("/"), "another tab, later");
}

/// Checklist 75.
#[tokio::test]
async fn a_front_channel_sign_out_ends_every_session_of_that_sid_without_a_cookie() {
    let app = LabSite::start().await;
    let (mut alice, mut bob) = (Browser::default(), Browser::default());
    let sid_of_alice = sid(&app, &mut alice, "alice").await;
    sid(&app, &mut bob, "bob").await;

    let mut frame = alice.clone();
    let address = format!("/signout-oidc?sid={sid_of_alice}");
    let answer = frame.send_from(From::AnotherSite, app.site.get(&address)).await;

    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.headers["cache-control"], "no-cache, no-store");
    let policy = answer.headers["content-security-policy"].to_str().unwrap();
    assert_eq!(policy, format!("default-src 'none'; frame-ancestors {}", app.lab.url()));
    assert!(answer.cookies().is_empty());
    assert_eq!(app.who(&alice).await, "nobody");
    assert_eq!(app.who(&bob).await, "Bob Novak");
    // Once more, and for a session that never was: the same answer.
    for address in [address.as_str(), "/signout-oidc?sid=00000000-0000-4000-8000-000000000000"] {
        let again = frame.send_from(From::AnotherSite, app.site.get(address)).await;
        assert_eq!((again.status, &again.body), (200, &answer.body));
    }
}

#[tokio::test]
async fn a_front_channel_sign_out_also_ends_the_tokens() {
    let app = LabSite::start().await;
    let mut alice = Browser::default();
    let sid = sid(&app, &mut alice, "alice").await;

    app.site.get(&format!("/signout-oidc?sid={sid}")).send().await.unwrap();

    let account = shared_auth::Account {
        home_account_id: format!("a0000000-0000-4000-8000-00000000000a.{}", app.lab.tenant_id()),
        tenant_id: app.lab.tenant_id().to_string(),
        username: String::new(),
    };
    let error =
        app.client.acquire_token_silent(&account, crate::support::access_as_user()).await.unwrap_err();
    assert!(error.is_interaction_required(), "{error}");
}

/// Checklist 75.
#[tokio::test]
async fn a_front_channel_sign_out_names_one_session_and_no_other_issuer() {
    let app = LabSite::start().await;
    let mut alice = Browser::default();
    let sid = sid(&app, &mut alice, "alice").await;
    let issuer = format!("{}/{}/v2.0", app.lab.url(), app.lab.tenant_id());
    let table = [
        "".to_owned(),
        "sid=".to_owned(),
        format!("iss={issuer}"),
        format!("sid={sid}&iss=https://evil.test"),
        format!("sid={sid}&iss={issuer}/"),
        format!("sid={sid}&iss={issuer}&iss=https://evil.test"),
        format!("sid={sid}&sid=another"),
    ];
    for query in table {
        let refused = alice.send(app.site.get(&format!("/signout-oidc?{query}"))).await;
        assert_eq!(refused.status, 400, "{query}: {}", refused.body);
        assert_eq!(refused.headers["cache-control"], "no-store");
        assert_eq!(app.who(&alice).await, "Alice Kim", "{query}");
    }
    let posted = alice.send(app.site.post("/signout-oidc").form(&[("sid", &sid)])).await;
    assert!((400..500).contains(&posted.status));
    for near in [sid.to_uppercase(), sid[..35].to_owned(), format!("\"{sid}\""), "*".to_owned()] {
        let query: String = url::form_urlencoded::byte_serialize(near.as_bytes()).collect();
        alice.send(app.site.get(&format!("/signout-oidc?sid={query}"))).await;
        assert_eq!(app.who(&alice).await, "Alice Kim", "{near}");
    }

    assert_eq!(alice.send(app.site.get(&format!("/signout-oidc?sid={sid}&iss={issuer}"))).await.status, 200);
    assert_eq!(app.who(&alice).await, "nobody");
}

#[tokio::test]
async fn the_labs_own_frame_ends_the_session() {
    let entry = "name = \"web-app\"";
    let lab_page = |body: &str| {
        let frame = body.split("<iframe src=\"").nth(1).unwrap_or_else(|| panic!("no frame: {body}"));
        frame.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&")
    };
    let app = LabSite::start().await;
    // Known to the lab only now, because the site's port was not known before.
    let seed = entra_lab::DEFAULT_SEED.replacen(
        entry,
        &format!("{entry}\nfront_channel_logout_url = \"{}/signout-oidc\"", app.site.url),
        1,
    );
    app.lab.reseed(&seed).unwrap();
    let (mut alice, mut person) = (Browser::default(), Person::default());
    let to_entra = app.begin(&mut alice, "/auth/sign-in").await;
    let answer = person.sign_in(&to_entra, "alice").await;
    assert_eq!(app.callback(&mut alice, &answer).await.status, 303);

    // She signs out at Entra itself, or at another application.
    let page = person.open(&format!("{}/{}/oauth2/v2.0/logout", app.lab.url(), app.lab.tenant_id())).await;
    let frame = lab_page(&page);
    assert!(frame.starts_with(&format!("{}/signout-oidc?sid=", app.site.url)), "{frame}");
    assert_eq!(alice.send_from(From::AnotherSite, app.site.http.get(frame)).await.status, 200);

    assert_eq!(app.who(&alice).await, "nobody");
}

#[actix_web::test]
async fn that_no_sign_out_elsewhere_can_arrive_is_said_with_the_first_id_token_that_names_no_session() {
    let authority = TestAuthority::start().await;
    let routes = SignInRoutes::new(authority.client.clone(), options("https://app.example"));
    let app = App::new().configure(|app| routes.routes(app)).wrap(routes.failures()).wrap(routes.sessions());
    let app = test::init_service(app).await;
    let sign_in = async |sid: Option<&str>| {
        let request = test::TestRequest::with_uri("/auth/sign-in").to_request();
        let begun = test::call_service(&app, request).await;
        let header = |name| begun.headers().get(name).unwrap().to_str().unwrap();
        let (to_entra, cookie) = (header("location"), Cookie::parse(header("set-cookie")).unwrap());
        let mut claims = authority.id_token(&parameter(to_entra, "nonce").unwrap());
        if let Some(sid) = sid {
            claims["sid"] = sid.into();
        }
        authority.answer_code_with(&KEY.token(&claims));
        let address = format!("/signin-oidc?code=abc&state={}", parameter(to_entra, "state").unwrap());
        let log = Log::default();
        let on = log.listen();
        let request = test::TestRequest::with_uri(&address).cookie(cookie).to_request();
        assert_eq!(test::call_service(&app, request).await.status(), 303);
        drop(on);
        log.text()
    };

    assert_eq!(sign_in(Some("a session")).await, "");
    let said = sign_in(None).await;
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.contains("https://app.example/signout-oidc") && said.contains("optional claim sid"),
        "{said}"
    );
    assert_eq!(sign_in(None).await, "", "once is enough");
}
