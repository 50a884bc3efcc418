//! Clients that take their time, on purpose: each is cut off, and nobody else notices.
//!
//! The attackers here keep a pace; what is waited for is always the server's end of the connection.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::{HttpResponse, web};
use shared_auth::actix::ServerLimits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::{rest, says_hello, serve, site};

const SHORT: Duration = Duration::from_secs(1);

fn impatient() -> ServerLimits {
    ServerLimits::default().patience(SHORT, SHORT, 2 * SHORT).body(64 * 1024, SHORT)
}

/// Sends a byte now and then until the server has closed; what it answered meanwhile.
async fn drip(stream: TcpStream, bytes: impl Iterator<Item = u8>) -> String {
    let (mut read, mut write) = stream.into_split();
    let dripping = async {
        let mut pace = tokio::time::interval(SHORT / 6);
        for byte in bytes {
            pace.tick().await;
            if write.write_all(&[byte]).await.is_err() {
                return;
            }
        }
        panic!("the server takes it all");
    };
    let mut answer = Vec::new();
    let reading = async {
        let _ = read.read_to_end(&mut answer).await;
    };
    tokio::select! { () = dripping => {}, () = reading => {} }
    String::from_utf8_lossy(&answer).into_owned()
}

async fn connected(address: SocketAddr, sends: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(sends.as_bytes()).await.unwrap();
    stream
}

/// A connection on which one request was answered already.
async fn answered(address: SocketAddr) -> TcpStream {
    let mut stream = connected(address, "GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut answer = Vec::new();
    while !answer.ends_with(b"hello") {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0);
    }
    stream
}

/// Checklist 120, 152.
#[actix_web::test]
async fn a_first_head_that_does_not_come_is_not_waited_for() {
    let address = site(impatient());

    let silent = rest(&mut connected(address, "").await).await;
    let half = rest(&mut connected(address, "GET /hello HTTP/1.1\r\nx-a: ").await).await;
    let drop_by_drop =
        drip(connected(address, "GET /hello HTTP/1.1\r\nx-a: ").await, "a".bytes().cycle()).await;

    for answer in [silent, half, drop_by_drop] {
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
}

/// Checklist 152.
#[actix_web::test]
async fn an_idle_connection_is_closed() {
    let address = site(impatient());

    assert_eq!(rest(&mut answered(address).await).await, "");
}

/// Checklist 152.
#[actix_web::test]
async fn a_second_head_drop_by_drop_is_cut_off() {
    let address = site(impatient());

    let stream = answered(address).await;
    let answer = drip(stream, "GET /hello HTTP/1.1\r\nx-a: ".bytes().chain("a".bytes().cycle())).await;

    assert_eq!(answer, "");
}

/// Checklist 152.
#[actix_web::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let address = site(impatient());
    let head = "POST /read HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n\r\nx";

    let half = rest(&mut connected(address, head).await).await;
    let drop_by_drop = drip(connected(address, head).await, "a".bytes().cycle()).await;

    for answer in [half, drop_by_drop] {
        assert!(answer.starts_with("HTTP/1.1 40"), "{answer}");
    }
}

#[actix_web::test]
async fn a_body_without_end_that_nobody_reads_is_cut_off() {
    let address = site(impatient());
    let head = "POST /hello HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";

    let answer = drip(connected(address, head).await, "1\r\nx\r\n".bytes().cycle()).await;

    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// A body that is never over, and says when nobody wants it any more.
struct Endless(UnboundedSender<()>);

impl MessageBody for Endless {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<web::Bytes, Self::Error>>> {
        Poll::Ready(Some(Ok(web::Bytes::from_static(&[b'x'; 16 * 1024]))))
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// Checklist 152.
#[actix_web::test]
async fn an_answer_that_is_not_read_is_not_kept() {
    let (gone, mut dropped) = unbounded_channel();
    let address = serve(impatient(), move |app| {
        let gone = gone.clone();
        app.route(
            "/endless",
            web::get().to(move || std::future::ready(HttpResponse::Ok().body(Endless(gone.clone())))),
        );
    });

    let _unread = connected(address, "GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await;

    assert_eq!(dropped.recv().await, Some(()), "the server let go of it");
}

/// Checklist 152.
#[actix_web::test]
async fn two_hundred_slow_clients_do_not_stop_the_others() {
    let address = site(ServerLimits::default());
    let mut slow = Vec::new();
    for _ in 0..100 {
        slow.push(connected(address, "GET /hello HTTP/1.1\r\nx-a: ").await);
        slow.push(
            connected(address, "POST /read HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n\r\nx").await,
        );
    }

    for _ in 0..20 {
        says_hello(address).await;
    }

    for stream in &mut slow {
        stream.write_all(b"a").await.unwrap(); // Nobody was cut off to make room.
    }
}
