//! Nobody is waited for without end: an authority that takes no connections, says nothing, answers drop by drop, or cannot
//! be found at all. The limits are those of the product, so the rows wait side by side.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use shared_auth::{ClientCredential, ConfidentialClient, EntraConfig, Error};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;

use crate::support::{DAEMON, GRAPH_DEFAULT};
use crate::tokens::TENANT;

/// How the token endpoint behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Manner {
    Well,
    Silent,
    HeadDropByDrop,
    BodyDropByDrop,
}

/// An authority whose token endpoint takes its time.
pub struct Slow {
    pub host: String,
    manner: Arc<AtomicU8>,
    pub asked: Arc<AtomicUsize>,
}

impl Slow {
    pub async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = format!("http://{}", listener.local_addr().unwrap());
        Self::at(listener, host, manner)
    }

    fn at(listener: TcpListener, host: String, manner: Manner) -> Self {
        let document = json!({
            "issuer": format!("{host}/{TENANT}/v2.0"),
            "authorization_endpoint": format!("{host}/authorize"),
            "token_endpoint": format!("{host}/token"),
            "jwks_uri": format!("{host}/keys"),
        });
        let this = Self {
            host,
            manner: Arc::new(AtomicU8::new(manner as u8)),
            asked: Arc::new(AtomicUsize::new(0)),
        };
        let (manner, asked, document) = (this.manner.clone(), this.asked.clone(), document.to_string());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, manner.clone(), asked.clone(), document.clone()));
            }
        });
        this
    }

    pub fn becomes(&self, manner: Manner) {
        self.manner.store(manner as u8, Ordering::SeqCst);
    }

    pub fn client(&self) -> ConfidentialClient {
        client(&self.host)
    }
}

fn client(host: &str) -> ConfidentialClient {
    let secret = ClientCredential::secret("s3cret");
    ConfidentialClient::new(EntraConfig::new(host.parse().unwrap(), TENANT, DAEMON, secret)).unwrap()
}

/// One request, which arrives in one piece: it is small.
async fn answer(mut stream: TcpStream, manner: Arc<AtomicU8>, asked: Arc<AtomicUsize>, document: String) {
    let mut request = vec![0; 16 * 1024];
    let _ = stream.read(&mut request).await;
    let well = |body: &str| {
        let length = body.len();
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )
    };
    if !request.starts_with(b"POST") {
        let _ = stream.write_all(well(&document).as_bytes()).await;
        return;
    }
    asked.fetch_add(1, Ordering::SeqCst);
    let manner = manner.load(Ordering::SeqCst);
    let begins = match manner {
        m if m == Manner::Well as u8 => {
            let token = json!({"access_token": "a-token", "token_type": "Bearer", "expires_in": 3599});
            let _ = stream.write_all(well(&token.to_string()).as_bytes()).await;
            return;
        }
        m if m == Manner::Silent as u8 => "",
        m if m == Manner::HeadDropByDrop as u8 => "HTTP/1.1 200 OK\r\nx-a: ",
        _ => "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9000000\r\n\r\n{",
    };
    let _ = stream.write_all(begins.as_bytes()).await;
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if !begins.is_empty() && stream.write_all(b" ").await.is_err() {
            return;
        }
    }
}

/// An address that is listened to and takes nobody in: those who wait there already fill it. They come along.
async fn full() -> (String, TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await
    {
        waiting.push(stream.unwrap());
        assert!(waiting.len() < 1_000, "it takes everybody in");
    }
    (format!("http://{address}"), listener, waiting)
}

/// The error of a request for a token, and how long it took.
async fn waited_for(client: &ConfidentialClient) -> (Error, Duration) {
    let started = Instant::now();
    let error = client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap_err();
    (error, started.elapsed())
}

/// Checklist 113, 120.
#[tokio::test]
async fn whoever_keeps_us_waiting_is_waited_for_ten_seconds_and_served_again_afterwards() {
    let in_time = |what: &str, error: &Error, took: Duration, limit: u64| {
        let limit = Duration::from_secs(limit);
        assert!(limit <= took && took < limit + Duration::from_secs(5), "{what}: {took:?}");
        assert!(error.is_retryable() && error.to_string().contains("no answer in time"), "{what}: {error}");
    };

    let rows = [Manner::Silent, Manner::HeadDropByDrop, Manner::BodyDropByDrop].map(|manner| async move {
        let authority = Slow::start(manner).await;
        let client = authority.client();
        let (error, took) = waited_for(&client).await;
        in_time(&format!("{manner:?}"), &error, took, 10);
        assert_eq!(
            authority.asked.load(Ordering::SeqCst),
            1,
            "{manner:?}: who took so long is not asked again"
        );
        authority.becomes(Manner::Well);
        client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
    });
    let connecting = async {
        let (host, _listener, _waiting) = full().await;
        let (error, took) = waited_for(&client(&host)).await;
        in_time("a connection", &error, took, 3);
    };

    tokio::join!(join_all(rows), connecting);
}

/// Checklist 119.
#[tokio::test]
async fn an_authority_that_cannot_be_reached_is_said_so_and_may_be_tried_again() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for host in [format!("http://{nobody}"), "https://no-such-host.invalid".to_owned()] {
        let error = client(&host).acquire_token_for_client(GRAPH_DEFAULT).await.unwrap_err();

        let sentence = error.to_string();
        assert!(error.is_retryable(), "{sentence}");
        assert!(sentence.contains("no connection; is it running") && sentence.contains(&host), "{sentence}");
    }
}

/// Checklist 119.
#[tokio::test]
async fn an_authority_that_listens_on_ipv6_alone_is_found() {
    let listener = TcpListener::bind("[::1]:0").await.unwrap();
    let host = format!("http://{}", listener.local_addr().unwrap());
    let authority = Slow::at(listener, host, Manner::Well);

    authority.client().acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
}
