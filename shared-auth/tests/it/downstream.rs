//! Calls of an API: over connections that do not last, and with tokens that it does not take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_lab::EntraLab;
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared_auth::{AccessToken, App, DownstreamApi, Error, UserAssertion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{DAEMON, GRAPH_DEFAULT, client};
use crate::tokens::{KEY, TestAuthority, start};

const CLAIMS: &str = r#"{"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}"#;

pub async fn answering(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    server
}

/// Says no to the first `times` requests, and yes to the others.
pub async fn refusing(no: ResponseTemplate, times: u64) -> MockServer {
    let server = answering(ResponseTemplate::new(200).set_body_json(json!({ "ok": true }))).await;
    Mock::given(any()).respond_with(no).up_to_n_times(times).with_priority(1).mount(&server).await;
    server
}

/// The no of continuous access evaluation.
pub fn challenge() -> ResponseTemplate {
    let claims = URL_SAFE_NO_PAD.encode(CLAIMS);
    let challenge = format!(r#"Bearer realm="", error="insufficient_claims", claims="{claims}""#);
    ResponseTemplate::new(401).insert_header("www-authenticate", challenge)
}

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

/// Checklist 120.
#[tokio::test]
async fn an_api_that_never_answers_is_asked_twice_and_no_more() {
    let hasty = Hasty::answering(0).await;

    let error = hasty.call().await.unwrap_err();

    assert!(error.is_retryable() && error.to_string().contains("the exchange broke off"), "{error}");
    assert_eq!(hasty.asked(), 2);
}

/// A token of the authority's, which gives this one to whoever asks.
fn token(text: &str) -> ResponseTemplate {
    let body = json!({ "access_token": text, "token_type": "Bearer", "expires_in": 3599 });
    ResponseTemplate::new(200).set_body_json(body)
}

/// Calls the API for a user or for the service itself, with a token that is got anew as it was got first.
async fn call(authority: &TestAuthority, api: &MockServer, for_user: bool) -> Result<Value, Error> {
    let (client, base) = (&authority.client, api.uri().parse().unwrap());
    let api = DownstreamApi::new("the API", base, client);
    authority.answer_tokens_with(token("first"));
    if for_user {
        let end = start() + SignedDuration::from_hours(1);
        let caller = UserAssertion::new(KEY.token(&authority.user_claims()), end);
        let request = client.acquire_token_on_behalf_of(&caller, "User.Read");
        let first = request.clone().await?;
        authority.answer_tokens_with(token("second"));
        return api.get("/me", &first.access_token).renewing(request).await;
    }
    let request = client.acquire_token_for_client(GRAPH_DEFAULT);
    let first = request.clone().await?;
    authority.answer_tokens_with(token("second"));
    api.get("/users", &first.access_token).renewing(request).await
}

/// The claims that each token request asked for.
async fn asked_claims(authority: &TestAuthority) -> Vec<Option<String>> {
    let requests = authority.server.received_requests().await.unwrap();
    let forms = requests.iter().filter(|request| request.method == "POST").map(|request| {
        let mut form = url::form_urlencoded::parse(&request.body);
        form.find(|(name, _)| name == "claims").map(|(_, value)| value.into_owned())
    });
    forms.collect()
}

/// Checklist 122, 133, 134.
#[tokio::test]
async fn a_token_that_an_api_does_not_take_is_got_anew_once_where_another_one_may_be_better() {
    let bare = || ResponseTemplate::new(401).insert_header("www-authenticate", "Bearer");
    let both = &["first", "second"][..];
    #[rustfmt::skip]
    let rows = [
        // whose token, what the API says and how often, whether it is satisfied in the end, what it was shown
        ("a service's, and no reason",       false, bare(),                   1, true,  both),
        ("a service's, and never a reason",  false, bare(),                   9, false, both),
        ("a service's, with claims",         false, challenge(),              1, true,  both),
        ("a service's, with claims, always", false, challenge(),              9, false, both),
        ("a user's, and no reason",          true,  bare(),                   1, false, &both[..1]),
        ("a user's, with claims",            true,  challenge(),              1, true,  both),
        ("a user's, with claims, always",    true,  challenge(),              9, false, both),
        ("a user's, who may not",            true,  ResponseTemplate::new(403), 1, false, &both[..1]),
        ("a service that may not",           false, ResponseTemplate::new(403), 1, false, &both[..1]),
    ];
    for (what, for_user, no, times, satisfied, shown) in rows {
        let with_claims = what.contains("claims");
        let (authority, api) = (TestAuthority::start().await, refusing(no, times).await);

        let outcome = call(&authority, &api, for_user).await;

        assert_eq!(outcome.is_ok(), satisfied, "{what}: {outcome:?}");
        let requests = api.received_requests().await.unwrap();
        let seen =
            requests.iter().map(|request| request.headers["authorization"].to_str().unwrap()[7..].to_owned());
        assert_eq!(seen.collect::<Vec<_>>(), shown, "{what}");
        let asked = asked_claims(&authority).await;
        assert_eq!(asked.len(), shown.len(), "{what}: Entra was asked too often");
        let last = asked.last().unwrap().as_deref();
        assert_eq!(last, with_claims.then_some(CLAIMS), "{what}");
        // What the API said in the end goes on to whoever called us, the challenge included.
        if let Err(error) = outcome {
            assert!(matches!(error, Error::Downstream(_)), "{what}: {error}");
            assert_eq!(error.claims_challenge().as_deref(), with_claims.then_some(CLAIMS), "{what}");
        }
    }
}

/// Checklist 133.
#[tokio::test]
async fn where_entra_wants_the_user_too_what_the_api_asks_for_goes_on() {
    let no = |error: &str, code: u32, claims: Option<&str>| {
        let body = json!({"error": error, "error_codes": [code], "error_description": format!("AADSTS{code}: x"), "claims": claims});
        ResponseTemplate::new(400).set_body_json(body)
    };
    let entras = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
    let rows = [
        ("the session was revoked", no("invalid_grant", 50173, None), Some(CLAIMS), 401),
        ("a second factor", no("interaction_required", 50076, Some(entras)), Some(entras), 0),
        ("consent", no("invalid_grant", 65001, None), None, 0),
    ];
    for (what, answer, claims, status) in rows {
        let (authority, server) = (TestAuthority::start().await, refusing(challenge(), 9).await);
        let api = DownstreamApi::new("the API", server.uri().parse().unwrap(), &authority.client);
        let caller =
            UserAssertion::new(KEY.token(&authority.user_claims()), start() + SignedDuration::from_hours(1));
        let request = authority.client.acquire_token_on_behalf_of(&caller, "User.Read");
        authority.answer_tokens_with(token("first"));
        let first = request.clone().await.unwrap();
        authority.answer_tokens_with(answer);

        let outcome: Result<Value, Error> = api.get("/me", &first.access_token).renewing(request).await;

        let error = outcome.unwrap_err();
        assert_eq!(error.claims_challenge().as_deref(), claims, "{what}: {error}");
        let from_api = if let Error::Downstream(no) = &error { no.status } else { 0 };
        assert_eq!(from_api, status, "{what}: {error}");
        assert_eq!(
            server.received_requests().await.unwrap().len(),
            1,
            "{what}: there was no other token to show"
        );
    }
}
