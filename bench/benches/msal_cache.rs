//! A token cache of another MSAL program: how long until its five users' tokens can be used here, and until ours are
//! written out.
//!
//! `cargo bench --manifest-path bench/Cargo.toml --bench msal_cache`. The document is what MSAL Python writes for five
//! users, compact: access, refresh and ID token and account of each, tokens as long as Entra's. Each round imports into a
//! cache that does not know the users.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot start should say so and stop")]

use std::time::Duration;

use bench::CpuTime;
use cpu_time::ThreadTime;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Map, Value, json};
use shared_auth::{ClientCredential, Clock, ConfidentialClient, EntraConfig, MsalExport, SystemClock};

const TENANT: &str = "0000071d-0000-4000-8000-000000000001";
const CLIENT: &str = "000000a9-0000-4000-8000-000000000001";
const HOST: &str = "login.microsoftonline.com";
const USERS: usize = 5;

fn text(kind: &str, user: usize, bytes: usize) -> String {
    let begin = format!("{kind}{user:08}");
    format!("{begin}{}", "x".repeat(bytes - begin.len()))
}

fn document() -> String {
    let now = SystemClock.now().as_second();
    let mut sections: [Map<String, Value>; 5] = Default::default();
    for user in 0..USERS {
        let id = format!("{user:08x}-bbbb-4ccc-8ddd-eeeeeeeeeeee");
        let home = format!("{id}.{TENANT}");
        let [access_tokens, accounts, id_tokens, refresh_tokens, _] = &mut sections;
        access_tokens.insert(format!("{home}-{HOST}-accesstoken-{CLIENT}-{TENANT}-user.read openid profile"), json!({
            "credential_type": "AccessToken", "secret": text("at", user, 2152), "home_account_id": home,
            "environment": HOST, "client_id": CLIENT, "target": "User.Read openid profile", "realm": TENANT,
            "token_type": "Bearer", "cached_at": now.to_string(), "expires_on": (now + 3599).to_string(),
            "extended_expires_on": (now + 3599).to_string(),
        }));
        refresh_tokens.insert(format!("{home}-{HOST}-refreshtoken-{CLIENT}--user.read openid profile"), json!({
            "credential_type": "RefreshToken", "secret": text("rt", user, 1300), "home_account_id": home,
            "environment": HOST, "client_id": CLIENT, "target": "User.Read openid profile",
            "last_modification_time": now.to_string(),
        }));
        id_tokens.insert(format!("{home}-{HOST}-idtoken-{CLIENT}-{TENANT}-"), json!({
            "credential_type": "IdToken", "secret": text("it", user, 1200), "home_account_id": home,
            "environment": HOST, "realm": TENANT, "client_id": CLIENT,
        }));
        accounts.insert(format!("{home}-{HOST}-{TENANT}"), json!({
            "home_account_id": home, "environment": HOST, "realm": TENANT, "local_account_id": id,
            "username": format!("user{user}@contoso.test"), "authority_type": "MSSTS",
            "account_source": "authorization_code",
        }));
    }
    let metadata = json!({ "client_id": CLIENT, "environment": HOST });
    sections[4].insert(format!("appmetadata-{HOST}-{CLIENT}"), metadata);
    let names = ["AccessToken", "Account", "IdToken", "RefreshToken", "AppMetadata"];
    let root: Map<String, Value> =
        names.into_iter().zip(sections).map(|(name, section)| (name.to_owned(), section.into())).collect();
    Value::Object(root).to_string()
}

fn import_and_export(c: &mut Criterion<CpuTime>) {
    let config = EntraConfig::new(
        format!("https://{HOST}").parse().unwrap(),
        TENANT,
        CLIENT,
        ClientCredential::secret("s3cret"),
    );
    let (client, document) = (ConfidentialClient::new(config).unwrap(), document());
    // For the peers: the same document, to be read by MSAL Python and msal-node.
    if let Ok(path) = std::env::var("MSAL_CACHE_DOCUMENT") {
        std::fs::write(path, &document).unwrap();
    }
    let mut group = c.benchmark_group(format!("MSAL token cache of {USERS} users, {} bytes", document.len()));
    group.throughput(Throughput::Bytes(document.len() as u64));
    group.bench_function("import", |bencher| {
        bencher.iter_custom(|rounds| {
            let mut took = Duration::ZERO;
            for _ in 0..rounds {
                let begun = ThreadTime::now();
                let imported = client.import_msal_cache(&document).unwrap();
                took += begun.elapsed();
                assert_eq!((imported.accounts.len(), imported.access_tokens), (USERS, USERS));
                imported.accounts.iter().for_each(|account| client.remove_account(account));
            }
            took
        });
    });
    client.import_msal_cache(&document).unwrap();
    group.bench_function("export", |bencher| bencher.iter(|| client.export_msal_cache(&MsalExport::new())));
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = import_and_export
}
criterion_main!(benches);
