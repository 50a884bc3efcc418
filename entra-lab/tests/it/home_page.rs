//! The home page: everything that is seeded, the last requests, and nothing that must not be there.

use entra_lab::EntraLab;
use entra_lab::seed::DEFAULT_SEED;
use jiff::SignedDuration;
use reqwest::{Response, StatusCode};

const TENANT: &str = "10000000-0000-4000-8000-000000000001";

async fn get(lab: &EntraLab, path: &str) -> Response {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    http.get(format!("{}{path}", lab.url())).send().await.unwrap()
}

async fn home(lab: &EntraLab) -> String {
    get(lab, "/").await.text().await.unwrap()
}

async fn ask_for_a_token(lab: &EntraLab, secret: &str) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "c0ffee00-0000-4000-8000-000000005000"),
        ("client_secret", secret),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    http.post(format!("{}/{TENANT}/oauth2/v2.0/token", lab.url())).form(&form).send().await.unwrap();
}

#[tokio::test]
async fn it_shows_who_and_what_is_seeded() {
    let lab = EntraLab::start().await.unwrap();

    let page = home(&lab).await;

    for text in [
        "Local use only",
        TENANT,
        "contoso.test",
        "Alice Kim",
        "bob@contoso.test",
        "Passw0rd!lab",
        "Reader in web-app",
        "No photo: Graph answers 404 ImageNotFound.",
        "web-api-obo has no consent for Mail.Read of Microsoft Graph: the token request ends in AADSTS65001.",
        "Dmitri Orlov, Erin Walsh",
        "c0ffee00-0000-4000-8000-000000003000",
        "lab-secret-daemon-app",
        "http://localhost:3000/signin-oidc",
        "api://c0ffee00-0000-4000-8000-000000004000",
        "access_as_user",
        "agreed by Alice, Bob",
        "granted for everyone",
        "asked at sign-in",
        "Nothing yet.",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert_eq!(page.matches("has no consent").count(), 1, "only Carol lacks it");
}

#[tokio::test]
async fn its_settings_and_commands_carry_the_address_of_this_lab() {
    let lab = EntraLab::start().await.unwrap();

    let page = home(&lab).await;

    let url = lab.url();
    for text in [
        format!("AZURE_TENANT_ID={TENANT}\nAZURE_CLIENT_ID=c0ffee00-0000-4000-8000-000000005000\n"),
        format!(
            "AZURE_AUTHORITY_HOST={url}\nGRAPH_BASE_URL={url}/v1.0\nAPI_BASE_URL=http://localhost:4000\n"
        ),
        "API_SCOPES=api://c0ffee00-0000-4000-8000-000000004000/.default".to_owned(),
        "API_SCOPES=api://c0ffee00-0000-4000-8000-000000004000/access_as_user".to_owned(),
        format!("curl {url}/lab/clock"),
        lab.https_url(),
    ] {
        assert!(page.contains(&text), "{text}");
    }
}

#[tokio::test]
async fn every_link_on_it_leads_somewhere() {
    let lab = EntraLab::start().await.unwrap();
    let page = home(&lab).await;

    let links = page.split("href=\"").chain(page.split("src=\"")).filter_map(|rest| rest.split('"').next());
    let mut followed = 0;
    for link in links.filter(|l| l.starts_with('/') || l.starts_with(lab.url())) {
        let path = link.strip_prefix(lab.url()).unwrap_or(link).replace("&#38;", "&").replace("&amp;", "&");
        assert_eq!(get(&lab, &path).await.status(), StatusCode::OK, "{path}");
        followed += 1;
    }

    assert!(followed >= 10, "{followed} links");
}

#[tokio::test]
async fn it_is_strict_about_what_a_browser_may_do_with_it() {
    let lab = EntraLab::start().await.unwrap();

    let answer = get(&lab, "/").await;

    let headers = answer.headers().clone();
    let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    assert_eq!(header("content-type"), "text/html; charset=utf-8");
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert!(
        header("content-security-policy")
            .starts_with("default-src 'none'; style-src 'self'; img-src 'self';")
    );
    let page = answer.text().await.unwrap();
    for forbidden in ["<script", "style=\"", "onclick", "javascript:", "<form"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
}

#[tokio::test]
async fn it_lists_the_last_requests_without_any_secret() {
    let lab = EntraLab::start().await.unwrap();
    ask_for_a_token(&lab, "a-secret-that-was-mistyped").await;
    get(&lab, "/v1.0/me?access_token=query-is-not-kept").await;
    ask_for_a_token(&lab, "lab-secret-daemon-app").await;

    let page = home(&lab).await;

    let table = page.split("<tbody>").nth(1).unwrap();
    for text in
        ["AADSTS7000215", "client_credentials", "daemon-app", "/v1.0/me", "/contoso.test/oauth2/v2.0/token"]
    {
        assert!(table.contains(text), "{text}");
    }
    for secret in ["mistyped", "query-is-not-kept", "lab-secret", "eyJ"] {
        assert!(!table.contains(secret), "{secret}");
    }
    assert_eq!(table.matches("<tr").count(), 3, "the page does not list itself");
}

#[tokio::test]
async fn it_lists_fifty_requests_at_most() {
    let lab = EntraLab::start().await.unwrap();
    for _ in 0..60 {
        get(&lab, "/v1.0/me").await;
    }

    assert_eq!(home(&lab).await.matches("/v1.0/me</td>").count(), 50);
}

/// Checklist 70, 170.
#[tokio::test]
async fn text_from_requests_and_from_the_seed_is_escaped() {
    let seed =
        DEFAULT_SEED.replace("Alice Kim", "<b>Alice & 'Kim'</b>").replace("\"web-app\"", "\"<i>app</i>\"");
    let lab = EntraLab::builder().seed_toml(&seed).start().await.unwrap();
    get(&lab, "/v1.0/%3Cscript%3E&'").await;

    let page = home(&lab).await;

    for markup in ["<b>", "<i>", "<script>"] {
        assert!(!page.contains(markup), "{markup}");
    }
    for text in ["/v1.0/%3Cscript%3E&#38;&#39;", "&#60;i&#62;app", "&#60;b&#62;Alice &#38; &#39;Kim&#39;"] {
        assert!(page.contains(text), "{text}");
    }
}

#[tokio::test]
async fn it_says_when_the_clock_was_moved() {
    let lab = EntraLab::start().await.unwrap();
    assert!(home(&lab).await.contains("real time</dd>"));

    lab.advance(SignedDuration::from_secs(3725));
    assert!(home(&lab).await.contains("1 h 2 min 5 s ahead of real time"));

    lab.advance(SignedDuration::from_secs(-7450));
    assert!(home(&lab).await.contains("1 h 2 min 5 s behind real time"));
}

#[tokio::test]
async fn its_photos_are_for_people_who_have_one() {
    let lab = EntraLab::start().await.unwrap();

    let photo = get(&lab, "/lab/photo/alice@contoso.test").await;

    assert_eq!(photo.headers()["content-type"], "image/jpeg");
    assert!(photo.bytes().await.unwrap().starts_with(&[0xff, 0xd8]));
    for nobody in ["carol@contoso.test", "nobody", "%00", "..%2f"] {
        assert_eq!(
            get(&lab, &format!("/lab/photo/{nobody}")).await.status(),
            StatusCode::NOT_FOUND,
            "{nobody}"
        );
    }
}

#[tokio::test]
async fn head_is_answered_too() {
    let lab = EntraLab::start().await.unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();

    let answer = http.head(lab.url()).send().await.unwrap();

    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.bytes().await.unwrap().is_empty());
}
