//! Where a sign-in leads back to: never to another site, however that is spelt.

use super::site::{Browser, LabSite};
use crate::support::Person;

/// Checklist 71.
#[tokio::test]
async fn a_sign_in_leads_back_to_this_site_however_another_one_is_spelt() {
    let app = LabSite::start().await;
    let own = url::Url::parse(&app.site.url).unwrap();
    let spellings = [
        "//evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "/\t/evil.test",
        "/\r\n/evil.test",
        "https://evil.test",
        "https:evil.test",
        "http:/evil.test",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)//",
        "data:text/html,x",
        "///evil.test",
        "/\\/evil.test",
        "%2f%2fevil.test",
        "/%2f/evil.test",
        "/%5cevil.test",
        "http://localhost@evil.test",
        "//localhost:3000@evil.test",
        "http://localhost.evil.test",
        "evil.test",
        "@evil.test",
        "/\u{0}//evil.test",
        "/..//evil.test",
        "/.//evil.test",
        " //evil.test",
        "/ /evil.test",
        "／／evil.test",
    ];
    for wanted in spellings {
        let mut browser = Browser::default();
        let wanted_in_query: String = url::form_urlencoded::byte_serialize(wanted.as_bytes()).collect();
        let to_entra = app.begin(&mut browser, &format!("/auth/sign-in?return_to={wanted_in_query}")).await;
        let answer = Person::default().sign_in(&to_entra, "alice").await;
        let location = app.callback(&mut browser, &answer).await.location.unwrap();
        let there = own.join(&location).unwrap();
        assert_eq!(there.origin(), own.origin(), "{wanted:?} led to {location}");
        assert!(
            !location.starts_with("//") && !location.contains(['\r', '\n', '\\']),
            "{wanted:?}: {location}"
        );
    }
}

/// Checklist 81.
#[tokio::test]
async fn a_page_of_this_site_is_found_again_with_its_query_and_without_the_code() {
    let app = LabSite::start().await;
    for page in ["/hello?page=2&q=a%20b", "/hello", "/"] {
        let mut browser = Browser::default();
        let wanted: String = url::form_urlencoded::byte_serialize(page.as_bytes()).collect();
        let to_entra = app.begin(&mut browser, &format!("/auth/sign-in?return_to={wanted}")).await;
        let answer = Person::default().sign_in(&to_entra, "alice").await;
        let done = app.callback(&mut browser, &answer).await;
        assert_eq!(done.location.as_deref(), Some(page));
        assert_eq!(done.status, 303);
        assert_eq!(done.headers["referrer-policy"], "same-origin");
        assert_eq!(done.headers["cache-control"], "no-store");
    }
}
