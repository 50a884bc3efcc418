//! Configuration files of Microsoft.Identity.Web, as people have them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entra_lab::EntraLab;
use proptest::prelude::*;
use serde_json::{Value, json};
use shared_auth::{AuthorityKind, ClientCredential, ConfidentialClient, ConfigError, Settings};

use crate::support::{API, DAEMON};
use crate::tokens::TENANT;

fn azure_ad(more: &Value) -> Value {
    let mut section = json!({
        "Instance": "https://login.microsoftonline.com/", "TenantId": TENANT, "ClientId": API,
        "ClientCredentials": [{"SourceType": "ClientSecret", "ClientSecret": "s3cret"}],
    });
    for (name, value) in more.as_object().unwrap() {
        section[name] = value.clone();
    }
    section
}

fn read(section: &Value) -> Result<Settings, ConfigError> {
    Settings::from_json(&json!({ "AzureAd": section }).to_string())
}

fn problems(section: &Value) -> String {
    let text = read(section).unwrap_err().to_string();
    assert!(!text.contains("s3cret"), "{text}");
    assert!(!text.contains(".env.example"), "this is no variable of the environment: {text}");
    text
}

#[tokio::test]
async fn an_appsettings_file_gets_a_token_and_calls_an_api() {
    let lab = EntraLab::start().await.unwrap();
    let file = format!(
        r#"{{
            // Carried over from a .NET program.
            "Logging": {{ "LogLevel": {{ "Default": "Information" }} }},
            "AzureAd": {{
                "Instance": "{}", "TenantId": "{TENANT}", "ClientId": "{DAEMON}", /* the daemon */
                "ClientCredentials": [ {{ "SourceType": "ClientSecret", "ClientSecret": "lab-secret-daemon-app" }} ],
                "CallbackPath": "/signin-oidc"
            }},
            "DownstreamApis": {{ "Graph": {{
                "BaseUrl": "{}", "RelativePath": "users", "RequestAppToken": true,
                "Scopes": [ "https://graph.microsoft.com/.default" ]
            }} }}
        }}"#,
        lab.url(),
        lab.graph_url(),
    );

    let settings = Settings::from_json(&file).unwrap();
    let client = ConfidentialClient::new(settings.entra).unwrap();
    let graph = &settings.downstream["Graph"];
    let token = client.acquire_token_for_client(&graph.scopes).await.unwrap();
    let users: Value = graph.api("Graph", &client).get("/", &token.access_token).await.unwrap();

    assert!(graph.request_app_token && !users["value"].as_array().unwrap().is_empty());
    assert_eq!(settings.ignored, ["AzureAd.CallbackPath"]);
}

#[test]
fn toml_has_the_same_names() {
    let settings = Settings::from_toml(&format!(
        r#"
        [AzureAd]
        TenantId = "organizations"
        ClientId = "{API}"
        Audiences = ["api://orders", "{API}"]
        Scopes = "orders.read"

        [[AzureAd.ClientCredentials]]
        SourceType = 6
        ClientSecret = "s3cret"

        [DownstreamApis.Orders]
        BaseUrl = "https://orders.contoso.test/api"
        Scopes = "api://orders/orders.read api://orders/orders.write"
        "#
    ))
    .unwrap();

    assert_eq!(settings.entra.tenant_id, "organizations");
    assert_eq!((settings.api.audiences.len(), settings.api.scope.as_str()), (2, "orders.read"));
    assert_eq!(settings.downstream["Orders"].scopes.iter().count(), 2);
    assert!(!format!("{settings:?}").contains("s3cret"));
}

#[test]
fn names_are_found_whatever_their_case_and_empty_means_absent() {
    let settings = read(&azure_ad(&json!({
        "tenantID": null, "audience": "api://x", "ClientSecret": "", "SendX5C": false, "clientCapabilities": [],
    })));

    // A second spelling of a name that is there already is said, not guessed.
    assert!(settings.unwrap_err().to_string().contains("tenantID is there twice"));
    let settings =
        read(&azure_ad(&json!({"audience": "api://x", "ClientSecret": "", "SendX5C": false}))).unwrap();
    assert_eq!(settings.api.audiences, ["api://x"]);
}

#[test]
fn every_kind_of_authority_has_its_section() {
    let kind = |section: Value| read(&section).unwrap().entra;
    let without = |names: &[&str], more: Value| {
        let mut section = azure_ad(&more);
        names.iter().for_each(|name| section[*name] = Value::Null);
        section
    };

    let b2c = kind(azure_ad(&json!({
        "Instance": "https://contoso.b2clogin.com", "Domain": "contoso.onmicrosoft.com",
        "SignUpSignInPolicyId": "B2C_1_si", "ResetPasswordPolicyId": "B2C_1_reset",
    })));
    assert_eq!(b2c.authority_kind, AuthorityKind::B2c { policy: "B2C_1_si".to_owned() });
    assert_eq!(b2c.tenant_id, "contoso.onmicrosoft.com");

    let ciam =
        kind(without(&["Instance", "TenantId"], json!({"Authority": "https://contoso.ciamlogin.com/"})));
    assert_eq!(
        (ciam.authority_kind, ciam.tenant_id.as_str()),
        (AuthorityKind::Ciam, "contoso.onmicrosoft.com")
    );

    let oidc = kind(without(&["Instance", "TenantId"], json!({"Authority": "https://accounts.example/x"})));
    assert_eq!(oidc.authority_kind, AuthorityKind::Oidc);
}

#[test]
fn everything_that_is_wrong_is_said_at_once_and_by_name() {
    let text = problems(&json!({
        "Instance": "login.microsoftonline.com",
        "TenantId": "[Enter the Tenant Id]",
        "ClientID": 7,
        "ClientCredentials": [
            {"SourceType": "ClientSecret"},
            {"SourceType": 99, "ClientSecret": "s3cret"},
            {"ClientSecret": "s3cret"},
            {"SourceType": "ClientSecret", "ClientSecret": "s3cret", "CertificateDiskPath": "/x", "Colour": 1},
            "s3cret",
        ],
        "AllowWebApiToBeAuthorizedByACL": true,
        "TenatId": "x",
    }));

    for part in [
        "AzureAd.Instance must be an address",
        "AzureAd.TenantId still holds the placeholder",
        "AzureAd.ClientId must be a text",
        "AzureAd.ClientCredentials[0].ClientSecret is missing",
        "AzureAd.ClientCredentials[1].SourceType is not one",
        "AzureAd.ClientCredentials[2].SourceType is missing",
        "AzureAd.ClientCredentials[3].CertificateDiskPath belongs to another SourceType",
        "AzureAd.ClientCredentials[3].Colour is not a known member",
        "AzureAd.ClientCredentials[4] must be an object",
        "AzureAd.AllowWebApiToBeAuthorizedByACL is not supported",
        "AzureAd.TenatId is not a known member",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn members_that_contradict_each_other_are_named() {
    let both = problems(&azure_ad(&json!({"ClientSecret": "s3cret"})));
    assert!(both.contains("AzureAd.ClientSecret and ClientCredentials exclude each other"), "{both}");

    let twice = problems(&azure_ad(&json!({"Authority": "https://login.microsoftonline.com/contoso.test"})));
    assert!(twice.contains("AzureAd.Authority says the same as Instance and TenantId"), "{twice}");

    let none = problems(&json!({"TenantId": TENANT, "ClientId": API}));
    assert!(none.contains("AzureAd.ClientCredentials is missing"), "{none}");
}

#[test]
fn a_file_that_is_none_is_an_error_without_its_content() {
    for text in [
        "",
        "s3cret",
        "[]",
        "{",
        "{}",
        r#"{"AzureAd": "s3cret"}"#,
        r#"{"AzureAd": {"ClientSecret": s3cret}}"#,
    ] {
        for error in
            [Settings::from_json(text).unwrap_err(), Settings::from_toml(text).map(|_| ()).unwrap_err()]
        {
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }
    let apis = r#"{"AzureAd": {}, "DownstreamApis": {"Graph": {"Scopes": [7], "ProtocolScheme": "Pop"}}}"#;
    let text = Settings::from_json(apis).unwrap_err().to_string();
    for part in [
        "DownstreamApis.Graph.BaseUrl is missing",
        "Scopes must be a list",
        "ProtocolScheme is not supported",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

proptest! {
    #[test]
    fn no_file_makes_reading_panic(text in "\\PC{0,200}", name in "[A-Za-z]{0,12}", value in "\\PC{0,40}") {
        let _ = (Settings::from_json(&text), Settings::from_toml(&text));
        let section = azure_ad(&json!({ (name): value.clone(), "ClientCredentials": [{"SourceType": value}] }));
        prop_assert!(read(&section).is_err());
    }
}

/// A certificate with its key that ends in 2036.
pub fn pem() -> String {
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2036, 1, 1);
    format!("{}{}", params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn every_source_of_a_credential_that_exists_here_can_be_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("daemon-app.pem");
    std::fs::write(&file, pem()).unwrap();
    let with = |entry: Value| {
        read(&azure_ad(&json!({ "ClientCredentials": [entry], "SendX5C": true }))).unwrap().entra.credential
    };

    let path = with(json!({"SourceType": "Path", "CertificateDiskPath": file}));
    let encoded = STANDARD.encode(pem());
    let base64 = with(json!({"SourceType": "Base64Encoded", "Base64EncodedValue": encoded}));
    let vault = with(json!({
        "SourceType": "KeyVault", "KeyVaultUrl": "https://contoso.vault.azure.net",
        "KeyVaultCertificateName": "daemon-app", "ManagedIdentityClientId": DAEMON,
    }));
    let machine = with(json!({"SourceType": "SignedAssertionFromManagedIdentity"}));
    let token = with(json!({"SourceType": 8, "SignedAssertionFileDiskPath": "/var/run/token"}));

    for certificate in [path, base64, vault] {
        assert!(matches!(certificate, ClientCredential::Certificate(_)), "{certificate:?}");
    }
    assert!(matches!(machine, ClientCredential::ManagedIdentity(_)));
    assert!(matches!(token, ClientCredential::Federated(_)));
}

#[test]
fn a_file_that_is_not_there_yet_matters_only_where_nothing_else_serves() {
    let missing = json!({"SourceType": "Path", "CertificateDiskPath": "/nowhere/daemon-app.pem"});
    let secret = json!({"SourceType": "ClientSecret", "ClientSecret": "s3cret"});

    let both = read(&azure_ad(&json!({ "ClientCredentials": [missing.clone(), secret] }))).unwrap();
    let alone = problems(&azure_ad(&json!({ "ClientCredentials": [missing] })));

    assert!(matches!(both.entra.credential, ClientCredential::FirstOf(_)));
    assert!(alone.contains("AzureAd.ClientCredentials"), "{alone}");
}

#[test]
fn credentials_that_cannot_be_used_are_named_without_their_values() {
    let text = problems(&azure_ad(&json!({ "ClientCredentials": [
        {"SourceType": "Base64Encoded", "Base64EncodedValue": "s3cret!"},
        {"SourceType": "Base64Encoded", "Base64EncodedValue": "czNjcmV0"},
        {"SourceType": "KeyVault", "KeyVaultUrl": "http://vault.example", "KeyVaultCertificateName": "x"},
        {"SourceType": "StoreWithThumbprint", "CertificateStorePath": "CurrentUser/My"},
        {"SourceType": "SignedAssertionFromManagedIdentity", "TokenExchangeUrl": "api://x"},
    ] })));

    for part in [
        "[0].Base64EncodedValue must be base64",
        "[1].Base64EncodedValue",
        "[2].KeyVaultUrl must be reached by https",
        "[3].SourceType StoreWithThumbprint is not supported",
        "[4].TokenExchangeUrl is not supported",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}
