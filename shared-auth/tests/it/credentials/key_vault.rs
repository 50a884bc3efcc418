//! A certificate out of Key Vault, over a fake of its REST interface.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared_auth::{
    AccessToken, ClientCertificate, ConfidentialClient, Error, KeyVaultAccess, ManagedIdentity,
    ManagedIdentityId,
};
use wiremock::matchers::{header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::pki::{identity, open_with, successor};
use super::sts::{Sts, ask};

fn pem(text: &str) -> Value {
    json!({ "value": text, "contentType": "application/x-pem-file", "id": "…" })
}

async fn answering(server: &MockServer, status: u16, body: Value) {
    server.reset().await;
    Mock::given(method("GET"))
        .and(path("/secrets/daemon-app"))
        .and(query_param("api-version", "7.4"))
        .and(header("authorization", "Bearer v4ult"))
        .respond_with(ResponseTemplate::new(status).set_body_json(body))
        .mount(server)
        .await;
}

fn access() -> KeyVaultAccess {
    KeyVaultAccess::new(|_| async { Ok(AccessToken::new("v4ult")) })
}

fn in_vault(server: &MockServer, access: impl Into<KeyVaultAccess>) -> ClientCertificate {
    ClientCertificate::from_key_vault(server.uri().parse().unwrap(), "daemon-app", access).unwrap()
}

async fn asked(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

#[tokio::test]
async fn pfx_and_pem_are_read_and_the_vault_is_asked_once_an_hour() {
    let (sts, vault) = (Sts::start().await, MockServer::start().await);
    let pfx = STANDARD.encode(include_bytes!("fixtures/key-vault.pfx"));
    answering(&vault, 200, json!({ "value": pfx, "contentType": "application/x-pkcs12" })).await;
    let (client, clock) = sts.client(in_vault(&vault, access()));

    ask(&client).await.unwrap();
    clock.advance(SignedDuration::from_mins(59));
    ask(&client).await.unwrap();
    assert_eq!(asked(&vault).await, 1);
    let (_, der) = x509_parser::pem::parse_x509_pem(include_bytes!("fixtures/certificate.pem")).unwrap();
    open_with(&der.contents, &sts.last_assertion());
    answering(&vault, 200, pem(&successor().pem())).await;
    clock.advance(SignedDuration::from_mins(1));
    ask(&client).await.unwrap();

    successor().open(&sts.last_assertion());
    assert_eq!(asked(&vault).await, 1);
}

#[tokio::test]
async fn while_the_vault_is_away_the_certificate_in_hand_goes_on_and_the_vault_has_a_minutes_rest() {
    let (sts, vault) = (Sts::start().await, MockServer::start().await);
    answering(&vault, 200, pem(&identity().pem())).await;
    let (client, clock) = sts.client(in_vault(&vault, access()));
    ask(&client).await.unwrap();

    answering(&vault, 503, json!({})).await;
    clock.advance(SignedDuration::from_hours(2));
    ask(&client).await.unwrap();
    ask(&client).await.unwrap();
    assert_eq!(asked(&vault).await, 1);
    clock.advance(SignedDuration::from_mins(1));
    ask(&client).await.unwrap();

    identity().open(&sts.last_assertion());
    assert_eq!(asked(&vault).await, 2);
}

#[tokio::test]
async fn a_slow_vault_holds_up_only_the_one_who_asks_it() {
    let (sts, vault) = (Sts::start().await, MockServer::start().await);
    answering(&vault, 200, pem(&identity().pem())).await;
    let (client, clock) = sts.client(in_vault(&vault, access()));
    ask(&client).await.unwrap();
    vault.reset().await;
    let slow = ResponseTemplate::new(200).set_body_json(pem(&successor().pem()));
    Mock::given(method("GET")).respond_with(slow.set_delay(Duration::from_secs(2))).mount(&vault).await;
    clock.advance(SignedDuration::from_hours(2));

    let asking = tokio::spawn({
        let client = client.clone();
        async move { ask(&client).await }
    });
    while asked(&vault).await == 0 {
        tokio::task::yield_now().await;
    }
    client.acquire_token_for_client("api://another/.default").await.unwrap();
    assert!(!asking.is_finished());
    identity().open(&sts.last_assertion());
    asking.await.unwrap().unwrap();

    successor().open(&sts.last_assertion());
}

#[tokio::test]
async fn a_certificate_that_entra_stopped_taking_is_fetched_again_within_the_hour() {
    let old = identity().thumbprint();
    let sts = Sts::refusing(move |form| {
        let header = form["client_assertion"].split('.').next().unwrap();
        let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).unwrap();
        String::from_utf8(header).unwrap().contains(&old).then_some(700_027)
    });
    let (sts, vault) = (sts.await, MockServer::start().await);
    answering(&vault, 200, pem(&identity().pem())).await;
    let (client, clock) = sts.client(in_vault(&vault, access()));
    assert_eq!(ask(&client).await.unwrap_err().codes(), [700_027]);
    assert_eq!((sts.forms().len(), asked(&vault).await), (1, 1)); // Nothing new, not asked twice in a minute.

    answering(&vault, 200, pem(&successor().pem())).await;
    clock.advance(SignedDuration::from_mins(2));
    ask(&client).await.unwrap();

    successor().open(&sts.last_assertion());
}

#[tokio::test]
async fn a_managed_identity_or_another_client_opens_the_vault() {
    let (sts, vault, machine) = (Sts::start().await, MockServer::start().await, MockServer::start().await);
    answering(&vault, 200, pem(&identity().pem())).await;
    let body = json!({ "access_token": "v4ult", "expires_in": 3599 });
    Mock::given(method("GET"))
        .and(query_param("resource", "https://vault.azure.net"))
        .respond_with(ResponseTemplate::new(200).set_body_json(body))
        .mount(&machine)
        .await;
    let managed = ManagedIdentity::builder(ManagedIdentityId::SystemAssigned)
        .imds_endpoint(machine.uri().parse().unwrap())
        .build()
        .unwrap();

    ask(&sts.client(in_vault(&vault, managed)).0).await.unwrap();
    identity().open(&sts.last_assertion());

    // The fake token endpoint hands out another token than the vault wants: what counts is that it was asked.
    let opener =
        ConfidentialClient::new(sts.config(shared_auth::ClientCredential::secret("opener"))).unwrap();
    ask(&sts.client(in_vault(&vault, opener)).0).await.unwrap_err();
    assert_eq!(sts.forms().last().unwrap()["scope"], "https://vault.azure.net/.default");
}

#[tokio::test]
async fn what_the_vault_refuses_is_said_and_neither_key_nor_token_is_printed() {
    let (sts, vault) = (Sts::start().await, MockServer::start().await);
    let text = "s3cret-but-no-certificate";

    for (status, body, says) in [
        (403, json!({}), "permission to get secrets"),
        (404, json!({}), "no certificate of this name"),
        (503, json!({}), "HTTP 503"),
        (200, json!({ "name": text }), "not a secret of Key Vault"),
        (200, pem(text), "holds no certificate"),
        (200, json!({ "value": text, "contentType": "application/x-pkcs12" }), "neither PEM nor base64"),
    ] {
        answering(&vault, status, body).await;
        let (client, _) = sts.client(in_vault(&vault, access()));
        let error = ask(&client).await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(error.is_retryable(), status == 503, "{error:?}");
        let shown = format!("{error} {error:?} {client:?}");
        assert!(!shown.contains("s3cret") && !shown.contains("v4ult"), "{shown}");
    }
    assert!(sts.forms().is_empty());
}

#[test]
fn plain_http_to_another_machine_and_names_that_are_paths_are_refused() {
    for (vault, name) in
        [("http://contoso.vault.azure.net", "app"), ("https://v.vault.azure.net", "../keys/app")]
    {
        let made = ClientCertificate::from_key_vault(vault.parse().unwrap(), name, access());
        assert!(matches!(made.map_err(Error::from), Err(Error::Config(_))), "{vault} {name}");
    }
}
