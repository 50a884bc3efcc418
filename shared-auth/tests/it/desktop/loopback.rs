//! The attacks on the loopback port. Whatever they send, the honest answer still gets through.

use std::net::{Ipv4Addr, Ipv6Addr};

use entra_lab::EntraLab;
use reqwest::header::{CONTENT_TYPE, HOST};
use shared_auth::{Error, PublicClient, SignIn, SignInError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use url::Url;

use super::{at_the_sign_in_page, browser, client, http, parameter, registration};
use crate::support::{access_as_user, token_requests};

/// A sign-in that waits at its port.
struct Waiting {
    lab: EntraLab,
    sign_in: JoinHandle<Result<SignIn, Error>>,
    address: Url,
    redirect_uri: String,
    port: u16,
}

impl Waiting {
    async fn start() -> Self {
        let lab = EntraLab::start().await.unwrap();
        let (open, mut told) = browser();
        let request = client(&lab).acquire_token_interactive(access_as_user()).open_with(open);
        let sign_in = tokio::spawn(async move { request.await });
        let address = told.recv().await.unwrap();
        let redirect_uri = parameter(&address, "redirect_uri");
        let port = Url::parse(&redirect_uri).unwrap().port().unwrap();
        Self { lab, sign_in, address, redirect_uri, port }
    }

    /// The honest answer, after all that: it must still work, and nothing else may have been redeemed.
    async fn and_the_honest_answer_still_gets_through(self) {
        let form = at_the_sign_in_page(&self.address, "alice").await;
        let page = http().post(&self.redirect_uri).form(&form).send().await.unwrap();
        assert_eq!(page.status(), 200, "{}", page.text().await.unwrap());
        assert_eq!(self.sign_in.await.unwrap().unwrap().account.username, "alice@contoso.test");
        assert_eq!(token_requests(&self.lab, "authorization_code"), 1, "only the honest code was redeemed");
    }
}

/// Checklist 87.
#[tokio::test]
async fn a_wrong_state_is_turned_away_and_the_wait_goes_on() {
    let waiting = Waiting::start().await;
    let state = parameter(&waiting.address, "state");

    let shorter = &state[..42];
    let longer = format!("{state}x");
    let other_case: String = state
        .chars()
        .map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
        .collect();
    for wrong in ["", "x", shorter, &longer, &other_case] {
        for answer in [("code", "attackers-code"), ("error", "access_denied")] {
            let form = [answer, ("state", wrong)];
            let posted = http().post(&waiting.redirect_uri).form(&form).send().await.unwrap();
            let got = http().get(&waiting.redirect_uri).query(&form).send().await.unwrap();
            assert_eq!((posted.status().as_u16(), got.status().as_u16()), (400, 400), "{wrong}");
        }
    }

    waiting.and_the_honest_answer_still_gets_through().await;
}

/// Checklist 88.
#[tokio::test]
async fn an_answer_that_contradicts_itself_is_turned_away() {
    let waiting = Waiting::start().await;
    let state = parameter(&waiting.address, "state");

    for query in [
        String::new(),
        format!("state={state}"),
        format!("code=a&state={state}&state={state}"),
        format!("code=a&code=b&state={state}"),
        format!("code=a&error=b&state={state}"),
        "code=a".to_owned(),
    ] {
        let answer = http().get(format!("{}/?{query}", waiting.redirect_uri)).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{query}");
        assert!(!answer.text().await.unwrap().contains(&state), "the page repeats the request");
    }

    waiting.and_the_honest_answer_still_gets_through().await;
}

/// Checklist 87.
#[tokio::test]
async fn another_host_name_is_turned_away_because_a_web_page_may_have_pointed_it_here() {
    let waiting = Waiting::start().await;
    let state = parameter(&waiting.address, "state");

    let port = waiting.port;
    let hosts = [
        "attacker.example".to_owned(),
        format!("attacker.example:{port}"),
        "localhost".to_owned(),
        "localhost:1".to_owned(),
        format!("localhost.attacker.example:{port}"),
    ];
    for host in hosts {
        let request = http().get(&waiting.redirect_uri).query(&[("code", "a"), ("state", &state)]);
        assert_eq!(request.header(HOST, &host).send().await.unwrap().status(), 421, "{host}");
    }

    waiting.and_the_honest_answer_still_gets_through().await;
}

/// Checklist 87.
#[tokio::test]
async fn other_paths_methods_and_kinds_of_bodies_are_turned_away() {
    let waiting = Waiting::start().await;
    let state = parameter(&waiting.address, "state");
    let form = format!("code=a&state={state}");
    let at = |path: &str| format!("http://127.0.0.1:{}{path}?{form}", waiting.port);

    for path in ["/favicon.ico", "/callback", "//", "/..%2f", "/%00"] {
        assert_eq!(http().get(at(path)).send().await.unwrap().status(), 404, "{path}");
    }
    for method in ["HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let request = http().request(method.parse().unwrap(), at("/"));
        assert_eq!(request.send().await.unwrap().status(), 405, "{method}");
    }
    for kind in ["text/plain", "application/json", "multipart/form-data; boundary=x", ""] {
        let request = http().post(at("/")).header(CONTENT_TYPE, kind).body(form.clone());
        assert_eq!(request.send().await.unwrap().status(), 415, "{kind}");
    }

    waiting.and_the_honest_answer_still_gets_through().await;
}

/// Checklist 87.
#[tokio::test]
async fn bodies_and_heads_without_end_and_silence_do_not_hold_up_anybody() {
    let waiting = Waiting::start().await;
    let state = parameter(&waiting.address, "state");

    let large = format!("code={}&state={state}", "x".repeat(200_000));
    let request =
        http().post(&waiting.redirect_uri).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    // Refused with a page, or the connection ends while it is still being sent.
    assert!(request.body(large).send().await.map_or(true, |answer| answer.status() == 400));
    let mut garbage = TcpStream::connect(("127.0.0.1", waiting.port)).await.unwrap();
    let _ = garbage.write_all(&[0xff; 4096]).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(("127.0.0.1", waiting.port)).await.unwrap());
    }
    let mut slow = TcpStream::connect(("127.0.0.1", waiting.port)).await.unwrap();
    slow.write_all(b"GET /?code=a HTTP/1.1\r\nHost: ").await.unwrap();

    waiting.and_the_honest_answer_still_gets_through().await;
}

/// Checklist 87.
#[tokio::test]
async fn an_answer_counts_once() {
    let waiting = Waiting::start().await;
    let form = at_the_sign_in_page(&waiting.address, "alice").await;

    // The same answer from many connections in the same moment: a copy that somebody read off the address bar.
    let copies: Vec<_> = (0..8)
        .map(|_| {
            let (form, redirect_uri) = (form.clone(), waiting.redirect_uri.clone());
            tokio::spawn(async move {
                http().post(redirect_uri).form(&form).send().await.map(|page| page.status())
            })
        })
        .collect();
    let mut taken = 0;
    for copy in copies {
        // The others find it answered, or the port closed already.
        match copy.await.unwrap() {
            Ok(status) if status == 200 => taken += 1,
            Ok(status) => assert_eq!(status, 410),
            Err(error) => assert!(error.is_connect() || error.is_request(), "{error}"),
        }
    }

    assert_eq!(taken, 1);
    waiting.sign_in.await.unwrap().unwrap();
    assert_eq!(token_requests(&waiting.lab, "authorization_code"), 1);
}

/// Checklist 87.
#[tokio::test]
async fn it_listens_on_both_loopback_addresses_and_on_no_other() {
    let waiting = Waiting::start().await;

    for host in ["127.0.0.1", "[::1]"] {
        let answer = http().get(format!("http://{host}:{}/", waiting.port)).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{host}");
    }
    // Somebody else may still open the port on another address of this machine: it is not taken there.
    TcpListener::bind(("127.0.0.2", waiting.port)).await.expect("it listens on more than 127.0.0.1");

    waiting.and_the_honest_answer_still_gets_through().await;
}

#[tokio::test]
async fn a_port_that_somebody_else_has_on_either_address_is_not_used() {
    let lab = EntraLab::start().await.unwrap();
    for taken in
        [TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await, TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await]
    {
        let taken = taken.unwrap();
        let port = taken.local_addr().unwrap().port();
        let desktop = PublicClient::builder(registration(&lab))
            .redirect_uri(format!("http://localhost:{port}"))
            .build()
            .unwrap();
        let (open, mut told) = browser();

        let error = desktop.acquire_token_interactive(access_as_user()).open_with(open).await.unwrap_err();

        assert!(matches!(&error, Error::SignIn(SignInError::NoLoopback(_))), "{error}");
        assert!(told.recv().await.is_none(), "no browser was sent to a port that is not ours");
    }
}

#[tokio::test]
async fn pipelined_requests_behind_the_answer_are_not_served() {
    let waiting = Waiting::start().await;
    let mut stream = TcpStream::connect(("127.0.0.1", waiting.port)).await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", waiting.port);

    stream.write_all(request.repeat(3).as_bytes()).await.unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.unwrap();

    assert_eq!(answers.matches("HTTP/1.1").count(), 1, "{answers}");
    waiting.and_the_honest_answer_still_gets_through().await;
}
