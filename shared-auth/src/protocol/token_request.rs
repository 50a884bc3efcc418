//! The requests to the token endpoint: grant types and parameters, spelled as in the RFCs.

use crate::protocol::scope::Scopes;
use crate::secret::{AuthorizationCode, DeviceCode, Password, PkceVerifier, RefreshToken, UserAssertion};

/// What is exchanged for tokens, with the parameters that belong to it.
#[derive(Debug, Clone)]
#[cfg_attr(not(feature = "desktop"), allow(dead_code, reason = "some are for public clients only"))]
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
    /// RFC 8628 §3.4: asks whether somebody has signed in for this device.
    DeviceCode(DeviceCode),
    /// RFC 6749 §4.3.2, which RFC 9700 §2.4 forbids and some tests still need.
    Password {
        /// The user name.
        username: String,
        /// The user's own password, in the hands of the application.
        password: Password,
    },
}

impl Grant {
    /// The value of `grant_type`.
    pub fn grant_type(&self) -> &'static str {
        match self {
            Grant::ClientCredentials => "client_credentials",
            Grant::AuthorizationCode { .. } => "authorization_code",
            Grant::RefreshToken(_) => "refresh_token",
            Grant::OnBehalfOf(_) => "urn:ietf:params:oauth:grant-type:jwt-bearer",
            Grant::DeviceCode(_) => "urn:ietf:params:oauth:grant-type:device_code",
            Grant::Password { .. } => "password",
        }
    }

    /// The name in sentences and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Grant::ClientCredentials => "client-credentials",
            Grant::AuthorizationCode { .. } => "authorization-code",
            Grant::RefreshToken(_) => "refresh-token",
            Grant::OnBehalfOf(_) => "on-behalf-of",
            Grant::DeviceCode(_) => "device-code",
            Grant::Password { .. } => "username/password",
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
            Grant::DeviceCode(code) => form.push(("device_code", code.expose().to_owned())),
            Grant::Password { username, password } => {
                form.extend([("username", username.clone()), ("password", password.expose().to_owned())]);
            }
        }
        // User flows: an ID token and a refresh token are part of every one, and `client_info` names the account.
        form.push(("scope", scopes.with_openid().to_string()));
        form.push(("client_info", "1".to_owned()));
        form
    }
}
