//! Instance discovery and OpenID Connect discovery.

use crate::support::{TENANT, client, get, lab};

#[tokio::test]
async fn the_document_of_a_tenant_names_the_constant_issuer() {
    let lab = lab().await;
    let document = get(&format!("{}/{TENANT}/v2.0/.well-known/openid-configuration", lab.url())).await;
    assert_eq!(document.status, 200);
    assert_eq!(document.text("issuer"), format!("{}/{TENANT}/v2.0", lab.url()));
    assert_eq!(document.text("token_endpoint"), format!("{}/{TENANT}/oauth2/v2.0/token", lab.url()));
    assert_eq!(document.headers["cache-control"], "max-age=86400, private");
    assert_eq!(document.headers["access-control-allow-origin"], "*");
}

/// The document as it was recorded, in its order. `{h}` stands for the host, `{t}` for the segment of the address, `{i}`
/// for the tenant of the issuer.
const RECORDED: &str = r#"{
  "token_endpoint": "{h}/{t}/oauth2/v2.0/token",
  "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
  "jwks_uri": "{h}/{t}/discovery/v2.0/keys",
  "response_modes_supported": ["query", "fragment", "form_post"],
  "subject_types_supported": ["pairwise"],
  "id_token_signing_alg_values_supported": ["RS256"],
  "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
  "scopes_supported": ["openid", "profile", "email", "offline_access"],
  "issuer": "{h}/{i}/v2.0",
  "request_uri_parameter_supported": false,
  "userinfo_endpoint": "{h}/oidc/userinfo",
  "authorization_endpoint": "{h}/{t}/oauth2/v2.0/authorize",
  "device_authorization_endpoint": "{h}/{t}/oauth2/v2.0/devicecode",
  "http_logout_supported": true,
  "frontchannel_logout_supported": true,
  "end_session_endpoint": "{h}/{t}/oauth2/v2.0/logout",
  "claims_supported": ["sub", "iss", "cloud_instance_name", "cloud_instance_host_name", "cloud_graph_host_name",
    "msgraph_host", "aud", "exp", "iat", "auth_time", "acr", "nonce", "preferred_username", "name", "tid", "ver",
    "at_hash", "c_hash", "email"],
  "kerberos_endpoint": "{h}/{t}/kerberos",
  "tenant_region_scope": {r},
  "cloud_instance_name": "microsoftonline.com",
  "cloud_graph_host_name": "graph.windows.net",
  "msgraph_host": "graph.microsoft.com",
  "rbac_url": "https://pas.windows.net"
}"#;

#[tokio::test]
async fn the_document_is_the_recorded_one_member_by_member() {
    let lab = lab().await;
    let personal = "9188040d-6c67-4c5b-b112-36a304b66dad";
    for (asked, segment, issuer, region) in [
        (TENANT, TENANT, TENANT, "\"EU\""),
        ("contoso.test", TENANT, TENANT, "\"EU\""),
        ("common", "common", "{tenantid}", "null"),
        ("organizations", "organizations", "{tenantid}", "null"),
        ("consumers", "consumers", personal, "null"),
    ] {
        let recorded = RECORDED.replace("{h}", lab.url()).replace("{t}", segment);
        let recorded: String = recorded.replace("{i}", issuer).replace("{r}", region);
        let url = format!("{}/{asked}/v2.0/.well-known/openid-configuration", lab.url());
        let text = client().get(url).send().await.unwrap().text().await.unwrap();
        // To the letter, blanks apart: that is every member, every value and their order.
        let without_blanks = |text: &str| text.replace(['\n', ' '], "");
        assert_eq!(without_blanks(&text), without_blanks(&recorded), "{asked}");
    }
}

#[tokio::test]
async fn a_domain_in_any_case_means_its_tenant() {
    let lab = lab().await;
    let document = get(&format!("{}/Contoso.TEST/V2.0/.well-known/OpenID-configuration", lab.url())).await;
    assert_eq!(document.text("issuer"), format!("{}/{TENANT}/v2.0", lab.url()));
}

#[tokio::test]
async fn common_and_organizations_have_a_template_as_issuer() {
    let lab = lab().await;
    for authority in ["common", "organizations"] {
        let document = get(&format!("{}/{authority}/v2.0/.well-known/openid-configuration", lab.url())).await;
        assert_eq!(document.text("issuer"), format!("{}/{{tenantid}}/v2.0", lab.url()));
        assert_eq!(document.text("jwks_uri"), format!("{}/{authority}/discovery/v2.0/keys", lab.url()));
        assert!(document.body["tenant_region_scope"].is_null());
    }
}

#[tokio::test]
async fn an_unknown_tenant_is_90002_and_a_malformed_one_900023() {
    let lab = lab().await;
    for (tenant, error, code) in [
        ("10000000-0000-4000-8000-0000000000ff", "invalid_tenant", 90002),
        ("fabrikam.test", "invalid_tenant", 90002),
        ("authorize", "invalid_request", 900023),
        ("%3Cscript%3E", "invalid_request", 900023),
    ] {
        let url = format!("{}/{tenant}/v2.0/.well-known/openid-configuration", lab.url());
        get(&url).await.assert_refused(400, error, code);
        get(&format!("{}/{tenant}/discovery/v2.0/keys", lab.url())).await.assert_refused(400, error, code);
    }
}

#[tokio::test]
async fn head_is_answered_like_get() {
    let lab = lab().await;
    for path in [&format!("/{TENANT}/v2.0/.well-known/openid-configuration"), "/lab/health", "/lab/ca.pem"] {
        let response = client().head(format!("{}{path}", lab.url())).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200, "{path}");
    }
}

#[tokio::test]
async fn instance_discovery_vouches_for_the_lab_and_for_the_public_cloud() {
    let lab = lab().await;
    for host in [lab.url(), "https://localhost:8443", "https://login.microsoftonline.com"] {
        let answer = get(&format!(
            "{}/common/discovery/instance?api-version=1.1&authorization_endpoint={host}/{TENANT}/oauth2/v2.0/authorize",
            lab.url()
        ))
        .await;
        assert_eq!(answer.status, 200, "{host}");
        assert_eq!(
            answer.text("tenant_discovery_endpoint"),
            format!("{}/{TENANT}/v2.0/.well-known/openid-configuration", lab.url())
        );
        assert_eq!(answer.text("api-version"), "1.1");
        let own = lab.url().strip_prefix("http://").unwrap();
        let aliases = answer.body["metadata"][0]["aliases"].as_array().unwrap();
        assert!(aliases.iter().any(|a| a == own) && aliases.iter().any(|a| a == "127.0.0.1"), "{aliases:?}");
    }
}

#[tokio::test]
async fn instance_discovery_refuses_a_foreign_host_with_50049() {
    let lab = lab().await;
    let answer = get(&format!(
        "{}/common/discovery/instance?api-version=1.1&authorization_endpoint=https://sts.evil.example/x/authorize",
        lab.url()
    ))
    .await;
    answer.assert_refused(400, "invalid_instance", 50049);
    let missing = get(&format!("{}/common/discovery/instance?api-version=1.1", lab.url())).await;
    missing.assert_refused(400, "invalid_request", 900144);
}
