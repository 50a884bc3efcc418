//! What holds of discovery: nothing that another authority says is used, and what is said about it fits a log.

use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};
use url::Url;

use super::{Address, Authority, InstanceMetadata};
use crate::clock::SystemClock;
use crate::config::EntraConfig;
use crate::credential::ClientCredential;
use crate::http::{Http, is_loopback};
use crate::properties::{is_one_line, text};
use crate::protocol::metadata::Metadata;

const TENANT: &str = "10000000-0000-4000-8000-000000000001";

/// A discovery document, an issuer, an address and instance metadata, each made of the same bytes.
pub fn discovery(data: &[u8]) {
    let text = text(data);
    for authority in authorities() {
        if let Ok(metadata) = Metadata::parse(data) {
            read(authority, metadata);
        }
        issued(authority, &text);
    }
    let _ = Metadata::parse(data).map_err(|problem| is_one_line(&problem));

    if let Ok(url) = Url::parse(&text) {
        let Address { kind, host, tenant } = Address::parse(&url);
        assert_eq!(host.origin().ascii_serialization(), url.origin().ascii_serialization());
        let path = kind.discovery_path(&tenant);
        assert_eq!(path.last().map(String::as_str), Some("openid-configuration"));
    }
    match InstanceMetadata::from_json(&text) {
        Ok(metadata) => {
            let value: Value = serde_json::from_str(&text).unwrap_or_default();
            let hosts = value["metadata"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|one| one["aliases"].as_array());
            for host in hosts.flatten().filter_map(Value::as_str) {
                assert!(metadata.of_host(&host.to_ascii_uppercase()).is_some(), "{host}");
            }
        }
        Err(error) => error.problems.iter().for_each(|problem| is_one_line(&problem.reason)),
    }
}

fn read(authority: &Authority, metadata: Metadata) {
    let body = json!({
        "issuer": metadata.issuer, "authorization_endpoint": metadata.authorization_endpoint,
        "token_endpoint": metadata.token_endpoint, "jwks_uri": metadata.jwks_uri,
        "end_session_endpoint": metadata.end_session_endpoint,
    });
    let again = Metadata::parse(body.to_string().as_bytes());
    assert_eq!(again.map(|again| format!("{again:?}")), Ok(format!("{metadata:?}")));
    match authority.checked(metadata) {
        Ok(checked) => {
            assert!(authority.issuer_rule(&checked.issuer).is_ok());
            for url in [&checked.token_endpoint, &checked.jwks_uri, &checked.authorization_endpoint] {
                assert!(url.scheme() == "https" || is_loopback(url), "{url}");
            }
        }
        Err(problem) => is_one_line(&problem),
    }
}

fn issued(authority: &Authority, issuer: &str) {
    match authority.issuer_rule(issuer) {
        Ok(rule) => {
            assert_eq!(rule.issuer, issuer);
            match rule.expects(TENANT) {
                Ok(expected) => {
                    assert!(rule.may_be(&expected.issuer), "{rule:?}");
                    assert!(rule.is_multi_tenant() || expected.issuer == issuer);
                }
                Err(problem) => is_one_line(&problem),
            }
        }
        Err(expected) => is_one_line(&expected),
    }
}

/// One of each kind.
fn authorities() -> &'static [Arc<Authority>] {
    static ALL: OnceLock<Vec<Arc<Authority>>> = OnceLock::new();
    ALL.get_or_init(|| {
        let addresses = [
            "https://login.microsoftonline.com/10000000-0000-4000-8000-000000000001",
            "https://login.microsoftonline.com/contoso.com",
            "https://login.microsoftonline.com/common",
            "https://login.microsoftonline.com/organizations",
            "https://login.microsoftonline.com/consumers",
            "https://contoso.ciamlogin.com",
            "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_x",
            "https://fs.contoso.test/adfs",
            "https://accounts.example/realms/x",
        ];
        let made = |address: &&str| {
            let url = Url::parse(address).ok()?;
            let config = EntraConfig::with_authority(&url, "client", ClientCredential::secret("secret"));
            let http = Http::new(None).ok()?;
            Authority::new(&config.split().0, http, Arc::new(SystemClock)).ok().map(Arc::new)
        };
        let all: Vec<_> = addresses.iter().filter_map(made).collect();
        assert_eq!(all.len(), addresses.len());
        all
    })
}
