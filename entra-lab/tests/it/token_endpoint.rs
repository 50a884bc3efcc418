//! What the token endpoint does for every grant: verb, body, headers, address, ids.

use crate::support::{DAEMON, Json, TENANT, client, form, lab, token, token_at};

/// Checklist 168.
#[tokio::test]
async fn another_verb_is_900561() {
    let lab = lab().await;
    let url = format!("{}/{TENANT}/oauth2/v2.0/token", lab.url());
    for method in ["GET", "PUT", "DELETE"] {
        let request = client().request(method.parse().unwrap(), &url);
        Json::of(request.send().await.unwrap()).await.assert_refused(400, "invalid_request", 900561);
    }
}

#[tokio::test]
async fn a_missing_grant_type_or_client_is_900144_and_names_the_field() {
    let lab = lab().await;
    let nothing = token(&lab, &[]).await;
    nothing.assert_refused(400, "invalid_request", 900144);
    assert!(nothing.text("error_description").contains("'grant_type'"));
    let no_client = token(&lab, &[("grant_type", "client_credentials")]).await;
    no_client.assert_refused(400, "invalid_request", 900144);
    assert!(no_client.text("error_description").contains("'client_id'"));
}

#[tokio::test]
async fn json_instead_of_a_form_is_a_missing_grant_type() {
    let lab = lab().await;
    let url = format!("{}/{TENANT}/oauth2/v2.0/token", lab.url());
    let body = serde_json::json!({ "grant_type": "client_credentials", "client_id": DAEMON.id });
    let answer = Json::of(client().post(url).json(&body).send().await.unwrap()).await;
    answer.assert_refused(400, "invalid_request", 900144);
}

#[tokio::test]
async fn an_unknown_grant_is_70003() {
    let lab = lab().await;
    for grant in ["implicit", "urn:x"] {
        let answer = token(&lab, &form(&DAEMON, &[("grant_type", grant)])).await;
        answer.assert_refused(400, "unsupported_grant_type", 70003);
    }
}

#[tokio::test]
async fn an_unknown_tenant_is_90002_and_an_unknown_application_700016() {
    let lab = lab().await;
    let rest = [("grant_type", "client_credentials"), ("scope", "https://graph.microsoft.com/.default")];
    let answer = token_at(&lab, "10000000-0000-4000-8000-0000000000ff", &form(&DAEMON, &rest)).await;
    answer.assert_refused(400, "invalid_request", 90002);
    let answer = token_at(&lab, "not a tenant", &form(&DAEMON, &rest)).await;
    answer.assert_refused(400, "invalid_request", 900023);
    let mut unknown = rest.to_vec();
    unknown.push(("client_id", "c0ffee00-0000-4000-8000-00000000ffff"));
    token(&lab, &unknown).await.assert_refused(400, "unauthorized_client", 700016);
}

#[tokio::test]
async fn a_repeated_parameter_is_refused() {
    let lab = lab().await;
    let rest = [("grant_type", "client_credentials"), ("scope", "a/.default"), ("scope", "b/.default")];
    token(&lab, &form(&DAEMON, &rest)).await.assert_refused(400, "invalid_request", 90100);
}

/// Checklist 167, 168.
#[tokio::test]
async fn the_error_body_and_its_headers_are_entras() {
    let lab = lab().await;
    let url = format!("{}/{TENANT}/oauth2/v2.0/token", lab.url());
    let correlation = "0f0e0d0c-0b0a-4908-8706-050403020100";
    let request = client()
        .post(url)
        .header("client-request-id", correlation)
        .header("return-client-request-id", "true")
        .form(&form(&DAEMON, &[("grant_type", "nothing")]));
    let answer = Json::of(request.send().await.unwrap()).await;
    let description = answer.text("error_description");
    let (trace, stamp) = (answer.text("trace_id"), answer.text("timestamp"));
    let trailer = format!("\r\nTrace ID: {trace}\r\nCorrelation ID: {correlation}\r\nTimestamp: {stamp}");
    assert!(description.ends_with(&trailer), "{description:?}");
    assert_eq!(answer.text("correlation_id"), correlation);
    assert_eq!((stamp.len(), &stamp[10..11], &stamp[19..]), (20, " ", "Z"));
    assert_eq!(answer.text("error_uri"), format!("{}/error?code=70003", lab.url()));
    for (name, value) in [
        ("cache-control", "no-store, no-cache"),
        ("pragma", "no-cache"),
        ("expires", "-1"),
        ("content-type", "application/json; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
        ("x-ms-clitelem", "1,70003,0,,"),
        ("x-ms-request-id", trace),
        ("client-request-id", correlation),
    ] {
        assert_eq!(answer.headers[name], value, "{name}");
    }
}

#[tokio::test]
async fn tokens_are_json_that_nobody_keeps() {
    let lab = lab().await;
    let rest = [("grant_type", "client_credentials"), ("scope", "https://graph.microsoft.com/.default")];
    let answer = token(&lab, &form(&DAEMON, &rest)).await;
    assert_eq!(answer.status, 200);
    for (name, value) in [
        ("cache-control", "no-store, no-cache"),
        ("pragma", "no-cache"),
        ("content-type", "application/json; charset=utf-8"),
        ("x-ms-clitelem", "1,0,0,,"),
    ] {
        assert_eq!(answer.headers[name], value, "{name}");
    }
}

#[tokio::test]
async fn the_correlation_id_may_stand_in_the_body() {
    let lab = lab().await;
    let correlation = "0f0e0d0c-0b0a-4908-8706-050403020101";
    let answer = token(&lab, &[("client-request-id", correlation)]).await;
    assert_eq!(answer.text("correlation_id"), correlation);
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_in_the_same_shape() {
    let lab = lab().await;
    let long = "x".repeat(100 * 1024);
    token(&lab, &[("grant_type", &long)]).await.assert_refused(400, "invalid_request", 90100);
}
