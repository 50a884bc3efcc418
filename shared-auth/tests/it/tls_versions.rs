//! The oldest TLS that we speak is 1.2 (RFC 8996), in every client: read off the wire, by hand, since nothing here could
//! speak an older one.

use std::time::Duration;

use shared_auth::{ClientCredential, ConfidentialClient, EntraConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{DAEMON, GRAPH_DEFAULT};
use crate::tokens::TENANT;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const TLS_1_1: [u8; 2] = [3, 2];
const TLS_1_2: [u8; 2] = [3, 3];
const TLS_1_3: [u8; 2] = [3, 4];

/// One record (RFC 5246 §6.2.1): its type and content.
async fn record(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    stream.read_exact(&mut head).await.ok()?;
    let mut content = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
    stream.read_exact(&mut content).await.ok()?;
    Some((head[0], content))
}

/// Takes `length` bytes off the front.
fn take<'a>(rest: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at(length);
    *rest = left;
    taken
}

fn number(rest: &mut &[u8], bytes: usize) -> usize {
    take(rest, bytes).iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// What a ClientHello offers: the versions (RFC 8446 §4.2.1) and the first cipher suite.
fn offered(hello: &[u8]) -> (Vec<[u8; 2]>, [u8; 2]) {
    let rest = &mut &hello[..];
    assert_eq!(number(rest, 1), 1, "a ClientHello");
    take(rest, 3 + 2 + 32);
    let session = number(rest, 1);
    take(rest, session);
    let suites = number(rest, 2);
    let suite = take(rest, suites)[..2].try_into().unwrap();
    let compressions = number(rest, 1);
    take(rest, compressions);
    let mut extensions = {
        let length = number(rest, 2);
        take(rest, length)
    };
    while !extensions.is_empty() {
        let kind = number(&mut extensions, 2);
        let length = number(&mut extensions, 2);
        let content = take(&mut extensions, length);
        if kind == 43 {
            return (content[1..].chunks(2).map(|version| version.try_into().unwrap()).collect(), suite);
        }
    }
    panic!("no versions are named");
}

/// A ServerHello that chooses TLS 1.1 all the same, which is what an attacker in between would write.
fn downgrade(suite: [u8; 2]) -> Vec<u8> {
    let mut hello = TLS_1_1.to_vec();
    hello.extend([7; 32]);
    hello.push(0);
    hello.extend(suite);
    hello.push(0);
    let length = u8::try_from(hello.len()).unwrap();
    let mut record = vec![HANDSHAKE];
    record.extend(TLS_1_1);
    record.extend([0, length + 4, 2, 0, 0, length]);
    record.extend(hello);
    record
}

/// Lets a client connect, looks at what it offers, and answers with TLS 1.1; whatever it sends after that.
async fn listen(listener: TcpListener) -> (Vec<[u8; 2]>, Vec<u8>) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let (kind, hello) = record(&mut stream).await.unwrap();
    assert_eq!(kind, HANDSHAKE);
    let (versions, suite) = offered(&hello);
    stream.write_all(&downgrade(suite)).await.unwrap();
    let mut sent = Vec::new();
    while let Ok(Some((kind, _))) = tokio::time::timeout(Duration::from_secs(5), record(&mut stream)).await {
        sent.push(kind);
    }
    (versions, sent)
}

fn judge(what: &str, (versions, sent): (Vec<[u8; 2]>, Vec<u8>)) {
    assert!(!versions.is_empty(), "{what}");
    assert!(
        versions.iter().all(|version| [TLS_1_2, TLS_1_3].contains(version)),
        "{what} offers {versions:?}"
    );
    assert_eq!(sent, [ALERT], "{what} goes on with TLS 1.1");
}

/// Checklist 118.
#[tokio::test]
async fn no_client_of_ours_offers_less_than_tls_1_2_or_lets_itself_be_talked_into_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let secret = ClientCredential::secret("s3cret");
    let client =
        ConfidentialClient::new(EntraConfig::new(host.parse().unwrap(), TENANT, DAEMON, secret)).unwrap();
    let (seen, outcome) = tokio::join!(listen(listener), client.acquire_token_for_client(GRAPH_DEFAULT));
    judge("the HTTP client", seen);
    assert!(outcome.is_err());

    #[cfg(feature = "redis")]
    {
        let lab = entra_lab::EntraLab::start().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("rediss://localhost:{}", listener.local_addr().unwrap().port());
        let replica = crate::redis_server::replica_with(&lab, DAEMON, crate::redis_server::patient(&url));
        let (seen, outcome) = tokio::join!(listen(listener), replica.acquire_token_for_client(GRAPH_DEFAULT));
        judge("the client of Redis", seen);
        outcome.unwrap();
    }
}
