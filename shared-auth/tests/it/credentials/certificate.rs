//! Assertions signed with a certificate (RFC 7523 §2.2), field by field, and certificates that cannot be used.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use shared_auth::{ClientCertificate, ConfidentialClient, Error};

use super::pki::{Identity, identity, open_with, successor};
use super::sts::{Sts, ask};
use crate::support::DAEMON;

const OPENSSL: &[u8] = include_bytes!("fixtures/certificate.pem");

fn certificate() -> ClientCertificate {
    ClientCertificate::from_pem(identity().pem()).unwrap()
}

/// Checklist 126.
#[tokio::test]
async fn an_assertion_has_the_documented_form_and_the_certificate_opens_it() {
    let sts = Sts::start().await;
    let (client, clock) = sts.client(certificate());
    let now = shared_auth::Clock::now(&clock).as_second();

    ask(&client).await.unwrap();

    let form = sts.forms().remove(0);
    assert_eq!(form["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    assert!(!form.contains_key("client_secret"));
    assert_eq!(form["client_id"], DAEMON);
    let (header, claims) = identity().open(&form["client_assertion"]);
    assert_eq!(
        header,
        serde_json::json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": identity().thumbprint() })
    );
    let jti = claims["jti"].as_str().unwrap();
    assert_eq!(
        claims,
        serde_json::json!({
            "aud": sts.token_endpoint(), "iss": DAEMON, "sub": DAEMON, "jti": jti, "nbf": now - 10, "exp": now + 600
        })
    );
    assert!(uuid::Uuid::try_parse(jti).is_ok());
}

/// Checklist 126.
#[tokio::test]
async fn rs256_names_the_certificate_by_its_sha1_thumbprint() {
    let sts = Sts::start().await;
    let (client, _) = sts.client(certificate().rs256());

    ask(&client).await.unwrap();

    let (header, _) = identity().open(&sts.last_assertion());
    assert_eq!(
        header,
        serde_json::json!({ "alg": "RS256", "typ": "JWT", "x5t": identity().sha1_thumbprint() })
    );
}

#[tokio::test]
async fn x5c_holds_the_whole_chain_in_standard_base64_whatever_the_order_in_the_file() {
    let sts = Sts::start().await;
    let Identity { certificate, key, der, issuer, issuer_der, .. } = identity();
    let expected = serde_json::json!([STANDARD.encode(der), STANDARD.encode(issuer_der)]);

    for pem in [[certificate, issuer, key], [key, issuer, certificate]] {
        let (client, _) =
            sts.client(ClientCertificate::from_pem(pem.map(String::as_str).concat()).unwrap().send_x5c(true));
        ask(&client).await.unwrap();

        assert_eq!(identity().open(&sts.last_assertion()).0["x5c"], expected);
    }
}

#[tokio::test]
async fn behind_a_back_channel_the_audience_stays_the_published_endpoint() {
    let sts = Sts::start().await;
    let published = "https://login.contoso.example";
    let document = serde_json::json!({
        "issuer": format!("{published}/{}/v2.0", super::sts::TENANT),
        "authorization_endpoint": format!("{published}/authorize"),
        "token_endpoint": format!("{published}/{}/oauth2/v2.0/token", super::sts::TENANT),
        "jwks_uri": format!("{published}/keys"),
    });
    wiremock::Mock::given(wiremock::matchers::method("GET"))
        .respond_with(wiremock::ResponseTemplate::new(200).set_body_json(document))
        .with_priority(1)
        .mount(&sts.server)
        .await;
    let mut config = sts.config(certificate());
    config.authority_host = published.parse().unwrap();
    config.backchannel = Some(sts.server.uri().parse().unwrap());

    ask(&ConfidentialClient::new(config).unwrap()).await.unwrap();

    let (_, claims) = identity().open(&sts.last_assertion());
    assert_eq!(claims["aud"], format!("{published}/{}/oauth2/v2.0/token", super::sts::TENANT));
}

/// Checklist 126.
#[tokio::test]
async fn an_assertion_serves_five_minutes_and_then_there_is_a_new_one() {
    let sts = Sts::start().await;
    let (client, clock) = sts.client(certificate());

    ask(&client).await.unwrap();
    clock.advance(SignedDuration::from_secs(299));
    ask(&client).await.unwrap();
    clock.advance(SignedDuration::from_secs(1));
    ask(&client).await.unwrap();
    clock.advance(SignedDuration::from_mins(-30)); // Signed in the future: not used.
    ask(&client).await.unwrap();

    let sent: Vec<_> = sts.forms().iter().map(|form| form["client_assertion"].clone()).collect();
    assert_eq!(sent[0], sent[1]);
    assert_ne!(sent[1], sent[2]);
    assert_ne!(sent[2], sent[3]);
    let jti = |assertion: &str| identity().open(assertion).1["jti"].clone();
    assert_ne!(jti(&sent[1]), jti(&sent[2]));
}

#[tokio::test]
async fn files_that_openssl_made_are_read() {
    let sts = Sts::start().await;
    let (_, der) = x509_parser::pem::parse_x509_pem(OPENSSL).unwrap();
    let pfx = |bytes: &[u8], password| ClientCertificate::from_pfx(bytes, password).unwrap();

    for certificate in [
        pfx(include_bytes!("fixtures/modern.pfx"), "pässword"),
        pfx(include_bytes!("fixtures/legacy.pfx"), "legacy"),
        pfx(include_bytes!("fixtures/key-vault.pfx"), ""),
        ClientCertificate::from_pem(include_bytes!("fixtures/pkcs1-and-certificate.pem")).unwrap(),
    ] {
        ask(&sts.client(certificate).0).await.unwrap();
        open_with(&der.contents, &sts.last_assertion());
    }
}

#[tokio::test]
async fn outside_its_dates_a_certificate_is_refused_with_the_dates_and_nothing_is_sent() {
    let sts = Sts::start().await;
    for (from, to, says) in [(2020, 2022, "is over"), (2040, 2042, "has not begun")] {
        let identity = Identity::new("dated", from, to);
        let (client, _) = sts.client(ClientCertificate::from_pem(identity.pem()).unwrap());

        let error = ask(&client).await.unwrap_err();

        assert!(matches!(error, Error::Config(_)), "{error:?}");
        let text = error.to_string();
        for part in [says, "CN=dated", &format!("{from}-01-01"), &format!("{to}-01-01")] {
            assert!(text.contains(part), "{text}");
        }
    }
    assert!(sts.forms().is_empty());
}

#[test]
fn what_cannot_sign_is_refused_with_a_reason() {
    let Identity { certificate, key, .. } = identity();
    let bad = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
    let pem = |text: &[u8]| ClientCertificate::from_pem(text).unwrap_err().to_string();
    let pfx = |bytes: &[u8], password| ClientCertificate::from_pfx(bytes, password).unwrap_err().to_string();

    for (text, says) in [
        (pem(b""), "holds no certificate"),
        (pem(key.as_bytes()), "holds no certificate"),
        (pem(certificate.as_bytes()), "holds no private key"),
        (pem(bad.as_bytes()), "not well-formed PEM"),
        (pem(format!("{certificate}{}", successor().key).as_bytes()), "does not belong to its certificate"),
        (pem(format!("{certificate}{key}{}", successor().key).as_bytes()), "more than one private key"),
        (pem(include_bytes!("fixtures/rsa-1024.pem")), "2048 bits"),
        (pem(include_bytes!("fixtures/ec.pem")), "2048 bits"),
        (pem(include_bytes!("fixtures/encrypted-key.pem")), "encrypted private key"),
        (pfx(include_bytes!("fixtures/modern.pfx"), "wrong"), "password is wrong"),
        (pfx(include_bytes!("fixtures/modern.pfx"), ""), "password is wrong"),
        (pfx(b"neither", ""), "neither PEM nor a PFX file"),
    ] {
        assert!(text.contains(says), "{text}");
    }
}

#[tokio::test]
async fn neither_key_nor_assertion_nor_password_is_printed() {
    let sts = Sts::refusing(|_| Some(700_027)).await;
    let (client, _) = sts.client(certificate());

    let error = ask(&client).await.unwrap_err();

    let shown = format!("{error} {error:?} {client:?} {:?}", certificate());
    assert!(shown.contains("CN=daemon-app"), "{shown}");
    let assertion = sts.last_assertion();
    let signature = assertion.rsplit('.').next().unwrap();
    let key_line = identity().key.lines().nth(3).unwrap();
    assert!(!shown.contains(signature) && !shown.contains(key_line), "{shown}");
}
