//! Passwords and client secrets, so that none is printed by accident.

use std::fmt;

use serde::Deserialize;
use subtle::ConstantTimeEq;

use crate::scan;

/// A password or client secret: never printed, compared in constant time.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    pub fn matches(&self, given: &str) -> bool {
        scan::secret(&self.0);
        scan::secret(given);
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }

    /// A secret that was just made.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the home page: the lab's secrets are public.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
