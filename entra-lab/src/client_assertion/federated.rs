//! An assertion of a foreign issuer that the application trusts (workload identity federation).

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::JwkSet;
use serde_json::Value;
use url::Url;

use super::{Against, Assertion, printable};
use crate::directory::{
    Application, FEDERATED_AUDIENCE as DEFAULT_AUDIENCE, FEDERATED_AUDIENCE_ID, FederatedCredential,
    ForeignKeys,
};
use crate::errors::{
    FEDERATED_AUDIENCE, FEDERATED_ISSUER, FEDERATED_NONE, FEDERATED_SUBJECT, UNKNOWN_CERTIFICATE,
};
use crate::refusal::Refusal;
use crate::state::LabState;

impl Assertion {
    pub(super) fn check_foreign(&self, against: &Against<'_>) -> Result<(), Refusal> {
        let credential = self.credential(against.state, against.client)?;
        let kid = self.header.get("kid").and_then(Value::as_str);
        let of_set = |set: &JwkSet| {
            let mut named = set.keys.iter().filter(|k| kid.is_none() || k.common.key_id.as_deref() == kid);
            named.any(|k| DecodingKey::from_jwk(k).is_ok_and(|key| self.is_signed_with(&key)))
        };
        let good = match (&credential.keys, against.fetched) {
            (ForeignKeys::Inline(set), _) | (ForeignKeys::At(_) | ForeignKeys::Discovered(_), Some(set)) => {
                of_set(set)
            }
            (ForeignKeys::Own, _) => {
                let key = kid.and_then(|kid| against.state.keys.find(kid));
                key.is_some_and(|key| self.is_signed_with(&key.verifying))
            }
            (ForeignKeys::At(url) | ForeignKeys::Discovered(url), None) => {
                return Err(UNKNOWN_CERTIFICATE.about(format!("The issuer's keys at {url} cannot be read.")));
            }
        };
        if !good {
            return Err(UNKNOWN_CERTIFICATE.about("None of the issuer's keys made this signature."));
        }
        self.check_time(against.state.clock.seconds())
    }

    /// The federated credential with this issuer, subject and audience; which of them does not fit is said.
    fn credential<'a>(
        &self,
        state: &LabState,
        client: &'a Application,
    ) -> Result<&'a FederatedCredential, Refusal> {
        if client.federated.is_empty() {
            return Err(FEDERATED_NONE.about(format!("{} has no federated credential.", client.name)));
        }
        let issuer = self.claim("iss").unwrap_or_default();
        let bare = |t: &str| t.trim_end_matches('/').to_owned();
        let fits = |f: &&FederatedCredential| match f.keys {
            ForeignKeys::Own => state.tenant_of_issuer(issuer).is_some(),
            _ => bare(&f.issuer) == bare(issuer),
        };
        let of_issuer: Vec<_> = client.federated.iter().filter(fits).collect();
        if of_issuer.is_empty() {
            return Err(FEDERATED_ISSUER.about(format!("The assertion's issuer is '{}'.", printable(issuer))));
        }
        let subject = self.claim("sub").unwrap_or_default();
        let of_subject: Vec<_> = of_issuer.into_iter().filter(|f| f.subject == subject).collect();
        if of_subject.is_empty() {
            return Err(
                FEDERATED_SUBJECT.about(format!("The assertion's subject is '{}'.", printable(subject)))
            );
        }
        let audiences = self.audiences();
        let same = |f: &&FederatedCredential| {
            let by_id = f.audience == DEFAULT_AUDIENCE && audiences.contains(&FEDERATED_AUDIENCE_ID);
            by_id || audiences.contains(&f.audience.as_str())
        };
        of_subject.into_iter().find(same).ok_or_else(|| FEDERATED_AUDIENCE.into())
    }
}

/// Fetches the keys of the foreign issuer that an assertion names, if the application trusts it.
pub async fn fetch_keys(state: &LabState, client: &Application, assertion: &Assertion) -> Option<JwkSet> {
    if assertion.is_own() {
        return None;
    }
    let keys = &assertion.credential(state, client).ok()?.keys;
    let http = reqwest::Client::builder()
        .timeout(std::time::Duration::from_secs(5))
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .ok()?;
    let url = match keys {
        ForeignKeys::At(url) => url.clone(),
        ForeignKeys::Discovered(issuer) => {
            let base = issuer.as_str().trim_end_matches('/');
            let document = Url::parse(&format!("{base}/.well-known/openid-configuration")).ok()?;
            let document: Value = serde_json::from_slice(&read(&http, document).await?).ok()?;
            // OpenID Connect Discovery 4.3: the document must be the issuer's own.
            let own = document.get("issuer").and_then(Value::as_str)?.trim_end_matches('/') == base;
            Url::parse(document.get("jwks_uri").and_then(Value::as_str).filter(|_| own)?).ok()?
        }
        ForeignKeys::Inline(_) | ForeignKeys::Own => return None,
    };
    serde_json::from_slice(&read(&http, url).await?).ok()
}

async fn read(http: &reqwest::Client, url: Url) -> Option<Vec<u8>> {
    let answer = http.get(url).send().await.ok()?.error_for_status().ok()?;
    Some(answer.bytes().await.ok()?.to_vec())
}
