//! The HTTPS listener and its generated authority.

use std::io::{Read, Write};

use crate::support::{Browser, DAEMON, Json, TENANT, WEB_APP, authorize_url, form, lab};

fn trusting(lab: &entra_lab::EntraLab) -> reqwest::Client {
    let ca = reqwest::Certificate::from_pem(lab.ca_pem().as_bytes()).unwrap();
    reqwest::Client::builder().no_proxy().tls_certs_merge([ca]).build().unwrap()
}

#[tokio::test]
async fn over_https_urls_carry_the_name_that_the_client_used() {
    let lab = lab().await;
    let client = trusting(&lab);
    let port = lab.https_url().rsplit_once(':').unwrap().1.to_owned();
    for host in ["localhost", "127.0.0.1"] {
        let base = format!("https://{host}:{port}");
        let url = format!("{base}/{TENANT}/v2.0/.well-known/openid-configuration");
        let document = Json::of(client.get(url).send().await.unwrap()).await;
        assert_eq!(document.text("issuer"), format!("{base}/{TENANT}/v2.0"));
        let api = "api://c0ffee00-0000-4000-8000-000000004000/.default";
        let rest = [("grant_type", "client_credentials"), ("scope", api)];
        let post = client.post(document.text("token_endpoint")).form(&form(&DAEMON, &rest));
        let answer = Json::of(post.send().await.unwrap()).await;
        assert_eq!(answer.claims("access_token")["iss"], document.text("issuer"));
    }
}

#[tokio::test]
async fn over_https_the_cookie_comes_along_in_frames_of_other_sites_and_the_pages_do_not() {
    let lab = lab().await;
    let url = authorize_url(&lab, TENANT, &WEB_APP, &[]).replacen(lab.url(), &lab.https_url(), 1);
    let page = Browser::over_https(&lab).open(&url).await;
    let cookie = page.headers["set-cookie"].to_str().unwrap();
    assert!(
        cookie.contains("SameSite=None") && cookie.contains("Secure") && cookie.contains("HttpOnly"),
        "{cookie}"
    );
    assert_eq!(page.headers["x-frame-options"], "DENY");
}

#[tokio::test]
async fn a_foreign_host_header_does_not_get_into_the_documents() {
    let lab = lab().await;
    let url = format!("{}/{TENANT}/v2.0/.well-known/openid-configuration", lab.https_url());
    for host in ["evil.example", "localhost@evil.example", "localhost:x", "\"<"] {
        let request = trusting(&lab).get(&url).header("host", host);
        let Ok(response) = request.send().await else { continue };
        if response.status().is_success() {
            assert_eq!(Json::of(response).await.text("issuer"), format!("{}/{TENANT}/v2.0", lab.https_url()));
        } else {
            assert!(response.status().is_client_error());
        }
    }
}

#[tokio::test]
async fn without_the_ca_the_certificate_is_refused() {
    let lab = lab().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    assert!(client.get(format!("{}/lab/health", lab.https_url())).send().await.is_err());
}

#[tokio::test]
async fn over_http_the_host_header_changes_nothing() {
    let lab = lab().await;
    let url = format!("{}/{TENANT}/v2.0/.well-known/openid-configuration", lab.url());
    let request = crate::support::client().get(url).header("host", "entra-lab:8400");
    let document = Json::of(request.send().await.unwrap()).await;
    assert_eq!(document.text("issuer"), format!("{}/{TENANT}/v2.0", lab.url()));
}

/// A ClientHello (RFC 5246 §7.4.1.2) that knows no newer version than this, by hand: no library here would write it.
fn hello(version: [u8; 2]) -> Vec<u8> {
    let mut hello = version.to_vec();
    hello.extend([7; 32]); // random
    hello.push(0); // no session
    hello.extend([0, 6, 0xc0, 0x2b, 0xc0, 0x13, 0xc0, 0x09]); // ECDHE with AES
    hello.extend([1, 0]); // no compression
    let groups = [0, 10, 0, 4, 0, 2, 0, 23]; // P-256
    let signatures = [0, 13, 0, 4, 0, 2, 4, 3]; // ECDSA with SHA-256
    hello.extend([0, 16]);
    hello.extend(groups);
    hello.extend(signatures);
    let length = u8::try_from(hello.len()).unwrap();
    let mut record = vec![22, 3, 1, 0, length + 4, 1, 0, 0, length];
    record.extend(hello);
    record
}

/// Checklist 118.
#[tokio::test]
async fn less_than_tls_1_2_is_not_spoken() {
    const ALERT: u8 = 21;
    const PROTOCOL_VERSION: u8 = 70;
    let lab = lab().await;
    let address = format!("127.0.0.1:{}", lab.https_url().rsplit_once(':').unwrap().1);
    let answer = |version| {
        let mut connection = std::net::TcpStream::connect(&address).unwrap();
        connection.write_all(&hello(version)).unwrap();
        let mut answer = [0; 7];
        connection.read_exact(&mut answer).unwrap();
        answer
    };

    for version in [[3, 0], [3, 1], [3, 2]] {
        let answer = answer(version);
        assert_eq!((answer[0], answer[6]), (ALERT, PROTOCOL_VERSION), "{version:?}: {answer:?}");
    }
    assert_eq!(answer([3, 3])[..3], [22, 3, 3], "TLS 1.2 is");
}
