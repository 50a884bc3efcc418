//! Several tenants: sign-in for all of them, a list of those let in, and a tenant chosen for one request.

use std::future::ready;
use std::sync::{Arc, Mutex};

use entra_lab::EntraLab;
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared_auth::{
    ApiConfig, Caller, ConfidentialClient, ConfigError, EntraConfig, Env, Error, ManualClock,
    TenantOnboarding, TokenSource, UserAssertion,
};
use wiremock::matchers::{method, path};
use wiremock::{Mock, ResponseTemplate};

use super::{Provider, entra, id_token, refused, secret};
use crate::support::{GRAPH_DEFAULT, WEB_APP, registration, sign_in, token_requests};
use crate::tokens::{API, KEY, OTHER_TENANT, TENANT, USER, start};

const HOST: &str = "https://login.microsoftonline.com";
const CONSUMERS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

fn issuer(tenant: &str) -> String {
    format!("{HOST}/{tenant}/v2.0")
}

/// A provider for `tenant` (organizations, common, consumers or an id), and a client of it.
async fn provider(tenant: &str, document_issuer: &str, allowed: &[&str]) -> (Provider, ConfidentialClient) {
    let provider = Provider::at(HOST).await;
    add_tenant(&provider, tenant, document_issuer).await;
    let config = EntraConfig {
        allowed_tenants: allowed.iter().map(|&id| id.to_owned()).collect(),
        ..EntraConfig::new(HOST.parse().unwrap(), tenant, API, secret())
    };
    let client = provider.client(config);
    (provider, client)
}

async fn add_tenant(provider: &Provider, tenant: &str, document_issuer: &str) {
    let document = format!("/{tenant}/v2.0/.well-known/openid-configuration");
    provider.document(&document, document_issuer, &format!("/{tenant}")).await;
}

#[tokio::test]
async fn with_organizations_a_user_of_any_tenant_signs_in_and_gets_tokens_from_their_own() {
    let (provider, client) = provider("organizations", &issuer("{tenantid}"), &[]).await;
    add_tenant(&provider, OTHER_TENANT, &issuer(OTHER_TENANT)).await;
    provider.tokens(&format!("/{OTHER_TENANT}"), json!({})).await;

    let claims = id_token(&issuer(OTHER_TENANT), entra(OTHER_TENANT));
    let signed_in = provider.sign_in(&client, "/organizations", &claims).await.unwrap();
    let cached = client.acquire_token_silent(&signed_in.account, "User.Read").await.unwrap();
    let refreshed = client.acquire_token_silent(&signed_in.account, "Mail.Read").await.unwrap();

    assert_eq!(signed_in.account.tenant_id, OTHER_TENANT);
    assert_eq!((cached.source, refreshed.source), (TokenSource::Cache, TokenSource::IdentityProvider));
    assert_eq!(
        provider.token_paths().await,
        ["/organizations/token".to_owned(), format!("/{OTHER_TENANT}/token")],
        "the code where it was issued, the refresh token at the user's tenant"
    );
}

/// Checklist 58.
#[tokio::test]
async fn the_tenant_of_an_id_token_must_be_let_in_and_must_be_the_one_in_its_issuer() {
    let cases: [(&str, &[&str], Value, Option<&str>); 8] = [
        ("organizations", &[], id_token(&issuer(TENANT), entra(TENANT)), None),
        ("organizations", &[TENANT], id_token(&issuer(TENANT), entra(TENANT)), None),
        (
            "organizations",
            &[TENANT],
            id_token(&issuer(OTHER_TENANT), entra(OTHER_TENANT)),
            Some("a tenant on the list"),
        ),
        ("organizations", &[], id_token(&issuer(TENANT), entra(OTHER_TENANT)), Some("issuer")),
        ("organizations", &[], id_token(&issuer("{tenantid}"), entra(TENANT)), Some("issuer")),
        ("organizations", &[], id_token(&issuer(TENANT), json!({"oid": USER, "ver": "2.0"})), Some("tid")),
        ("organizations", &[], id_token(&issuer(CONSUMERS), entra(CONSUMERS)), Some("personal accounts")),
        ("common", &[], id_token(&issuer(CONSUMERS), entra(CONSUMERS)), None),
    ];
    for (tenant, allowed, claims, problem) in cases {
        let (provider, client) = provider(tenant, &issuer("{tenantid}"), allowed).await;

        let outcome = provider.sign_in(&client, &format!("/{tenant}"), &claims).await;

        match problem {
            None => assert!(outcome.is_ok(), "{claims}: {outcome:?}"),
            Some(part) => {
                let sentence = refused(outcome);
                assert!(sentence.contains(part), "{claims}: {sentence}");
            }
        }
    }
}

/// Checklist 25.
#[tokio::test]
async fn a_key_for_personal_accounts_does_not_sign_for_an_organisation() {
    let (provider, client) = provider("common", &issuer("{tenantid}"), &[]).await;
    let mut personal = KEY.jwk();
    personal["issuer"] = issuer(CONSUMERS).into();
    provider.server.reset().await;
    provider.get("/common/keys", crate::tokens::key_set(&[personal])).await;
    let document = json!({
        "issuer": issuer("{tenantid}"), "jwks_uri": format!("{HOST}/common/keys"),
        "authorization_endpoint": format!("{HOST}/common/authorize"), "token_endpoint": format!("{HOST}/common/token"),
    });
    let answer = ResponseTemplate::new(200).set_body_json(document);
    provider.get("/common/v2.0/.well-known/openid-configuration", answer).await;

    let outcome = provider.sign_in(&client, "/common", &id_token(&issuer(TENANT), entra(TENANT))).await;

    assert!(refused(outcome).contains("a key that is published for the issuer"));
}

/// Checklist 43.
#[tokio::test]
async fn consumers_is_one_tenant() {
    let (provider, client) = provider("consumers", &issuer(CONSUMERS), &[]).await;

    let outcome = provider.sign_in(&client, "/consumers", &id_token(&issuer(TENANT), entra(TENANT))).await;

    assert!(refused(outcome).contains("issuer"));
}

/// Checklist 45.
#[tokio::test]
async fn a_template_does_not_widen_one_tenant_to_all() {
    let (_provider, client) = provider(TENANT, &issuer("{tenantid}"), &[]).await;

    let error = client.connect().await.unwrap_err().to_string();

    assert!(error.contains("issuer"), "{error}");
}

/// An access token that names one tenant in its issuer and one for itself.
fn access_token(issuer_tenant: &str, tenant: &str) -> String {
    let mut claims = id_token(&issuer(issuer_tenant), entra(tenant));
    claims["azp"] = WEB_APP.into();
    claims["scp"] = "access_as_user".into();
    KEY.token(&claims)
}

/// Checklist 45.
#[tokio::test]
async fn a_tenant_that_is_on_no_list_gets_in_if_the_program_says_so_and_while_it_does() {
    let provider = Provider::at(HOST).await;
    add_tenant(&provider, "organizations", &issuer("{tenantid}")).await;
    let config = EntraConfig {
        allowed_tenants: vec![TENANT.to_owned()],
        ..EntraConfig::new(HOST.parse().unwrap(), "organizations", API, secret())
    };
    let asked = Arc::new(Mutex::new((Vec::new(), Some(true))));
    let program = Arc::clone(&asked);
    let onboarding = TenantOnboarding::new(move |tenant| {
        let mut asked = program.lock().unwrap();
        asked.0.push(tenant);
        ready(asked.1.ok_or_else(|| ConfigError::new("customers", "cannot be asked").into()))
    });
    let clock = ManualClock::at(start());
    let builder = ConfidentialClient::builder(provider.config(config)).clock(Arc::new(clock.clone()));
    let client = builder.tenant_onboarding(onboarding).build().unwrap();
    let validator = client.access_token_validator(&ApiConfig::new(API));
    let times = || asked.lock().unwrap().0.len();
    let refused = |outcome: Result<Caller, Error>| match outcome {
        Err(Error::InvalidToken(rejection)) => rejection.check.name(),
        other => panic!("expected a refusal, found {other:?}"),
    };

    validator.validate(&access_token(TENANT, TENANT)).await.unwrap();
    assert_eq!(times(), 0, "on the list");
    assert_eq!(refused(validator.validate(&access_token(TENANT, OTHER_TENANT)).await), "issuer");

    let newcomer = access_token(OTHER_TENANT, OTHER_TENANT);
    for _ in 0..3 {
        validator.validate(&newcomer).await.unwrap();
    }
    assert_eq!(asked.lock().unwrap().0, [OTHER_TENANT], "asked once");

    // The tenant leaves: a token that is remembered does not outlive the answer.
    asked.lock().unwrap().1 = Some(false);
    clock.advance(SignedDuration::from_mins(5));
    assert_eq!(refused(validator.validate(&newcomer).await), "tenant");
    assert_eq!(refused(validator.validate(&newcomer).await), "tenant");
    assert_eq!(times(), 2);

    // Nobody can say: that is no refusal, and nothing is remembered of it.
    asked.lock().unwrap().1 = None;
    clock.advance(SignedDuration::from_mins(1));
    assert!(matches!(validator.validate(&newcomer).await, Err(Error::Config(_))));
    asked.lock().unwrap().1 = Some(true);
    validator.validate(&newcomer).await.unwrap();

    // Personal accounts were not asked for, whatever the program says.
    assert_eq!(refused(validator.validate(&access_token(CONSUMERS, CONSUMERS)).await), "tenant");
    assert_eq!(times(), 4);
}

#[tokio::test]
async fn the_address_for_an_administrators_consent_names_the_application_and_leads_back() {
    let lab = EntraLab::start().await.unwrap();
    let client = ConfidentialClient::new(registration(&lab, WEB_APP)).unwrap();
    let back = "http://localhost:3000/signin-oidc".parse().unwrap();
    let ask = |scopes: &str| client.admin_consent_url(scopes, &back, "a state & more").unwrap();

    for (url, path) in [(ask(""), "adminconsent"), (ask("User.Read"), "v2.0/adminconsent")] {
        assert_eq!(url.path(), format!("/{}/{path}", lab.tenant_id()));
        let page = reqwest::get(url.clone()).await.unwrap();
        assert_eq!(page.status(), 200, "{url}");
        let page = page.text().await.unwrap();
        assert!(page.contains("web-app") && page.contains("a state &#38; more"), "{page}");
    }
    let elsewhere = ConfidentialClient::new(EntraConfig::adfs(HOST.parse().unwrap(), API, secret())).unwrap();
    assert!(elsewhere.admin_consent_url("", &back, "s").is_err());
}

#[test]
fn the_list_of_tenants_comes_from_the_environment_and_only_where_there_are_several() {
    let read = |tenant: &str, list: &str| {
        let settings = [
            ("AZURE_TENANT_ID", tenant),
            ("AZURE_CLIENT_ID", API),
            ("AZURE_CLIENT_SECRET", "s3cret"),
            ("ALLOWED_TENANTS", list),
        ];
        Env::from_pairs(settings)
            .read(EntraConfig::from_env_with_tenants)
            .map(|config| config.allowed_tenants)
    };
    let shouted = OTHER_TENANT.to_uppercase();

    assert_eq!(
        read("organizations", &format!("{TENANT}, {shouted}")),
        Ok(vec![TENANT.to_owned(), OTHER_TENANT.to_owned()])
    );
    assert_eq!(read(TENANT, ""), Ok(Vec::new()));
    for (tenant, list, reason) in [
        (TENANT, OTHER_TENANT, "is for an authority of several tenants"),
        ("organizations", "contoso.onmicrosoft.com", "must be ids of tenants"),
        ("organizations", ",", "must be ids of tenants"),
    ] {
        let error = read(tenant, list).unwrap_err().to_string();
        assert!(error.contains("ALLOWED_TENANTS") && error.contains(reason), "{error}");
    }
}

/// Checklist 45.
#[tokio::test]
async fn an_api_for_several_tenants_lets_in_those_of_its_list() {
    let (_provider, client) = provider("organizations", &issuer("{tenantid}"), &[TENANT]).await;
    let validator = client.access_token_validator(&ApiConfig::new(API));
    let token = access_token;

    let Caller::User(user) = validator.validate(&token(TENANT, TENANT)).await.unwrap() else {
        panic!("not a user")
    };

    assert_eq!(user.tenant_id, TENANT);
    for (issuer_tenant, tenant) in
        [(OTHER_TENANT, OTHER_TENANT), (OTHER_TENANT, TENANT), (TENANT, OTHER_TENANT)]
    {
        let outcome = validator.validate(&token(issuer_tenant, tenant)).await;
        assert!(matches!(outcome, Err(Error::InvalidToken(_))), "{issuer_tenant} {tenant}: {outcome:?}");
    }
}

#[tokio::test]
async fn on_behalf_of_happens_at_the_tenant_of_the_user() {
    let (provider, client) = provider("organizations", &issuer("{tenantid}"), &[]).await;
    add_tenant(&provider, OTHER_TENANT, &issuer(OTHER_TENANT)).await;
    provider.tokens(&format!("/{OTHER_TENANT}"), json!({})).await;
    let mut claims = id_token(&issuer(OTHER_TENANT), entra(OTHER_TENANT));
    claims["scp"] = "access_as_user".into();
    let assertion = UserAssertion::new(KEY.token(&claims), start() + jiff::SignedDuration::from_hours(1));

    client.acquire_token_on_behalf_of(&assertion, "User.Read").await.unwrap();
    let elsewhere =
        client.acquire_token_on_behalf_of(&assertion, "User.Read").tenant(TENANT).await.unwrap_err();

    assert_eq!(provider.token_paths().await, [format!("/{OTHER_TENANT}/token")]);
    assert!(elsewhere.to_string().contains("AADSTS7000012"), "{elsewhere}");
}

/// Checklist 54.
#[tokio::test]
async fn tokens_of_two_tenants_never_meet_and_each_document_is_fetched_once() {
    let (provider, client) = provider("common", &issuer("{tenantid}"), &[]).await;
    for tenant in [TENANT, OTHER_TENANT] {
        add_tenant(&provider, tenant, &issuer(tenant)).await;
        let token = json!({"access_token": format!("token-of-{tenant}")});
        provider.tokens(&format!("/{tenant}"), token).await;
    }

    for round in 0..2 {
        for tenant in [TENANT, OTHER_TENANT] {
            let spelled = if round == 0 { tenant.to_owned() } else { tenant.to_uppercase() };
            let token = client.acquire_token_for_client(GRAPH_DEFAULT).tenant(spelled).await.unwrap();
            assert_eq!(token.access_token.expose_secret(), format!("token-of-{tenant}"));
            assert_eq!(token.source == TokenSource::Cache, round == 1);
        }
    }

    let all = provider.server.received_requests().await.unwrap();
    let documents = all.iter().filter(|request| request.url.path().contains(".well-known")).count();
    assert_eq!((documents, provider.token_paths().await.len()), (2, 2));
}

#[tokio::test]
async fn a_tenant_that_is_none_is_refused_before_the_network() {
    let (provider, client) = provider(TENANT, &issuer(TENANT), &[]).await;

    for tenant in ["", "a/b", "common", "..", "../x", "a b"] {
        let error = client.acquire_token_for_client(GRAPH_DEFAULT).tenant(tenant).await.unwrap_err();
        assert!(matches!(error, Error::Config(_)), "{tenant}: {error}");
    }
    assert!(provider.server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_guest_gets_tokens_of_another_tenant_with_the_refresh_token_of_the_sign_in() {
    let (provider, client) = provider(TENANT, &issuer(TENANT), &[]).await;
    add_tenant(&provider, OTHER_TENANT, &issuer(OTHER_TENANT)).await;
    Mock::given(method("POST"))
        .and(path(format!("/{OTHER_TENANT}/token")))
        .respond_with(ResponseTemplate::new(200).set_body_json(
            json!({"token_type": "Bearer", "expires_in": 3599, "access_token": "of-the-other-tenant"}),
        ))
        .mount(&provider.server)
        .await;
    let claims = id_token(&issuer(TENANT), entra(TENANT));
    let account = provider.sign_in(&client, &format!("/{TENANT}"), &claims).await.unwrap().account;

    for source in [TokenSource::IdentityProvider, TokenSource::Cache] {
        let there = client.acquire_token_silent(&account, "User.Read").tenant(OTHER_TENANT).await.unwrap();
        assert_eq!((there.access_token.expose_secret(), there.source), ("of-the-other-tenant", source));
    }
    let home = client.acquire_token_silent(&account, "User.Read").await.unwrap();
    assert_eq!(home.access_token.expose_secret(), "opaque", "the own tenant's is untouched");
}

#[tokio::test]
async fn in_the_lab_a_user_signs_in_through_organizations() {
    let seed = include_str!("../../../../entra-lab/seed.toml");
    let id = format!("\nid = \"{WEB_APP}\"\n");
    assert!(seed.contains(&id));
    let seed = seed.replacen(&id, &format!("{id}multi_tenant = true\n"), 1);
    let lab = EntraLab::builder().seed_toml(&seed).start().await.unwrap();
    let mut config = registration(&lab, WEB_APP);
    config.tenant_id = "organizations".to_owned();
    let client = ConfidentialClient::new(config).unwrap();

    let signed_in = sign_in(&client, "alice", "User.Read").await;
    client.acquire_token_silent(&signed_in.account, "User.Read").force_refresh().await.unwrap();

    assert_eq!(signed_in.account.tenant_id, lab.tenant_id().to_string());
    assert_eq!(token_requests(&lab, "refresh_token"), 1);
}

#[tokio::test]
async fn a_long_running_process_goes_on_in_the_tenant_of_its_user() {
    let (provider, client) = provider("organizations", &issuer("{tenantid}"), &[]).await;
    add_tenant(&provider, OTHER_TENANT, &issuer(OTHER_TENANT)).await;
    provider.tokens(&format!("/{OTHER_TENANT}"), json!({"refresh_token": "r"})).await;
    let mut claims = id_token(&issuer(OTHER_TENANT), entra(OTHER_TENANT));
    claims["scp"] = "access_as_user".into();
    let assertion = UserAssertion::new(KEY.token(&claims), start() + jiff::SignedDuration::from_hours(1));

    let (_, key) = client.initiate_long_running_on_behalf_of(&assertion, "User.Read").await.unwrap();
    client.acquire_token_in_long_running_process(&key, "Mail.Read").await.unwrap();
    let elsewhere = client.acquire_token_in_long_running_process(&key, "User.Read").tenant(TENANT).await;

    assert_eq!(provider.token_paths().await, vec![format!("/{OTHER_TENANT}/token"); 2]);
    assert!(matches!(elsewhere, Err(Error::Config(_))), "{elsewhere:?}");
}
