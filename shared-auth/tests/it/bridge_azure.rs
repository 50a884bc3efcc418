//! Clients of the Azure SDK with our credentials, against the lab's Key Vault and Graph over HTTPS.

use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use azure_core::error::ErrorKind;
use azure_core::http::policies::auth::BearerTokenAuthorizationPolicy;
use azure_core::http::{ClientOptions, Context, Method, Pipeline, Request, StatusCode, Transport};
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};
use entra_lab::EntraLab;
use shared_auth::azure::EntraCredential;
use shared_auth::{Error, UserAssertion};

use crate::support::{API, DAEMON, WEB_APP, access_as_user, client, sign_in, token_requests};

/// HTTP as the SDK wants it, trusting the lab.
fn options(lab: &EntraLab) -> ClientOptions {
    let authority = reqwest::Certificate::from_pem(lab.ca_pem().as_bytes()).unwrap();
    let http = reqwest::Client::builder().tls_certs_only([authority]).build().unwrap();
    ClientOptions { transport: Some(Transport::new(Arc::new(http))), ..ClientOptions::default() }
}

fn vault(lab: &EntraLab, credential: Arc<dyn TokenCredential>) -> SecretClient {
    let options = SecretClientOptions {
        client_options: options(lab),
        // The lab is not under vault.azure.net.
        verify_challenge_resource: Some(false),
        ..SecretClientOptions::default()
    };
    SecretClient::new(&lab.https_url(), credential, Some(options)).unwrap()
}

/// `GET /me` of Graph through the SDK's own pipeline and bearer policy; the display name.
async fn me(lab: &EntraLab, credential: Arc<dyn TokenCredential>) -> String {
    let scopes = ["https://graph.microsoft.com/User.Read"];
    let bearer = Arc::new(BearerTokenAuthorizationPolicy::new(credential, scopes));
    let pipeline = Pipeline::new(None, None, options(lab), Vec::new(), vec![bearer], None);
    let url = format!("{}/v1.0/me", lab.https_url()).parse().unwrap();
    let answer = pipeline.send(&Context::new(), &mut Request::new(url, Method::Get), None).await.unwrap();
    assert_eq!(answer.status(), StatusCode::Ok);
    let body: serde_json::Value = serde_json::from_slice(answer.body().as_ref()).unwrap();
    body["displayName"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_key_vault_client_reads_a_secret_with_the_applications_own_token() {
    let lab = EntraLab::start().await.unwrap();
    let daemon = client(&lab, DAEMON);

    for _ in 0..2 {
        // A new client each time: the second token comes from our cache and not from the SDK's.
        let vault = vault(&lab, Arc::new(EntraCredential::for_client(&daemon)));
        let secret = vault.get_secret("greeting", None).await.unwrap().into_model().unwrap();
        assert_eq!(secret.value.as_deref(), Some("hello from the vault"));
    }

    assert_eq!(token_requests(&lab, "client_credentials"), 1);
    assert_eq!(daemon.metrics().acquired_from_cache, 1);
}

#[tokio::test]
async fn an_azure_pipeline_acts_for_the_caller_of_an_api_and_for_a_signed_in_user() {
    let lab = EntraLab::start().await.unwrap();
    let (web_app, api) = (client(&lab, WEB_APP), client(&lab, API));
    let alice = sign_in(&web_app, "alice", &access_as_user()).await;
    let bob = sign_in(&web_app, "bob", "User.Read").await;
    let assertion = UserAssertion::new(alice.result.access_token.expose_secret(), alice.result.expires_at);

    assert_eq!(me(&lab, Arc::new(EntraCredential::on_behalf_of(&api, &assertion))).await, "Alice Kim");
    assert_eq!(me(&lab, Arc::new(EntraCredential::silent(&web_app, &bob.account))).await, "Bob Novak");
}

#[tokio::test]
async fn a_refusal_reaches_the_azure_client_as_an_error_of_the_credential_with_ours_inside() {
    let lab = EntraLab::start().await.unwrap();
    let credential = EntraCredential::for_client(&client(&lab, DAEMON));

    let error = credential.get_token(&["api://nobody/.default"], None).await.unwrap_err();

    assert!(matches!(error.kind(), ErrorKind::Credential), "{error:?}");
    let ours = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<Error>());
    assert!(ours.is_some_and(|ours| !ours.codes().is_empty()), "{error:?}");
}

#[tokio::test]
async fn a_credential_and_its_tokens_show_nothing() {
    let lab = EntraLab::start().await.unwrap();
    let credential = EntraCredential::for_client(&client(&lab, DAEMON));

    let token = credential.get_token(&["https://vault.azure.net/.default"], None).await.unwrap();

    let shown = format!("{credential:?} {token:?}");
    assert!(!shown.contains("eyJ") && !shown.contains("lab-secret"), "{shown}");
    assert!(token.token.secret().starts_with("eyJ"));
}
