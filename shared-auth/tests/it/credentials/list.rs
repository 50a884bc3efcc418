//! Several credentials: which one is used, and when the next one gets its turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use shared_auth::{ClientCertificate, ClientCredential, Error};

use super::pki::{Identity, identity};
use super::sts::{Form, Sts, ask};

fn secrets(names: &[&str]) -> ClientCredential {
    ClientCredential::first_of(names.iter().map(|name| ClientCredential::secret(*name)))
}

/// What was shown in each request.
fn shown(sts: &Sts) -> Vec<String> {
    let name = |form: &Form| form.get("client_secret").cloned().unwrap_or_else(|| "assertion".to_owned());
    sts.forms().iter().map(name).collect()
}

/// Refuses one secret, which the test may change.
async fn refusing_one(code: u32) -> (Sts, Arc<AtomicU32>) {
    let bad = Arc::new(AtomicU32::new(1));
    let which = Arc::clone(&bad);
    let sts = Sts::refusing(move |form| {
        let secret = form.get("client_secret")?.trim_start_matches("s3cret-").parse::<u32>().ok()?;
        (secret == which.load(Ordering::SeqCst)).then_some(code)
    });
    (sts.await, bad)
}

#[tokio::test]
async fn the_first_one_is_used_and_the_others_are_not_shown() {
    let sts = Sts::start().await;
    let (client, _) = sts.client(secrets(&["s3cret-1", "s3cret-2"]));

    ask(&client).await.unwrap();
    ask(&client).await.unwrap();

    assert_eq!(shown(&sts), ["s3cret-1", "s3cret-1"]);
}

#[tokio::test]
async fn on_each_code_about_the_credential_the_next_one_is_tried_once_and_remembered() {
    for code in [7_000_215, 7_000_222, 700_027, 700_024, 7_000_214, 1_000_502, 7_000_274, 7_000_277] {
        let (sts, _) = refusing_one(code).await;
        let (client, _) = sts.client(secrets(&["s3cret-1", "s3cret-2"]));

        ask(&client).await.unwrap();
        ask(&client).await.unwrap();

        assert_eq!(shown(&sts), ["s3cret-1", "s3cret-2", "s3cret-2"], "{code}");
    }
}

#[tokio::test]
async fn it_comes_back_when_the_second_one_starts_to_fail() {
    let (sts, bad) = refusing_one(7_000_222).await;
    let (client, _) = sts.client(secrets(&["s3cret-1", "s3cret-2"]));

    ask(&client).await.unwrap();
    bad.store(2, Ordering::SeqCst);
    ask(&client).await.unwrap();
    ask(&client).await.unwrap();

    assert_eq!(shown(&sts), ["s3cret-1", "s3cret-2", "s3cret-2", "s3cret-1", "s3cret-1"]);
}

#[tokio::test]
async fn any_other_refusal_is_final() {
    let (sts, _) = refusing_one(700_016).await;
    let (client, _) = sts.client(secrets(&["s3cret-1", "s3cret-2"]));

    let error = ask(&client).await.unwrap_err();

    assert_eq!(error.codes(), [700_016]);
    assert_eq!(shown(&sts), ["s3cret-1"]);
}

#[tokio::test]
async fn two_failures_end_the_request_and_the_next_one_begins_with_the_third() {
    let sts = Sts::refusing(|form| (form["client_secret"] != "s3cret-3").then_some(7_000_215)).await;
    let (client, _) = sts.client(secrets(&["s3cret-1", "s3cret-2", "s3cret-3"]));

    let error = ask(&client).await.unwrap_err();
    ask(&client).await.unwrap();

    assert_eq!(error.codes(), [7_000_215]);
    assert_eq!(shown(&sts), ["s3cret-1", "s3cret-2", "s3cret-3"]);
    assert!(!format!("{error} {error:?} {client:?}").contains("s3cret"), "{client:?}");
}

#[tokio::test]
async fn one_secret_alone_is_not_sent_twice() {
    let (sts, _) = refusing_one(7_000_215).await;
    let (client, _) = sts.client(secrets(&["s3cret-1"]));

    ask(&client).await.unwrap_err();

    assert_eq!(shown(&sts).len(), 1);
}

#[tokio::test]
async fn what_does_not_load_is_passed_over_and_named_only_if_nothing_else_is_there() {
    let sts = Sts::start().await;
    let over = || {
        ClientCredential::from(ClientCertificate::from_pem(Identity::new("over", 2020, 2021).pem()).unwrap())
    };
    let good = ClientCredential::from(ClientCertificate::from_pem(identity().pem()).unwrap());
    let (passing, _) = sts.client(ClientCredential::first_of([over(), good]));
    let (empty, _) = sts.client(ClientCredential::first_of([over(), over()]));

    ask(&passing).await.unwrap();
    let error = ask(&empty).await.unwrap_err();

    assert_eq!(shown(&sts), ["assertion"]);
    let Error::Config(problems) = &error else { panic!("{error:?}") };
    assert_eq!(problems.problems.len(), 2);
}

#[tokio::test]
async fn it_comes_back_when_the_second_one_does_not_load_any_more() {
    let (sts, bad) = refusing_one(7_000_222).await;
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "a.b.c").unwrap();
    let list = [ClientCredential::secret("s3cret-1"), ClientCredential::federated_token_file(&token)];
    let (client, _) = sts.client(ClientCredential::first_of(list));

    ask(&client).await.unwrap();
    bad.store(0, Ordering::SeqCst);
    std::fs::remove_file(&token).unwrap();
    ask(&client).await.unwrap();
    ask(&client).await.unwrap();

    assert_eq!(shown(&sts), ["s3cret-1", "assertion", "s3cret-1", "s3cret-1"]);
}

#[tokio::test]
async fn when_the_next_one_does_not_load_entras_answer_is_what_counts() {
    let (sts, _) = refusing_one(7_000_215).await;
    let over = ClientCertificate::from_pem(Identity::new("over", 2020, 2021).pem()).unwrap();
    let (client, _) =
        sts.client(ClientCredential::first_of([ClientCredential::secret("s3cret-1"), over.into()]));

    let error = ask(&client).await.unwrap_err();

    assert_eq!(error.codes(), [7_000_215]);
}
