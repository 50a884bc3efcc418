//! What a registration tool does: applications by `uniqueName`, service principals, credentials, grants, assignments.
//! Each step counts at the token endpoint at once.

use reqwest::Method;
use serde_json::{Value, json};

use crate::graph_lab::{Answer, GraphLab};
use crate::support::{self, Json};

const SCOPE_ID: &str = "5c000000-0000-4000-8000-000000000001";
const ROLE_ID: &str = "5c000000-0000-4000-8000-000000000002";
const API: &str = "/applications(uniqueName='sample-api')";

async fn upsert(graph: &GraphLab, token: &str, name: &str, body: &Value) -> Answer {
    let url = format!("{}/applications(uniqueName='{name}')", graph.lab.graph_url());
    let request = graph.http.patch(url).bearer_auth(token).header("prefer", "create-if-missing");
    let response = request.json(body).send().await.unwrap();
    Answer {
        status: response.status(),
        headers: response.headers().clone(),
        bytes: response.bytes().await.unwrap().to_vec(),
    }
}

fn api() -> Value {
    json!({
        "displayName": "sample api", "signInAudience": "AzureADMyOrg", "tags": ["samples"],
        "api": { "requestedAccessTokenVersion": 2, "oauth2PermissionScopes": [{
            "id": SCOPE_ID, "value": "access_as_user", "type": "User", "isEnabled": true,
            "adminConsentDisplayName": "Call it", "adminConsentDescription": "Call it as the user",
            "userConsentDisplayName": "Call it as you", "userConsentDescription": "Call it as you" }] },
        "appRoles": [{ "id": ROLE_ID, "value": "Tasks.Process.All", "allowedMemberTypes": ["Application"],
            "displayName": "Process", "description": "Process tasks", "isEnabled": true }],
    })
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

async fn client_credentials(graph: &GraphLab, id: &str, secret: &str, scope: &str) -> Json {
    let form = [
        ("client_id", id),
        ("client_secret", secret),
        ("grant_type", "client_credentials"),
        ("scope", scope),
    ];
    support::token(&graph.lab, &form).await
}

#[tokio::test]
async fn the_calls_of_a_registration_tool_lead_to_tokens() {
    let graph = GraphLab::start().await;
    let token = graph.tool_token().await;

    // An API: made, then found and changed, then nothing left to change.
    let made = upsert(&graph, &token, "sample-api", &api()).await;
    assert_eq!(made.status, 201);
    let again = upsert(&graph, &token, "sample-api", &api()).await;
    assert_eq!((again.status.as_u16(), again.bytes.len()), (204, 0));
    let made = made.json();
    let (id, app_id) = (text(&made, "id"), text(&made, "appId"));
    let change = json!({ "identifierUris": [format!("api://{app_id}")] });
    let path = format!("/applications/{id}");
    assert_eq!(graph.write(Method::PATCH, &token, &path, &change).await.status, 204);
    let read =
        graph.get(&token, &format!("{API}?$select=api,appId,identifierUris,tags,uniqueName")).await.json();
    assert_eq!((&read["tags"], &read["uniqueName"]), (&json!(["samples"]), &json!("sample-api")));
    assert_eq!(read["api"]["oauth2PermissionScopes"], api()["api"]["oauth2PermissionScopes"]);

    // A client with a secret, and service principals for both.
    let needs = json!([{ "resourceAppId": app_id, "resourceAccess": [{ "id": ROLE_ID, "type": "Role" }] }]);
    let body = json!({ "displayName": "sample daemon", "requiredResourceAccess": needs });
    let daemon = upsert(&graph, &token, "sample-daemon", &body).await.json();
    let (daemon_id, daemon_app) = (text(&daemon, "id"), text(&daemon, "appId"));
    let add =
        json!({ "passwordCredential": { "displayName": "dev", "endDateTime": "2049-01-01T00:00:00Z" } });
    let path = format!("/applications/{daemon_id}/addPassword");
    let password = graph.write(Method::POST, &token, &path, &add).await.json();
    let secret = text(&password, "secretText");
    let shown = graph.get(&token, &format!("/applications/{daemon_id}")).await.json();
    assert_eq!(shown["passwordCredentials"][0]["displayName"], "dev");
    assert_eq!(shown["passwordCredentials"][0]["secretText"], Value::Null);

    let scope = format!("api://{app_id}/.default");
    let refused = client_credentials(&graph, daemon_app, secret, &scope).await;
    refused.assert_refused(401, "invalid_client", 7000229);
    let mut principals = Vec::new();
    for app in [app_id, daemon_app] {
        let made = graph.write(Method::POST, &token, "/servicePrincipals", &json!({ "appId": app })).await;
        assert_eq!(made.status, 201);
        principals.push(text(&made.json(), "id").to_owned());
        let again = graph.write(Method::POST, &token, "/servicePrincipals", &json!({ "appId": app })).await;
        assert_eq!(again.error(), (409, "Request_MultipleObjectsWithSameKeyValue".into()));
    }
    let before = client_credentials(&graph, daemon_app, secret, &scope).await;
    assert_eq!(before.claims("access_token")["roles"], Value::Null);

    // The role is assigned, and stands in the next token.
    let assignment =
        json!({ "principalId": principals[1], "resourceId": principals[0], "appRoleId": ROLE_ID });
    let path = format!("/servicePrincipals/{}/appRoleAssignedTo", principals[0]);
    let assigned = graph.write(Method::POST, &token, &path, &assignment).await;
    assert_eq!(assigned.status, 201, "{}", String::from_utf8_lossy(&assigned.bytes));
    let after = client_credentials(&graph, daemon_app, secret, &scope).await;
    assert_eq!(after.claims("access_token")["roles"], json!(["Tasks.Process.All"]));
    assert_eq!(after.claims("access_token")["aud"], app_id);
    let held =
        graph.get(&token, &format!("/servicePrincipals/{}/appRoleAssignments", principals[1])).await.json();
    assert_eq!(held["value"][0]["appRoleId"], ROLE_ID);
    let path = format!("{path}/{}", text(&assigned.json(), "id"));
    assert_eq!(graph.write(Method::DELETE, &token, &path, &json!({})).await.status, 204);
    let without = client_credentials(&graph, daemon_app, secret, &scope).await;
    assert_eq!(without.claims("access_token")["roles"], Value::Null);

    // Clean-up: what is deleted is gone for everybody.
    assert_eq!(graph.write(Method::DELETE, &token, API, &json!({})).await.status, 204);
    assert_eq!(graph.get(&token, API).await.error(), (404, "Request_ResourceNotFound".into()));
    client_credentials(&graph, daemon_app, secret, &scope).await.assert_refused(
        400,
        "invalid_resource",
        500011,
    );
    let path = format!("/directory/deletedItems/{id}");
    assert_eq!(graph.write(Method::DELETE, &token, &path, &json!({})).await.status, 204);
    assert_eq!(graph.write(Method::DELETE, &token, &path, &json!({})).await.status, 404);
}

#[tokio::test]
async fn a_grant_is_the_consent_of_everybody() {
    let graph = GraphLab::start().await;
    let token = graph.tool_token().await;
    let principal = async |app: &str| {
        let found = graph.get(&token, &format!("/servicePrincipals(appId='{app}')?$select=id")).await.json();
        text(&found, "id").to_owned()
    };
    let (web, api) = (principal(support::WEB_APP.id).await, principal(support::API.id).await);
    let body = json!({ "clientId": web, "consentType": "AllPrincipals", "resourceId": api, "scope": "access_as_user" });
    let made = graph.write(Method::POST, &token, "/oauth2PermissionGrants", &body).await;
    assert_eq!(made.status, 201);
    let again = graph.write(Method::POST, &token, "/oauth2PermissionGrants", &body).await;
    assert_eq!(again.status, 409);

    // Nobody is asked any more.
    let mut browser = support::Browser::new(&graph.lab);
    let url = support::authorize_url(
        &graph.lab,
        support::TENANT,
        &support::WEB_APP,
        &[("scope", support::API_SCOPE)],
    );
    let page = browser.open(&url).await;
    let page = browser.pick(&page, support::BOB).await;
    let page = browser.type_password(&page, support::PASSWORD).await;
    assert!(page.location.is_some(), "{}", page.body);

    let path = format!("/oauth2PermissionGrants/{}", text(&made.json(), "id"));
    let listed =
        graph.get(&token, &format!("/oauth2PermissionGrants?$filter=clientId eq '{web}'")).await.json();
    assert_eq!(listed["value"][0]["scope"], "access_as_user");
    assert_eq!(graph.write(Method::PATCH, &token, &path, &json!({ "scope": "" })).await.status, 204);
    assert_eq!(graph.get(&token, &path).await.status, 404);
    let page = support::Browser::new(&graph.lab).sign_in(&url, support::CAROL).await;
    assert!(page.location.is_some(), "she was asked and agreed: {}", page.body);
}

#[tokio::test]
async fn a_certificate_and_a_federated_credential_are_registered_and_used() {
    let graph = GraphLab::start().await;
    let token = graph.tool_token().await;
    let made = upsert(&graph, &token, "certified", &json!({ "displayName": "certified" })).await.json();
    let id = text(&made, "id");
    let pem = include_str!("../../certs/daemon-app.pem").split_once("-----BEGIN CERTIFICATE-----").unwrap().1;
    let der: String = pem.split_once("-----END").unwrap().0.split_whitespace().collect();
    let key = json!({ "keyCredentials": [{ "type": "AsymmetricX509Cert", "usage": "Verify", "key": der }] });
    let path = format!("/applications/{id}");
    assert_eq!(graph.write(Method::PATCH, &token, &path, &key).await.status, 204);
    let shown = graph.get(&token, &path).await.json();
    assert_eq!(shown["keyCredentials"][0]["customKeyIdentifier"].as_str().unwrap().len(), 40);
    let wrong = json!({ "keyCredentials": [{ "key": "AAAA" }] });
    assert_eq!(
        graph.write(Method::PATCH, &token, &path, &wrong).await.error(),
        (400, "Request_BadRequest".into())
    );

    // The lab's own managed identity as the foreign issuer.
    graph.write(Method::POST, &token, "/servicePrincipals", &json!({ "appId": made["appId"] })).await;
    let issuer = format!("{}/{}/v2.0", graph.lab.url(), support::TENANT);
    let credential = json!({
        "name": "aca", "issuer": issuer, "subject": "c0ffee00-0000-4000-8000-0000000080ff",
        "audiences": ["api://AzureADTokenExchange"],
    });
    let path = format!("{path}/federatedIdentityCredentials");
    assert_eq!(graph.write(Method::POST, &token, &path, &credential).await.status, 201);
    assert_eq!(graph.write(Method::POST, &token, &path, &credential).await.status, 409);
    let metadata = format!(
        "{}/metadata/identity/oauth2/token?api-version=2018-02-01&resource=api://AzureADTokenExchange",
        graph.lab.url()
    );
    let assertion = Json::of(graph.http.get(metadata).header("metadata", "true").send().await.unwrap()).await;
    let form = [
        ("client_id", text(&made, "appId")),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion.text("access_token")),
        ("grant_type", "client_credentials"),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    assert_eq!(support::token(&graph.lab, &form).await.status, 200);
    assert_eq!(graph.write(Method::DELETE, &token, &format!("{path}/aca"), &json!({})).await.status, 204);
    support::token(&graph.lab, &form).await.assert_refused(401, "invalid_client", 70021);
}

#[tokio::test]
async fn what_the_directory_does_not_allow_is_refused_and_changes_nothing() {
    let graph = GraphLab::start().await;
    let token = graph.tool_token().await;
    upsert(&graph, &token, "sample-api", &api()).await;
    let bad = (400, "Request_BadRequest".to_owned());
    for (body, error) in [
        (json!({ "displayname": "x" }), bad.clone()),
        (json!({ "passwordCredentials": [{ "secretText": "mine" }] }), bad.clone()),
        (json!({ "displayName": "" }), bad.clone()),
        (json!({ "signInAudience": "Everybody" }), bad.clone()),
        (
            json!({ "identifierUris": [format!("api://{}", support::API.id)] }),
            (409, "Request_MultipleObjectsWithSameKeyValue".into()),
        ),
        (
            json!({ "api": { "oauth2PermissionScopes": [] } }),
            (400, "CannotDeleteOrUpdateEnabledEntitlement".into()),
        ),
        (json!({ "appRoles": [] }), (400, "CannotDeleteOrUpdateEnabledEntitlement".into())),
        (
            json!({ "api": { "preAuthorizedApplications": [{ "appId": support::WEB_APP.id, "delegatedPermissionIds": [ROLE_ID] }] } }),
            bad.clone(),
        ),
        (json!("no object"), (400, "BadRequest".into())),
    ] {
        assert_eq!(graph.write(Method::PATCH, &token, API, &body).await.error(), error, "{body}");
    }
    let kept = graph.get(&token, API).await.json();
    assert_eq!(kept["displayName"], "sample api");
    assert_eq!(kept["appRoles"][0]["id"], ROLE_ID);

    // Disabled first, it can go.
    let mut role = api()["appRoles"][0].clone();
    role["isEnabled"] = json!(false);
    for roles in [json!([role]), json!([])] {
        assert_eq!(graph.write(Method::PATCH, &token, API, &json!({ "appRoles": roles })).await.status, 204);
    }
    let unknown = "/applications(uniqueName='nobody')";
    assert_eq!(
        graph.write(Method::PATCH, &token, unknown, &api()).await.status,
        404,
        "without the preference"
    );
}

#[tokio::test]
async fn registrations_are_for_those_who_may() {
    let graph = GraphLab::start().await;
    let denied = (403, "Authorization_RequestDenied".to_owned());
    let reader = graph.app_token("Directory.Read.All").await;
    assert_eq!(graph.get(&reader, "/applications?$top=2").await.status, 200);
    assert_eq!(upsert(&graph, &reader, "x", &api()).await.error(), denied);
    let nobody = graph.daemon_token().await;
    for path in ["/applications", "/servicePrincipals", "/oauth2PermissionGrants"] {
        assert_eq!(graph.get(&nobody, path).await.error(), denied, "{path}");
    }
    for path in ["/applications", "/servicePrincipals", "/oauth2PermissionGrants"] {
        let body = json!({ "displayName": "x", "appId": support::API.id, "clientId": "x" });
        assert_eq!(graph.write(Method::POST, &reader, path, &body).await.error(), denied, "{path}");
    }
}

#[tokio::test]
async fn the_seeds_registrations_are_shown_as_graph_shows_them() {
    let graph = GraphLab::start().await;
    let token = graph.tool_token().await;
    let path = "/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')?$select=id,appId,oauth2PermissionScopes,appRoles";
    let graph_itself = graph.get(&token, path).await.json();
    let scopes = graph_itself["oauth2PermissionScopes"].as_array().unwrap();
    let user_read = scopes.iter().find(|s| s["value"] == "User.Read").unwrap();
    assert_eq!(user_read["id"], "e1fe6dd8-ba31-4d61-89e7-88639da4683d", "the same id as in every tenant");
    let path = format!("/applications(appId='{}')", support::DESKTOP.id);
    let desktop = graph.get(&token, &path).await.json();
    assert_eq!(desktop["publicClient"]["redirectUris"], json!(["http://localhost"]));
    assert_eq!(desktop["isFallbackPublicClient"], true);
    let named =
        graph.get(&token, "/applications?$filter=displayName eq 'web-app'&$select=appId").await.json();
    assert_eq!(named["value"], json!([{ "appId": support::WEB_APP.id }]));
}

#[tokio::test]
async fn a_reset_takes_registrations_and_grants_back() {
    let graph = GraphLab::start().await;
    let token = graph.tool_token().await;
    upsert(&graph, &token, "sample-api", &api()).await;
    graph.lab.reset();
    let token = graph.tool_token().await;
    assert_eq!(graph.get(&token, API).await.status, 404);
}
