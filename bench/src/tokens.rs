//! Access tokens for an API, of the size and with the claims that Entra gives a user, and the key that signs them.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use shared_auth::{Clock, SystemClock};

use crate::{CLIENT, TENANT};

const KID: &str = "nOo3ZDrODXEK1jKWhXslHR_KXEg";

/// A key of an authority.
pub struct Signer {
    pair: KeyPair,
    pub modulus: Vec<u8>,
}

impl Default for Signer {
    fn default() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        // The modulus has 2048 bits, so it stands behind nine bytes of DER.
        let modulus = pair.public_key().as_ref()[9..9 + 256].to_vec();
        Self { pair, modulus }
    }
}

impl Signer {
    /// One for the API with the client id [`CLIENT`], good for more than an hour.
    pub fn token(&self, issuer: &str, user: usize) -> String {
        let now = SystemClock.now().as_second();
        let claims = json!({
            "aud": CLIENT, "iss": issuer, "iat": now - 10, "nbf": now - 10, "exp": now + 4_000, "acct": 0,
            "aio": "A".repeat(120), "azp": "000000a9-0000-4000-8000-000000000002", "azpacr": "1",
            "name": "Alice Kim", "oid": format!("a0000000-0000-4000-8000-{user:012}"),
            "preferred_username": format!("alice{user}@contoso.test"), "rh": format!("1.{}", "B".repeat(60)),
            "scp": "access_as_user", "sid": "a0000000-0000-4000-8000-00000000000b",
            "sub": format!("pairwise-for-this-api-{user:024}"), "tid": TENANT, "uti": "u".repeat(22), "ver": "2.0",
            "wids": ["b79fbf4d-3ef9-4689-8143-76b194e85509"], "xms_ftd": "C".repeat(60), "roles": ["Reader"],
        });
        let header = json!({"typ": "JWT", "alg": "RS256", "kid": KID});
        let encode = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let input = format!("{}.{}", encode(&header), encode(&claims));
        let mut signature = vec![0; 256];
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature).unwrap();
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The key set that publishes it.
    pub fn jwks(&self) -> Value {
        let n = URL_SAFE_NO_PAD.encode(&self.modulus);
        json!({"keys": [{"kty": "RSA", "use": "sig", "kid": KID, "n": n, "e": "AQAB"}]})
    }
}
