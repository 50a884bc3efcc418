//! Token caches between programs: what MSAL Python and msal-node write is used here, what is written here is used by
//! them. Both unmodified, from their own registries, each signing a user in and renewing tokens at a lab.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests say what they expect")]

#[allow(dead_code, reason = "shared with the other tests, which use all of it")]
#[path = "../it/support.rs"]
mod support;
#[allow(dead_code, reason = "shared with the lab's judges, which use all of it")]
#[path = "../../../entra-lab/tests/real_clients/tools.rs"]
mod tools;

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use entra_lab::EntraLab;
use serde_json::{Value, json};
use shared_auth::{AuthorizationResponse, ConfidentialClient, MsalExport, TokenSource};

use support::{GRAPH_DEFAULT, Person, WEB_APP, access_as_user, registration, sign_in, token_requests};

const REDIRECT: &str = "http://localhost:3000/signin-oidc";
const ALICE: &str = "alice@contoso.test";

#[tokio::test]
async fn what_msal_python_writes_is_used_here() {
    let lab = lab().await;
    theirs_is_used_here(&lab, Peer::start(&lab, tools::python("msal_python.py"))).await;
}

#[tokio::test]
async fn what_msal_node_writes_is_used_here() {
    let lab = lab().await;
    theirs_is_used_here(&lab, Peer::start(&lab, tools::node("msal_node.mjs", &["@azure/msal-node@7.2.1"])))
        .await;
}

#[tokio::test]
async fn msal_python_uses_what_is_written_here() {
    let lab = lab().await;
    let peer = Peer::start(&lab, tools::python("msal_python.py"));
    ours_is_used_there(&lab, peer, &MsalExport::new()).await;
}

#[tokio::test]
async fn msal_node_uses_what_is_written_here() {
    let lab = lab().await;
    let peer = Peer::start(&lab, tools::node("msal_node.mjs", &["@azure/msal-node@7.2.1"]));
    let host = lab.https_url().replace("https://", "");
    ours_is_used_there(&lab, peer, &MsalExport::new().environment(host)).await;
}

/// A lab in which Alice has agreed to what is asked for below.
async fn lab() -> EntraLab {
    let lab = EntraLab::start().await.unwrap();
    sign_in(&support::client(&lab, WEB_APP), "alice", &format!("{} User.Read", access_as_user())).await;
    lab
}

async fn theirs_is_used_here(lab: &EntraLab, mut peer: Peer) {
    let url = peer.ask(&json!({ "do": "begin" }))["url"].as_str().unwrap().to_owned();
    let query = at_the_sign_in_pages(lab, &url).await;
    let theirs = peer.ask(&json!({ "do": "write", "query": query }));
    let ours = client(lab);

    let imported = ours.import_msal_cache(theirs["cache"].as_str().unwrap()).unwrap();

    assert_eq!((imported.access_tokens, imported.refresh_tokens), (2, 1), "{imported:?}");
    let [account] = imported.accounts.as_slice() else { panic!("{imported:?}") };
    assert_eq!(account.username, ALICE);
    let before = lab.requests().len();
    let user = ours.acquire_token_silent(account, access_as_user()).await.unwrap();
    let app = ours.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
    assert_eq!((user.source, app.source), (TokenSource::Cache, TokenSource::Cache));
    assert_eq!(user.access_token.expose_secret(), theirs["user"]["token"]);
    assert_eq!(app.access_token.expose_secret(), theirs["app"]["token"]);
    assert_eq!(lab.requests().len(), before, "nobody was asked");
    let other = ours.acquire_token_silent(account, "User.Read").await.unwrap();
    assert_eq!(other.source, TokenSource::IdentityProvider);
    assert_eq!(token_requests(lab, "refresh_token"), 1, "their refresh token works here");
}

async fn ours_is_used_there(lab: &EntraLab, mut peer: Peer, how: &MsalExport) {
    let ours = client(lab);
    let flow = ours.initiate_auth_code_flow(access_as_user(), &REDIRECT.parse().unwrap()).await.unwrap();
    let query = at_the_sign_in_pages(lab, flow.authorization_url().as_str()).await;
    let answer = AuthorizationResponse::parse(&query).unwrap();
    let signed_in = ours.acquire_token_by_authorization_code(flow, answer).await.unwrap();
    let app = ours.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
    let mut document: Value = serde_json::from_str(ours.export_msal_cache(how).expose_secret()).unwrap();
    document["OfTheFuture"] = json!({ "x": 1 });

    let theirs = peer.ask(&json!({ "do": "read", "cache": document.to_string() }));

    assert_eq!(theirs["username"], ALICE);
    let token = signed_in.result.access_token.expose_secret();
    assert_eq!(theirs["user"], json!({ "token": token, "cached": true }));
    assert_eq!(theirs["app"], json!({ "token": app.access_token.expose_secret(), "cached": true }));
    assert_eq!(theirs["renewed"]["cached"], false);
    assert_eq!(token_requests(lab, "refresh_token"), 1, "our refresh token works there");

    // And back: what they made of our document, with their renewed token in it.
    let third = client(lab);
    let imported = third.import_msal_cache(theirs["cache"].as_str().unwrap()).unwrap();
    assert_eq!(imported.accounts, std::slice::from_ref(&signed_in.account));
    for (scopes, expected) in
        [(access_as_user(), token), ("User.Read".to_owned(), theirs["renewed"]["token"].as_str().unwrap())]
    {
        let user = third.acquire_token_silent(&imported.accounts[0], scopes.as_str()).await.unwrap();
        assert_eq!(
            (user.source, user.access_token.expose_secret()),
            (TokenSource::Cache, expected),
            "{scopes}"
        );
    }
    let again: Value = serde_json::from_str(third.export_msal_cache(how).expose_secret()).unwrap();
    assert_eq!(again["OfTheFuture"], document["OfTheFuture"]);
}

/// Our client of the web app, at the address that these libraries insist on: https.
fn client(lab: &EntraLab) -> ConfidentialClient {
    let mut config = registration(lab, WEB_APP);
    config.authority_host = lab.https_url().parse().unwrap();
    config.extra_ca_certs = Some(lab.ca_pem().as_bytes().to_vec());
    ConfidentialClient::new(config).unwrap()
}

async fn at_the_sign_in_pages(lab: &EntraLab, url: &str) -> String {
    Person::default().sign_in(&url.replacen(&lab.https_url(), lab.url(), 1), "alice").await
}

/// A program with an MSAL in it.
struct Peer {
    child: Child,
    asks: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    _ca: tempfile::NamedTempFile,
}

impl Peer {
    fn start(lab: &EntraLab, mut command: Command) -> Self {
        let ca = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(ca.path(), lab.ca_pem()).unwrap();
        let settings = json!({
            "host": lab.https_url(), "tenant": lab.tenant_id().to_string(), "ca": ca.path(),
            "client": WEB_APP, "secret": "lab-secret-web-app", "redirect": REDIRECT, "user": ALICE,
            "scope": access_as_user(),
        });
        // These two win over what a Python program says, and a proxy would not find this machine.
        for name in
            ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"]
        {
            command.env_remove(name);
        }
        command.env("NODE_EXTRA_CA_CERTS", ca.path()).env("LAB", settings.to_string());
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program starts");
        let asks = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, asks, answers, _ca: ca }
    }

    fn ask(&mut self, question: &Value) -> Value {
        writeln!(self.asks, "{question}").unwrap();
        let line = self.answers.next().expect("the program goes on").unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("it said: {line}"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
