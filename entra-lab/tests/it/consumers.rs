//! `consumers`, the address of personal accounts: its documents, and the no that work applications get there.

use crate::support::{
    ALICE, Browser, DAEMON, DESKTOP, GRAPH, Json, PASSWORD, WEB_APP, authorize_url, client, form, get, lab,
    token_at,
};

/// The tenant of all personal accounts.
const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

#[tokio::test]
async fn the_documents_of_consumers_name_the_tenant_of_personal_accounts() {
    let lab = lab().await;
    for segment in ["consumers", PERSONAL] {
        let base = format!("{}/{segment}", lab.url());
        let second = get(&format!("{base}/v2.0/.well-known/openid-configuration")).await;
        assert_eq!(second.text("issuer"), format!("{}/{PERSONAL}/v2.0", lab.url()));
        assert_eq!(second.text("token_endpoint"), format!("{}/consumers/oauth2/v2.0/token", lab.url()));
        assert!(second.body["tenant_region_scope"].is_null());
        let first = get(&format!("{base}/.well-known/openid-configuration")).await;
        assert_eq!(first.text("issuer"), format!("https://sts.windows.net/{PERSONAL}/"));
        let keys = get(&format!("{base}/discovery/v2.0/keys")).await;
        assert_eq!(keys.body["keys"][0]["issuer"], format!("{}/{PERSONAL}/v2.0", lab.url()));
    }
}

#[tokio::test]
async fn an_application_for_work_accounts_does_not_exist_at_consumers() {
    let lab = lab().await;
    let url = authorize_url(&lab, "consumers", &WEB_APP, &[]);
    Browser::new(&lab).open(&url).await.assert_error_page(700_016);
    let scope = format!("{GRAPH}/.default");
    let rest = [("grant_type", "client_credentials"), ("scope", scope.as_str())];
    let refused = token_at(&lab, "consumers", &form(&DAEMON, &rest)).await;
    refused.assert_refused(400, "unauthorized_client", 700_016);
    let device = client().post(format!("{}/consumers/oauth2/v2.0/devicecode", lab.url()));
    let device = device.form(&[("client_id", DESKTOP.id), ("scope", "openid")]).send().await.unwrap();
    Json::of(device).await.assert_refused(400, "unauthorized_client", 700_016);
}

#[tokio::test]
async fn a_password_is_refused_at_consumers_before_anything_is_looked_at() {
    let lab = lab().await;
    let rest = [("grant_type", "password"), ("username", ALICE), ("password", PASSWORD), ("scope", "openid")];
    let refused = token_at(&lab, "consumers", &form(&DESKTOP, &rest)).await;
    refused.assert_refused(400, "invalid_request", 9_001_023);
}
