//! External ID, B2C, AD FS, OpenID Connect, national clouds: addresses, issuers and claims of each.

use serde_json::json;
use shared_auth::{ApiConfig, Caller, Cloud, EntraConfig, InstanceDiscovery, InstanceMetadata};
use wiremock::ResponseTemplate;

use super::{Provider, entra, id_token, refused, secret};
use crate::tokens::{API, KEY, OTHER_TENANT, TENANT, USER, WEB_APP, start};

const CONFIGURATION: &str = ".well-known/openid-configuration";
const EXTERNAL_ID: &str = "https://contoso.ciamlogin.com";
const B2C: &str = "https://contoso.b2clogin.com";

#[tokio::test]
async fn external_id_names_its_issuer_by_the_tenants_id() {
    let provider = Provider::at(EXTERNAL_ID).await;
    let client = provider.client(EntraConfig::ciam(EXTERNAL_ID.parse().unwrap(), API, secret()));
    let issuer = format!("https://{TENANT}.ciamlogin.com/{TENANT}/v2.0");
    provider.document(&format!("/contoso.onmicrosoft.com/v2.0/{CONFIGURATION}"), &issuer, "/t").await;

    let signed_in = provider.sign_in(&client, "/t", &id_token(&issuer, entra(TENANT))).await.unwrap();

    assert_eq!(signed_in.account.tenant_id, TENANT);
    assert_eq!(signed_in.account.home_account_id, format!("{USER}.{TENANT}"));
}

#[tokio::test]
async fn another_external_tenant_cannot_answer_for_ours() {
    let provider = Provider::at(EXTERNAL_ID).await;
    let client = provider.client(EntraConfig::ciam(EXTERNAL_ID.parse().unwrap(), API, secret()));
    let issuer = format!("https://evil.ciamlogin.com/{TENANT}/v2.0");
    provider.document(&format!("/contoso.onmicrosoft.com/v2.0/{CONFIGURATION}"), &issuer, "/t").await;

    let error = client.connect().await.unwrap_err().to_string();

    assert!(error.contains("it names the issuer https://evil.ciamlogin.com"), "{error}");
}

#[tokio::test]
async fn b2c_signs_in_by_policy_and_takes_the_user_from_sub() {
    for (host, prefix, issuer) in [
        (B2C.to_owned(), "", format!("{B2C}/{TENANT}/v2.0/")),
        (format!("{B2C}/tfp"), "/tfp", format!("{B2C}/tfp/{TENANT}/b2c_1_sign_in/v2.0/")),
    ] {
        let provider = Provider::at(B2C).await;
        let host = host.parse().unwrap();
        let config = EntraConfig::b2c(host, "contoso.onmicrosoft.com", "B2C_1_sign_in", API, secret());
        let client = provider.client(config);
        let document = format!("{prefix}/contoso.onmicrosoft.com/B2C_1_sign_in/v2.0/{CONFIGURATION}");
        provider.document(&document, &issuer, "/p").await;

        let claims = json!({"sub": USER, "tfp": "B2C_1_sign_in", "ver": "1.0"});
        let signed_in = provider.sign_in(&client, "/p", &id_token(&issuer, claims)).await.unwrap();

        assert_eq!(
            (signed_in.id_token.object_id.as_str(), signed_in.id_token.tenant_id.as_str()),
            (USER, TENANT)
        );
        client.acquire_token_silent(&signed_in.account, "User.Read").await.unwrap();
    }
}

#[tokio::test]
async fn with_b2c_a_sign_in_may_go_by_another_user_flow_and_its_account_keeps_to_it() {
    let provider = Provider::at(B2C).await;
    let config =
        EntraConfig::b2c(B2C.parse().unwrap(), "contoso.onmicrosoft.com", "B2C_1_sign_in", API, secret());
    let client = provider.client(config);
    let issuer = format!("{B2C}/{TENANT}/v2.0/");
    for (policy, base) in [("B2C_1_sign_in", "/in"), ("b2c_1_edit", "/edit")] {
        let document = format!("/contoso.onmicrosoft.com/{policy}/v2.0/{CONFIGURATION}");
        provider.document(&document, &issuer, base).await;
    }
    let of = |policy: &str| id_token(&issuer, json!({"sub": USER, "tfp": policy, "ver": "1.0"}));
    let redirect_uri = "http://localhost:3000/x".parse().unwrap();
    let edit = || client.initiate_auth_code_flow("User.Read", &redirect_uri).user_flow("B2C_1_edit");

    let signed_in = provider.sign_in(&client, "/in", &of("B2C_1_sign_in")).await.unwrap().account;
    let edited = provider.sign_in_by(edit(), &client, "/edit", &of("B2C_1_edit")).await.unwrap().account;
    // Renewed where each of them signed in, and from the cache afterwards.
    for account in [&edited, &signed_in] {
        client.acquire_token_silent(account, "User.Read").force_refresh().await.unwrap();
        client.acquire_token_silent(account, "User.Read").await.unwrap();
    }

    assert_eq!(edited.home_account_id, format!("{USER}-b2c_1_edit.{TENANT}"), "as B2C names it");
    assert_eq!(provider.token_paths().await, ["/in/token", "/edit/token", "/edit/token", "/in/token"]);
}

#[cfg(feature = "actix")]
#[actix_web::test]
async fn a_web_app_behind_b2c_has_a_path_for_each_user_flow() {
    use actix_web::{App, test};
    use shared_auth::Env;
    use shared_auth::actix::{SignInOptions, SignInRoutes};

    let provider = Provider::at(B2C).await;
    let config =
        EntraConfig::b2c(B2C.parse().unwrap(), "contoso.onmicrosoft.com", "B2C_1_sign_in", API, secret());
    let issuer = format!("{B2C}/{TENANT}/v2.0/");
    for (policy, base) in [("B2C_1_sign_in", "/in"), ("b2c_1_edit", "/edit")] {
        let document = format!("/contoso.onmicrosoft.com/{policy}/v2.0/{CONFIGURATION}");
        provider.document(&document, &issuer, base).await;
    }
    let mut env = Env::from_pairs([("SESSION_KEY", format!("{}==", "A".repeat(86)))]);
    let options = SignInOptions {
        public_url: "http://localhost:3000".parse().unwrap(),
        scopes: "openid".into(),
        session_key: env.read(|env| env.required("SESSION_KEY")).unwrap(),
        render_failure: |failure, _| failure.title.clone(),
    };
    let routes =
        SignInRoutes::new(provider.client(config), options).user_flow("/auth/edit-profile", "B2C_1_edit");
    let app = App::new().configure(|app| routes.routes(app)).wrap(routes.failures()).wrap(routes.sessions());
    let app = test::init_service(app).await;

    for (path, page) in
        [("/auth/sign-in", "/in/authorize"), ("/auth/edit-profile?return_to=/me", "/edit/authorize")]
    {
        let answer = test::call_service(&app, test::TestRequest::get().uri(path).to_request()).await;
        let location = answer.headers().get("location").unwrap().to_str().unwrap().to_owned();
        assert!(
            answer.status() == 303 && location.starts_with(&format!("{B2C}{page}?")),
            "{path}: {location}"
        );
    }
    let other = test::TestRequest::get().uri("/auth/reset-password").to_request();
    assert_eq!(test::call_service(&app, other).await.status(), 404);
}

#[tokio::test]
async fn an_answer_of_another_user_flow_than_the_one_that_was_chosen_signs_nobody_in() {
    let provider = Provider::at(B2C).await;
    let config =
        EntraConfig::b2c(B2C.parse().unwrap(), "contoso.onmicrosoft.com", "B2C_1_sign_in", API, secret());
    let client = provider.client(config);
    let issuer = format!("{B2C}/{TENANT}/v2.0/");
    let document = format!("/contoso.onmicrosoft.com/b2c_1_edit/v2.0/{CONFIGURATION}");
    provider.document(&document, &issuer, "/edit").await;
    let redirect_uri = "http://localhost:3000/x".parse().unwrap();
    let claims = id_token(&issuer, json!({"sub": USER, "tfp": "B2C_1_sign_in", "ver": "1.0"}));

    let edit = client.initiate_auth_code_flow("User.Read", &redirect_uri).user_flow("B2C_1_edit");
    let sentence = refused(provider.sign_in_by(edit, &client, "/edit", &claims).await);
    let nonsense =
        client.initiate_auth_code_flow("User.Read", &redirect_uri).user_flow("../B2C_1_edit").await;
    let entra = provider.client(EntraConfig::new(B2C.parse().unwrap(), TENANT, API, secret()));
    let elsewhere = entra.initiate_auth_code_flow("User.Read", &redirect_uri).user_flow("B2C_1_edit").await;

    assert!(sentence.contains("policy"), "{sentence}");
    assert!(nonsense.unwrap_err().to_string().contains("must be the name of a user flow"));
    assert!(elsewhere.unwrap_err().to_string().contains("this authority is not Azure AD B2C"));
}

#[tokio::test]
async fn a_token_of_another_b2c_policy_is_refused() {
    for claims in [json!({"tfp": "B2C_1_edit"}), json!({"acr": "b2c_1_edit"}), json!({}), json!({"tfp": 7})] {
        let provider = Provider::at(B2C).await;
        let config =
            EntraConfig::b2c(B2C.parse().unwrap(), "contoso.onmicrosoft.com", "B2C_1_sign_in", API, secret());
        let issuer = format!("{B2C}/{TENANT}/v2.0/");
        let document = format!("/contoso.onmicrosoft.com/B2C_1_sign_in/v2.0/{CONFIGURATION}");
        provider.document(&document, &issuer, "/p").await;

        let outcome =
            provider.sign_in(&provider.client(config), "/p", &id_token(&issuer, claims.clone())).await;

        let sentence = refused(outcome);
        assert!(
            sentence.contains("policy") || sentence.contains("\"acr\"") || sentence.contains("\"tfp\""),
            "{sentence}"
        );
    }
}

#[tokio::test]
async fn an_api_behind_b2c_knows_its_users() {
    let provider = Provider::at(B2C).await;
    let config =
        EntraConfig::b2c(B2C.parse().unwrap(), "contoso.onmicrosoft.com", "B2C_1_sign_in", API, secret());
    let issuer = format!("{B2C}/{TENANT}/v2.0/");
    let document = format!("/contoso.onmicrosoft.com/B2C_1_sign_in/v2.0/{CONFIGURATION}");
    provider.document(&document, &issuer, "/p").await;
    let validator = provider.client(config).access_token_validator(&ApiConfig::new(API));
    let claims = |policy: &str, issuer: &str| {
        let more = json!({"sub": USER, "tfp": policy, "ver": "1.0", "azp": WEB_APP, "scp": "access_as_user"});
        KEY.token(&id_token(issuer, more))
    };

    let Caller::User(user) = validator.validate(&claims("b2c_1_sign_in", &issuer)).await.unwrap() else {
        panic!("not a user")
    };

    assert_eq!((user.object_id.as_str(), user.tenant_id.as_str()), (USER, TENANT));
    assert!(validator.validate(&claims("B2C_1_edit", &issuer)).await.is_err(), "another policy");
    let entra = format!("{B2C}/{TENANT}/v2.0");
    assert!(validator.validate(&claims("B2C_1_sign_in", &entra)).await.is_err(), "another issuer");
}

#[tokio::test]
async fn ad_fs_has_no_tenants_and_its_users_are_subjects() {
    let host = "https://fs.contoso.test";
    let provider = Provider::at(host).await;
    let client = provider.client(EntraConfig::adfs(host.parse().unwrap(), API, secret()));
    let issuer = format!("{host}/adfs");
    provider.document(&format!("/adfs/{CONFIGURATION}"), &issuer, "/adfs/oauth2").await;

    let claims = id_token(&issuer, json!({"upn": "alice@contoso.test"}));
    let signed_in = provider.sign_in(&client, "/adfs/oauth2", &claims).await.unwrap();

    assert_eq!(signed_in.account.home_account_id, "subject");
    let elsewhere = client.acquire_token_silent(&signed_in.account, "User.Read").tenant("contoso.test").await;
    assert!(elsewhere.is_err(), "there are no tenants to choose from");
}

#[tokio::test]
async fn any_openid_connect_provider_can_sign_users_in_if_its_issuer_is_exactly_the_configured_one() {
    let issuer = "https://accounts.example/realms/x";
    for (named, good) in
        [(issuer, true), ("https://accounts.example/realms/y", false), ("https://accounts.example", false)]
    {
        let provider = Provider::at("https://accounts.example").await;
        let client = provider.client(EntraConfig::oidc(issuer.parse().unwrap(), API, secret()));
        provider.document(&format!("/realms/x/{CONFIGURATION}"), named, "/oauth").await;

        let outcome = provider.sign_in(&client, "/oauth", &id_token(named, json!({}))).await;

        assert_eq!(outcome.is_ok(), good, "{named}: {outcome:?}");
    }
}

/// Checklist 58.
#[tokio::test]
async fn id_tokens_of_other_issuers_audiences_and_ages_are_refused_by_every_kind() {
    let issuer = "https://accounts.example";
    for claims in [
        json!({"iss": "https://accounts.example/"}),
        json!({"aud": "someone else"}),
        json!({"aud": [API]}),
        json!({"exp": start().as_second() - 3_600}),
        json!({"sub": ""}),
        json!({}),
    ] {
        let provider = Provider::at(issuer).await;
        let client = provider.client(EntraConfig::oidc(issuer.parse().unwrap(), API, secret()));
        provider.document(&format!("/{CONFIGURATION}"), issuer, "/oauth").await;
        let outcome = provider.sign_in(&client, "/oauth", &id_token(issuer, claims.clone())).await;
        assert_eq!(outcome.is_ok(), claims == json!({}), "{claims}: {outcome:?}");
    }
}

#[tokio::test]
async fn microsofts_authorities_have_their_endpoints_at_home() {
    let provider = Provider::at("https://elsewhere.example").await;
    let host = "https://login.example";
    let client = provider.client(EntraConfig::new(host.parse().unwrap(), TENANT, API, secret()));
    let issuer = format!("{host}/{TENANT}/v2.0");
    provider.document(&format!("/{TENANT}/v2.0/{CONFIGURATION}"), &issuer, "/t").await;

    let error = client.connect().await.unwrap_err().to_string();

    assert!(error.contains("https://elsewhere.example/t/token, which is another host"), "{error}");
}

#[tokio::test]
async fn an_alias_is_the_same_authority_and_another_cloud_is_not() {
    for (host, good) in [("https://login.windows.net", true), (Cloud::China.authority_host(), false)] {
        let provider = Provider::at("https://login.microsoftonline.com").await;
        let client = provider.client(EntraConfig::new(host.parse().unwrap(), TENANT, API, secret()));
        let issuer = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
        provider.document(&format!("/{TENANT}/v2.0/{CONFIGURATION}"), &issuer, "/t").await;

        assert_eq!(client.connect().await.is_ok(), good, "{host}");
    }
}

/// Checklist 44.
#[tokio::test]
async fn v1_tokens_of_a_national_cloud_have_that_clouds_issuer() {
    let host = Cloud::China.authority_host();
    let provider = Provider::at(host).await;
    let client = provider.client(EntraConfig::new(host.parse().unwrap(), TENANT, API, secret()));
    let issuer = format!("{host}/{TENANT}/v2.0");
    provider.document(&format!("/{TENANT}/v2.0/{CONFIGURATION}"), &issuer, "/t").await;
    let validator = client.access_token_validator(&ApiConfig::new(API));
    let token = |issuer: String| {
        let more =
            json!({"tid": TENANT, "oid": USER, "ver": "1.0", "appid": WEB_APP, "scp": "access_as_user"});
        KEY.token(&id_token(&issuer, more))
    };

    validator.validate(&token(format!("https://sts.chinacloudapi.cn/{TENANT}/"))).await.unwrap();
    for other in [
        format!("https://sts.windows.net/{TENANT}/"),
        format!("https://sts.chinacloudapi.cn/{OTHER_TENANT}/"),
    ] {
        assert!(validator.validate(&token(other.clone())).await.is_err(), "{other}");
    }
}

#[tokio::test]
async fn a_known_cloud_is_asked_about_an_unknown_host_only_when_that_is_wanted() {
    let provider = Provider::at("https://login.example").await;
    let issuer = format!("https://login.example/{TENANT}/v2.0");
    provider.document(&format!("/{TENANT}/v2.0/{CONFIGURATION}"), &issuer, "/t").await;
    let lab = entra_lab::EntraLab::start().await.unwrap();
    let config = |discovery| EntraConfig {
        instance_discovery: discovery,
        ..EntraConfig::new("https://login.example".parse().unwrap(), TENANT, API, secret())
    };
    let at = |url: &str| InstanceDiscovery::Validate { at: url.parse().unwrap() };

    // Off, and asked of somebody who does not answer: the configured host is used.
    provider.client(config(InstanceDiscovery::Off)).connect().await.unwrap();
    provider.client(config(at("http://127.0.0.1:9"))).connect().await.unwrap();
    // Asked of somebody who knows that it is none.
    let error = provider.client(config(at(lab.url()))).connect().await.unwrap_err();

    assert_eq!(error.codes(), [50049]);
    assert!(lab.requests().iter().any(|request| request.path == "/common/discovery/instance"));
}

#[tokio::test]
async fn supplied_instance_metadata_is_a_list_of_trusted_hosts() {
    let provider = Provider::at("https://login.example").await;
    provider
        .get(
            &format!("/{TENANT}/v2.0/{CONFIGURATION}"),
            ResponseTemplate::new(200).set_body_json(json!({
                "issuer": format!("https://sts.example/{TENANT}/v2.0"),
                "authorization_endpoint": "https://sts.example/a", "token_endpoint": "https://sts.example/t",
                "jwks_uri": "https://sts.example/k",
            })),
        )
        .await;
    let metadata = r#"{"metadata": [{"preferred_network": "login.example", "preferred_cache": "login.example",
        "aliases": ["login.example", "sts.example"]}]}"#;
    let metadata = InstanceMetadata::from_json(metadata).unwrap();
    let config = |host: &str| EntraConfig {
        instance_discovery: InstanceDiscovery::Supplied(metadata.clone()),
        ..EntraConfig::new(host.parse().unwrap(), TENANT, API, secret())
    };

    provider.client(config("https://login.example")).connect().await.unwrap();
    let stranger =
        shared_auth::ConfidentialClient::new(config("https://login.stranger.example")).unwrap_err();

    assert!(stranger.to_string().contains("not among the hosts"), "{stranger}");
    for nonsense in ["", "[]", "{}", r#"{"metadata": []}"#, r#"{"metadata": [{"aliases": 7}]}"#] {
        assert!(InstanceMetadata::from_json(nonsense).is_err(), "{nonsense}");
    }
}
