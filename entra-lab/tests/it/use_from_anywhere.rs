//! What other languages' tests use: tenants of their own, another seed, the list of requests, a description of it all,
//! and the names of the cloud.

use entra_lab::{DEFAULT_SEED, EntraLab, PolicyChange};
use serde_json::{Value, json};

use crate::support::{self, App, Browser, DAEMON, Json, PASSWORD, form, lab, token, token_at};

async fn post(lab: &EntraLab, path: &str, body: &Value) -> Json {
    Json::of(support::client().post(format!("{}{path}", lab.url())).json(body).send().await.unwrap()).await
}

fn app<'a>(tenant: &'a Value, name: &str) -> &'a Value {
    tenant["apps"].as_array().unwrap().iter().find(|a| a["name"] == name).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

#[tokio::test]
async fn a_tenant_on_demand_works_like_the_seeds_and_has_ids_of_its_own() {
    let lab = lab().await;
    let made = post(&lab, "/lab/tenants", &json!({ "name": "orders" })).await.body;
    let id = text(&made["tenant_id"]);
    let (daemon, api) = (app(&made, "daemon-app"), app(&made, "web-api-obo"));
    assert_ne!(daemon["client_id"], DAEMON.id);
    let scope = format!("{}/.default", text(&api["identifier_uri"]));
    let rest = [
        ("client_id", text(&daemon["client_id"])),
        ("client_secret", text(&daemon["secret"])),
        ("grant_type", "client_credentials"),
        ("scope", &scope),
    ];
    let answer = token_at(&lab, id, &rest).await;
    assert_eq!(answer.claims("access_token")["roles"], json!(["Directory.Read"]));
    assert_eq!(answer.claims("access_token")["tid"], id);
    token(&lab, &rest).await.assert_refused(400, "unauthorized_client", 700016);

    // A person of it signs in, with consent and Graph of that tenant.
    let web = app(&made, "web-app");
    let web = App {
        id: Box::leak(text(&web["client_id"]).to_owned().into_boxed_str()),
        secret: Box::leak(text(&web["secret"]).to_owned().into_boxed_str()),
        redirect_uri: support::WEB_APP.redirect_uri,
    };
    let upn = text(&made["users"][0]["upn"]);
    assert_eq!(upn, "alice@orders.test");
    let url = support::authorize_url(&lab, id, &web, &[("scope", "User.Read"), ("login_hint", upn)]);
    let mut browser = Browser::new(&lab);
    let page = browser.open(&url).await;
    let page = browser.type_password(&page, PASSWORD).await;
    let page = browser.accept(&page).await;
    let code = page.query()["code"].clone();
    let rest = form(
        &web,
        &[("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", web.redirect_uri)],
    );
    let answer = token_at(&lab, id, &rest).await;
    let me =
        support::client().get(format!("{}/me", lab.graph_url())).bearer_auth(answer.text("access_token"));
    assert_eq!(Json::of(me.send().await.unwrap()).await.text("userPrincipalName"), upn);
}

#[tokio::test]
async fn the_same_name_gives_the_same_tenant_and_a_policy_of_one_does_not_reach_another() {
    let (first, second) = (lab().await, lab().await);
    let one = first.tenant("side-by-side").unwrap();
    assert_eq!(one.tenant_id, second.tenant("side-by-side").unwrap().tenant_id);
    assert_eq!(one.tenant_id, first.tenant("side-by-side").unwrap().tenant_id);
    let client = one.apps.iter().find(|a| a.name == "daemon-app").unwrap();
    first.policy(PolicyChange::AppDisabled { app: client.client_id.to_string(), on: true }).unwrap();
    let scope = format!("{}/.default", support::GRAPH);
    let rest = [("grant_type", "client_credentials"), ("scope", scope.as_str())];
    assert_eq!(token(&first, &form(&DAEMON, &rest)).await.status, 200);
    let id = client.client_id.to_string();
    let theirs = [&[("client_id", id.as_str()), ("client_secret", DAEMON.secret)], rest.as_slice()].concat();
    let refused = token_at(&first, &one.tenant_id.to_string(), &theirs).await;
    refused.assert_refused(400, "unauthorized_client", 7000112);
    first.reset();
    let gone = token_at(&first, &one.tenant_id.to_string(), &theirs).await;
    gone.assert_refused(400, "invalid_request", 90002);
    for name in ["", "Upper", "a b", "-x", "x-", "contoso"] {
        assert_eq!(post(&first, "/lab/tenants", &json!({ "name": name })).await.status, 400, "'{name}'");
    }
}

#[tokio::test]
async fn a_new_seed_replaces_the_old_one_and_a_wrong_one_names_its_line_and_changes_nothing() {
    let lab = lab().await;
    let other = DEFAULT_SEED.replace("Contoso", "Fabrikam").replace("contoso.test", "fabrikam.test");
    let wrong = format!("{other}\nnonsense = 1\n");
    let refused = post(&lab, "/lab/seed", &json!({ "seed": wrong })).await;
    assert_eq!(refused.status, 400);
    let line = wrong.lines().count();
    assert!(refused.text("message").contains(&format!("line {line}:")), "{}", refused.body);
    let home = |lab: &EntraLab| support::client().get(lab.url()).send();
    assert!(home(&lab).await.unwrap().text().await.unwrap().contains("contoso.test"));

    assert_eq!(post(&lab, "/lab/seed", &json!({ "seed": other })).await.status, 200);
    assert!(!home(&lab).await.unwrap().text().await.unwrap().contains("contoso.test"));
    lab.reset();
    assert!(
        !home(&lab).await.unwrap().text().await.unwrap().contains("contoso.test"),
        "a reset goes back to it"
    );
    lab.reseed(DEFAULT_SEED).unwrap();
    assert!(lab.reseed("[[tenant]]").unwrap_err().contains("line 1"));
}

#[tokio::test]
async fn requests_can_be_narrowed_to_ones_own() {
    let lab = lab().await;
    let rest = [("grant_type", "client_credentials"), ("scope", "https://graph.microsoft.com/.default")];
    token(&lab, &form(&DAEMON, &rest)).await;
    token(&lab, &form(&support::API, &rest)).await;
    let list = async |query: &str| {
        let found = support::get(&format!("{}/lab/requests?{query}", lab.url())).await;
        found.body["requests"].as_array().unwrap().clone()
    };
    let own = list(&format!("client_id={}", DAEMON.id)).await;
    assert_eq!(
        (own.len(), &own[0]["grant"], &own[0]["status"]),
        (1, &json!("client_credentials"), &json!(200))
    );
    assert_eq!(list("path=/token").await.len(), 2);
    assert_eq!(list("client_id=nonsense").await.len(), 0);
    let correlation = text(&own[0]["correlation_id"]).to_owned();
    assert_eq!(list(&format!("correlation_id={correlation}")).await.len(), 1);
}

#[tokio::test]
async fn the_openapi_document_is_complete_and_every_example_in_it_works() {
    let lab = lab().await;
    let document = support::get(&format!("{}/lab/openapi.json", lab.url())).await.body;
    let routes = include_str!("../../src/routes.rs");
    let mut routed: Vec<&str> = routes.split('"').filter(|t| t.starts_with("/lab/")).collect();
    routed.retain(|path| !path.contains("assets") && !path.contains("photo") && *path != "/lab/inspector");
    let mut described: Vec<&str> =
        document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    routed.sort_unstable();
    described.sort_unstable();
    assert_eq!(routed, described);
    for (path, verbs) in document["paths"].as_object().unwrap() {
        for (verb, operation) in verbs.as_object().unwrap() {
            let url = format!("{}{path}", lab.url());
            let example = &operation["requestBody"]["content"]["application/json"]["example"];
            let request = match verb.as_str() {
                "get" => support::client().get(url),
                _ => support::client().post(url).json(example),
            };
            assert_eq!(request.send().await.unwrap().status(), 200, "{verb} {path} {example}");
        }
    }
    // Every kind of change that the code knows is named.
    let kinds = &document["paths"]["/lab/policy"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        ["properties"]["kind"]["enum"];
    for kind in kinds.as_array().unwrap() {
        let answer = post(&lab, "/lab/policy", &json!({ "kind": kind })).await;
        let message = answer.body["message"].as_str().unwrap_or_default().to_owned();
        assert!(!message.contains("unknown variant"), "{kind}: {message}");
    }
    let unknown = post(&lab, "/lab/policy", &json!({ "kind": "x" })).await.body;
    let known = text(&unknown["message"]).matches('`').count() / 2 - 1;
    assert_eq!(kinds.as_array().unwrap().len(), known, "{unknown}");
}

#[tokio::test]
async fn a_page_of_another_site_does_not_reach_the_controls() {
    let lab = lab().await;
    let send = async |origin: &str| {
        let request = support::client().post(format!("{}/lab/reset", lab.url())).json(&json!({}));
        request.header("origin", origin).send().await.unwrap().status().as_u16()
    };
    let port = lab.url().rsplit_once(':').unwrap().1.to_owned();
    // The last but one is a name that was bent to this machine, the one before another program on it.
    for origin in
        ["https://evil.example", "http://localhost:3000", "null", &format!("http://evil.example:{port}"), ""]
    {
        assert_eq!(send(origin).await, 403, "{origin}");
    }
    for origin in [lab.url(), &format!("http://localhost:{port}"), &lab.https_url()] {
        assert_eq!(send(origin).await, 200, "{origin}");
    }
}

#[tokio::test]
async fn the_clouds_own_names_lead_to_a_lab_that_answers_to_them() {
    let lab = lab().await;
    let ca = reqwest::Certificate::from_pem(lab.ca_pem().as_bytes()).unwrap();
    let port = lab.https_url().rsplit_once(':').unwrap().1.parse().unwrap();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    // As with network aliases on port 443: the client knows the names only.
    let names =
        ["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "graph.microsoft.com"];
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([ca]);
    let client = names.iter().fold(builder, |b, name| b.resolve(name, address)).build().unwrap();

    let url = format!(
        "https://login.microsoftonline.com/{}/v2.0/.well-known/openid-configuration",
        support::TENANT
    );
    let document = Json::of(client.get(url).send().await.unwrap()).await;
    let issuer = format!("https://login.microsoftonline.com/{}/v2.0", support::TENANT);
    assert_eq!(document.text("issuer"), issuer);
    let rest = [("grant_type", "client_credentials"), ("scope", "https://graph.microsoft.com/.default")];
    let post = client.post(document.text("token_endpoint")).form(&form(&DAEMON, &rest));
    let answer = Json::of(post.send().await.unwrap()).await;
    let people =
        client.get("https://graph.microsoft.com/v1.0/users?$top=2").bearer_auth(answer.text("access_token"));
    let people = Json::of(people.send().await.unwrap()).await;
    assert!(
        people.text("@odata.nextLink").starts_with("https://graph.microsoft.com/v1.0/users?"),
        "{}",
        people.body
    );
    for name in ["login.windows.net", "login.microsoft.com"] {
        let url = format!("https://{name}/common/discovery/v2.0/keys");
        assert_eq!(client.get(url).send().await.unwrap().status(), 200, "{name}");
    }
}
