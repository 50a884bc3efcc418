//! Certificate files that are replaced while the program runs.

use std::path::Path;

use jiff::SignedDuration;
use shared_auth::{ClientCertificate, Error};

use super::pki::{Identity, identity, successor};
use super::sts::{Sts, ask};

/// As platforms do it: the new content has its own file, which takes the old one's name.
fn replace(path: &Path, content: &str) {
    let next = path.with_extension("next");
    std::fs::write(&next, content).unwrap();
    std::fs::rename(next, path).unwrap();
}

/// Checklist 125.
#[tokio::test]
async fn a_replaced_file_signs_the_next_assertion_without_a_restart() {
    let (sts, folder) = (Sts::start().await, tempfile::tempdir().unwrap());
    let path = folder.path().join("app.pem");
    replace(&path, &identity().pem());
    let (client, _) = sts.client(ClientCertificate::from_file(&path, None).unwrap());
    ask(&client).await.unwrap();
    identity().open(&sts.last_assertion());

    replace(&path, &successor().pem());
    ask(&client).await.unwrap();

    successor().open(&sts.last_assertion());
}

#[tokio::test]
async fn while_only_one_half_is_replaced_the_old_pair_goes_on() {
    let (sts, folder) = (Sts::start().await, tempfile::tempdir().unwrap());
    let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    replace(&certificate, &identity().certificate);
    replace(&key, &identity().key);
    let (client, _) = sts.client(ClientCertificate::from_files(&certificate, &key).unwrap());

    replace(&certificate, &successor().certificate);
    ask(&client).await.unwrap();
    identity().open(&sts.last_assertion());
    replace(&key, &successor().key);
    ask(&client).await.unwrap();

    successor().open(&sts.last_assertion());
}

#[tokio::test]
async fn a_file_that_is_gone_does_not_stop_a_certificate_that_is_still_valid() {
    let (sts, folder) = (Sts::start().await, tempfile::tempdir().unwrap());
    let path = folder.path().join("app.pem");
    let short = Identity::new("short", 2026, 2027);
    replace(&path, &short.pem());
    let (client, clock) = sts.client(ClientCertificate::from_file(&path, None).unwrap());

    std::fs::remove_file(&path).unwrap();
    ask(&client).await.unwrap();
    clock.advance(SignedDuration::from_hours(24 * 366));
    let error = ask(&client).await.unwrap_err();

    assert!(matches!(error, Error::Config(_)));
    assert!(error.to_string().contains("app.pem cannot be read"), "{error}");
    replace(&path, &identity().pem());
    ask(&client).await.unwrap();
    identity().open(&sts.last_assertion());
}

#[tokio::test]
async fn a_certificate_put_there_early_waits_for_its_time() {
    let (sts, folder) = (Sts::start().await, tempfile::tempdir().unwrap());
    let path = folder.path().join("app.pem");
    let (old, new) = (Identity::new("old", 2026, 2029), Identity::new("new", 2028, 2032));
    replace(&path, &old.pem());
    let (client, clock) = sts.client(ClientCertificate::from_file(&path, None).unwrap());

    replace(&path, &new.pem());
    ask(&client).await.unwrap();
    old.open(&sts.last_assertion());
    clock.advance(SignedDuration::from_hours(24 * 800));
    ask(&client).await.unwrap();

    new.open(&sts.last_assertion());
}

/// Checklist 125.
#[tokio::test]
async fn a_certificate_that_entra_stopped_taking_is_read_again_and_the_request_is_sent_once_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.pem");
    replace(&path, &identity().pem());
    // The file changes after the first request was signed, and before it is answered.
    let changing = path.clone();
    let sts = Sts::refusing(move |form| {
        replace(&changing, &successor().pem());
        let header = form["client_assertion"].split('.').next().unwrap().to_owned();
        let header =
            base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, header).unwrap();
        let old = String::from_utf8(header).unwrap().contains(&identity().thumbprint());
        old.then_some(700_027)
    });
    let sts = sts.await;
    let (client, _) = sts.client(ClientCertificate::from_file(&path, None).unwrap());

    ask(&client).await.unwrap();

    assert_eq!(sts.forms().len(), 2);
    successor().open(&sts.last_assertion());
}

#[tokio::test]
async fn a_pfx_file_is_told_from_pem_by_its_content_and_its_password_is_not_printed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certificate");
    std::fs::write(&path, include_bytes!("fixtures/modern.pfx")).unwrap();

    let certificate = ClientCertificate::from_file(&path, Some("pässword")).unwrap();
    let error = ClientCertificate::from_file(&path, Some("s3cret-but-wrong")).unwrap_err();

    assert!(certificate.expires_at().is_some());
    assert!(error.to_string().contains("password is wrong"), "{error}");
    let shown = format!("{certificate:?} {error} {error:?}");
    assert!(!shown.contains("pässword") && !shown.contains("s3cret"), "{shown}");
}

#[test]
fn a_missing_file_is_named() {
    let error = ClientCertificate::from_file("/nowhere/app.pem", None).unwrap_err();

    assert!(error.to_string().contains("/nowhere/app.pem cannot be read"), "{error}");
}
