//! The UserInfo endpoint.

use serde_json::Value;

use crate::support::{ALICE, API_SCOPE, Json, WEB_APP, client, lab, tokens};

#[tokio::test]
async fn userinfo_has_the_subject_of_the_id_token() {
    let lab = lab().await;
    let answer = tokens(&lab, &WEB_APP, ALICE, "openid profile email").await;
    for method in ["GET", "POST"] {
        let request = client().request(method.parse().unwrap(), format!("{}/oidc/userinfo", lab.url()));
        let request = request.bearer_auth(answer.text("access_token"));
        let info = Json::of(request.send().await.unwrap()).await;
        assert_eq!(info.status, 200, "{method} {}", info.body);
        assert_eq!(info.body["sub"], answer.claims("id_token")["sub"]);
        assert_eq!((info.text("name"), info.text("email")), ("Alice Kim", ALICE));
    }
}

#[tokio::test]
async fn userinfo_wants_a_graph_token() {
    let lab = lab().await;
    let foreign = tokens(&lab, &WEB_APP, ALICE, API_SCOPE).await;
    for token in [foreign.text("access_token"), "nonsense", ""] {
        let request = client().get(format!("{}/oidc/userinfo", lab.url())).bearer_auth(token);
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), 401);
        assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
        let _: Value = response.json().await.unwrap();
    }
}
