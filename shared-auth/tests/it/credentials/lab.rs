//! The whole way, with an identity provider that looks at the proof: secret, then certificate, then federation.

use entra_lab::{DEFAULT_SEED, EntraLab};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use shared_auth::{
    ClientCertificate, ClientCredential, ConfidentialClient, Error, ManagedIdentity, ManagedIdentityId,
};

use super::pki::identity;
use super::sts::ask;
use crate::support::{DAEMON, client, now, registration, sign_in, token_requests};

/// The identity of the machine that the lab plays.
const MACHINE: &str = "c0ffee00-0000-4000-8000-000000008000";
/// The published key pair of the lab's daemon-app.
const DAEMON_PEM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../entra-lab/certs/daemon-app.pem");

fn with(lab: &EntraLab, credential: impl Into<ClientCredential>) -> ConfidentialClient {
    let mut config = registration(lab, DAEMON);
    config.credential = credential.into();
    ConfidentialClient::new(config).unwrap()
}

/// A lab whose daemon-app trusts the tokens of a CI system, which signs with `identity`'s key.
async fn lab_that_trusts_ci() -> EntraLab {
    let key = EncodingKey::from_rsa_pem(identity().key.as_bytes()).unwrap();
    let keys = json!({ "keys": [Jwk::from_encoding_key(&key, Algorithm::RS256).unwrap()] }).to_string();
    let trusted = format!(
        "federated_credentials = [{{ issuer = \"https://ci.example\", subject = \"repo:main\", jwks = '{keys}' }}, "
    );
    let seed = DEFAULT_SEED.replacen("federated_credentials = [", &trusted, 1);
    EntraLab::builder().seed_toml(&seed).start().await.unwrap()
}

fn ci_token() -> String {
    let claims = json!({
        "iss": "https://ci.example", "sub": "repo:main", "aud": "api://AzureADTokenExchange",
        "exp": now().as_second() + 300,
    });
    let key = EncodingKey::from_rsa_pem(identity().key.as_bytes()).unwrap();
    jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &key).unwrap()
}

#[tokio::test]
async fn a_certificate_is_taken_in_each_style() {
    let lab = EntraLab::start().await.unwrap();
    let certificate = || ClientCertificate::from_file(DAEMON_PEM, None).unwrap();

    for styled in [
        certificate(),
        certificate().send_x5c(true),
        certificate().rs256(),
        certificate().rs256().send_x5c(true),
    ] {
        ask(&with(&lab, styled)).await.unwrap();
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_registered_is_refused_with_its_code() {
    let lab = EntraLab::start().await.unwrap();

    let stranger = ClientCertificate::from_pem(identity().pem()).unwrap();
    let error = ask(&with(&lab, stranger)).await.unwrap_err();

    assert_eq!(error.codes(), [700_027]);
}

#[tokio::test]
async fn secret_then_certificate_then_federation_each_takes_over_from_the_one_before() {
    let (lab, folder) = (lab_that_trusts_ci().await, tempfile::tempdir().unwrap());
    let token = folder.path().join("token");
    std::fs::write(&token, format!("{}\n", ci_token())).unwrap();
    let wrong_secret = || ClientCredential::secret("s3cret-but-wrong");
    let stranger = || ClientCredential::from(ClientCertificate::from_pem(identity().pem()).unwrap());
    let certificate = ClientCertificate::from_file(DAEMON_PEM, None).unwrap().into();
    let federated = || ClientCredential::federated_token_file(&token);

    let by_certificate = with(&lab, ClientCredential::first_of([wrong_secret(), certificate, federated()]));
    ask(&by_certificate).await.unwrap();
    assert_eq!(token_requests(&lab, "client_credentials"), 2);
    ask(&by_certificate).await.unwrap();
    assert_eq!(token_requests(&lab, "client_credentials"), 3);

    // Two refusals end a request; the next one goes on where they ended.
    let by_federation = with(&lab, ClientCredential::first_of([wrong_secret(), stranger(), federated()]));
    assert_eq!(ask(&by_federation).await.unwrap_err().codes(), [700_027]);
    ask(&by_federation).await.unwrap();
}

#[tokio::test]
async fn users_flows_are_proven_by_a_certificate_as_well() {
    let lab = EntraLab::start().await.unwrap();
    let pem = concat!(env!("CARGO_MANIFEST_DIR"), "/../entra-lab/certs/web-api-obo.pem");
    let app = client(&lab, crate::support::WEB_APP);
    let user = sign_in(&app, "alice", &crate::support::access_as_user()).await;
    let theirs = app.acquire_token_silent(&user.account, crate::support::access_as_user()).await.unwrap();
    let mut config = registration(&lab, crate::support::API);
    config.credential = ClientCertificate::from_file(pem, None).unwrap().into();
    let api = ConfidentialClient::new(config).unwrap();

    let assertion = shared_auth::UserAssertion::new(theirs.access_token.expose_secret(), theirs.expires_at);
    let answer = api.acquire_token_on_behalf_of(&assertion, "https://graph.microsoft.com/User.Read").await;

    assert!(answer.is_ok(), "{:?}", answer.map_err(|error: Error| error.to_string()));
}

#[tokio::test]
async fn the_machines_identity_gets_tokens_and_proves_the_daemon() {
    let lab = EntraLab::start().await.unwrap();
    let on_a_vm = ManagedIdentity::builder(ManagedIdentityId::SystemAssigned)
        .imds_endpoint(lab.url().parse().unwrap())
        .build()
        .unwrap();
    let app_service = format!("{}/msi/token", lab.url()).parse().unwrap();
    let on_app_service =
        ManagedIdentity::builder(ManagedIdentityId::UserAssignedClientId(MACHINE.to_owned()))
            .app_service(app_service, "lab-identity-header")
            .build()
            .unwrap();
    let nobody = ManagedIdentity::builder(ManagedIdentityId::UserAssignedClientId(DAEMON.to_owned()))
        .imds_endpoint(lab.url().parse().unwrap())
        .build()
        .unwrap();

    for machine in [on_a_vm, on_app_service] {
        machine.acquire_token("https://graph.microsoft.com").await.unwrap();
        ask(&with(&lab, machine)).await.unwrap();
    }
    let error = nobody.acquire_token("https://graph.microsoft.com").await.unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error:?}");
}

#[tokio::test]
async fn the_certificate_comes_out_of_the_vault_that_the_machine_may_read() {
    let lab = EntraLab::start().await.unwrap();
    let machine = ManagedIdentity::builder(ManagedIdentityId::SystemAssigned)
        .imds_endpoint(lab.url().parse().unwrap())
        .build()
        .unwrap();

    let vault =
        |name| ClientCertificate::from_key_vault(lab.url().parse().unwrap(), name, machine.clone()).unwrap();
    ask(&with(&lab, vault("daemon-app-certificate"))).await.unwrap();
    let error = ask(&with(&lab, vault("nothing-here"))).await.unwrap_err();

    assert!(error.to_string().contains("no certificate of this name"), "{error}");
}
