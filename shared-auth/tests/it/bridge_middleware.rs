//! Tokens on requests of a reqwest client: to the API they are for, and never anywhere else.

use entra_lab::EntraLab;
use reqwest_middleware::ClientBuilder;
use shared_auth::middleware::BearerTokens;
use shared_auth::{App, ConfidentialClient, Error, UserAssertion};
use wiremock::{MockServer, ResponseTemplate};

use crate::downstream::{answering, challenge, refusing};
use crate::support::{API, DAEMON, GRAPH_DEFAULT, WEB_APP, access_as_user, client, sign_in, token_requests};

/// Says no with a claims challenge to the first `times` requests, and yes to the others.
async fn challenging(times: u64) -> MockServer {
    refusing(challenge(), times).await
}

fn tokens_for(client: &ConfidentialClient, api: &MockServer) -> BearerTokens<App> {
    BearerTokens::for_client(client, GRAPH_DEFAULT).at(api.uri().parse().unwrap()).unwrap()
}

/// The tokens that reached a server, one for each request. What stands before an `@` in an address is no token.
async fn tokens(server: &MockServer) -> Vec<Option<String>> {
    let requests = server.received_requests().await.unwrap();
    requests
        .iter()
        .map(|request| Some(request.headers.get("authorization")?.to_str().unwrap().to_owned()))
        .map(|sent| sent.filter(|sent| !sent.starts_with("Basic ")))
        .collect()
}

#[tokio::test]
async fn a_request_to_the_api_carries_a_token_and_an_id_and_the_next_one_the_token_of_the_cache() {
    let (lab, api) = (EntraLab::start().await.unwrap(), answering(ResponseTemplate::new(200)).await);
    let http = tokens_for(&client(&lab, DAEMON), &api).into_client();

    for _ in 0..2 {
        http.get(format!("{}/users", api.uri())).send().await.unwrap();
    }

    let tokens = tokens(&api).await;
    assert!(tokens[0].as_ref().unwrap().starts_with("Bearer eyJ"));
    assert_eq!(tokens[0], tokens[1]);
    assert_eq!(token_requests(&lab, "client_credentials"), 1);
    assert!(api.received_requests().await.unwrap()[0].headers.contains_key("client-request-id"));
}

#[tokio::test]
async fn it_acts_for_a_caller_or_for_a_signed_in_user() {
    let lab = EntraLab::start().await.unwrap();
    let (web_app, api) = (client(&lab, WEB_APP), client(&lab, API));
    let alice = sign_in(&web_app, "alice", &access_as_user()).await;
    let bob = sign_in(&web_app, "bob", "User.Read").await;
    let assertion = UserAssertion::new(alice.result.access_token.expose_secret(), alice.result.expires_at);
    let graph: url::Url = lab.graph_url().parse().unwrap();

    let for_alice = BearerTokens::on_behalf_of(&api, &assertion, "User.Read").at(graph.clone()).unwrap();
    let for_bob = BearerTokens::silent(&web_app, &bob.account, "User.Read").at(graph).unwrap();

    for (tokens, name) in [(for_alice, "Alice Kim"), (for_bob, "Bob Novak")] {
        let answer = tokens.into_client().get(format!("{}/me", lab.graph_url())).send().await.unwrap();
        let me: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(me["displayName"], name);
    }
}

/// Checklist 135.
#[tokio::test]
async fn no_other_host_gets_a_token_whatever_the_address_looks_like() {
    let (lab, api) = (EntraLab::start().await.unwrap(), answering(ResponseTemplate::new(200)).await);
    let elsewhere = answering(ResponseTemplate::new(200)).await;
    let daemon = client(&lab, DAEMON);
    let http = tokens_for(&daemon, &api).into_client();
    let (ours, theirs) = (api.address(), elsewhere.address());

    for address in [
        format!("http://{theirs}/"),
        format!("http://{ours}@{theirs}/"),
        format!("http://{theirs}/{ours}"),
        format!("http://{theirs}/?api=http://{ours}"),
        format!("http://localhost:{}/", ours.port()),
    ] {
        http.get(address).send().await.unwrap();
    }

    assert_eq!(tokens(&elsewhere).await, [None, None, None, None]);
    assert_eq!(tokens(&api).await, [None], "another name is another host");
    assert_eq!(token_requests(&lab, "client_credentials"), 0);
}

/// Checklist 135.
#[tokio::test]
async fn a_redirect_takes_no_token_to_another_host() {
    let lab = EntraLab::start().await.unwrap();
    let elsewhere = answering(ResponseTemplate::new(200)).await;
    let away = ResponseTemplate::new(302).insert_header("location", elsewhere.uri());
    let api = answering(away).await;
    let tokens_of_ours = tokens_for(&client(&lab, DAEMON), &api);

    // The library's own client does not follow it at all; one that does leaves the token behind.
    let answer = tokens_of_ours.clone().into_client().get(api.uri()).send().await.unwrap();
    assert_eq!(answer.status(), 302);
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
    let following = reqwest::Client::builder().build().unwrap();
    let following = ClientBuilder::new(following).with(tokens_of_ours).build();
    assert_eq!(following.get(api.uri()).send().await.unwrap().status(), 200);

    assert_eq!(tokens(&elsewhere).await, [None]);
    assert!(tokens(&api).await.iter().all(Option::is_some));
}

#[tokio::test]
async fn plain_http_is_for_this_machine_only() {
    let lab = EntraLab::start().await.unwrap();
    let of_daemon = BearerTokens::for_client(&client(&lab, DAEMON), GRAPH_DEFAULT);

    for address in
        ["http://graph.microsoft.com", "http://10.0.0.1", "http://localhost.example", "ftp://localhost"]
    {
        let error = of_daemon.clone().at(address.parse().unwrap()).unwrap_err();
        assert!(error.to_string().contains("https"), "{address}: {error}");
    }
    for address in
        ["https://graph.microsoft.com", "http://127.0.0.1:4000", "http://[::1]:4000", "http://localhost"]
    {
        of_daemon.clone().at(address.parse().unwrap()).unwrap();
    }
}

#[tokio::test]
async fn a_token_that_the_request_has_already_stays() {
    let (lab, api) = (EntraLab::start().await.unwrap(), answering(ResponseTemplate::new(200)).await);
    let http = tokens_for(&client(&lab, DAEMON), &api).into_client();

    http.get(api.uri()).header("authorization", "Bearer of-the-program").send().await.unwrap();

    assert_eq!(tokens(&api).await, [Some("Bearer of-the-program".to_owned())]);
    assert_eq!(token_requests(&lab, "client_credentials"), 0);
}

/// Checklist 133.
#[tokio::test]
async fn a_claims_challenge_is_answered_once_with_a_token_that_has_them() {
    let (lab, api) = (EntraLab::start().await.unwrap(), challenging(1).await);
    let http = tokens_for(&client(&lab, DAEMON), &api).into_client();

    let answer = http.post(api.uri()).body("in memory").send().await.unwrap();

    assert_eq!(answer.status(), 200);
    assert_eq!(tokens(&api).await.len(), 2);
    let bodies: Vec<_> =
        api.received_requests().await.unwrap().into_iter().map(|request| request.body).collect();
    assert_eq!(bodies, [b"in memory", b"in memory"]);
    assert_eq!(
        token_requests(&lab, "client_credentials"),
        2,
        "the second one with the claims, past the cache"
    );
}

/// Checklist 133.
#[tokio::test]
async fn an_api_that_is_not_satisfied_gets_no_third_request() {
    let (lab, api) = (EntraLab::start().await.unwrap(), challenging(9).await);
    let http = tokens_for(&client(&lab, DAEMON), &api).into_client();

    assert_eq!(http.get(api.uri()).send().await.unwrap().status(), 401);

    assert_eq!(tokens(&api).await.len(), 2);
}

/// Checklist 134.
#[tokio::test]
async fn a_no_without_claims_is_the_callers_to_handle() {
    let (lab, api) = (EntraLab::start().await.unwrap(), answering(ResponseTemplate::new(401)).await);
    let http = tokens_for(&client(&lab, DAEMON), &api).into_client();

    assert_eq!(http.get(api.uri()).send().await.unwrap().status(), 401);

    assert_eq!((tokens(&api).await.len(), token_requests(&lab, "client_credentials")), (1, 1));
}

#[tokio::test]
async fn a_body_that_can_be_sent_once_only_is_an_error_that_says_so_and_no_second_request() {
    let (lab, api) = (EntraLab::start().await.unwrap(), challenging(1).await);
    let source = answering(ResponseTemplate::new(200).set_body_string("streamed")).await;
    let http = tokens_for(&client(&lab, DAEMON), &api).into_client();
    // The body of an answer is read while it is sent on.
    let stream = reqwest::get(source.uri()).await.unwrap();

    let error = http.post(api.uri()).body(reqwest::Body::from(stream)).send().await.unwrap_err();

    assert!(error.to_string().contains("cannot be sent twice because its body is a stream"), "{error}");
    assert_eq!(tokens(&api).await.len(), 1);
    assert_eq!(token_requests(&lab, "client_credentials"), 1);
}

#[tokio::test]
async fn what_entra_refuses_is_an_error_with_ours_inside_and_nothing_is_sent() {
    let (lab, api) = (EntraLab::start().await.unwrap(), answering(ResponseTemplate::new(200)).await);
    let tokens_of_nobody = BearerTokens::for_client(&client(&lab, DAEMON), "api://nobody/.default");
    let http = tokens_of_nobody.at(api.uri().parse().unwrap()).unwrap().into_client();

    let error = http.get(api.uri()).send().await.unwrap_err();

    let reqwest_middleware::Error::Middleware(inner) = &error else { panic!("{error:?}") };
    assert!(matches!(inner.downcast_ref::<Error>(), Some(Error::Refused(_))), "{error:?}");
    assert!(tokens(&api).await.is_empty());
}
