//! Assertions that the program makes itself: what the callback is told, and what becomes of its errors.

use std::sync::{Arc, Mutex};

use shared_auth::{AssertionContext, ClientAssertion, ClientCredential, Error, TransportError};

use super::sts::{Sts, TENANT, ask};
use crate::support::{DAEMON, GRAPH_DEFAULT};

#[tokio::test]
async fn the_callback_is_told_about_the_request_and_its_assertion_is_sent() {
    let sts = Sts::start().await;
    let told = Arc::<Mutex<Vec<AssertionContext>>>::default();
    let telling = Arc::clone(&told);
    let (client, _) = sts.client(ClientCredential::client_assertion(move |asked| {
        telling.lock().unwrap().push(asked);
        async { Ok::<_, Error>(ClientAssertion::new("a.b.c")) }
    }));
    let (id, claims) = (uuid::Uuid::new_v4(), r#"{"access_token":{}}"#);

    client.acquire_token_for_client(GRAPH_DEFAULT).correlation_id(id).claims(claims).await.unwrap();

    assert_eq!(sts.last_assertion(), "a.b.c");
    let told = told.lock().unwrap().remove(0);
    assert_eq!(told.token_endpoint.as_str(), sts.token_endpoint());
    assert_eq!((told.client_id.as_str(), told.tenant_id.as_str()), (DAEMON, TENANT));
    assert_eq!((told.correlation_id, told.claims.as_deref()), (id, Some(claims)));
}

#[tokio::test]
async fn errors_of_the_callback_reach_the_caller_and_keep_their_class() {
    let sts = Sts::start().await;
    let own = || TransportError {
        tried: "asking the signer".into(),
        endpoint: "hsm".into(),
        happened: "busy".into(),
        retryable: false,
        correlation_id: None,
    };
    let (ours, _) =
        sts.client(ClientCredential::client_assertion(move |_| async move { Err::<_, Error>(own().into()) }));
    let (other, _) = sts.client(ClientCredential::client_assertion(|_| async {
        Err::<ClientAssertion, _>(std::io::Error::other("no token in slot 1"))
    }));
    let (empty, _) = sts
        .client(ClientCredential::client_assertion(|_| async { Ok::<_, Error>(ClientAssertion::new(" ")) }));

    let error = ask(&ours).await.unwrap_err();
    assert!(error.to_string().contains("asking the signer") && !error.is_retryable(), "{error}");
    let error = ask(&other).await.unwrap_err();
    assert!(error.to_string().contains("no token in slot 1") && error.is_retryable(), "{error}");
    let error = ask(&empty).await.unwrap_err();
    assert!(error.to_string().contains("empty assertion"), "{error}");
    assert!(sts.forms().is_empty());
}

#[tokio::test]
async fn an_assertion_that_entra_refuses_is_not_asked_for_over_and_over() {
    let sts = Sts::refusing(|_| Some(700_024)).await;
    let (client, _) = sts.client(ClientCredential::client_assertion(|_| async {
        Ok::<_, Error>(ClientAssertion::new("s3cret.a.b"))
    }));

    let error = ask(&client).await.unwrap_err();

    assert_eq!(sts.forms().len(), 1);
    assert!(!format!("{error} {error:?} {client:?}").contains("s3cret"), "{error:?}");
}
