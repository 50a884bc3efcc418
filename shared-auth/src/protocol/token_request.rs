//! The requests to the token endpoint: grant types and parameters, spelled as in the RFCs.

use crate::protocol::scope::Scopes;
use crate::secret::{AuthorizationCode, PkceVerifier, RefreshToken, UserAssertion};

/// What is exchanged for tokens, with the parameters that belong to it.
#[derive(Debug, Clone)]
pub enum Grant {
    /// RFC 6749 §4.4: the application speaks for itself.
    ClientCredentials,
    /// RFC 6749 §4.1.3 with the verifier of RFC 7636 §4.5.
    AuthorizationCode {
        /// From the redirect.
        code: AuthorizationCode,
        /// The same text as in the authorization request.
        redirect_uri: String,
        /// Whose challenge the authorization request carried.
        code_verifier: PkceVerifier,
    },
    /// RFC 6749 §6.
    RefreshToken(RefreshToken),
    /// RFC 7523 §2.1 with Entra's `requested_token_use`.
    OnBehalfOf(UserAssertion),
}

impl Grant {
    /// The value of `grant_type`.
    pub fn grant_type(&self) -> &'static str {
        match self {
            Grant::ClientCredentials => "client_credentials",
            Grant::AuthorizationCode { .. } => "authorization_code",
            Grant::RefreshToken(_) => "refresh_token",
            Grant::OnBehalfOf(_) => "urn:ietf:params:oauth:grant-type:jwt-bearer",
        }
    }

    /// The name in sentences and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Grant::ClientCredentials => "client-credentials",
            Grant::AuthorizationCode { .. } => "authorization-code",
            Grant::RefreshToken(_) => "refresh-token",
            Grant::OnBehalfOf(_) => "on-behalf-of",
        }
    }

    /// The form fields but for the client's own authentication.
    pub(crate) fn form(&self, scopes: &Scopes) -> Vec<(&'static str, String)> {
        let mut form = vec![("grant_type", self.grant_type().to_owned())];
        match self {
            Grant::ClientCredentials => {
                form.push(("scope", scopes.to_string()));
                return form;
            }
            Grant::AuthorizationCode { code, redirect_uri, code_verifier } => form.extend([
                ("code", code.expose().to_owned()),
                ("redirect_uri", redirect_uri.clone()),
                ("code_verifier", code_verifier.expose().to_owned()),
            ]),
            Grant::RefreshToken(token) => form.push(("refresh_token", token.expose().to_owned())),
            Grant::OnBehalfOf(assertion) => form.extend([
                ("assertion", assertion.expose().to_owned()),
                ("requested_token_use", "on_behalf_of".to_owned()),
            ]),
        }
        // User flows: an ID token and a refresh token are part of every one, and `client_info` names the account.
        form.push(("scope", scopes.with_openid().to_string()));
        form.push(("client_info", "1".to_owned()));
        form
    }
}
