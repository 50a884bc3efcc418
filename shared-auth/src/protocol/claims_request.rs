//! The `claims` parameter (OpenID Connect Core §5.5): what a challenge asks for, together with what this client can do.
//!
//! A client that declares capabilities (`cp1`: it handles claims challenges) says so in every request, as
//! `access_token.xms_cc.values`. That is no reason to go past a cache; a challenge is.

use serde_json::{Map, Value};

/// The two in one document; `None` where there is neither. The error says what the challenge should have been.
pub fn merged(challenge: Option<&str>, capabilities: &[String]) -> Result<Option<String>, &'static str> {
    const NEEDED: &str =
        "must be a claims request as JSON: an object, decoded if it came from a WWW-Authenticate header";
    let mut claims = match challenge {
        None if capabilities.is_empty() => return Ok(None),
        None => Map::new(),
        Some(text) => serde_json::from_str::<Map<String, Value>>(text).map_err(|_| NEEDED)?,
    };
    if capabilities.is_empty() {
        return Ok(challenge.map(str::to_owned)); // As it came, letter by letter.
    }
    let member = |parent: &mut Map<String, Value>, name: &str| -> Result<Map<String, Value>, &'static str> {
        match parent.remove(name) {
            None | Some(Value::Null) => Ok(Map::new()),
            Some(Value::Object(object)) => Ok(object),
            Some(_) => Err(NEEDED),
        }
    };
    let mut access_token = member(&mut claims, "access_token")?;
    let mut xms_cc = member(&mut access_token, "xms_cc")?;
    let mut values = match xms_cc.remove("values") {
        Some(Value::Array(values)) => values,
        _ => Vec::new(),
    };
    for capability in capabilities {
        let known =
            |value: &Value| value.as_str().is_some_and(|value| value.eq_ignore_ascii_case(capability));
        if !values.iter().any(known) {
            values.push(capability.as_str().into());
        }
    }
    xms_cc.insert("values".to_owned(), values.into());
    access_token.insert("xms_cc".to_owned(), xms_cc.into());
    claims.insert("access_token".to_owned(), access_token.into());
    Ok(Some(Value::Object(claims).to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn with_cp1(challenge: Option<&str>) -> Value {
        serde_json::from_str(&merged(challenge, &["cp1".to_owned()]).unwrap().unwrap()).unwrap()
    }

    #[test]
    fn capabilities_stand_beside_what_a_challenge_asks_for() {
        assert_eq!(with_cp1(None), json!({ "access_token": { "xms_cc": { "values": ["cp1"] } } }));
        let challenge = r#"{"id_token":{"auth_time":null},"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}"#;
        assert_eq!(
            with_cp1(Some(challenge)),
            json!({
                "id_token": { "auth_time": null },
                "access_token": {
                    "nbf": { "essential": true, "value": "1604106651" },
                    "xms_cc": { "values": ["cp1"] },
                },
            })
        );
        for challenge in
            [r#"{"access_token":{"xms_cc":{"values":["CP1"],"x":1}}}"#, r#"{"access_token":null}"#]
        {
            let values = with_cp1(Some(challenge))["access_token"]["xms_cc"]["values"].clone();
            assert_eq!(values.as_array().unwrap().len(), 1, "{challenge}");
        }
    }

    #[test]
    fn without_capabilities_a_challenge_is_passed_on_letter_by_letter() {
        let challenge = "{ \"access_token\" : {\"acrs\":{\"essential\":true,\"value\":\"c1\"}} }";
        assert_eq!(merged(Some(challenge), &[]), Ok(Some(challenge.to_owned())));
        assert_eq!(merged(None, &[]), Ok(None));
    }

    #[test]
    fn what_is_no_claims_request_is_refused() {
        for challenge in ["", "eyJhY2Nlc3NfdG9rZW4iOnt9fQ==", "[]", "null", "7", "{\"a\":"] {
            assert!(merged(Some(challenge), &[]).is_err(), "{challenge}");
        }
        assert!(merged(Some(r#"{"access_token":[]}"#), &["cp1".to_owned()]).is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_asked_for_stays(name in "[a-z]{1,8}", value in "\\PC{0,12}") {
            prop_assume!(name != "xms_cc");
            let challenge = json!({ "access_token": { &name: { "value": value } } });
            let merged = with_cp1(Some(&challenge.to_string()));
            prop_assert_eq!(&merged["access_token"][&name], &challenge["access_token"][&name]);
        }

        #[test]
        fn merging_never_panics(text in "\\PC{0,80}") {
            let _ = merged(Some(&text), &["cp1".to_owned()]);
        }
    }
}
