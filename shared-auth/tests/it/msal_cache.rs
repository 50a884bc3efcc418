//! Token caches of MSAL programs: what they wrote is used here, what is theirs alone is kept and never looked at, and what
//! cannot be read changes nothing. Documents as the libraries write them; the libraries themselves: `tests/msal_caches`.

use std::sync::Arc;

use entra_lab::EntraLab;
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared_auth::{
    ClientCredential, ConfidentialClient, EntraConfig, Error, ManualClock, MsalCacheError, MsalExport,
    TokenSource, UserAssertion,
};

use crate::support::{
    GRAPH_DEFAULT, WEB_APP, access_as_user, client, client_with_clock, now, sign_in, token_requests,
};

const TENANT: &str = "10000000-0000-4000-8000-000000000001";
const HOME: &str = "a0000000-0000-4000-8000-00000000000a.10000000-0000-4000-8000-000000000001";

/// A client of an authority at which nobody answers: what it returns comes from its cache.
fn offline(host: &str, tenant: &str) -> ConfidentialClient {
    let mut config = EntraConfig::new(host.parse().unwrap(), tenant, WEB_APP, ClientCredential::secret("s"));
    config.backchannel = Some("http://127.0.0.1:9".parse().unwrap());
    ConfidentialClient::builder(config).clock(Arc::new(ManualClock::at(now()))).build().unwrap()
}

fn public_cloud() -> ConfidentialClient {
    offline("https://login.microsoftonline.com", TENANT)
}

fn in_seconds(seconds: i64) -> String {
    (now().as_second() + seconds).to_string()
}

/// What MSAL Python writes after a sign-in, under keys of no library.
fn python() -> Value {
    json!({
        "AccessToken": { "a": {
            "credential_type": "AccessToken", "secret": "at-user", "home_account_id": HOME,
            "environment": "login.microsoftonline.com", "client_id": WEB_APP, "realm": TENANT,
            "target": "User.Read email openid profile", "token_type": "Bearer",
            "cached_at": in_seconds(-60), "expires_on": in_seconds(3540), "extended_expires_on": in_seconds(3540),
        }, "b": {
            "credential_type": "AccessToken", "secret": "at-app", "home_account_id": null,
            "environment": "login.microsoftonline.com", "client_id": WEB_APP, "realm": TENANT,
            "target": "https://graph.microsoft.com/.default", "token_type": "Bearer",
            "cached_at": in_seconds(-60), "expires_on": in_seconds(3540),
        } },
        "RefreshToken": { "c": {
            "credential_type": "RefreshToken", "secret": "rt", "home_account_id": HOME,
            "environment": "login.microsoftonline.com", "client_id": WEB_APP,
            "target": "User.Read email openid profile", "last_modification_time": in_seconds(-60),
        } },
        "IdToken": { "d": {
            "credential_type": "IdToken", "secret": "idt", "home_account_id": HOME,
            "environment": "login.microsoftonline.com", "client_id": WEB_APP, "realm": TENANT,
        } },
        "Account": { "e": {
            "home_account_id": HOME, "environment": "login.microsoftonline.com", "realm": TENANT,
            "local_account_id": "a0000000-0000-4000-8000-00000000000a", "username": "alice@contoso.test",
            "authority_type": "MSSTS", "account_source": "authorization_code",
        } },
        "AppMetadata": { "appmetadata-login.microsoftonline.com-c0ffee00-0000-4000-8000-000000003000": {
            "client_id": WEB_APP, "environment": "login.microsoftonline.com", "family_id": "1",
        } },
    })
}

/// The access token under "a", changed.
fn with(name: &str, value: Value) -> Value {
    let mut document = python();
    document["AccessToken"]["a"][name] = value;
    document
}

fn exported(client: &ConfidentialClient) -> Value {
    serde_json::from_str(client.export_msal_cache(&MsalExport::new()).expose_secret()).unwrap()
}

/// The secrets of a section.
fn secrets(document: &Value, section: &str) -> Vec<String> {
    let entries = document[section].as_object().unwrap().values();
    let mut all: Vec<String> = entries.map(|entry| entry["secret"].as_str().unwrap().to_owned()).collect();
    all.sort();
    all.dedup();
    all
}

async fn silently(client: &ConfidentialClient, document: &Value) -> Result<String, Error> {
    let imported = client.import_msal_cache(document.to_string()).unwrap();
    let Some(account) = imported.accounts.first() else {
        panic!("nobody came with {document}");
    };
    let result = client.acquire_token_silent(account, "User.Read").await?;
    assert_eq!(result.source, TokenSource::Cache);
    Ok(result.access_token.expose_secret().to_owned())
}

#[tokio::test]
async fn tokens_of_another_program_are_used_silently_and_for_the_application() {
    let client = public_cloud();

    let imported = client.import_msal_cache(python().to_string()).unwrap();

    assert_eq!((imported.access_tokens, imported.refresh_tokens, imported.ended), (2, 1, 0));
    assert_eq!(imported.accounts[0].username, "alice@contoso.test");
    assert_eq!(imported.accounts[0].tenant_id, TENANT);
    let user = client.acquire_token_silent(&imported.accounts[0], "user.read").await.unwrap();
    assert_eq!(user.access_token.expose_secret(), "at-user");
    assert_eq!(user.home_account_id.as_deref(), Some(imported.accounts[0].home_account_id.as_str()));
    let app = client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
    assert_eq!(app.access_token.expose_secret(), "at-app");
}

#[tokio::test]
async fn every_name_of_the_host_is_the_same_authority() {
    for name in ["login.windows.net", "LOGIN.microsoftonline.com", "sts.windows.net"] {
        let text = python().to_string().replace("login.microsoftonline.com", name);
        assert_eq!(silently(&public_cloud(), &text.parse().unwrap()).await.unwrap(), "at-user", "{name}");
    }
    for name in ["localhost", "localhost:8443"] {
        let text = python().to_string().replace("login.microsoftonline.com", name);
        let local = offline("https://localhost:8443", TENANT);
        assert_eq!(silently(&local, &text.parse().unwrap()).await.unwrap(), "at-user", "{name}");
    }
}

#[tokio::test]
async fn entries_of_another_authority_or_client_serve_nobody_here_and_are_exported_again() {
    for (name, value) in [
        ("environment", "login.microsoftonline.us"),
        ("environment", "login.microsoftonline.com.evil.test"),
        ("environment", "login.microsoftonline.com:8443"),
        ("client_id", "c0ffee00-0000-4000-8000-000000004000"),
    ] {
        let document = with(name, value.into());
        let client = public_cloud();
        let imported = client.import_msal_cache(document.to_string()).unwrap();

        // The refresh token is ours; there is no access token, so the network would be asked.
        let refused = client.acquire_token_silent(&imported.accounts[0], "User.Read").await;
        assert!(refused.is_err(), "{name} {value}");
        assert_eq!(imported.access_tokens, 1, "{name} {value}");
        assert_eq!(exported(&client)["AccessToken"]["a"], document["AccessToken"]["a"], "{name} {value}");
    }
}

#[tokio::test]
async fn a_token_of_one_tenant_user_or_kind_is_not_anothers() {
    let other_tenant = with("realm", "20000000-0000-4000-8000-000000000002".into());
    let other_user = with("home_account_id", format!("b0000000-0000-4000-8000-00000000000b.{TENANT}").into());
    let of_an_application = with("home_account_id", "".into());
    let on_behalf_of = with("user_assertion_hash", "hF4wRIgJ4ryJWOsCW_x5UjXROwd6U9DDq70jhRcNybg".into());
    for document in [other_tenant, other_user, of_an_application, on_behalf_of] {
        let client = public_cloud();
        let imported = client.import_msal_cache(document.to_string()).unwrap();
        let alice = imported.accounts.iter().find(|account| account.home_account_id == HOME).unwrap();

        assert!(client.acquire_token_silent(alice, "User.Read").await.is_err(), "{document}");
    }
}

#[tokio::test]
async fn tokens_that_are_bound_to_a_key_or_to_parameters_are_kept_and_not_used() {
    for (name, value) in [
        ("token_type", json!("pop")),
        ("credential_type", json!("AccessToken_With_AuthScheme")),
        ("key_id", json!("k")),
        ("kid", json!("k")),
        ("ext_cache_key", json!("h")),
        ("additionalCacheKeyComponents", json!({ "fmi_path": "x" })),
    ] {
        let document = with(name, value);
        let client = public_cloud();
        let imported = client.import_msal_cache(document.to_string()).unwrap();

        assert!(client.acquire_token_silent(&imported.accounts[0], "User.Read").await.is_err(), "{document}");
        assert_eq!(exported(&client)["AccessToken"]["a"], document["AccessToken"]["a"]);
    }
}

#[tokio::test]
async fn a_token_got_on_behalf_of_a_caller_serves_that_caller_under_either_spelling_of_the_hash() {
    for name in ["user_assertion_hash", "userAssertionHash"] {
        let document = with(name, "hF4wRIgJ4ryJWOsCW_x5UjXROwd6U9DDq70jhRcNybg".into());
        let client = public_cloud();
        client.import_msal_cache(document.to_string()).unwrap();
        let ends = now() + SignedDuration::from_hours(1);

        let caller = UserAssertion::new("a.b.c", ends);
        let result = client.acquire_token_on_behalf_of(&caller, "User.Read").await.unwrap();
        assert_eq!(result.access_token.expose_secret(), "at-user");
        let another = UserAssertion::new("a.b.d", ends);
        assert!(client.acquire_token_on_behalf_of(&another, "User.Read").await.is_err());

        assert!(!secrets(&exported(&client), "AccessToken").contains(&"at-user".to_owned()));
        let all = client.export_msal_cache(&MsalExport::new().with_on_behalf_of());
        let again = public_cloud();
        again.import_msal_cache(all.expose_secret()).unwrap();
        assert!(again.acquire_token_on_behalf_of(&caller, "User.Read").await.is_ok());
    }
}

#[tokio::test]
async fn impossible_times_and_unsendable_tokens_are_not_used() {
    let times = [
        ("expires_on", in_seconds(200)),
        ("expires_on", in_seconds(400 * 24 * 3600)),
        ("expires_on", "soon".to_owned()),
        ("expires_on", String::new()),
        ("cached_at", in_seconds(7200)),
        ("cached_at", "-99999999999999999999".to_owned()),
        ("secret", "at\r\nX-Evil: 1".to_owned()),
        ("secret", String::new()),
        ("target", String::new()),
        ("realm", String::new()),
    ];
    for (name, value) in times {
        let client = public_cloud();
        let imported = client.import_msal_cache(with(name, value.as_str().into()).to_string()).unwrap();
        assert_eq!(imported.access_tokens, 1, "{name} {value}");
        assert!(client.acquire_token_silent(&imported.accounts[0], "User.Read").await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn dates_as_numbers_and_a_byte_order_mark_are_understood() {
    let document = with("expires_on", json!(now().as_second() + 3540));
    let client = public_cloud();

    let imported = client.import_msal_cache(format!("\u{feff}{document}")).unwrap();

    assert_eq!(imported.access_tokens, 2);
    let written = exported(&client);
    let dates = written["AccessToken"].as_object().unwrap().values();
    assert!(dates.into_iter().all(|entry| entry["expires_on"].is_string()), "{written}");
}

#[test]
fn what_cannot_be_read_is_an_error_that_changes_nothing_and_quotes_nothing() {
    let whole = python().to_string();
    let client = public_cloud();
    client.import_msal_cache(&whole).unwrap();
    let before = exported(&client);
    let cut = &whole[..whole.len() / 2];
    let cases = [
        (cut.as_bytes().to_vec(), "NotJson"),
        (b"{\"AccessToken\": {\"a\": \"s3cret".to_vec(), "NotJson"),
        (b"{\"AccessToken\": [\"s3cret\"]}".to_vec(), "NotACache"),
        (b"{\"Account\": 7}".to_vec(), "NotACache"),
        (b"\x01\x00\x00\x00\xd0\x8c\x9d\xdf".to_vec(), "Protected"),
        (b"".to_vec(), "Protected"),
        (b"[]".to_vec(), "Protected"),
        (b"{\"AccessToken\": {\"a\": {\"secret\": \"\xff\"}}}".to_vec(), "NotJson"),
    ];
    for (bytes, kind) in cases {
        let error = client.import_msal_cache(&bytes).unwrap_err();
        assert!(format!("{error:?}").starts_with(kind), "{error:?}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
        assert_eq!(exported(&client), before);
    }
    let error = client.import_msal_cache("{\n  \"AccessToken\": {,").unwrap_err();
    assert_eq!(error, MsalCacheError::NotJson { line: 2, column: 19 });
}

#[test]
fn unknown_sections_entries_and_members_come_out_again() {
    let mut document = python();
    document["WamAccountIds"] = json!({ "x": [1, 2.5, null, "y"] });
    document["AccessToken"]["odd"] = json!("no object");
    document["AccessToken"]["a"]["client_info"] = json!("eyJ1aWQi");
    document["RefreshToken"]["c"]["of_the_future"] = json!({ "deep": [true] });
    document["RefreshToken"]["family"] = json!({
        "credential_type": "RefreshToken", "secret": "rt-of-another", "home_account_id": HOME, "family_id": "1",
        "environment": "login.microsoftonline.com", "client_id": "c0ffee00-0000-4000-8000-000000006000",
    });
    document["Account"]["e"]["tenantProfiles"] = json!(["{\"tenantId\":\"t\"}"]);
    let client = public_cloud();

    client.import_msal_cache(document.to_string()).unwrap();

    let written = exported(&client);
    assert_eq!(written["WamAccountIds"], document["WamAccountIds"]);
    assert_eq!(written["AccessToken"]["odd"], "no object");
    assert_eq!(written["RefreshToken"]["family"], document["RefreshToken"]["family"]);
    let metadata = "appmetadata-login.microsoftonline.com-c0ffee00-0000-4000-8000-000000003000";
    assert_eq!(written["AppMetadata"], json!({ metadata: document["AppMetadata"][metadata] }));
    let entries =
        |section: &str| -> Vec<Value> { written[section].as_object().unwrap().values().cloned().collect() };
    let has =
        |section: &str, name: &str, value: &Value| entries(section).iter().any(|entry| &entry[name] == value);
    assert!(has("AccessToken", "client_info", &json!("eyJ1aWQi")), "{written}");
    assert!(has("RefreshToken", "of_the_future", &json!({ "deep": [true] })), "{written}");
    assert_eq!(entries("Account"), [document["Account"]["e"].clone()]);
    assert_eq!(entries("IdToken"), [document["IdToken"]["d"].clone()]);
}

#[test]
fn what_one_client_exports_another_imports_and_exports_alike() {
    let (first, second) = (public_cloud(), public_cloud());
    first.import_msal_cache(python().to_string()).unwrap();

    let document = first.export_msal_cache(&MsalExport::new());
    second.import_msal_cache(document.expose_secret()).unwrap();

    assert_eq!(second.export_msal_cache(&MsalExport::new()).expose_secret(), document.expose_secret());
    assert_eq!(format!("{document:?}"), "MsalCache(…)");
}

#[test]
fn the_later_token_wins_whichever_comes_first() {
    let mut older = with("secret", "at-older".into());
    older["AccessToken"]["a"]["cached_at"] = in_seconds(-600).into();
    older["RefreshToken"]["c"]["secret"] = "rt-older".into();
    older["RefreshToken"]["c"]["last_modification_time"] = in_seconds(-600).into();
    for order in [[&older, &python()], [&python(), &older]] {
        let client = public_cloud();
        for document in order {
            client.import_msal_cache(document.to_string()).unwrap();
        }
        let written = exported(&client);
        assert_eq!(secrets(&written, "AccessToken"), ["at-app", "at-user"]);
        assert_eq!(secrets(&written, "RefreshToken"), ["rt"]);
    }
}

#[test]
fn signing_out_takes_the_user_out_of_what_is_exported() {
    let mut document = python();
    document["AccessToken"]["a"]["token_type"] = "pop".into();
    let client = public_cloud();
    let imported = client.import_msal_cache(document.to_string()).unwrap();

    client.remove_account(&imported.accounts[0]);

    let written = exported(&client).to_string();
    assert!(!written.contains(HOME) && !written.contains("alice"), "{written}");
    assert!(written.contains("at-app"));
}

#[test]
fn more_than_can_be_set_aside_is_refused_and_changes_nothing() {
    let mut document = python();
    document["AccessToken"]["a"]["client_id"] = "another".into();
    document["AccessToken"]["a"]["secret"] = "x".repeat(17 * 1024 * 1024).into();
    let client = public_cloud();

    let error = client.import_msal_cache(document.to_string()).unwrap_err();

    assert!(matches!(error, MsalCacheError::TooMuchSetAside { .. }), "{error}");
    assert_eq!(secrets(&exported(&client), "RefreshToken"), Vec::<String>::new());
}

#[tokio::test]
async fn with_an_authority_for_several_tenants_tokens_stay_with_their_tenants() {
    let guest = "20000000-0000-4000-8000-000000000002";
    let mut document = python();
    let mut second = document["Account"]["e"].clone();
    second["realm"] = guest.into();
    document["Account"]["guest"] = second;
    for realm in [TENANT, "organizations"] {
        document["AccessToken"]["a"]["realm"] = realm.into();
        let client = offline("https://login.microsoftonline.com", "organizations");
        let imported = client.import_msal_cache(document.to_string()).unwrap();
        let in_tenant =
            |tenant: &str| imported.accounts.iter().find(|account| account.tenant_id == tenant).unwrap();

        let home = client.acquire_token_silent(in_tenant(TENANT), "User.Read").await.unwrap();
        assert_eq!(home.access_token.expose_secret(), "at-user");
        assert!(client.acquire_token_silent(in_tenant(guest), "User.Read").await.is_err());
    }
}

#[tokio::test]
async fn a_sign_in_moves_to_another_process_with_its_refresh_token_and_its_id_token() {
    let lab = EntraLab::start().await.unwrap();
    let (first, second) = (client(&lab, WEB_APP), client_with_clock(&lab, WEB_APP));
    let signed_in = sign_in(&first, "alice", &access_as_user()).await;

    let document = exported(&first);
    let imported = second.0.import_msal_cache(document.to_string()).unwrap();

    assert_eq!(imported.accounts, std::slice::from_ref(&signed_in.account));
    let moved = second.0.acquire_token_silent(&imported.accounts[0], access_as_user()).await.unwrap();
    assert_eq!(moved.source, TokenSource::Cache);
    assert_eq!(moved.access_token.expose_secret(), signed_in.result.access_token.expose_secret());
    lab.advance(SignedDuration::from_hours(2));
    second.1.advance(SignedDuration::from_hours(2));
    second.0.acquire_token_silent(&imported.accounts[0], access_as_user()).await.unwrap();
    assert_eq!(token_requests(&lab, "refresh_token"), 1);
    // The renewed ID token and the successor of the refresh token are what comes out now.
    let after = exported(&second.0);
    assert_ne!(secrets(&after, "IdToken"), secrets(&document, "IdToken"));
    assert_ne!(secrets(&after, "RefreshToken"), secrets(&document, "RefreshToken"));
}
