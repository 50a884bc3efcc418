//! Everything that is logged while the credentials are used, at the finest level: no proof is in it.

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::json;
use shared_auth::{ClientCertificate, ClientCredential, ManagedIdentity, ManagedIdentityId};
use tracing_subscriber::fmt::MakeWriter;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::pki::identity;
use super::sts::{Sts, ask};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Checklist 141.
#[tokio::test]
async fn no_secret_key_token_or_assertion_is_logged_at_any_level() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(lines.clone())
        .with_ansi(false)
        .finish();
    // With a single subscriber in the process, tracing lets whichever test comes first decide what is of interest.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let _guard = tracing::subscriber::set_default(subscriber);
    let (taking, refusing) = (Sts::start().await, Sts::refusing(|_| Some(7_000_215)).await);
    let (machine, folder) = (MockServer::start().await, tempfile::tempdir().unwrap());
    let body = json!({ "access_token": "s3cret.machine.token", "expires_in": 3599 });
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).set_body_json(body))
        .mount(&machine)
        .await;
    let token = folder.path().join("token");
    std::fs::write(&token, "s3cret.federated.token").unwrap();

    let managed = ManagedIdentity::builder(ManagedIdentityId::SystemAssigned)
        .app_service(machine.uri().parse().unwrap(), "s3cret-header")
        .build()
        .unwrap();
    let every = || {
        [
            ClientCredential::secret("s3cret-secret"),
            ClientCertificate::from_pem(identity().pem()).unwrap().send_x5c(true).into(),
            ClientCredential::federated_token_file(&token),
            managed.clone().into(),
        ]
    };
    for credential in every() {
        ask(&taking.client(credential).0).await.unwrap();
    }
    ask(&refusing.client(ClientCredential::first_of(every())).0).await.unwrap_err();

    let logged = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("Entra refused"), "{logged}");
    assert!(!logged.contains("s3cret"), "{logged}");
    for form in taking.forms().iter().chain(&refusing.forms()) {
        if let Some(assertion) = form.get("client_assertion") {
            assert!(!logged.contains(assertion.as_str()), "{logged}");
        }
    }
    assert!(!logged.contains(identity().key.lines().nth(2).unwrap()), "{logged}");
}
