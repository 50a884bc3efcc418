//! The key set, and the signatures that it checks.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

use crate::support::{ALICE, API_SCOPE, TENANT, WEB_APP, client, get, lab, tokens};

/// Checklist 161.
#[tokio::test]
async fn two_keys_are_published_without_alg_and_with_their_issuer() {
    let lab = lab().await;
    let set = get(&format!("{}/{TENANT}/discovery/v2.0/keys", lab.url())).await;
    let keys = set.body["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    for key in keys {
        assert_eq!((key["kty"].as_str(), key["use"].as_str()), (Some("RSA"), Some("sig")));
        assert_eq!(key["kid"], key["x5t"]);
        assert!(key.get("alg").is_none());
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(key.get(private).is_none(), "{private} is nobody else's");
        }
        assert_eq!(key["issuer"], format!("{}/{TENANT}/v2.0", lab.url()));
        assert_eq!(URL_SAFE_NO_PAD.decode(key["n"].as_str().unwrap()).unwrap().len(), 256);
        // The key id is the SHA-1 of the certificate.
        let der = STANDARD.decode(key["x5c"][0].as_str().unwrap()).unwrap();
        let sha1 = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, &der);
        assert_eq!(key["x5t"], URL_SAFE_NO_PAD.encode(sha1));
    }
    assert_ne!(keys[0]["kid"], keys[1]["kid"]);
    assert_eq!(
        get(&format!("{}/common/discovery/v2.0/keys", lab.url())).await.body["keys"][0]["kid"],
        keys[0]["kid"]
    );
}

/// Checklist 161.
#[tokio::test]
async fn the_keys_stay_the_same_and_have_no_private_part() {
    let lab = lab().await;
    let first = get(&format!("{}/{TENANT}/discovery/v2.0/keys", lab.url())).await.body;
    for key in first["keys"].as_array().unwrap() {
        let mut members: Vec<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, ["e", "issuer", "kid", "kty", "n", "use", "x5c", "x5t"]);
    }
    tokens(&lab, &WEB_APP, ALICE, API_SCOPE).await;
    assert_eq!(get(&format!("{}/{TENANT}/discovery/v2.0/keys", lab.url())).await.body, first);
}

/// Checklist 161.
#[tokio::test]
async fn the_published_keys_verify_id_tokens_and_access_tokens() {
    let lab = lab().await;
    let set = get(&format!("{}/common/discovery/v2.0/keys", lab.url())).await;
    let answer = tokens(&lab, &WEB_APP, ALICE, &format!("openid {API_SCOPE}")).await;
    for (member, audience) in [("id_token", WEB_APP.id), ("access_token", crate::support::API.id)] {
        let token = answer.text(member);
        let header = decode_header(token).unwrap();
        assert_eq!(header.alg, Algorithm::RS256);
        let kid = header.kid.unwrap();
        let key = set.body["keys"].as_array().unwrap().iter().find(|k| k["kid"] == *kid).unwrap();
        let key = DecodingKey::from_rsa_components(key["n"].as_str().unwrap(), key["e"].as_str().unwrap());
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&[audience]);
        validation.set_issuer(&[format!("{}/{TENANT}/v2.0", lab.url())]);
        validation.validate_nbf = true;
        decode::<Value>(token, &key.unwrap(), &validation).expect(member);
    }
}

#[tokio::test]
async fn a_token_for_graph_is_checked_by_graph_and_by_nobody_else() {
    let lab = lab().await;
    let set = get(&format!("{}/common/discovery/v2.0/keys", lab.url())).await;
    let answer = tokens(&lab, &WEB_APP, ALICE, "User.Read").await;
    let token = answer.text("access_token");
    let me = async |token: &str| {
        let request = client().get(format!("{}/me", lab.graph_url())).bearer_auth(token);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(me(token).await, 200);

    let (header, rest) = token.split_once('.').unwrap();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    let key = set.body["keys"].as_array().unwrap().iter().find(|k| k["kid"] == header["kid"]).unwrap();
    let key = DecodingKey::from_rsa_components(key["n"].as_str().unwrap(), key["e"].as_str().unwrap());
    let mut signature_only = Validation::new(Algorithm::RS256);
    (signature_only.validate_aud, signature_only.validate_exp) = (false, false);
    let error = decode::<Value>(token, &key.unwrap(), &signature_only).unwrap_err();
    assert_eq!(*error.kind(), jsonwebtoken::errors::ErrorKind::InvalidSignature);

    let mut other = header.clone();
    other["nonce"] = "another".into();
    assert_eq!(me(&format!("{}.{rest}", URL_SAFE_NO_PAD.encode(other.to_string()))).await, 401);
    let api = tokens(&lab, &WEB_APP, ALICE, API_SCOPE).await;
    let header = api.text("access_token").split('.').next().unwrap();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    assert_eq!(header["nonce"], Value::Null, "only Graph's have one");
}
