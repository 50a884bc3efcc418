//! Client credentials: a token for the application itself.

use crate::support::{API, App, DAEMON, DESKTOP, GRAPH, TENANT, WEB_APP, form, lab, token, token_at};

async fn ask(lab: &entra_lab::EntraLab, app: &App, scope: &str) -> crate::support::Json {
    token(lab, &form(app, &[("grant_type", "client_credentials"), ("scope", scope)])).await
}

#[tokio::test]
async fn the_answer_has_nothing_but_an_access_token() {
    let lab = lab().await;
    let rest = [
        ("grant_type", "client_credentials"),
        ("scope", "https://graph.microsoft.com/.default"),
        ("client_info", "1"),
    ];
    let answer = token(&lab, &form(&DAEMON, &rest)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let mut members: Vec<&String> = answer.body.as_object().unwrap().keys().collect();
    members.sort();
    assert_eq!(members, ["access_token", "expires_in", "ext_expires_in", "token_type"]);
}

#[tokio::test]
async fn graph_gets_a_version_1_token_with_the_granted_roles() {
    let lab = lab().await;
    let answer = ask(&lab, &DAEMON, "https://graph.microsoft.com/.default").await;
    let claims = answer.claims("access_token");
    assert_eq!(claims["aud"], GRAPH);
    assert_eq!(claims["iss"], format!("https://sts.windows.net/{TENANT}/"));
    assert_eq!(claims["ver"], "1.0");
    assert_eq!(claims["appid"], DAEMON.id);
    assert_eq!(claims["appidacr"], "1");
    assert_eq!(claims["idtyp"], "app");
    assert_eq!(claims["roles"], serde_json::json!(["User.Read.All"]));
    assert_eq!(claims["oid"], claims["sub"]);
    assert!(claims.get("scp").is_none() && claims.get("azp").is_none());
}

#[tokio::test]
async fn the_api_gets_a_version_2_token_with_its_client_id_as_audience() {
    let lab = lab().await;
    for scope in [format!("api://{}/.default", API.id), format!("{}/.default", API.id)] {
        let claims = ask(&lab, &DAEMON, &scope).await.claims("access_token");
        assert_eq!(claims["aud"], API.id);
        assert_eq!(claims["iss"], format!("{}/{TENANT}/v2.0", lab.url()));
        assert_eq!((claims["ver"].as_str(), claims["azpacr"].as_str()), (Some("2.0"), Some("1")));
        assert_eq!(claims["azp"], DAEMON.id);
        assert_eq!(claims["roles"], serde_json::json!(["Directory.Read"]));
        assert!(claims.get("appid").is_none());
    }
}

#[tokio::test]
async fn the_token_is_backdated_and_its_lifetime_is_told_one_second_short() {
    let lab = lab().await;
    let answer = ask(&lab, &DAEMON, "https://graph.microsoft.com/.default").await;
    let claims = answer.claims("access_token");
    let (iat, exp) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    assert_eq!(claims["iat"], claims["nbf"]);
    let lifetime = exp - iat - 300;
    assert!((3600..=5400).contains(&lifetime), "{lifetime}");
    assert_eq!(answer.body["expires_in"].as_i64(), Some(lifetime - 1));
}

#[tokio::test]
async fn an_application_without_roles_gets_a_token_without_roles() {
    let lab = lab().await;
    let claims = ask(&lab, &WEB_APP, "https://graph.microsoft.com/.default").await.claims("access_token");
    assert!(claims.get("roles").is_none());
}

/// Checklist 166.
#[tokio::test]
async fn only_one_default_scope_is_accepted() {
    let lab = lab().await;
    let api = format!("api://{}/access_as_user", API.id);
    ask(&lab, &DAEMON, &api).await.assert_refused(400, "invalid_scope", 1002012);
    ask(&lab, &DAEMON, "User.Read").await.assert_refused(400, "invalid_scope", 1002012);
    let two = format!("https://graph.microsoft.com/.default api://{}/.default", API.id);
    ask(&lab, &DAEMON, &two).await.assert_refused(400, "invalid_scope", 70011);
    let none = token(&lab, &form(&DAEMON, &[("grant_type", "client_credentials")])).await;
    none.assert_refused(400, "invalid_request", 900144);
}

#[tokio::test]
async fn an_unknown_resource_is_500011() {
    let lab = lab().await;
    ask(&lab, &DAEMON, "api://nobody/.default").await.assert_refused(400, "invalid_resource", 500011);
    ask(&lab, &DAEMON, "/.default").await.assert_refused(400, "invalid_resource", 500011);
}

#[tokio::test]
async fn an_application_names_itself_by_its_client_id() {
    let lab = lab().await;
    let uri = format!("api://{}/.default", API.id);
    ask(&lab, &API, &uri).await.assert_refused(400, "invalid_request", 90009);
    let id = format!("{}/.default", API.id);
    assert_eq!(ask(&lab, &API, &id).await.status, 200);
}

/// Checklist 166.
#[tokio::test]
async fn the_tenant_must_be_a_certain_one() {
    let seed = entra_lab::DEFAULT_SEED.replacen(
        "name = \"daemon-app\"",
        "name = \"daemon-app\"\nmulti_tenant = true",
        1,
    );
    let lab = entra_lab::EntraLab::builder().seed_toml(&seed).start().await.unwrap();
    let rest = [("grant_type", "client_credentials"), ("scope", "https://graph.microsoft.com/.default")];
    for authority in ["common", "organizations"] {
        let answer = token_at(&lab, authority, &form(&DAEMON, &rest)).await;
        answer.assert_refused(400, "invalid_request", 50059);
    }
    let domain = token_at(&lab, "contoso.test", &form(&DAEMON, &rest)).await;
    assert_eq!(domain.claims("access_token")["tid"], TENANT);
}

/// Checklist 166.
#[tokio::test]
async fn a_public_application_cannot_act_for_itself() {
    let lab = lab().await;
    let answer = ask(&lab, &DESKTOP, "https://graph.microsoft.com/.default").await;
    answer.assert_refused(401, "invalid_client", 7000218);
}
