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

#[tokio::test]
async fn the_members_stand_in_entras_order() {
    let lab = lab().await;
    let url = format!("{}/{TENANT}/v2.0/.well-known/openid-configuration", lab.url());
    let text = client().get(url).send().await.unwrap().text().await.unwrap();
    let order = [
        "token_endpoint",
        "token_endpoint_auth_methods_supported",
        "jwks_uri",
        "response_modes_supported",
        "subject_types_supported",
        "id_token_signing_alg_values_supported",
        "response_types_supported",
        "scopes_supported",
        "issuer",
        "request_uri_parameter_supported",
        "userinfo_endpoint",
        "authorization_endpoint",
        "device_authorization_endpoint",
        "http_logout_supported",
        "frontchannel_logout_supported",
        "end_session_endpoint",
        "claims_supported",
        "kerberos_endpoint",
        "tenant_region_scope",
        "cloud_instance_name",
        "cloud_graph_host_name",
        "msgraph_host",
        "rbac_url",
    ];
    let places: Vec<usize> = order.iter().map(|m| text.find(&format!("\"{m}\":")).unwrap()).collect();
    assert!(places.is_sorted(), "{text}");
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
