//! The identity broker of the machine: a fake one on a real bus, which hands out the lab's own tokens.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use entra_lab::EntraLab;
use serde_json::{Value, json};
use shared_auth::desktop::Broker;
use shared_auth::{BrokerAway, Error, PublicClient, SignInError, TokenSource};

use super::bus::Bus;
use super::{DESKTOP, http, registration, sign_in};
use crate::support::{access_as_user, now};

const ALICE: &str = "a0000000-0000-4000-8000-00000000000a";

/// What it answers, and what it was asked.
#[derive(Clone, Default)]
struct FakeBroker {
    accounts: Value,
    silently: Value,
    in_its_window: Value,
    hangs: bool,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl FakeBroker {
    async fn answer(&self, method: &str, request: &str, answer: &Value) -> String {
        self.asked.lock().unwrap().push((method.to_owned(), serde_json::from_str(request).unwrap()));
        if self.hangs {
            std::future::pending::<()>().await;
        }
        answer.to_string()
    }

    fn methods(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(method, _)| method.clone()).collect()
    }

    async fn on(&self, bus: &Bus) -> zbus::Connection {
        zbus::connection::Builder::address(bus.address())
            .unwrap()
            .name("com.microsoft.identity.broker1")
            .unwrap()
            .serve_at("/com/microsoft/identity/broker1", self.clone())
            .unwrap()
            .build()
            .await
            .unwrap()
    }
}

#[zbus::interface(name = "com.microsoft.identity.Broker1")]
impl FakeBroker {
    #[zbus(name = "getAccounts")]
    async fn get_accounts(&self, _protocol: String, _id: String, request: String) -> String {
        self.answer("getAccounts", &request, &self.accounts).await
    }

    #[zbus(name = "acquireTokenSilently")]
    async fn acquire_token_silently(&self, _protocol: String, _id: String, request: String) -> String {
        self.answer("acquireTokenSilently", &request, &self.silently).await
    }

    #[zbus(name = "acquireTokenInteractively")]
    async fn acquire_token_interactively(&self, _protocol: String, _id: String, request: String) -> String {
        self.answer("acquireTokenInteractively", &request, &self.in_its_window).await
    }

    #[zbus(name = "removeAccount")]
    async fn remove_account(&self, _protocol: String, _id: String, request: String) -> String {
        self.answer("removeAccount", &request, &json!({})).await
    }
}

fn client(lab: &EntraLab, bus: &Bus) -> PublicClient {
    let broker = Broker::on_bus(bus.address()).time_limit(Duration::from_secs(20));
    PublicClient::builder(registration(lab)).broker(broker).build().unwrap()
}

/// What the lab hands out to the desktop program for a user, in the broker's words.
async fn tokens_of(lab: &EntraLab, user: &str) -> Value {
    // Whoever has never been asked consents first.
    sign_in(&super::client(lab), user, &access_as_user()).await;
    let (username, scope) = (format!("{user}@contoso.test"), format!("openid profile {}", access_as_user()));
    let form = [
        ("grant_type", "password"),
        ("client_id", DESKTOP),
        ("username", &username),
        ("password", "Passw0rd!lab"),
        ("scope", &scope),
        ("client_info", "1"),
    ];
    let address = format!("{}/{}/oauth2/v2.0/token", lab.url(), lab.tenant_id());
    let answer = http().post(address).form(&form).send().await.unwrap().text().await.unwrap();
    let tokens: Value = serde_json::from_str(&answer).unwrap();
    assert!(tokens["access_token"].is_string(), "{answer}");
    json!({ "brokerTokenResponse": {
        "accessToken": tokens["access_token"],
        "accessTokenType": 0,
        "clientInfo": tokens["client_info"],
        "expiresOn": (now().as_second() + 3_600) * 1_000,
        "grantedScopes": tokens["scope"],
        "idToken": tokens["id_token"],
    }})
}

fn accounts(lab: &EntraLab) -> Value {
    let home = format!("{ALICE}.{}", lab.tenant_id());
    json!({ "accounts": [{
        "homeAccountId": home, "username": "alice@contoso.test", "environment": "login.windows.net",
        "localAccountId": ALICE, "realm": lab.tenant_id().to_string(), "something": "of its own",
    }]})
}

fn refusal(status: i64, raw: &str, context: &str) -> Value {
    json!({ "brokerTokenResponse": { "accessTokenType": 0, "expiresOn": 0, "error": {
        "context": context, "status": status, "subStatus": 0, "errorCode": 0, "tag": 0,
        "diagnostics": { "raw_error_code": raw, "oauth2_sub_error_code": "basic_action" },
    }}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_the_broker_knows_is_signed_in_without_a_window() {
    let (lab, bus) = (EntraLab::start().await.unwrap(), Bus::start());
    let broker = FakeBroker {
        accounts: accounts(&lab),
        silently: tokens_of(&lab, "alice").await,
        ..FakeBroker::default()
    };
    let _served = broker.on(&bus).await;
    let client = client(&lab, &bus);

    let signed_in = client.acquire_token_by_broker(access_as_user()).claims("{\"a\":1}").await.unwrap();

    assert_eq!(signed_in.account.username, "alice@contoso.test");
    assert_eq!(broker.methods(), ["getAccounts", "acquireTokenSilently"]);
    let request = broker.asked.lock().unwrap()[1].1.clone();
    let parameters = &request["authParameters"];
    assert_eq!(parameters["clientId"], DESKTOP);
    assert_eq!(parameters["decodedClaims"], "{\"a\":1}");
    assert_eq!(parameters["requestedScopes"], json!([access_as_user()]));
    assert_eq!(parameters["account"]["something"], "of its own", "it gets back what it sent");
    assert_eq!(request["account"], parameters["account"], "older brokers look for it there");
    assert_eq!(parameters["authority"], format!("{}/{}", lab.url(), lab.tenant_id()));
    // Filed like every other sign-in.
    let again = client.acquire_token_silent(&signed_in.account, access_as_user()).await.unwrap();
    assert_eq!(again.source, TokenSource::Cache);
    assert_eq!(client.accounts().await, std::slice::from_ref(&signed_in.account));

    client.remove_account(&signed_in.account).await;
    assert_eq!(broker.methods()[2..], ["getAccounts", "removeAccount"]);
    assert!(client.accounts().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_user_is_needed_the_window_opens_unless_nothing_may_be_shown() {
    let (lab, bus) = (EntraLab::start().await.unwrap(), Bus::start());
    let broker = FakeBroker {
        accounts: accounts(&lab),
        silently: refusal(
            2,
            "invalid_grant",
            "AADSTS50078: Presented multi-factor authentication has expired",
        ),
        in_its_window: tokens_of(&lab, "alice").await,
        ..FakeBroker::default()
    };
    let _served = broker.on(&bus).await;
    let client = client(&lab, &bus);

    let error = client.acquire_token_by_broker(access_as_user()).silent().await.unwrap_err();
    assert!(error.is_interaction_required(), "{error}");
    assert_eq!(error.codes(), [50078]);
    assert!(error.correlation_id().is_some());
    let signed_in = client.acquire_token_by_broker(access_as_user()).await.unwrap();

    assert_eq!(signed_in.account.username, "alice@contoso.test");
    assert_eq!(broker.methods()[4..], ["acquireTokenInteractively"]);
    assert_eq!(broker.asked.lock().unwrap()[4].1["authParameters"]["authorizationType"], 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_broker_says_has_a_type() {
    let lab = EntraLab::start().await.unwrap();
    let mut expired = tokens_of(&lab, "alice").await;
    expired["brokerTokenResponse"]["expiresOn"] = json!((now().as_second() - 10) * 1_000);
    let mut bound = tokens_of(&lab, "alice").await;
    bound["brokerTokenResponse"]["accessTokenType"] = json!(1);
    let mut forged = tokens_of(&lab, "alice").await;
    forged["brokerTokenResponse"]["idToken"] = json!("eyJhbGciOiJub25lIn0.e30.");
    type Judge = fn(&Error) -> bool;
    let cases: Vec<(Value, Judge)> = vec![
        (refusal(7, "", "the user closed the window"), Error::is_declined),
        (refusal(3, "", "no network"), Error::is_retryable),
        (refusal(5, "", "busy"), Error::is_retryable),
        (refusal(13, "", "the account is gone"), Error::is_interaction_required),
        (
            refusal(0, "unauthorized_client", "AADSTS700016: no such app"),
            |error| matches!(error, Error::Refused(no) if no.codes == [700016]),
        ),
        (json!({ "brokerTokenResponse": {} }), |error| matches!(error, Error::Transport(_))),
        (json!({ "unexpected": true }), |error| matches!(error, Error::Transport(_))),
        (expired, |error| matches!(error, Error::Transport(_))),
        (bound, |error| matches!(error, Error::Transport(_))),
        (forged, |error| matches!(error, Error::SignIn(SignInError::IdToken(_)))),
        (tokens_of(&lab, "bob").await, |error| error.to_string().contains("another account")),
    ];
    for (number, (answer, is_it)) in cases.into_iter().enumerate() {
        let bus = Bus::start();
        let broker = FakeBroker {
            accounts: accounts(&lab),
            silently: answer.clone(),
            in_its_window: answer,
            ..FakeBroker::default()
        };
        let _served = broker.on(&bus).await;
        let client = client(&lab, &bus);
        let home_account_id = format!("{ALICE}.{}", lab.tenant_id());
        let (tenant_id, username) = (lab.tenant_id().to_string(), "alice@contoso.test".to_owned());
        let alice = shared_auth::Account { home_account_id, tenant_id, username };

        let error = client.acquire_token_by_broker(access_as_user()).account(&alice).await.unwrap_err();

        assert!(is_it(&error), "case {number}: {error:?}");
        assert!(!format!("{error:?} {error}").contains("eyJ"), "case {number} shows no token");
        assert!(client.accounts().await.is_empty(), "case {number} signs nobody in");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_not_to_be_had_is_a_reason_to_use_the_browser() {
    let (lab, bus) = (EntraLab::start().await.unwrap(), Bus::start());
    let away = async |client: PublicClient| match client.acquire_token_by_broker("User.Read").await {
        Err(Error::BrokerAway(reason)) => {
            assert!(reason.to_string().contains("sign in with the browser"), "{reason}");
            reason
        }
        other => panic!("{other:?}"),
    };

    let without = PublicClient::new(registration(&lab)).unwrap();
    assert_eq!(away(without).await, BrokerAway::NotWanted);
    let nowhere = Broker::on_bus("unix:path=/nowhere/at/all");
    let no_bus = PublicClient::builder(registration(&lab)).broker(nowhere).build().unwrap();
    assert!(matches!(away(no_bus).await, BrokerAway::NoBus(_)));
    assert_eq!(away(client(&lab, &bus)).await, BrokerAway::NotThere);

    let _served = FakeBroker { hangs: true, ..FakeBroker::default() }.on(&bus).await;
    let impatient = Broker::on_bus(bus.address()).time_limit(Duration::from_millis(200));
    let impatient = PublicClient::builder(registration(&lab)).broker(impatient).build().unwrap();
    assert_eq!(away(impatient).await, BrokerAway::NotInTime { method: "getAccounts" });
}
