//! How a client proves itself: the same for every grant.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::support::{App, DAEMON, DESKTOP, Json, TENANT, client, form, lab, token};

const REST: [(&str, &str); 2] =
    [("grant_type", "client_credentials"), ("scope", "https://graph.microsoft.com/.default")];

/// Checklist 167.
#[tokio::test]
async fn a_wrong_secret_is_7000215_with_401_and_is_not_repeated() {
    let lab = lab().await;
    let wrong = App { secret: "lab-secret-guessed", ..DAEMON };
    let answer = token(&lab, &form(&wrong, &REST)).await;
    answer.assert_refused(401, "invalid_client", 7000215);
    assert!(!answer.body.to_string().contains("guessed"));
    assert!(!format!("{:?}", lab.requests()).contains("guessed"));
}

#[tokio::test]
async fn no_secret_is_7000218() {
    let lab = lab().await;
    let none = App { secret: "", ..DAEMON };
    token(&lab, &form(&none, &REST)).await.assert_refused(401, "invalid_client", 7000218);
}

#[tokio::test]
async fn a_public_application_with_a_secret_is_700025() {
    let lab = lab().await;
    let eager = App { secret: "something", ..DESKTOP };
    token(&lab, &form(&eager, &REST)).await.assert_refused(401, "invalid_client", 700025);
}

#[tokio::test]
async fn an_expired_secret_is_7000222_and_a_younger_one_still_counts() {
    let seed = entra_lab::DEFAULT_SEED.replacen(
        "secrets = [\"lab-secret-daemon-app\"]",
        "secrets = [{ value = \"lab-secret-daemon-app\", expires = \"2026-01-01T00:00:00Z\" }, \"lab-secret-new\"]",
        1,
    );
    let lab = entra_lab::EntraLab::builder().seed_toml(&seed).start().await.unwrap();
    token(&lab, &form(&DAEMON, &REST)).await.assert_refused(401, "invalid_client", 7000222);
    let new = App { secret: "lab-secret-new", ..DAEMON };
    assert_eq!(token(&lab, &form(&new, &REST)).await.status, 200);
}

#[tokio::test]
async fn the_secret_may_travel_in_a_basic_header() {
    let lab = lab().await;
    let url = format!("{}/{TENANT}/oauth2/v2.0/token", lab.url());
    let post = |id: &str, secret: &str, form: &[(&str, &str)]| {
        let header = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
        client().post(&url).header("authorization", header).form(form).send()
    };
    let good = Json::of(post(DAEMON.id, "lab%2Dsecret%2Ddaemon-app", &REST).await.unwrap()).await;
    assert_eq!(good.status, 200, "{}", good.body);
    let wrong = Json::of(post(DAEMON.id, "nonsense", &REST).await.unwrap()).await;
    wrong.assert_refused(401, "invalid_client", 7000215);
    let both = Json::of(post(DAEMON.id, DAEMON.secret, &form(&DAEMON, &REST)).await.unwrap()).await;
    both.assert_refused(400, "invalid_request", 90100);
    for header in ["Basic", "Basic %%%", "Basic YWJj", "Bearer x", "Basic /w=="] {
        let response = client().post(&url).header("authorization", header).form(&REST).send().await.unwrap();
        Json::of(response).await.assert_refused(400, "invalid_request", 90100);
    }
}
