//! Well-signed tokens that say the wrong thing.

use serde_json::{Value, json};
use shared_auth::{ApiConfig, Caller};

use super::{all_refused, each, header, missing, row, with, without};
use crate::tokens::{API, KEY, OTHER_TENANT, Setup, TENANT, TestAuthority, USER, WEB_APP, start};

/// Checklist 35, 38, 39, 46.
#[tokio::test]
async fn audiences() {
    let authority = TestAuthority::start().await;
    let claims = authority.user_claims();
    let mut rows = each(
        &claims,
        "aud",
        "audience",
        &[
            json!(""),
            json!(" "),
            json!(null),
            json!(1),
            json!([]),
            json!({}),
            json!([API]),
            json!([API, "other"]),
            json!([[API]]),
            json!({"a": API}),
            json!("00000003-0000-0000-c000-000000000000"),
            json!("https://graph.microsoft.com"),
            json!(WEB_APP),
            json!("api://c0ffee00-0000-4000-8000-000000007000"),
            json!("*"),
            json!(format!("{API}/")),
            json!(format!("{API} ")),
            json!(format!("{API}0")),
            json!(&API[1..]),
            json!(API.to_uppercase()),
            json!(format!("api://{API}/")),
            json!(format!("api://{API}/access_as_user")),
            json!(format!("x {API} y")),
            json!(format!("{API},x")),
        ],
    );
    rows.push(missing(&claims, "aud", "audience"));
    all_refused(&authority, rows).await;

    let hint = async |claims: &Value| authority.rejection("hint", &KEY.token(claims)).await.fix;
    assert!(
        hint(&with(&claims, "aud", "https://graph.microsoft.com/")).await.contains("for Microsoft Graph")
    );
    let id_token = with(&without(&with(&claims, "aud", WEB_APP), "scp"), "nonce", "n");
    assert!(hint(&id_token).await.contains("ID token"));
}

/// Checklist 40.
#[tokio::test]
async fn the_other_form_of_the_audience_is_for_those_who_configured_it() {
    let authority = TestAuthority::start().await;
    let (id, uri) = (API.to_owned(), format!("api://{API}"));

    for configured in [&id, &uri] {
        let api = ApiConfig { audiences: vec![configured.clone()], ..ApiConfig::new(API) };
        let validator = authority.client.access_token_validator(&api);
        for audience in [&id, &uri] {
            let outcome = validator
                .validate(&KEY.token(&with(&authority.user_claims(), "aud", audience.as_str())))
                .await;
            assert_eq!(
                outcome.is_ok(),
                audience == configured,
                "{audience} where {configured} is configured"
            );
        }
    }
}

/// Checklist 16, 35, 42 to 44, 46.
#[tokio::test]
async fn issuers_tenants_and_versions() {
    let authority = TestAuthority::start().await;
    let claims = authority.user_claims();
    let uri = authority.server.uri();
    let port = authority.server.address().port();
    let mut rows = each(
        &claims,
        "iss",
        "issuer",
        &[
            json!(""),
            json!(null),
            json!(1),
            json!([authority.issuer]),
            json!({}),
            json!(format!("{}/", authority.issuer)),
            json!(format!("{uri}/{TENANT}")),
            json!(format!("{uri}/{{tenantid}}/v2.0")),
            json!(format!("{uri}/common/v2.0")),
            json!(format!("{uri}/{OTHER_TENANT}/v2.0")),
            json!(format!("{uri}/{TENANT}/v1.0")),
            json!(format!("{uri}/x/../{TENANT}/v2.0")),
            json!(format!("{uri}/{TENANT}/v2.0?x=y")),
            json!(format!("{uri}/{TENANT}/v2.0#x")),
            json!(format!("{uri}//{TENANT}/v2.0")),
            json!(format!("https://127.0.0.1:{port}/{TENANT}/v2.0")),
            json!(format!("http://localhost:{port}/{TENANT}/v2.0")),
            json!(format!("http://127.0.0.1:{port}@evil.example/{TENANT}/v2.0")),
            json!(format!("{uri}.evil.example/{TENANT}/v2.0")),
            json!(authority.issuer.to_uppercase()),
            json!(format!("https://login.microsoftonline.com/{TENANT}/v2.0")),
            json!(format!("https://sts.windows.net/{TENANT}/")),
        ],
    );
    rows.extend(each(
        &claims,
        "ver",
        "issuer",
        &[json!("1.0"), json!("3.0"), json!(""), json!(2.0), json!(null), json!("2.0 ")],
    ));
    rows.extend(each(
        &claims,
        "tid",
        "tenant",
        &[
            json!(OTHER_TENANT),
            json!("9188040d-6c67-4c5b-b112-36a304b66dad"),
            json!(""),
            json!(null),
            json!([TENANT]),
            json!(7),
            json!("common"),
            json!("{tenantid}"),
            json!(TENANT.replace('-', "")),
            json!(format!("{{{TENANT}}}")),
        ],
    ));
    rows.push(missing(&claims, "iss", "issuer"));
    rows.push(missing(&claims, "ver", "issuer"));
    rows.push(missing(&claims, "tid", "tenant"));
    let foreign = with(&with(&claims, "iss", format!("{uri}/{OTHER_TENANT}/v2.0")), "tid", OTHER_TENANT);
    rows.push(row("43 tenant: another tenant, consistent and well signed", KEY.token(&foreign), "issuer"));
    let v1 = with(&with(&claims, "iss", format!("https://sts.windows.net/{TENANT}/")), "ver", "1.0");
    rows.push(row("44 version: a version 1 token, where there are none", KEY.token(&v1), "issuer"));
    all_refused(&authority, rows).await;

    // 16: many of these issuers are on this very server, and nobody looked there.
    let ours = [
        format!("/{TENANT}/v2.0/.well-known/openid-configuration"),
        format!("/{TENANT}/discovery/v2.0/keys"),
    ];
    for request in authority.server.received_requests().await.unwrap() {
        assert!(ours.contains(&request.url.path().to_owned()), "{} was asked for", request.url);
    }
}

/// Checklist 42 to 44.
#[tokio::test]
async fn version_1_tokens_are_known_where_microsoft_issues_them() {
    let setup = Setup { host: Some("https://login.microsoftonline.com"), ..Setup::default() };
    let authority = TestAuthority::start_with(setup).await;
    let v1_issuer = format!("https://sts.windows.net/{TENANT}/");
    let v2 = authority.user_claims();
    let mut v1 = with(&with(&without(&v2, "azp"), "iss", v1_issuer.as_str()), "ver", "1.0");
    v1["appid"] = json!(WEB_APP);
    v1["aud"] = json!(format!("api://{API}"));

    for claims in [&v1, &v2] {
        assert!(matches!(authority.validate(&KEY.token(claims)).await, Ok(Caller::User(_))), "{claims}");
    }
    let rows = vec![
        row("44 version: version 1 issuer, version 2 token", KEY.token(&with(&v1, "ver", "2.0")), "issuer"),
        row("44 version: version 2 issuer, version 1 token", KEY.token(&with(&v2, "ver", "1.0")), "issuer"),
        row(
            "42 issuer: no slash at the end",
            KEY.token(&with(&v1, "iss", v1_issuer.trim_end_matches('/'))),
            "issuer",
        ),
        row(
            "43 tenant: other tenant",
            KEY.token(&with(&v1, "iss", format!("https://sts.windows.net/{OTHER_TENANT}/"))),
            "issuer",
        ),
        row("54 identity: no client", KEY.token(&without(&v1, "appid")), "identity"),
    ];
    all_refused(&authority, rows).await;
}

#[tokio::test]
async fn a_tenant_named_by_its_domain_is_known_by_its_id() {
    let authority = TestAuthority::start_with(Setup { tenant: "contoso.test", ..Setup::default() }).await;
    let claims = authority.user_claims();

    assert!(authority.validate(&KEY.token(&claims)).await.is_ok());
    let rows = each(&claims, "tid", "tenant", &[json!(OTHER_TENANT), json!("contoso.test")]);
    all_refused(&authority, rows).await;
}

/// Checklist 31 to 34, 36.
#[tokio::test]
async fn lifetimes() {
    let authority = TestAuthority::start().await;
    let claims = authority.user_claims();
    let now = start().as_second();
    let mut rows = each(
        &claims,
        "exp",
        "lifetime",
        &[
            json!(now - 60),
            json!(now - 86_400),
            json!("4102444800"),
            json!("2099-01-01T00:00:00Z"),
            json!(null),
            json!(true),
            json!([now + 60]),
            json!({"at": now + 60}),
            json!(0),
            json!(-1),
            json!(i64::MIN),
            json!(i64::MAX),
            json!(u64::MAX),
            json!(1e30),
            json!(now * 1000),
            json!(now as f64 + 60.5),
            json!(now + 366 * 86_400),
        ],
    );
    rows.push(missing(&claims, "exp", "lifetime"));
    let huge = claims
        .to_string()
        .replace(&format!("\"exp\":{}", now + 3600), &format!("\"exp\":{}", "9".repeat(400)));
    rows.push(row(
        "33 enormous numbers: exp has 400 digits",
        KEY.token_with(&header(&json!({})), &huge),
        "payload",
    ));
    let beyond =
        claims.to_string().replace(&format!("\"exp\":{}", now + 3600), "\"exp\":18446744073709551616");
    rows.push(row(
        "33 enormous numbers: exp is 2^64",
        KEY.token_with(&header(&json!({})), &beyond),
        "lifetime",
    ));
    rows.extend(each(
        &claims,
        "nbf",
        "lifetime",
        &[
            json!(now + 61),
            json!(now + 86_400),
            json!("0"),
            json!(""),
            json!(null),
            json!({}),
            json!([]),
            json!(true),
            json!(-1),
            json!(1.5),
        ],
    ));
    all_refused(&authority, rows).await;

    authority.advance_minutes(61);
    let late = authority.rejection("an hour later", &KEY.token(&claims)).await;
    assert_eq!(late.check.name(), "lifetime");
    let strict = TestAuthority::start_with(Setup { skew_seconds: 0, ..Setup::default() }).await;
    all_refused(&strict, each(&strict.user_claims(), "exp", "lifetime", &[json!(now)])).await;
}

/// Checklist 47, 48, 50, 51, 53.
#[tokio::test]
async fn kinds_of_tokens() {
    let authority = TestAuthority::start().await;
    let (user, app) = (authority.user_claims(), authority.app_claims());
    let neither = without(&user, "scp");
    let mut rows = each(
        &user,
        "scp",
        "kind",
        &[json!(""), json!(" "), json!(null), json!(1), json!(["access_as_user"]), json!({})],
    );
    rows.extend(each(
        &app,
        "roles",
        "kind",
        &[
            json!([]),
            json!(null),
            json!("Directory.Read"),
            json!([["Directory.Read"]]),
            json!([1]),
            json!({}),
        ],
    ));
    rows.extend(each(&user, "roles", "kind", &[json!("Directory.Read"), json!([null])]));
    rows.extend(each(
        &user,
        "idtyp",
        "kind",
        &[json!("app"), json!("device"), json!(""), json!(null), json!(1)],
    ));
    rows.extend([
        row("53 neither scope nor role: neither scopes nor roles", KEY.token(&neither), "kind"),
        row(
            "47 scopes: the scope in \"scope\"",
            KEY.token(&with(&neither, "scope", "access_as_user")),
            "kind",
        ),
        row(
            "50 kinds of callers: says user, has roles only",
            KEY.token(&with(&app, "idtyp", "user")),
            "kind",
        ),
        row(
            "50 kinds of callers: says app, has no roles",
            KEY.token(&with(&without(&app, "roles"), "idtyp", "app")),
            "kind",
        ),
        row("51 ID tokens: an ID token for this API", KEY.token(&with(&neither, "nonce", "n")), "kind"),
        row(
            "51 ID tokens: an ID token for this API, without a nonce",
            KEY.token(&without(&neither, "azp")),
            "kind",
        ),
        row(
            "51 ID tokens: an ID token with roles",
            KEY.token(&with(&without(&neither, "azp"), "roles", json!(["Directory.Read"]))),
            "kind",
        ),
        row(
            "50 kinds of callers: a user's roles without scopes",
            KEY.token(&with(&neither, "roles", json!(["Directory.Read"]))),
            "kind",
        ),
        row(
            "50 kinds of callers: an application that is not its own subject",
            KEY.token(&with(&app, "sub", "someone")),
            "kind",
        ),
    ]);
    all_refused(&authority, rows).await;
}

/// Checklist 54.
#[tokio::test]
async fn identities() {
    let authority = TestAuthority::start().await;
    let user = authority.user_claims();
    let mut rows = each(
        &user,
        "oid",
        "identity",
        &[json!(""), json!(null), json!(1), json!([USER]), json!("alice@contoso.test")],
    );
    rows.extend(each(&user, "sub", "identity", &[json!(""), json!(null), json!(1)]));
    rows.extend(each(&user, "azp", "identity", &[json!(""), json!(null), json!(1)]));
    rows.extend(each(&user, "name", "identity", &[json!(null), json!(["Alice"])]));
    rows.extend(each(&user, "preferred_username", "identity", &[json!({})]));
    rows.push(missing(&user, "oid", "identity"));
    rows.push(missing(&user, "sub", "identity"));
    rows.push(missing(&user, "azp", "identity"));
    rows.push(missing(&authority.app_claims(), "oid", "identity"));
    all_refused(&authority, rows).await;
}
