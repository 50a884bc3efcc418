//! The JSON Web Signature vectors of Project Wycheproof (C2SP, Apache-2.0), where a copy of them lies.
//!
//! `WYCHEPROOF_DIR` names the folder with `json_web_signature_test.json`, from
//! <https://github.com/C2SP/wycheproof>, `testvectors`. The vectors are for every algorithm; here all but RS256 is refused.

use serde_json::{Value, json};
use shared_auth::verify_jws;

/// Valid for a library in general, and refused here: its payload is empty, which no token's is.
const STRICTER: [u64; 1] = [259];

#[test]
fn every_vector_is_judged_as_published() {
    let Ok(folder) = std::env::var("WYCHEPROOF_DIR") else {
        println!("skipped: WYCHEPROOF_DIR does not name the vectors");
        return;
    };
    let path = std::path::Path::new(&folder).join("json_web_signature_test.json");
    let vectors: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let (mut accepted, mut refused) = (Vec::new(), 0);

    for group in vectors["testGroups"].as_array().unwrap() {
        let key = group.get("public").unwrap_or(&group["private"]);
        let jwks = json!({ "keys": [key] }).to_string();
        for vector in group["tests"].as_array().unwrap() {
            let id = vector["tcId"].as_u64().unwrap();
            let what = format!("{id}: {} of {}", vector["comment"], group["comment"]);
            let jws = vector["jws"].as_str().map_or_else(|| vector["jws"].to_string(), str::to_owned);
            let rs256 = key["kty"] == "RSA" && key["alg"] == "RS256";
            let expected = vector["result"] == "valid" && rs256 && !STRICTER.contains(&id);

            match verify_jws(&jws, &jwks) {
                Ok(_) if expected => accepted.push(id),
                Err(_) if !expected => refused += 1,
                outcome => panic!("{what}: {outcome:?}"),
            }
        }
    }

    assert_eq!(accepted, [33, 260, 261, 262, 263, 345, 349]);
    assert_eq!(accepted.len() as u64 + refused, vectors["numberOfTests"].as_u64().unwrap());
}
