//! Calls of an API over connections that do not last.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use entra_lab::EntraLab;
use serde_json::{Value, json};
use shared_auth::{AccessToken, App, DownstreamApi, Error};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{DAEMON, GRAPH_DEFAULT, client};

/// An API that answers so many requests of each connection, then closes it in the face of the next.
struct Hasty {
    api: DownstreamApi,
    token: AccessToken<App>,
    asked: Arc<AtomicUsize>,
    _lab: EntraLab,
}

impl Hasty {
    async fn answering(per_connection: usize) -> Self {
        let lab = EntraLab::start().await.unwrap();
        let client = client(&lab, DAEMON);
        let token = client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap().access_token.clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = vec![0; 16 * 1024];
                for number in 0..=per_connection {
                    // The requests are small and have no body: each arrives in one piece.
                    if !matches!(stream.read(&mut request).await, Ok(length) if length > 0) {
                        break;
                    }
                    counted.fetch_add(1, Ordering::SeqCst);
                    if number < per_connection {
                        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{\"ok\":true}";
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                }
            }
        });
        Self { api: DownstreamApi::new("the API", base, &client), token, asked, _lab: lab }
    }

    async fn call(&self) -> Result<Value, Error> {
        self.api.get("/thing", &self.token).await
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_connection_that_closes_under_a_request_is_replaced_and_nobody_notices() {
    let hasty = Hasty::answering(1).await;

    for _ in 0..3 {
        assert_eq!(hasty.call().await.unwrap(), json!({ "ok": true }));
    }

    assert_eq!(hasty.asked(), 5, "two of the three met a connection that had closed");
}

#[tokio::test]
async fn an_api_that_never_answers_is_asked_twice_and_no_more() {
    let hasty = Hasty::answering(0).await;

    let error = hasty.call().await.unwrap_err();

    assert!(error.is_retryable() && error.to_string().contains("the exchange broke off"), "{error}");
    assert_eq!(hasty.asked(), 2);
}
