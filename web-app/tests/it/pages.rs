//! What a browser gets before anybody has signed in.

use reqwest::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION, SERVER, SET_COOKIE};
#[cfg(unix)]
use tokio::io::{AsyncReadExt, AsyncWriteExt};
#[cfg(unix)]
use tokio::net::TcpStream;

use crate::app::WebApp;

/// Checklist 92.
#[tokio::test(flavor = "multi_thread")]
async fn the_home_page_is_for_everybody() {
    let app = WebApp::start().await;

    let answer = app.get("/").send().await.unwrap();

    assert_eq!(answer.status(), 200);
    assert!(answer.headers().get(SERVER).is_none() && answer.headers().get(SET_COOKIE).is_none());
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let page = answer.text().await.unwrap();
    assert!(page.contains("id=\"sign-in\"") && !page.contains("id=\"sign-out\""), "{page}");
    for forbidden in ["<script", " style=", "<style", "onclick"] {
        assert!(!page.contains(forbidden), "{forbidden} is against the policy");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_needs_a_user_leads_to_the_sign_in_page_of_entra() {
    let app = WebApp::start().await;

    for path in ["/profile", "/messages", "/graph", "/claims"] {
        let answer = app.get(path).send().await.unwrap();
        assert_eq!(answer.status(), 303, "{path}");
        let sign_in = answer.headers()[LOCATION].to_str().unwrap().to_owned();
        assert!(sign_in.starts_with("/auth/sign-in?return_to="), "{sign_in}");

        let answer = app.get(&sign_in).send().await.unwrap();
        assert_eq!(answer.status(), 303);
        let entra = answer.headers()[LOCATION].to_str().unwrap();
        assert!(entra.starts_with(app.lab.url()) && entra.contains("code_challenge"), "{entra}");
        let cookie = answer.headers()[SET_COOKIE].to_str().unwrap();
        entra_lab::scan::secret(cookie.split(['=', ';']).nth(1).unwrap());
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_waits_for_is_a_page_that_helps() {
    let app = WebApp::start().await;

    let answer = app.get("/signin-oidc?code=x&state=y").send().await.unwrap();

    assert_eq!(answer.status(), 400);
    let page = answer.text().await.unwrap();
    assert!(page.contains("id=\"failure-title\"") && page.contains("id=\"failure-advice\""), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_address_is_a_page_too() {
    let app = WebApp::start().await;

    for path in ["/nothing", "/assets/nothing.css", "/assets/..%2fCargo.toml", "/assets/%2e%2e/Cargo.toml"] {
        let answer = app.get(path).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
        assert!(answer.headers()[CONTENT_TYPE].to_str().unwrap().starts_with("text/html"), "{path}");
        assert!(answer.text().await.unwrap().contains("id=\"failure-title\""), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_asset_is_sent_once_and_asked_about_afterwards() {
    let app = WebApp::start().await;

    for (path, kind) in [
        ("/assets/style.css", "text/css"),
        ("/assets/logo.svg", "image/svg+xml"),
        ("/assets/refresh.js", "text/javascript"),
    ] {
        let first = app.get(path).send().await.unwrap();
        assert_eq!(
            (first.status().as_u16(), &first.headers()[CACHE_CONTROL]),
            (200, &"no-cache".parse().unwrap())
        );
        assert!(first.headers()[CONTENT_TYPE].to_str().unwrap().starts_with(kind), "{path}");

        let again = app.get(path).header(IF_NONE_MATCH, &first.headers()[ETAG]).send().await.unwrap();
        assert_eq!(again.status(), 304, "{path}");

        let other = app.get(path).header(IF_NONE_MATCH, "\"another\", garbage").send().await.unwrap();
        assert_eq!(other.status(), 200, "{path}");
    }
}

/// Checklist 153.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_framework_refuses_is_a_page_too() {
    let app = WebApp::start().await;
    let sign_out = || app.http.post(format!("{}/auth/sign-out", app.url));
    let requests = [
        (400, app.get("/auth/sign-in?return_to=/a&return_to=/b")),
        (405, app.get("/auth/sign-out")),
        (405, app.http.delete(format!("{}/profile", app.url))),
        (415, sign_out().header(CONTENT_TYPE, "application/json").body("{}")),
        (
            413,
            sign_out().header(CONTENT_TYPE, "application/x-www-form-urlencoded").body("x=".repeat(100_000)),
        ),
    ];

    for (status, request) in requests {
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_client_error(), "{status}: {}", answer.status());
        let page = answer.text().await.unwrap();
        assert!(
            page.contains("id=\"failure-title\"") && page.contains("id=\"failure-advice\""),
            "{status}: {page}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_the_senders_fault_and_never_ours() {
    let app = WebApp::start().await;
    let paths = [
        "/signin-oidc",
        "/signin-oidc?code=&state=",
        "/signin-oidc?state=a&state=b&code=c",
        "/signin-oidc?%ff=%00&error=%3Cscript%3E&state=x",
        "/auth/sign-in?return_to=%ff%00",
        "/auth/sign-in?return_to=/a&return_to=/b",
        "/auth/sign-out",
        "/%00",
        "/profile/..%2f",
    ];
    for path in paths {
        let answer =
            app.get(path).header("cookie", "session=%00garbage; session=; ;;=").send().await.unwrap();
        assert!(!answer.status().is_server_error(), "{path} answered {}", answer.status());
        assert!(!answer.text().await.unwrap().contains("<script"), "{path}");
    }
    let forms = ["", "csrf_token=x", "csrf_token=%ff&csrf_token=", "=&=&", "\u{0}\u{ff}"];
    for form in forms {
        let request = app.http.post(format!("{}/auth/sign-out", app.url));
        let answer = request
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form)
            .send()
            .await
            .unwrap();
        assert!(
            !answer.status().is_server_error() && !answer.status().is_success(),
            "{form} answered {}",
            answer.status()
        );
    }
}

/// Checklist 124.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_healthy_and_ends_well() {
    let mut app = WebApp::start().await;

    for path in ["/health/live", "/health/ready"] {
        let answer = app.get(path).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        assert!(answer.headers().get(SET_COOKIE).is_none(), "{path} begins no session");
    }

    #[cfg(unix)]
    assert_eq!(app.terminate(), Some(0), "SIGTERM is a good end");
}

/// Checklist 124.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn asked_twice_to_stop_it_does_not_wait_for_what_is_under_way() {
    let mut app = WebApp::start().await;
    let address = app.url.trim_start_matches("http://").replace("localhost", "127.0.0.1");
    let mut half_a_form = TcpStream::connect(&address).await.unwrap();
    let head = "POST /auth/sign-out HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n\
                content-length: 100\r\nexpect: 100-continue\r\n\r\n";
    half_a_form.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    half_a_form.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100", "the rest is waited for");

    app.ask_to_stop();
    while TcpStream::connect(&address).await.is_ok() {
        tokio::task::yield_now().await;
    }

    assert_eq!(app.terminate(), Some(143), "0 would mean that it waited");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_uri_that_is_not_registered_ends_at_entra_and_no_answer_comes_back() {
    let app = WebApp::start_with(&[("PUBLIC_URL", "https://app.example")]).await;
    let answer = app.get("/auth/sign-in").send().await.unwrap();

    let entra = app.http.get(answer.headers()[LOCATION].to_str().unwrap()).send().await.unwrap();

    assert_eq!((entra.status().as_u16(), entra.headers().get(LOCATION)), (400, None));
    assert!(entra.text().await.unwrap().contains("AADSTS50011"));
}
