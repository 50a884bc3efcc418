//! What surrounds a program in Azure: managed identities, and a key vault.

use entra_lab::EntraLab;
use jsonwebtoken::EncodingKey;
use serde_json::json;

use crate::support::{API, DAEMON, GRAPH, Json, TENANT, client, form, lab, token, token_at};

const IDENTITY: &str = "c0ffee00-0000-4000-8000-000000008000";
const VAULT: &str = "https://vault.azure.net";

async fn imds(lab: &EntraLab, query: &str) -> Json {
    let url = format!("{}/metadata/identity/oauth2/token?api-version=2018-02-01&{query}", lab.url());
    Json::of(client().get(url).header("Metadata", "true").send().await.unwrap()).await
}

#[tokio::test]
async fn a_virtual_machine_gets_a_token_with_text_numbers() {
    let lab = lab().await;
    let answer = imds(&lab, &format!("resource={GRAPH}")).await;
    assert_eq!((answer.status, answer.text("client_id")), (200, IDENTITY), "{}", answer.body);
    assert_eq!(answer.text("expires_in"), "86399");
    let claims = answer.claims("access_token");
    assert_eq!(claims["exp"].to_string(), answer.text("expires_on"));
    assert_eq!((&claims["idtyp"], &claims["roles"]), (&json!("app"), &json!(["User.Read.All"])));
    assert_eq!(imds(&lab, &format!("resource={GRAPH}/&client_id={IDENTITY}")).await.status, 200);
    let users = client().get(format!("{}/users", lab.graph_url())).bearer_auth(answer.text("access_token"));
    assert_eq!(users.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn forged_and_wrong_requests_get_none() {
    let lab = lab().await;
    let url = format!("{}/metadata/identity/oauth2/token?api-version=2018-02-01&resource={GRAPH}", lab.url());
    assert_eq!(client().get(&url).send().await.unwrap().status(), 400);
    let forwarded = client().get(&url).header("Metadata", "true").header("X-Forwarded-For", "10.0.0.1");
    assert_eq!(forwarded.send().await.unwrap().status(), 400);
    for query in ["", "resource=api://nobody", &format!("resource={GRAPH}&client_id={}", DAEMON.id)] {
        assert_eq!(imds(&lab, query).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn app_service_has_its_own_shape_and_header() {
    let lab = lab().await;
    let url = format!("{}/msi/token?api-version=2019-08-01&resource={VAULT}", lab.url());
    let get = client().get(&url).header("X-IDENTITY-HEADER", "lab-identity-header");
    let answer = Json::of(get.send().await.unwrap()).await;
    assert_eq!((answer.status, answer.text("resource")), (200, VAULT), "{}", answer.body);
    assert_eq!(answer.claims("access_token")["exp"].to_string(), answer.text("expires_on"));
    let wrong = client().get(&url).header("X-IDENTITY-HEADER", "guessed");
    assert_eq!(wrong.send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_managed_identity_stands_in_for_a_secret() {
    let lab = lab().await;
    let exchange = imds(&lab, "resource=api://AzureADTokenExchange").await;
    let scope = format!("api://{}/.default", API.id);
    let form = [
        ("client_id", DAEMON.id),
        ("grant_type", "client_credentials"),
        ("scope", scope.as_str()),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", exchange.text("access_token")),
    ];
    let answer = token_at(&lab, TENANT, &form).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.claims("access_token")["roles"], json!(["Directory.Read"]));
}

#[tokio::test]
async fn a_vault_challenges_first_and_gives_readers_the_secret() {
    let lab = lab().await;
    let url = format!("{}/secrets/Daemon-App-Certificate", lab.url());
    let refused = client().get(&url).send().await.unwrap();
    let challenge = refused.headers()["www-authenticate"].to_str().unwrap().to_owned();
    assert_eq!(challenge, format!(r#"Bearer authorization="{}/{TENANT}", resource="{VAULT}""#, lab.url()));
    assert_eq!(refused.status(), 401);

    let vault_token = async |app| {
        let scope = format!("{VAULT}/.default");
        let rest = [("grant_type", "client_credentials"), ("scope", scope.as_str())];
        token(&lab, &form(app, &rest)).await.text("access_token").to_owned()
    };
    let read = async |token: &str, url: &str| {
        Json::of(client().get(format!("{url}?api-version=7.4")).bearer_auth(token).send().await.unwrap())
            .await
    };
    let daemon = vault_token(&DAEMON).await;
    let answer = read(&daemon, &url).await;
    assert_eq!(answer.text("contentType"), "application/x-pem-file");
    assert!(EncodingKey::from_rsa_pem(answer.text("value").as_bytes()).is_ok());
    assert_eq!(read(&daemon, answer.text("id")).await.status, 200, "the id is an address");
    assert_eq!(read(&vault_token(&API).await, &url).await.status, 403);
    assert_eq!(read(&daemon, &format!("{}/secrets/nothing", lab.url())).await.status, 404);
    assert_eq!(client().get(&url).bearer_auth(&daemon).send().await.unwrap().status(), 400);
    let rest = [("grant_type", "client_credentials"), ("scope", "https://graph.microsoft.com/.default")];
    let other = token(&lab, &form(&DAEMON, &rest)).await;
    assert_eq!(read(other.text("access_token"), &url).await.status, 401, "a token for Graph opens no vault");
}
