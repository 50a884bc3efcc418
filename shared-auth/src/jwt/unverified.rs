//! A look at an assertion before it is sent on behalf of somebody: what Entra would refuse is refused here, with the fix.
//!
//! Nothing here accepts anything. The claims are read without a signature, so they may only make us say no earlier; who
//! wants to know whether a token is good asks [`super::AccessTokenValidator`]. What cannot be read is left to Entra.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::rejection::{Check, TokenRejection, shown};
use super::strict_json;
use crate::diagnosis::Diagnosis;
use crate::secret::UserAssertion;

/// Refuses an assertion that has ended, was made for somebody else, has no user, or comes from another tenant.
///
/// `tenant_id`: the tenant whose token endpoint would be asked, where it is one certain tenant and its id is known.
pub(crate) fn refuse_early(
    assertion: &UserAssertion,
    client_id: &str,
    tenant_id: Option<&str>,
    now: Timestamp,
) -> Result<(), TokenRejection> {
    let claims = payload(assertion.expose()).unwrap_or_default();
    let text = |name: &str| claims.get(name).and_then(Value::as_str);

    // Expired. No allowance for clocks: a cached token would not be served after this moment either.
    let exp = claims.get("exp").and_then(Value::as_i64).and_then(|exp| Timestamp::from_second(exp).ok());
    let ends = exp.map_or(assertion.expires_at(), |exp| exp.min(assertion.expires_at()));
    if ends <= now {
        return Err(refuse(Check::Lifetime, 500133, &format!("it expired at {ends}, now it is {now}")));
    }

    // Another audience. An App ID URI may be any name, so only what is certainly somebody else's is refused.
    if let Some(audience) = text("aud").filter(|audience| is_somebody_elses(audience, client_id)) {
        let found = format!("it is for {}, not for {client_id}", shown(audience));
        return Err(refuse(Check::Audience, 500131, &found));
    }

    // No user.
    if text("idtyp") == Some("app") || (text("aud").is_some() && !claims.contains_key("scp")) {
        let found = "it has no scopes, so it is an application's own token or an ID token";
        return Err(refuse(Check::Kind, 7000114, found));
    }

    // Another tenant. On-behalf-of happens in the tenant that issued the token.
    if let (Some(found), Some(ours)) = (text("tid"), tenant_id)
        && !found.eq_ignore_ascii_case(ours)
    {
        let found = format!("it was issued by the tenant {}, and {ours} would be asked", shown(found));
        return Err(refuse(Check::Tenant, 7000012, &found));
    }
    Ok(())
}

/// The tenant that an assertion names, to know where to ask. The answer comes from Entra, and only if it is right.
pub(crate) fn tenant_of(assertion: &UserAssertion) -> Option<String> {
    let tenant = payload(assertion.expose())?.get("tid")?.as_str()?.to_owned();
    (tenant.len() == 36 && uuid::Uuid::try_parse(&tenant).is_ok()).then_some(tenant)
}

/// Whom a renewed ID token names. It comes straight from the token endpoint, and only makes us refuse it.
pub(crate) fn issuer_and_subject(id_token: &str) -> Option<(String, String)> {
    let claims = payload(id_token)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    Some((text("iss")?, text("sub")?))
}

fn payload(token: &str) -> Option<Map<String, Value>> {
    let mut parts = token.split('.');
    let (_, payload, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else {
        return None; // Encrypted, or something else altogether.
    };
    Some(strict_json::object(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?.into_map())
}

/// v2.0 tokens name the client id, v1.0 tokens mostly `api://` and the client id. Other names can be ours as well.
fn is_somebody_elses(audience: &str, client_id: &str) -> bool {
    let name = audience.trim_end_matches('/');
    if name.eq_ignore_ascii_case("https://graph.microsoft.com") {
        return true;
    }
    let id = name.strip_prefix("api://").unwrap_or(name);
    uuid::Uuid::try_parse(id).is_ok() && !id.eq_ignore_ascii_case(client_id)
}

/// What was found, what Entra would answer, and what helps.
fn refuse(check: Check, code: u32, found: &str) -> TokenRejection {
    let rejection = TokenRejection::new(check, format!("{found}; Entra would refuse it with AADSTS{code}"));
    match Diagnosis::of(code) {
        Some(diagnosis) => rejection.fix(diagnosis.fix),
        None => rejection,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const CLIENT: &str = "c0ffee00-0000-4000-8000-000000004000";
    const TENANT: &str = "10000000-0000-4000-8000-000000000001";

    fn check(claims: &Value) -> Option<Check> {
        let token = format!("e30.{}.AA", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let assertion = UserAssertion::new(token, Timestamp::from_second(2_000).unwrap());
        let now = Timestamp::from_second(1_000).unwrap();
        refuse_early(&assertion, CLIENT, Some(TENANT), now).err().map(|rejection| rejection.check)
    }

    #[test]
    fn what_entra_would_refuse_is_refused_here() {
        let good = json!({"aud": CLIENT, "exp": 1_500, "scp": "access_as_user", "tid": TENANT});
        let with = |name: &str, value: Value| {
            let mut claims = good.clone();
            claims[name] = value;
            check(&claims)
        };

        assert_eq!(check(&good), None);
        assert_eq!(with("exp", json!(1_000)), Some(Check::Lifetime));
        assert_eq!(with("aud", json!("00000003-0000-0000-c000-000000000000")), Some(Check::Audience));
        assert_eq!(with("aud", json!("https://graph.microsoft.com/")), Some(Check::Audience));
        assert_eq!(with("aud", json!("api://c0ffee00-0000-4000-8000-000000007000")), Some(Check::Audience));
        assert_eq!(with("idtyp", json!("app")), Some(Check::Kind));
        assert_eq!(with("tid", json!("20000000-0000-4000-8000-000000000002")), Some(Check::Tenant));
        assert_eq!(check(&json!({"aud": CLIENT, "roles": ["Directory.Read"]})), Some(Check::Kind));
    }

    #[test]
    fn what_may_be_right_is_left_to_entra() {
        for audience in
            [format!("api://{CLIENT}"), "api://orders".to_owned(), "https://api.contoso.test".to_owned()]
        {
            assert_eq!(check(&json!({"aud": audience, "scp": "x"})), None, "{audience}");
        }
        assert_eq!(check(&json!({})), None);
        assert_eq!(check(&json!({"aud": ["x"], "exp": "soon", "tid": 7})), None);
    }

    #[test]
    fn the_message_has_the_fix_and_no_token() {
        let assertion = UserAssertion::new("s3cret.s3cret.s3cret", Timestamp::UNIX_EPOCH);

        let text = refuse_early(&assertion, CLIENT, None, Timestamp::UNIX_EPOCH).unwrap_err().to_string();

        assert!(text.contains("AADSTS500133. What helps: Let the caller get a new token"), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,200}", payload in "\\PC{0,100}") {
            let later = Timestamp::from_second(1).unwrap();
            for token in [text, format!("e30.{}.AA", URL_SAFE_NO_PAD.encode(payload))] {
                let assertion = UserAssertion::new(token, later);
                let _ = refuse_early(&assertion, CLIENT, Some(TENANT), Timestamp::UNIX_EPOCH);
                let _ = tenant_of(&assertion);
            }
        }
    }
}
