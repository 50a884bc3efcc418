//! What stands at the door of the built web app: headers, limits, and lies about who is asking.

use reqwest::header::{CACHE_CONTROL, HOST, LOCATION, RETRY_AFTER};

use crate::app::WebApp;

/// Checklist 92, 149.
#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_locked_down() {
    let app = WebApp::start().await;

    for path in ["/", "/profile", "/nothing", "/signin-oidc?code=x&state=y", "/health/live", "/auth/sign-in"]
    {
        let answer = app.get(path).send().await.unwrap();
        let header =
            |name: &str| answer.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        let policy = header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        // Scripts are files of this site, and talk to this site alone.
        assert!(
            policy.contains("script-src 'self';") && policy.contains("connect-src 'self';"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("x-frame-options"), "DENY", "{path}");
        assert!(["same-origin", "no-referrer"].contains(&header("referrer-policy").as_str()), "{path}");
        assert!(answer.headers()[CACHE_CONTROL].to_str().unwrap().contains("no-store"), "{path}");
        for unwanted in ["server", "x-powered-by", "access-control-allow-origin", "strict-transport-security"]
        {
            assert_eq!(header(unwanted), "", "{path}: {unwanted}");
        }
    }
}

/// Checklist 79, 92.
#[tokio::test(flavor = "multi_thread")]
async fn on_https_browsers_are_told_to_stay_there_and_the_cookie_belongs_to_this_host() {
    let app = WebApp::start_with(&[("PUBLIC_URL", "https://app.example")]).await;

    let answer = app.get("/auth/sign-in").send().await.unwrap();

    assert!(answer.headers()["strict-transport-security"].to_str().unwrap().starts_with("max-age=31536000"));
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    entra_lab::scan::secret(cookie.split(['=', ';']).nth(1).unwrap());
    assert!(
        cookie.starts_with("__Host-") && cookie.contains("Secure") && !cookie.contains("Domain"),
        "{cookie}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_redirect_uri_comes_from_the_settings_whatever_the_headers_say() {
    let app =
        WebApp::start_with(&[("PUBLIC_URL", "https://app.example"), ("TRUSTED_PROXIES", "127.0.0.0/8")])
            .await;
    let lies = [
        (HOST.as_str(), "evil.test"),
        ("x-forwarded-host", "evil.test"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-prefix", "/evil"),
        ("x-forwarded-port", "8443"),
        ("x-original-url", "/evil"),
        ("forwarded", "host=evil.test;proto=http"),
    ];

    for (name, value) in lies {
        let answer = app.get("/auth/sign-in").header(name, value).send().await.unwrap();
        assert_eq!(answer.status(), 303, "{name}");
        let entra = answer.headers()[LOCATION].to_str().unwrap();
        assert!(entra.contains("redirect_uri=https%3A%2F%2Fapp.example%2Fsignin-oidc"), "{name}: {entra}");
        assert!(!entra.contains("evil"), "{name}: {entra}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_ins_that_are_begun_again_and_again_are_limited_and_pages_are_not() {
    let app = WebApp::start_with(&[("ATTEMPTS_PER_MINUTE", "5")]).await;
    let mut last = None;

    for n in 0..10 {
        let answer = app
            .get("/auth/sign-in")
            .header("x-forwarded-for", format!("203.0.113.{n}"))
            .send()
            .await
            .unwrap();
        assert!(answer.status() == 303 || n >= 5, "try {n}: {}", answer.status());
        if answer.status() == 429 {
            last = Some(answer);
        }
    }

    let answer = last.expect("nobody was told to wait");
    let seconds: u64 = answer.headers()[RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=12).contains(&seconds), "{seconds}");
    let page = answer.text().await.unwrap();
    assert!(page.contains("id=\"failure-title\"") && page.contains("Too many sign-ins"), "{page}");
    assert_eq!(app.get("/").send().await.unwrap().status(), 200);
}
