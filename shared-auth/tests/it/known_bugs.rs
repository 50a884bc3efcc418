//! What other libraries are known to get wrong, each bug as a test that would find it here. The list with the others
//! stands in `docs/compared-with-msal.md`. Against a token endpoint that writes down what it is asked.

use std::future::IntoFuture;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared_auth::{
    Account, CacheRefreshReason, ClientCredential, ConfidentialClient, EntraConfig, ManualClock, TokenSource,
    UserAssertion,
};
use wiremock::matchers::{body_string_contains, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{DAEMON, GRAPH_DEFAULT, now};

const TENANT: &str = "10000000-0000-4000-8000-000000000001";
const OTHER_TENANT: &str = "20000000-0000-4000-8000-000000000002";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A token endpoint for every tenant, and a client of it.
struct Sts {
    server: MockServer,
    client: ConfidentialClient,
    clock: ManualClock,
}

impl Sts {
    async fn start() -> Self {
        let server = MockServer::start().await;
        let host = server.uri();
        for tenant in [TENANT, OTHER_TENANT] {
            let document = json!({
                "issuer": format!("{host}/{tenant}/v2.0"), "authorization_endpoint": format!("{host}/authorize"),
                "token_endpoint": format!("{host}/{tenant}/token"), "jwks_uri": format!("{host}/keys"),
            });
            let path = wiremock::matchers::path(format!("/{tenant}/v2.0/.well-known/openid-configuration"));
            let answer = ResponseTemplate::new(200).set_body_json(document);
            Mock::given(method("GET")).and(path).respond_with(answer).mount(&server).await;
        }
        let clock = ManualClock::at(now());
        let secret = ClientCredential::secret("s3cret");
        let config = EntraConfig::new(host.parse().unwrap(), TENANT, DAEMON, secret);
        let client = ConfidentialClient::builder(config).clock(Arc::new(clock.clone())).build().unwrap();
        Self { server, client, clock }
    }

    /// Requests whose body has `part` in it get this token, and what else belongs to an answer.
    async fn gives(&self, part: &str, token: &str, more: Value) {
        let mut body = json!({ "access_token": token, "token_type": "Bearer", "expires_in": 3 * 3600 });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let asked = Mock::given(method("POST")).and(body_string_contains(part));
        asked.respond_with(ResponseTemplate::new(200).set_body_json(body)).mount(&self.server).await;
    }

    /// The grants that were sent, in order.
    async fn grants(&self) -> Vec<String> {
        let all = self.server.received_requests().await.unwrap();
        let posts = all.iter().filter(|request| request.method == "POST");
        let grant = |body: &[u8]| {
            let mut fields = url::form_urlencoded::parse(body);
            fields.find(|(name, _)| name == "grant_type").unwrap().1.into_owned()
        };
        posts.map(|request| grant(&request.body)).collect()
    }

    async fn until_grants(&self, count: usize) -> Vec<String> {
        while self.grants().await.len() < count {
            tokio::task::yield_now().await;
        }
        self.grants().await
    }
}

fn assertion(text: &str) -> UserAssertion {
    UserAssertion::new(text, now() + SignedDuration::from_hours(12))
}

/// Alice with a refresh token, as another program left her.
fn alice(client: &ConfidentialClient) -> Account {
    let home = format!("alice.{TENANT}");
    let refresh_token = json!({ "RefreshToken": { "x": {
        "credential_type": "RefreshToken", "secret": "rt", "home_account_id": home, "environment": "127.0.0.1",
        "client_id": DAEMON,
    } } });
    client.import_msal_cache(refresh_token.to_string()).unwrap().accounts[0].clone()
}

fn client_info() -> String {
    URL_SAFE_NO_PAD.encode(json!({ "uid": "alice", "utid": TENANT }).to_string())
}

#[tokio::test]
async fn renewing_ahead_of_time_uses_the_grant_that_the_token_came_by_and_never_the_applications_own() {
    let sts = Sts::start().await;
    sts.gives("client_credentials", "the-applications", json!({})).await;
    sts.gives("jwt-bearer", "alices", json!({ "refresh_in": 600 })).await;
    sts.gives("refresh_token", "alices", json!({ "refresh_in": 600, "client_info": client_info() })).await;
    let (caller, account) = (assertion("a.b.c"), alice(&sts.client));
    // With `.default` the service would give the application a token where it gives the user one.
    sts.client.acquire_token_on_behalf_of(&caller, GRAPH_DEFAULT).await.unwrap();
    sts.client.acquire_token_silent(&account, GRAPH_DEFAULT).await.unwrap();

    sts.clock.advance(SignedDuration::from_secs(1_000));
    let on_behalf_of = sts.client.acquire_token_on_behalf_of(&caller, GRAPH_DEFAULT).await.unwrap();
    let mut grants = sts.until_grants(3).await;
    let silent = sts.client.acquire_token_silent(&account, GRAPH_DEFAULT).await.unwrap();
    grants.extend(sts.until_grants(4).await.split_off(3));

    for token in [on_behalf_of, silent] {
        assert_eq!(token.refresh_reason, CacheRefreshReason::ProactivelyRefreshed);
        assert_eq!(token.access_token.expose_secret(), "alices");
    }
    assert_eq!(grants, [JWT_BEARER, "refresh_token", JWT_BEARER, "refresh_token"]);
}

#[tokio::test]
async fn the_application_and_its_caller_never_get_each_others_token_for_the_same_scopes() {
    let sts = Sts::start().await;
    sts.gives("client_credentials", "the-applications", json!({})).await;
    sts.gives("jwt-bearer", "alices", json!({ "client_info": client_info() })).await;
    let caller = assertion("a.b.c");

    for source in [TokenSource::IdentityProvider, TokenSource::Cache] {
        let users = sts.client.acquire_token_on_behalf_of(&caller, GRAPH_DEFAULT).await.unwrap();
        let own = sts.client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
        assert_eq!((users.access_token.expose_secret(), users.source), ("alices", source));
        assert_eq!((own.access_token.expose_secret(), own.source), ("the-applications", source));
    }
}

#[tokio::test]
async fn force_refresh_and_a_challenge_go_past_the_cache_for_users_too() {
    let sts = Sts::start().await;
    sts.gives("", "alices", json!({ "client_info": client_info(), "refresh_token": "rt" })).await;
    let (caller, account) = (assertion("a.b.c"), alice(&sts.client));
    let claims = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
    let on_behalf_of = || sts.client.acquire_token_on_behalf_of(&caller, "User.Read");
    let silent = || sts.client.acquire_token_silent(&account, "User.Read");

    on_behalf_of().await.unwrap();
    silent().await.unwrap();
    for source in [
        on_behalf_of().force_refresh().await.unwrap().source,
        on_behalf_of().claims(claims).await.unwrap().source,
        silent().force_refresh().await.unwrap().source,
        silent().claims(claims).await.unwrap().source,
    ] {
        assert_eq!(source, TokenSource::IdentityProvider);
    }
    assert_eq!(on_behalf_of().await.unwrap().source, TokenSource::Cache);
    assert_eq!(silent().await.unwrap().source, TokenSource::Cache);

    // A challenge on behalf of a caller is answered with the assertion, and not with a token that was got before it.
    let [obo, rt] = [JWT_BEARER, "refresh_token"];
    assert_eq!(sts.grants().await, [obo, rt, obo, obo, rt, rt]);
}

#[tokio::test]
async fn another_tenant_on_behalf_of_a_caller_has_a_cache_of_its_own_that_is_used() {
    let sts = Sts::start().await;
    sts.gives("jwt-bearer", "t", json!({})).await;
    let caller = assertion("a.b.c");
    let ask = |tenant: Option<&'static str>| {
        let request = sts.client.acquire_token_on_behalf_of(&caller, "User.Read");
        match tenant {
            Some(tenant) => request.tenant(tenant).into_future(),
            None => request.into_future(),
        }
    };

    for source in [TokenSource::IdentityProvider, TokenSource::Cache] {
        for tenant in [None, Some(OTHER_TENANT)] {
            assert_eq!(ask(tenant).await.unwrap().source, source, "{tenant:?}");
        }
    }
}

#[tokio::test]
async fn a_refusal_is_asked_again_and_succeeds_as_soon_as_it_was_lifted() {
    let sts = Sts::start().await;
    let no = json!({ "error": "invalid_grant", "suberror": "consent_required", "error_codes": [65001] });
    let refusal = ResponseTemplate::new(400).set_body_json(no);
    Mock::given(method("POST")).respond_with(refusal).up_to_n_times(1).mount(&sts.server).await;
    sts.gives("jwt-bearer", "t", json!({})).await;
    let caller = assertion("a.b.c");

    let refused = sts.client.acquire_token_on_behalf_of(&caller, "User.Read").await.unwrap_err();
    let consented = sts.client.acquire_token_on_behalf_of(&caller, "User.Read").await;

    assert!(refused.is_interaction_required());
    assert_eq!(consented.unwrap().source, TokenSource::IdentityProvider, "the same caller, the same second");
}

#[tokio::test]
async fn an_answer_without_client_info_is_cached_for_its_caller_all_the_same() {
    let sts = Sts::start().await;
    sts.gives("client_info=1", "t", json!({})).await; // Asked for it is, always.
    let caller = assertion("a.b.c");

    let first = sts.client.acquire_token_on_behalf_of(&caller, "User.Read").await.unwrap();
    let second = sts.client.acquire_token_on_behalf_of(&caller, "User.Read").await.unwrap();

    assert_eq!((first.source, second.source), (TokenSource::IdentityProvider, TokenSource::Cache));
    assert!(first.home_account_id.is_none(), "nobody is made up");
}

#[tokio::test]
async fn the_order_and_the_case_of_scopes_make_no_other_request() {
    let sts = Sts::start().await;
    sts.gives("jwt-bearer", "t", json!({ "scope": "Mail.Read User.Read openid" })).await;
    let caller = assertion("a.b.c");

    let asked =
        ["User.Read Mail.Read", "Mail.Read User.Read", "mail.read USER.READ", "openid profile Mail.Read"];
    for scopes in asked {
        sts.client.acquire_token_on_behalf_of(&caller, scopes).await.unwrap();
    }

    assert_eq!(sts.grants().await.len(), 1);
}

#[tokio::test]
async fn a_resource_keeps_its_double_slash() {
    let sts = Sts::start().await;
    let (double, single) = ("https://api.contoso.test//.default", "https://api.contoso.test/.default");
    for (scope, token) in [(double, "double"), (single, "single")] {
        let mut field = url::form_urlencoded::Serializer::new(String::new());
        sts.gives(&field.append_pair("scope", scope).finish(), token, json!({})).await;
    }

    // Two resources to Entra, `https://api.contoso.test/` and the one without the slash: never one for the other.
    for source in [TokenSource::IdentityProvider, TokenSource::Cache] {
        for (scope, text) in [(double, "double"), (single, "single")] {
            let token = sts.client.acquire_token_for_client(scope).await.unwrap();
            assert_eq!((token.access_token.expose_secret(), token.source), (text, source));
        }
    }
}
