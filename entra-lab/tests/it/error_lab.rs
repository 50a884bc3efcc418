//! The Error Lab: twenty-five situations that an application meets, each produced by its switch and seen on the wire.
//!
//! `docs/parity.md` shows the same table, with what the library and the samples make of each. Four of them happen
//! behind the lab, in caches; they belong to the library, and the table names the test there.

use entra_lab::EntraLab;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::{
    self, ALICE, API, API_SCOPE, App, Browser, DAEMON, GRAPH, Json, OBO, PASSWORD, TENANT, TOOL, WEB_APP,
    authorize_url, form, lab, token, token_at, tokens,
};

/// What is asked once the switch is on.
#[derive(Debug, Clone, Copy)]
enum Ask {
    /// The API exchanges its caller's token.
    OnBehalfOf,
    /// The same with another token: that of Graph, the ID token, that of a service.
    Exchange(&'static str),
    Refresh,
    /// A service asks for a token for this resource.
    Service(&'static str),
    SecretOf(&'static str),
    ForeignCertificate,
    Tenant(&'static str),
    Client(&'static str),
    /// The browser goes to the sign-in page with this scope or this redirect URI.
    SignIn {
        scope: &'static str,
        redirect: &'static str,
    },
    /// Graph is shown the token that was issued before the switch.
    Graph,
    /// Graph is shown that token after this was done to it.
    Forged(&'static str),
    /// What stands in a new token for the API.
    Claims(&'static [&'static str]),
    /// Not the lab's: the test that shows it, and its file.
    Library(&'static str, &'static str),
}

struct Row {
    number: u8,
    situation: &'static str,
    /// Control and JSON; several are thrown one after the other.
    switches: &'static [(&'static str, &'static str)],
    ask: Ask,
    /// Status, `error`, AADSTS code, `suberror`, and `claims` where there is a challenge.
    wire: &'static str,
}

const GRAPH_DEFAULT: &str = "https://graph.microsoft.com/.default";
const API_DEFAULT: &str = "api://c0ffee00-0000-4000-8000-000000004000/.default";
const NO_SWITCH: &[(&str, &str)] = &[];
const SIGN_IN: &str = "http://localhost:3000/signin-oidc";

#[rustfmt::skip]
const TABLE: &[Row] = &[
    Row { number: 1, situation: "A second factor is required on Graph", switches: &[("policy", r#"{"kind":"require_mfa","resource":"Microsoft Graph"}"#)], ask: Ask::OnBehalfOf, wire: "400 invalid_grant 50076 basic_action claims" },
    Row { number: 2, situation: "Blocked by policy", switches: &[("policy", r#"{"kind":"block","resource":"Microsoft Graph"}"#)], ask: Ask::OnBehalfOf, wire: "400 invalid_grant 53003 message_only" },
    Row { number: 3, situation: "Consent of the middle tier is revoked", switches: &[("policy", r#"{"kind":"withdraw_consent","client":"web-api-obo","resource":"Microsoft Graph"}"#)], ask: Ask::OnBehalfOf, wire: "400 invalid_grant 65001 consent_required" },
    Row { number: 4, situation: "An administrator has to consent", switches: NO_SWITCH, ask: Ask::SignIn { scope: "User.Read.All", redirect: SIGN_IN }, wire: "302 access_denied 90094" },
    Row { number: 5, situation: "The caller's token has expired", switches: &[("clock", r#"{"advance_seconds":7200}"#)], ask: Ask::OnBehalfOf, wire: "400 invalid_grant 500133" },
    Row { number: 6, situation: "A token for Graph is sent to the API", switches: NO_SWITCH, ask: Ask::Exchange("graph"), wire: "400 invalid_grant 500131" },
    Row { number: 7, situation: "The ID token is exchanged", switches: NO_SWITCH, ask: Ask::Exchange("id"), wire: "400 invalid_grant 240002" },
    Row { number: 8, situation: "A service's token is exchanged", switches: NO_SWITCH, ask: Ask::Exchange("service"), wire: "400 invalid_grant 7000114" },
    Row { number: 9, situation: "Sessions are revoked: refresh", switches: &[("policy", r#"{"kind":"revoke_sessions","user":"alice@contoso.test"}"#)], ask: Ask::Refresh, wire: "400 invalid_grant 50173" },
    Row { number: 9, situation: "Sessions are revoked: Graph, for a capable client", switches: &[("policy", r#"{"kind":"revoke_sessions","user":"alice@contoso.test"}"#)], ask: Ask::Graph, wire: "401 InvalidAuthenticationToken insufficient_claims" },
    Row { number: 10, situation: "Sign-in frequency", switches: &[("policy", r#"{"kind":"sign_in_frequency","seconds":60}"#), ("clock", r#"{"advance_seconds":61}"#)], ask: Ask::Refresh, wire: "400 invalid_grant 70043" },
    Row { number: 11, situation: "A refresh token lay idle for 90 days", switches: &[("clock", r#"{"advance_seconds":7776001}"#)], ask: Ask::Refresh, wire: "400 invalid_grant 700082 bad_token" },
    Row { number: 12, situation: "The secret is wrong", switches: NO_SWITCH, ask: Ask::SecretOf("not the secret"), wire: "401 invalid_client 7000215" },
    Row { number: 12, situation: "The secret has expired", switches: &[("policy", r#"{"kind":"secret_expired","app":"daemon-app","on":true}"#)], ask: Ask::Service(GRAPH_DEFAULT), wire: "401 invalid_client 7000222" },
    Row { number: 12, situation: "The certificate is another's", switches: NO_SWITCH, ask: Ask::ForeignCertificate, wire: "401 invalid_client 700027" },
    Row { number: 13, situation: "The tenant does not exist", switches: NO_SWITCH, ask: Ask::Tenant("dead0000-0000-4000-8000-000000000001"), wire: "400 invalid_request 90002" },
    Row { number: 13, situation: "The application does not exist", switches: NO_SWITCH, ask: Ask::Client("dead0000-0000-4000-8000-000000000001"), wire: "400 unauthorized_client 700016" },
    Row { number: 14, situation: "The redirect URI does not match", switches: NO_SWITCH, ask: Ask::SignIn { scope: "openid", redirect: "http://localhost:3000/signin-oidc/" }, wire: "400 page 50011" },
    Row { number: 15, situation: "The user is not assigned", switches: &[("policy", r#"{"kind":"assignment_required","app":"web-api-obo","on":true}"#)], ask: Ask::Refresh, wire: "400 invalid_grant 50105" },
    Row { number: 15, situation: "The application is not assigned", switches: &[("policy", r#"{"kind":"assignment_required","app":"Azure Key Vault","on":true}"#)], ask: Ask::Service("https://vault.azure.net/.default"), wire: "400 invalid_grant 501051" },
    Row { number: 16, situation: "Keys roll over with grace: the old token is good", switches: &[("keys", r#"{"action":"rotate","grace":true}"#)], ask: Ask::Graph, wire: "200" },
    Row { number: 16, situation: "Keys roll over without grace: its key is gone", switches: &[("keys", r#"{"action":"rotate","grace":false}"#)], ask: Ask::Graph, wire: "401 InvalidAuthenticationToken" },
    Row { number: 17, situation: "Redis is gone", switches: NO_SWITCH, ask: Ask::Library("redis_sessions.rs", "while_redis_is_away_pages_for_everybody_go_on_and_nobody_is_signed_out"), wire: "" },
    Row { number: 18, situation: "A cache entry is damaged", switches: NO_SWITCH, ask: Ask::Library("redis_sharing.rs", "a_refresh_token_that_was_tampered_with_is_absent_and_memory_goes_on"), wire: "" },
    Row { number: 19, situation: "There is no token cache", switches: &[("policy", r#"{"kind":"loop_limit","requests":0}"#)], ask: Ask::OnBehalfOf, wire: "400 invalid_grant 50196" },
    Row { number: 20, situation: "A cache that mixes up users", switches: NO_SWITCH, ask: Ask::Library("on_behalf_of.rs", "each_caller_gets_their_own_data_and_the_second_call_is_cached"), wire: "" },
    Row { number: 21, situation: "The token endpoint throttles", switches: &[("fault", r#"{"kind":"status","on":"token","status":429,"retry_after":7}"#)], ask: Ask::OnBehalfOf, wire: "429 temporarily_unavailable 90055 Retry-After 7" },
    Row { number: 21, situation: "The token endpoint is overloaded", switches: &[("fault", r#"{"kind":"status","on":"token","status":503,"retry_after":7}"#)], ask: Ask::OnBehalfOf, wire: "503 temporarily_unavailable 90033 Retry-After 7" },
    Row { number: 22, situation: "The clocks differ by ten minutes", switches: &[("clock", r#"{"advance_seconds":-600}"#)], ask: Ask::Graph, wire: "401 InvalidAuthenticationToken" },
    Row { number: 23, situation: "Version 2 tokens of the API", switches: NO_SWITCH, ask: Ask::Claims(&["ver", "aud", "azpacr"]), wire: r#"200 ver "2.0" aud "c0ffee00-0000-4000-8000-000000004000" azpacr "1""# },
    Row { number: 23, situation: "The API's tokens become version 1", switches: &[("graph", r#"{"api":{"requestedAccessTokenVersion":1}}"#)], ask: Ask::Claims(&["ver", "aud", "appidacr"]), wire: r#"200 ver "1.0" aud "api://c0ffee00-0000-4000-8000-000000004000" appidacr "1""# },
    Row { number: 24, situation: "The user is in 250 groups", switches: &[("policy", r#"{"kind":"group_claims","app":"web-api-obo","on":true}"#), ("policy", r#"{"kind":"group_membership","user":"alice@contoso.test","count":250}"#)], ask: Ask::Claims(&["groups", "_claim_names"]), wire: r#"200 groups null _claim_names {"groups":"src1"}"# },
    Row { number: 25, situation: "The signature is wrong", switches: NO_SWITCH, ask: Ask::Forged("bad_signature"), wire: "401 InvalidAuthenticationToken" },
    Row { number: 25, situation: "The token is not signed at all", switches: NO_SWITCH, ask: Ask::Forged("unsigned"), wire: "401 InvalidAuthenticationToken" },
    Row { number: 25, situation: "The token is of another tenant", switches: NO_SWITCH, ask: Ask::Forged("other_tenant"), wire: "401 InvalidAuthenticationToken" },
];

#[tokio::test]
async fn each_of_the_twenty_five_situations_is_produced_by_its_switch_and_seen_on_the_wire() {
    let lab = lab().await;
    let mut seen = std::collections::BTreeSet::new();
    for row in TABLE {
        seen.insert(row.number);
        let wire = observe(&lab, row).await;
        assert_eq!(wire, row.wire, "{}: {}", row.number, row.situation);
    }
    assert_eq!(seen.into_iter().collect::<Vec<u8>>(), (1..=25).collect::<Vec<u8>>());
}

#[test]
fn the_page_shows_the_same_situations() {
    let page = include_str!("../../../docs/parity.md");
    for row in TABLE {
        let line =
            page.lines().find(|l| l.starts_with(&format!("| {} |", row.number)) && l.contains(row.situation));
        let line =
            line.unwrap_or_else(|| panic!("docs/parity.md does not show {}: {}", row.number, row.situation));
        let code =
            row.wire.split(' ').find(|word| word.len() >= 5 && word.bytes().all(|b| b.is_ascii_digit()));
        assert!(code.is_none_or(|code| line.contains(code)), "{line}");
    }
}

async fn observe(lab: &EntraLab, row: &Row) -> String {
    if let Ask::Library(file, name) = row.ask {
        let path = format!("{}/../shared-auth/tests/it/{file}", env!("CARGO_MANIFEST_DIR"));
        assert!(
            std::fs::read_to_string(&path).unwrap().contains(&format!("async fn {name}()")),
            "{path}: {name}"
        );
        return String::new();
    }
    lab.reset();
    let before = Before::of(lab).await;
    for (control, body) in row.switches {
        throw(lab, control, body).await;
    }
    before.ask(lab, row.ask).await
}

async fn throw(lab: &EntraLab, control: &str, body: &str) {
    let client = support::client();
    let request = if control == "graph" {
        let rest = [("grant_type", "client_credentials"), ("scope", GRAPH_DEFAULT)];
        let token = token(lab, &form(&TOOL, &rest)).await;
        let url = format!("{}/applications(appId='{}')", lab.graph_url(), API.id);
        client.patch(url).bearer_auth(token.text("access_token"))
    } else {
        client.post(format!("{}/lab/{control}", lab.url()))
    };
    let answer =
        request.header("content-type", "application/json").body(body.to_owned()).send().await.unwrap();
    assert!(answer.status().is_success(), "{control} {body}: {}", answer.status());
}

/// What Alice and the daemon hold before the switch is thrown.
struct Before {
    user: Json,
    graph: String,
    service: String,
}

impl Before {
    async fn of(lab: &EntraLab) -> Self {
        let user = tokens(lab, &WEB_APP, ALICE, &format!("openid offline_access {API_SCOPE}")).await;
        let scope = format!("{GRAPH}/User.Read");
        let code = support::code(lab, &WEB_APP, ALICE, &scope).await;
        let capable = [("claims", r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#)];
        let graph = support::redeem(lab, &WEB_APP, &code, &capable).await.text("access_token").to_owned();
        let rest = [("grant_type", "client_credentials"), ("scope", API_DEFAULT)];
        let service = token(lab, &form(&DAEMON, &rest)).await.text("access_token").to_owned();
        Self { user, graph, service }
    }

    async fn ask(&self, lab: &EntraLab, ask: Ask) -> String {
        let as_service = |scope| [("grant_type", "client_credentials"), ("scope", scope)];
        match ask {
            Ask::OnBehalfOf => refusal(&exchange(lab, self.user.text("access_token")).await),
            Ask::Exchange("graph") => refusal(&exchange(lab, &self.graph).await),
            Ask::Exchange("id") => refusal(&exchange(lab, self.user.text("id_token")).await),
            Ask::Exchange(_) => refusal(&exchange(lab, &self.service).await),
            Ask::Refresh => {
                let rest = [
                    ("grant_type", "refresh_token"),
                    ("refresh_token", self.user.text("refresh_token")),
                    ("scope", API_SCOPE),
                ];
                refusal(&token(lab, &form(&WEB_APP, &rest)).await)
            }
            Ask::Service(scope) => refusal(&token(lab, &form(&DAEMON, &as_service(scope))).await),
            Ask::SecretOf(secret) => {
                refusal(&token(lab, &form(&App { secret, ..DAEMON }, &as_service(GRAPH_DEFAULT))).await)
            }
            Ask::ForeignCertificate => refusal(&foreign_certificate(lab).await),
            Ask::Tenant(tenant) => {
                refusal(&token_at(lab, tenant, &form(&DAEMON, &as_service(GRAPH_DEFAULT))).await)
            }
            Ask::Client(id) => {
                refusal(&token(lab, &form(&App { id, ..DAEMON }, &as_service(GRAPH_DEFAULT))).await)
            }
            Ask::SignIn { scope, redirect } => sign_in(lab, scope, redirect).await,
            Ask::Graph => me(lab, &self.graph).await,
            Ask::Forged(change) => {
                let order = json!({ "token": self.graph, "change": change });
                let url = format!("{}/lab/forge", lab.url());
                let forged = Json::of(support::client().post(url).json(&order).send().await.unwrap()).await;
                me(lab, forged.text("token")).await
            }
            Ask::Claims(names) => {
                let fresh = tokens(lab, &WEB_APP, ALICE, API_SCOPE).await;
                let claims = fresh.claims("access_token");
                let shown = names.iter().map(|name| format!(" {name} {}", claims[name]));
                format!("{}{}", fresh.status, shown.collect::<String>())
            }
            Ask::Library(..) => unreachable!("seen to before"),
        }
    }
}

async fn exchange(lab: &EntraLab, assertion: &str) -> Json {
    let scope = format!("{GRAPH}/User.Read");
    let rest = [
        ("grant_type", OBO),
        ("requested_token_use", "on_behalf_of"),
        ("assertion", assertion),
        ("scope", &scope),
    ];
    token(lab, &form(&API, &rest)).await
}

/// The daemon signs with a key that is not that of its certificate.
async fn foreign_certificate(lab: &EntraLab) -> Json {
    let (key, _) =
        include_str!("../../certs/web-api-obo.pem").split_once("-----BEGIN CERTIFICATE-----").unwrap();
    let key = jsonwebtoken::EncodingKey::from_rsa_pem(key.as_bytes()).unwrap();
    let url = format!("{}/{TENANT}/oauth2/v2.0/token", lab.url());
    let now = entra_lab::clock::Clock::default().seconds();
    let claims =
        json!({ "aud": url, "iss": DAEMON.id, "sub": DAEMON.id, "jti": "1", "nbf": now, "exp": now + 300 });
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::PS256);
    header.x5t_s256 = Some("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned());
    let assertion = jsonwebtoken::encode(&header, &claims, &key).unwrap();
    let form = [
        ("client_id", DAEMON.id),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", &assertion),
        ("grant_type", "client_credentials"),
        ("scope", GRAPH_DEFAULT),
    ];
    token(lab, &form).await
}

async fn sign_in(lab: &EntraLab, scope: &str, redirect: &str) -> String {
    let mut browser = Browser::new(lab);
    let url = authorize_url(
        lab,
        TENANT,
        &WEB_APP,
        &[("scope", scope), ("redirect_uri", redirect), ("login_hint", ALICE)],
    );
    let mut page = browser.open(&url).await;
    if page.is("Enter password") {
        page = browser.type_password(&page, PASSWORD).await;
    }
    if page.location.is_none() {
        return format!("{} page {}", page.status, page.between("AADSTS", "<"));
    }
    let members = page.query();
    let code =
        members["error_description"].strip_prefix("AADSTS").unwrap().split(':').next().unwrap().to_owned();
    format!("{} {} {code}", page.status, members["error"])
}

async fn me(lab: &EntraLab, token: &str) -> String {
    let answer =
        support::client().get(format!("{}/me", lab.graph_url())).bearer_auth(token).send().await.unwrap();
    if answer.status() == StatusCode::OK {
        return "200".to_owned();
    }
    let challenge = answer.headers()["www-authenticate"].to_str().unwrap().contains("insufficient_claims");
    let answer = Json::of(answer).await;
    let claims = if challenge { " insufficient_claims" } else { "" };
    format!("{} {}{claims}", answer.status, answer.body["error"]["code"].as_str().unwrap())
}

fn refusal(answer: &Json) -> String {
    let body = &answer.body;
    let mut text =
        format!("{} {} {}", answer.status, body["error"].as_str().unwrap_or("-"), body["error_codes"][0]);
    for part in [body["suberror"].as_str(), body["claims"].as_str().map(|_| "claims")].into_iter().flatten() {
        text += &format!(" {part}");
    }
    if let Some(seconds) = answer.headers.get("retry-after") {
        text += &format!(" Retry-After {}", seconds.to_str().unwrap());
    }
    text
}
