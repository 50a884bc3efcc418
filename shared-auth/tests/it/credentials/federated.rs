//! Workload identity federation: the token in the platform's file.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use shared_auth::{ClientCredential, Error};

use super::sts::{Sts, ask};
use crate::support::now;

/// A token of some platform that ends so many seconds from now.
fn token(name: &str, seconds: i64) -> String {
    let claims = format!(r#"{{"sub":"{name}","exp":{}}}"#, now().as_second() + seconds);
    format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims))
}

fn file(folder: &tempfile::TempDir, content: &str) -> PathBuf {
    let path = folder.path().join("azure-identity-token");
    std::fs::write(&path, content).unwrap();
    path
}

#[tokio::test]
async fn the_token_is_sent_without_white_space_and_a_new_one_is_noticed() {
    let (sts, folder) = (Sts::start().await, tempfile::tempdir().unwrap());
    let path = file(&folder, &format!("\n{} \n", token("one", 600)));
    let (client, _) = sts.client(ClientCredential::federated_token_file(path));

    ask(&client).await.unwrap();
    assert_eq!(sts.last_assertion(), token_in(&folder));
    file(&folder, &token("two", 600));
    ask(&client).await.unwrap();

    assert_eq!(sts.last_assertion(), token_in(&folder));
    assert_eq!(
        sts.forms()[0]["client_assertion_type"],
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    );
}

fn token_in(folder: &tempfile::TempDir) -> String {
    std::fs::read_to_string(folder.path().join("azure-identity-token")).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_missing_an_empty_and_an_ended_token_are_said_so_and_nothing_is_sent() {
    let (sts, folder) = (Sts::start().await, tempfile::tempdir().unwrap());
    let path = folder.path().join("azure-identity-token");
    let (client, clock) = sts.client(ClientCredential::federated_token_file(&path));

    let missing = ask(&client).await.unwrap_err();
    file(&folder, " \n");
    let empty = ask(&client).await.unwrap_err();
    file(&folder, &token("s3cret", 600));
    clock.advance(SignedDuration::from_secs(601));
    let ended = ask(&client).await.unwrap_err();
    file(&folder, &"x".repeat(100_000));
    let large = ask(&client).await.unwrap_err();

    for (error, says) in [
        (missing, "azure-identity-token cannot be read"),
        (empty, "azure-identity-token is empty"),
        (ended, "holds a token that ended at"),
        (large, "too large for a token"),
    ] {
        assert!(matches!(error, Error::Config(_)), "{error:?}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(!format!("{error:?}").contains("e30."), "{error:?}");
    }
    assert!(sts.forms().is_empty());
}

#[tokio::test]
async fn a_token_that_was_replaced_while_entra_refused_the_old_one_is_sent_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (token("old", 600), token("new", 600));
    let path = file(&folder, &old);
    let (refused, next, changing) = (old.clone(), new.clone(), path.clone());
    let sts = Sts::refusing(move |form| {
        std::fs::write(&changing, &next).unwrap();
        (form["client_assertion"] == refused).then_some(700_024)
    })
    .await;
    let (client, _) = sts.client(ClientCredential::federated_token_file(path));

    ask(&client).await.unwrap();

    let sent: Vec<_> = sts.forms().into_iter().map(|form| form["client_assertion"].clone()).collect();
    assert_eq!(sent, [old, new]);
}

#[tokio::test]
async fn what_is_not_a_jwt_is_left_to_entra() {
    let (sts, folder) = (Sts::start().await, tempfile::tempdir().unwrap());
    let (client, _) = sts.client(ClientCredential::federated_token_file(file(&folder, "opaque")));

    ask(&client).await.unwrap();

    assert_eq!(sts.last_assertion(), "opaque");
}
