//! The Error Lab as the API's callers meet it: what Entra refuses in the exchange, and tokens that are not what they
//! should be, told by status, class and challenge. The switches are those of `docs/parity.md`.

use entra_lab::{Fault, PolicyChange, Target, What};
use reqwest::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::api::{Api, OURS};

const GRAPH: &str = "https://graph.microsoft.com";

/// What a caller with this token is told: status, class, and the words of the challenge that programs look at.
async fn told(api: &Api, path: &str, token: &str) -> String {
    let answer = api.get(path).bearer_auth(token).send().await.unwrap();
    let header = |name| answer.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    let (status, challenge, wait) = (answer.status().as_u16(), header(WWW_AUTHENTICATE), header(RETRY_AFTER));
    let body: Value = answer.json().await.unwrap();
    let mut told = format!("{status} {}", body["error"].as_str().unwrap_or("-"));
    for word in ["insufficient_claims", "invalid_token", "insufficient_scope", "claims=\"ey", "consent"] {
        if challenge.contains(word) {
            told += &format!(" {}", word.trim_end_matches("=\"ey"));
        }
    }
    if !wait.is_empty() {
        told += &format!(" Retry-After {wait}");
    }
    assert!(!format!("{body}{challenge}").contains(token), "the token is repeated");
    told
}

fn on_graph() -> (Option<String>, Option<String>, Option<String>) {
    (None, None, Some("Microsoft Graph".into()))
}

/// Checklist 129 to 131.
#[tokio::test(flavor = "multi_thread")]
async fn what_entra_refuses_in_the_exchange_reaches_the_caller_as_what_it_is() {
    let api = Api::start().await;
    let (user, client, resource) = on_graph();
    let mfa = PolicyChange::RequireMfa { user, client, resource };
    let (user, client, resource) = on_graph();
    let block = PolicyChange::Block { user, client, resource };
    let (user, client, resource) = on_graph();
    let device = PolicyChange::RequireCompliantDevice { user, client, resource };
    let (user, client, resource) = on_graph();
    let frequency = PolicyChange::SignInFrequency { seconds: 60, user, client, resource };
    let withdrawn = PolicyChange::WithdrawConsent {
        client: "web-api-obo".into(),
        resource: "Microsoft Graph".into(),
        scopes: None,
        user: None,
    };
    let revoked = PolicyChange::RevokeSessions { user: "alice@contoso.test".into() };
    let unassigned = PolicyChange::AssignmentRequired { app: "Microsoft Graph".into(), on: true };
    let loops = PolicyChange::LoopLimit { requests: Some(0) };
    let expired = PolicyChange::SecretExpired { app: "web-api-obo".into(), on: true };
    let mut seen = Vec::new();
    for (situation, change) in [
        ("1 a second factor", mfa),
        ("2 blocked", block),
        ("2 no managed device", device),
        ("3 consent withdrawn", withdrawn),
        ("9 sessions revoked", revoked),
        ("10 sign-in frequency", frequency),
        ("12 secret expired", expired),
        ("15 not assigned", unassigned),
        ("19 no cache", loops),
    ] {
        api.lab.reset();
        let token = api.user_token("alice").await;
        api.lab.policy(change).unwrap();
        if situation.starts_with("10 ") {
            let clock = api.http.post(format!("{}/lab/clock", api.lab.url()));
            clock.json(&json!({ "advance_seconds": 61 })).send().await.unwrap();
        }
        seen.push(format!("{situation}: {}", told(&api, "/api/profile", &token).await));
    }
    api.lab.reset();
    let token = api.user_token("bob").await;
    api.lab.fault(Fault::new(Target::Token, What::Status { status: 429, retry_after: Some(7) }));
    seen.push(format!("21 throttled: {}", told(&api, "/api/profile", &token).await));

    assert_eq!(
        seen,
        [
            "1 a second factor: 401 insufficient_claims insufficient_claims claims",
            "2 blocked: 401 interaction_required",
            "2 no managed device: 401 interaction_required",
            "3 consent withdrawn: 403 consent_required consent",
            "9 sessions revoked: 401 interaction_required",
            "10 sign-in frequency: 401 interaction_required",
            "12 secret expired: 502 upstream_refused",
            "15 not assigned: 401 interaction_required",
            "19 no cache: 503 upstream_unavailable Retry-After 60",
            "21 throttled: 503 upstream_unavailable Retry-After 7",
        ]
    );
}

/// How often this API asked for a token on behalf of somebody.
fn exchanges(api: &Api) -> usize {
    let is_api = |id: String| id == OURS.trim_start_matches("api://");
    let requests = api.lab.requests();
    let of_api = requests.iter().filter(|request| request.client_id.is_some_and(|id| is_api(id.to_string())));
    of_api.count()
}

/// Checklist 132.
#[tokio::test(flavor = "multi_thread")]
async fn while_entra_is_in_trouble_few_tries_are_made_and_whoever_has_a_token_is_served() {
    let api = Api::start().await;
    let (alice, bob) = (api.user_token("alice").await, api.user_token("bob").await);
    assert_eq!(told(&api, "/api/profile", &alice).await, "200 -");
    let before = exchanges(&api);

    api.lab.fault(Fault::new(Target::Token, What::Status { status: 503, retry_after: None }));

    let for_bob = told(&api, "/api/profile", &bob).await;
    assert_eq!(for_bob, "503 upstream_unavailable Retry-After 5");
    assert!((1..=2).contains(&(exchanges(&api) - before)), "{} tries", exchanges(&api) - before);
    assert_eq!(told(&api, "/api/profile", &alice).await, "200 -");
    api.lab.clear_faults();
    assert_eq!(told(&api, "/api/profile", &bob).await, "200 -");
}

/// Checklist 133, 134.
#[tokio::test(flavor = "multi_thread")]
async fn what_graph_wants_to_see_is_asked_for_once_and_then_passed_on() {
    // {"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}
    let claims = "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwidmFsdWUiOiIxNzAwMDAwMDAwIn19fQ";
    let challenge = format!("Bearer realm=\"\", error=\"insufficient_claims\", claims=\"{claims}\"");
    let passed_on = "401 insufficient_claims insufficient_claims claims";
    // What Graph says and how often; what the caller is told; how often Graph and Entra are asked.
    let rows = [
        (challenge.as_str(), 1, "200 -", 2, 2),
        (challenge.as_str(), 9, passed_on, 2, 2),
        ("Bearer", 9, "502 downstream_failed", 1, 1),
    ];
    for (says, times, expected, calls, asked) in rows {
        let graph = MockServer::start().await;
        let me = json!({"id": "x", "displayName": "Alice Kim", "userPrincipalName": "alice@contoso.test"});
        Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_json(me)).mount(&graph).await;
        let no = ResponseTemplate::new(401).insert_header("www-authenticate", says);
        Mock::given(any()).respond_with(no).up_to_n_times(times).with_priority(1).mount(&graph).await;
        let api = Api::start_with(&[("GRAPH_BASE_URL", &graph.uri())]).await;
        let alice = api.user_token("alice").await;

        assert_eq!(told(&api, "/api/profile", &alice).await, expected);

        assert_eq!(graph.received_requests().await.unwrap().len(), calls, "{expected}");
        assert_eq!(exchanges(&api), asked, "{expected}");
    }
}

/// Checklist 52.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_not_what_they_should_be_are_refused_before_entra_is_asked() {
    let api = Api::start().await;
    let good = api.user_token("alice").await;
    let forged = async |change: &str| {
        let order = json!({ "token": good, "change": change });
        let answer = api.http.post(format!("{}/lab/forge", api.lab.url())).json(&order).send().await.unwrap();
        answer.json::<Value>().await.unwrap()["token"].as_str().unwrap().to_owned()
    };
    let mut tokens =
        vec![("6 Graph's", api.app_token(GRAPH).await), ("8 a service's", api.app_token(OURS).await)];
    for change in ["expired", "not_yet_valid", "bad_signature", "unsigned", "wrong_key", "other_tenant"] {
        tokens.push((change, forged(change).await));
    }
    let asked = |api: &Api| api.lab.requests().iter().filter(|r| r.grant.is_some()).count();
    let before = asked(&api);
    let mut seen = Vec::new();
    for (kind, token) in &tokens {
        seen.push(format!("{kind}: {}", told(&api, "/api/profile", token).await));
    }
    assert_eq!(asked(&api), before, "Entra was asked");
    assert_eq!(told(&api, "/api/profile", &good).await, "200 -");

    assert_eq!(
        seen,
        [
            "6 Graph's: 401 invalid_token invalid_token",
            "8 a service's: 403 insufficient_scope insufficient_scope",
            "expired: 401 invalid_token invalid_token",
            "not_yet_valid: 401 invalid_token invalid_token",
            "bad_signature: 401 invalid_token invalid_token",
            "unsigned: 401 invalid_token invalid_token",
            "wrong_key: 401 invalid_token invalid_token",
            "other_tenant: 401 invalid_token invalid_token",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_in_two_hundred_and_fifty_groups_is_served_as_everybody() {
    let api = Api::start().await;
    api.lab.policy(PolicyChange::GroupClaims { app: "web-api-obo".into(), on: true }).unwrap();
    let many = PolicyChange::GroupMembership { user: "alice@contoso.test".into(), count: 250 };
    api.lab.policy(many).unwrap();
    assert_eq!(told(&api, "/api/profile", &api.user_token("alice").await).await, "200 -");
}
