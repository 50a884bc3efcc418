//! `azure_identity`, Microsoft's credentials for Rust, in this very process. It insists on HTTPS; all it is given
//! is an HTTP client that trusts the lab's authority, and for the cloud's own names one that resolves them to the lab.

use std::sync::Arc;

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::TokenCredential;
use azure_core::error::ErrorKind;
use azure_core::http::headers::{HeaderName, HeaderValue, Headers};
use azure_core::http::request::{Body, Request};
use azure_core::http::{
    AsyncRawResponse, ClientMethodOptions, ClientOptions, HttpClient, Method, Transport, Url,
};
use azure_identity::{
    ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions, ClientSecretCredential,
    ClientSecretCredentialOptions, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use entra_lab::{EntraLab, Fault, PolicyChange, Target, What};

use crate::support::{DAEMON, GRAPH, TENANT, claims, lab};

const MANAGED_IDENTITY: &str = "c0ffee00-0000-4000-8000-000000008000";

/// Their HTTP client, for which they have an extension point.
#[derive(Debug)]
struct Wire {
    client: reqwest::Client,
    /// Where the address of the machine's own metadata service leads; a test cannot have that address.
    metadata: String,
}

#[async_trait::async_trait]
impl HttpClient for Wire {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let failed = |error| azure_core::Error::with_error(ErrorKind::Io, error, "the request failed");
        let url = request.url().as_str().replacen("http://169.254.169.254", &self.metadata, 1);
        let mut out = match request.method() {
            Method::Get => self.client.get(url),
            _ => self.client.post(url),
        };
        for (name, value) in request.headers().iter() {
            out = out.header(name.as_str(), value.as_str());
        }
        if let Body::Bytes(bytes) = request.body() {
            out = out.body(bytes.clone());
        }
        let answer = out.send().await.map_err(failed)?;
        let status = answer.status().as_u16();
        let mut headers = Headers::new();
        for (name, value) in answer.headers() {
            let value = HeaderValue::from(value.to_str().unwrap().to_owned());
            headers.insert(HeaderName::from(name.as_str().to_owned()), value);
        }
        Ok(AsyncRawResponse::from_bytes(status.into(), headers, answer.bytes().await.map_err(failed)?))
    }
}

fn wire(lab: &EntraLab) -> reqwest::ClientBuilder {
    let ca = reqwest::Certificate::from_pem(lab.ca_pem().as_bytes()).unwrap();
    reqwest::Client::builder().no_proxy().tls_certs_only([ca])
}

fn options(lab: &EntraLab, client: reqwest::ClientBuilder) -> ClientOptions {
    let wire = Wire { client: client.build().unwrap(), metadata: lab.url().to_owned() };
    ClientOptions { transport: Some(Transport::new(Arc::new(wire))), ..ClientOptions::default() }
}

/// For an authority of one's own, as in a sovereign cloud.
fn at_the_lab(lab: &EntraLab) -> ClientOptions {
    let mut cloud = CustomConfiguration::default();
    cloud.authority_host = lab.https_url();
    let cloud = Some(Arc::new(CloudConfiguration::from(cloud)));
    ClientOptions { cloud, ..options(lab, wire(lab)) }
}

fn by_secret(secret: &str, client_options: ClientOptions) -> Arc<ClientSecretCredential> {
    let options = Some(ClientSecretCredentialOptions { client_options });
    ClientSecretCredential::new(TENANT, DAEMON.id.to_owned(), secret.to_owned().into(), options).unwrap()
}

async fn app_id(credential: &dyn TokenCredential) -> String {
    let token = credential.get_token(&[&format!("{GRAPH}/.default")], None).await.unwrap();
    claims(token.token.secret())["appid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn azure_identity_gets_a_token_with_a_secret_and_asks_once() {
    let lab = lab().await;
    let credential = by_secret(DAEMON.secret, at_the_lab(&lab));
    for _ in 0..2 {
        assert_eq!(app_id(&*credential).await, DAEMON.id);
    }
    assert_eq!(lab.requests().len(), 1);
}

#[tokio::test]
async fn azure_identity_works_unmodified_where_the_clouds_names_lead_to_the_lab() {
    let lab = lab().await;
    let address = Url::parse(&lab.https_url()).unwrap().port().unwrap();
    // What a network alias on port 443 does: the client says, and checks, the name of the cloud.
    let client = wire(&lab).resolve("login.microsoftonline.com", ([127, 0, 0, 1], address).into());
    let credential = by_secret(DAEMON.secret, options(&lab, client));
    assert_eq!(app_id(&*credential).await, DAEMON.id);
}

#[tokio::test]
async fn azure_identity_says_what_the_lab_said_about_a_wrong_secret() {
    let lab = lab().await;
    let credential = by_secret("not the secret", at_the_lab(&lab));
    let error = credential.get_token(&[&format!("{GRAPH}/.default")], None).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Credential), "{error:?}");
    assert!(format!("{error:?}").contains("AADSTS7000215"), "{error:?}");
}

#[tokio::test]
async fn azure_identity_tries_again_after_an_outage() {
    let lab = lab().await;
    lab.fault(Fault::new(Target::Token, What::Status { status: 503, retry_after: Some(0) }).times(1));
    let credential = by_secret(DAEMON.secret, at_the_lab(&lab));
    assert_eq!(app_id(&*credential).await, DAEMON.id);
    let seen: Vec<u16> = lab.requests().iter().map(|r| r.status).collect();
    assert_eq!(seen, [503, 200]);
}

#[tokio::test]
async fn azure_identity_hears_that_its_application_is_disabled() {
    let lab = lab().await;
    lab.policy(PolicyChange::AppDisabled { app: "daemon-app".into(), on: true }).unwrap();
    let credential = by_secret(DAEMON.secret, at_the_lab(&lab));
    let error = credential.get_token(&[&format!("{GRAPH}/.default")], None).await.unwrap_err();
    assert!(format!("{error:?}").contains("AADSTS7000112"), "{error:?}");
}

fn managed_identity(lab: &EntraLab) -> Arc<ManagedIdentityCredential> {
    let options = ManagedIdentityCredentialOptions {
        user_assigned_id: Some(UserAssignedId::ClientId(MANAGED_IDENTITY.into())),
        client_options: at_the_lab(lab),
    };
    ManagedIdentityCredential::new(Some(options)).unwrap()
}

#[tokio::test]
async fn azure_identity_gets_the_token_of_a_managed_identity() {
    let lab = lab().await;
    assert_eq!(app_id(&*managed_identity(&lab)).await, MANAGED_IDENTITY);
}

/// The token of a managed identity as the credential of an application.
#[derive(Debug)]
struct Federated(Arc<ManagedIdentityCredential>);

#[async_trait::async_trait]
impl ClientAssertion for Federated {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let token = self.0.get_token(&["api://AzureADTokenExchange/.default"], None).await?;
        Ok(token.token.secret().to_owned())
    }
}

#[tokio::test]
async fn azure_identity_acts_for_an_application_with_the_token_of_a_managed_identity() {
    let lab = lab().await;
    let assertion = Federated(managed_identity(&lab));
    let options = Some(ClientAssertionCredentialOptions { client_options: at_the_lab(&lab) });
    let credential =
        ClientAssertionCredential::new(TENANT.into(), DAEMON.id.into(), assertion, options).unwrap();
    assert_eq!(app_id(&*credential).await, DAEMON.id);
}

#[tokio::test]
async fn azure_identity_reads_a_workload_identity_token_from_its_file() {
    let lab = lab().await;
    let token =
        managed_identity(&lab).get_token(&["api://AzureADTokenExchange/.default"], None).await.unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), token.token.secret()).unwrap();
    let options = WorkloadIdentityCredentialOptions {
        credential_options: ClientAssertionCredentialOptions { client_options: at_the_lab(&lab) },
        client_id: Some(DAEMON.id.into()),
        tenant_id: Some(TENANT.into()),
        token_file_path: Some(file.path().to_owned()),
    };
    let credential = WorkloadIdentityCredential::new(Some(options)).unwrap();
    assert_eq!(app_id(&*credential).await, DAEMON.id);
}
