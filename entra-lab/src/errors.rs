//! The catalogue of refusals: AADSTS code, OAuth error, HTTP status, what happened, how to fix it.
//!
//! Codes, error words and statuses are Entra's; the sentences are ours. `refusal.rs` puts a row on
//! the wire as JSON, `sign_in` shows it as a page or sends it to the application.

/// One row of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aadsts {
    pub code: u32,
    /// The `error` member of the answer.
    pub error: &'static str,
    pub status: u16,
    /// What happened.
    pub text: &'static str,
    /// What to do about it.
    pub fix: &'static str,
}

macro_rules! catalogue {
    ($($name:ident = $code:literal $error:ident $status:literal $text:literal $fix:literal)*) => {
        $(pub const $name: Aadsts =
            Aadsts { code: $code, error: stringify!($error), status: $status, text: $text, fix: $fix };)*

        /// Every row, for the documentation and for tests.
        pub const ALL: &[Aadsts] = &[$($name),*];
    };
}

catalogue! {
    // The address and the application.
    UNKNOWN_TENANT = 90002 invalid_request 400
        "This tenant does not exist."
        "Check AZURE_TENANT_ID; the home page of the lab lists the tenants."
    MALFORMED_TENANT = 900023 invalid_request 400
        "The tenant part of the address is neither an id nor a domain name."
        "The first segment of the path must be a tenant id, a domain, common or organizations."
    NO_TENANT = 50059 invalid_request 400
        "This request needs one certain tenant, and the address does not name one."
        "Use the tenant id instead of common or organizations."
    UNKNOWN_APP = 700016 unauthorized_client 400
        "No application with this client id is registered in the tenant."
        "Check AZURE_CLIENT_ID and that it belongs to this tenant."
    SINGLE_TENANT_APP = 50194 invalid_request 400
        "The application accepts accounts of its own tenant only and cannot be used with this address."
        "Use the tenant id in the address, or register the application as multi-tenant."
    FOREIGN_HOST = 50049 invalid_instance 400
        "The address to be checked is not a known sign-in host."
        "Use the lab's own address as authority host."

    // The request.
    WRONG_VERB = 900561 invalid_request 400
        "The token endpoint accepts POST requests only."
        "Send the parameters as a form in a POST request."
    MISSING_PARAMETER = 900144 invalid_request 400
        "A required parameter is missing."
        "Add it; parameters travel as application/x-www-form-urlencoded."
    BAD_PARAMETER = 90100 invalid_request 400
        "A parameter is empty, repeated, too long or has a value that is not accepted."
        "Compare the request with the documentation of this endpoint."
    UNKNOWN_GRANT = 70003 unsupported_grant_type 400
        "This grant type is not supported."
        "Use authorization_code, refresh_token, client_credentials, device_code, password or the on-behalf-of grant."
    RESPONSE_TYPE = 70005 unsupported_response_type 400
        "This response type is not supported."
        "Use response_type=code."
    RESPONSE_MODE = 70007 invalid_request 400
        "Tokens must not travel in the query of an address."
        "Use response_mode=fragment or form_post."
    ID_TOKEN_NOT_ENABLED = 700054 unsupported_response_type 400
        "ID tokens straight from the authorization endpoint are not enabled for the application."
        "Use response_type=code and redeem the code, or set implicit_id_tokens in the registration."
    TOKEN_NOT_ENABLED = 700051 unsupported_response_type 400
        "Access tokens straight from the authorization endpoint are not enabled for the application."
        "Use response_type=code and redeem the code, or set implicit_access_tokens in the registration."
    REDIRECT_URI = 50011 invalid_request 400
        "The redirect URI does not match."
        "It must be one of the registered redirect URIs, letter by letter (for localhost the port may differ), \
         and the same in the authorization and the token request."
    NO_REDIRECT_URI = 900971 invalid_request 400
        "The application has no redirect URI."
        "Register one for the application."
    CHALLENGE_METHOD = 50147 invalid_request 400
        "The code challenge method is not known."
        "Use code_challenge_method=S256."
    CHALLENGE_SHAPE = 501491 invalid_request 400
        "The code challenge does not have a valid form."
        "It has 43 to 128 letters, digits, '-', '.', '_' or '~'."
    FORM_NOT_OURS = 165000 invalid_request 400
        "This form does not belong to a sign-in that is open in this browser."
        "Go back to the application and start the sign-in again; cookies must be on."

    SPA_NEEDS_PKCE = 9002325 invalid_request 400
        "A single-page application must send a code challenge."
        "Use PKCE (MSAL does); or register the redirect URI for the platform web, if a server redeems the code."
    DOMAIN_AND_OPAQUE_HINT = 1002014 invalid_request 400
        "domain_hint and the value of the claim login_hint must not be sent together."
        "Leave domain_hint away; the other one names the account."
    SID_AND_LOGIN_HINT = 90005 invalid_request 400
        "sid and login_hint must not be sent together."
        "Send one of them."

    // Scopes and resources.
    INVALID_SCOPE = 70011 invalid_scope 400
        "The scope is not valid."
        "Ask for scopes of one resource, or for its /.default, and never for both."
    SEVERAL_RESOURCES = 28000 invalid_scope 400
        "The scope names more than one resource, and a token is for one."
        "Ask for one resource at a time; a code or refresh token serves for each of them."
    UNKNOWN_SCOPE = 650053 invalid_client 400
        "The resource exposes no scope with this name."
        "Check the spelling, and what the API exposes; the home page of the lab lists it."
    UNKNOWN_RESOURCE = 500011 invalid_resource 400
        "No application in the tenant has this identifier."
        "Check the App ID URI in front of the scope."
    RESOURCE_NOT_LISTED = 650057 invalid_resource 400
        "The resource is not in the list of API permissions of the client."
        "Add a permission of this API to the client's registration."
    NOT_DEFAULT = 1002012 invalid_scope 400
        "With client credentials the scope must be exactly one resource followed by /.default."
        "Ask for api://.../.default; which roles the token gets is decided by the assignments."
    OWN_URI = 90009 invalid_request 400
        "An application asked for a token for itself by its App ID URI."
        "Use the client id in front of the scope instead of the App ID URI."

    // The client's credential.
    WRONG_SECRET = 7000215 invalid_client 401
        "The client secret is wrong."
        "Check AZURE_CLIENT_SECRET: it must be the secret's value, not its id."
    NO_SECRET = 7000218 invalid_client 401
        "The application is confidential, and the request has neither a secret nor an assertion."
        "Send client_secret, or register the application as a public client."
    PUBLIC_WITH_SECRET = 700025 invalid_client 401
        "The application is a public client and must not send a credential."
        "Leave client_secret away."
    SECRET_EXPIRED = 7000222 invalid_client 401
        "The client secret has expired."
        "Make a new secret for the application and roll it out; better, use a certificate or a federated credential."
    UNKNOWN_CERTIFICATE = 700027 invalid_client 401
        "The client assertion is not signed with a key that is registered for the application."
        "Register the certificate for the application, and sign with its private key."
    CLIENT_ASSERTION_TIME = 700024 invalid_client 401
        "The client assertion is outside its time of validity."
        "Make a new assertion for every request, good for ten minutes at most, and check the machine's clock."
    CLIENT_ASSERTION_SHAPE = 50027 invalid_client 401
        "The client assertion is not a well-formed signed token."
        "It is a JWT signed with PS256 or RS256 whose header has x5t#S256 or x5t."
    ASSERTION_APP = 700021 invalid_client 401
        "The client assertion speaks for another application than the request."
        "Its 'iss' and 'sub' are the client id of the request."
    CERTIFICATE_AUDIENCE = 700023 invalid_client 401
        "The client assertion is made for another audience."
        "Its 'aud' is the address of this tenant's token endpoint."
    CERTIFICATE_REVOKED = 7000214 invalid_client 401
        "The certificate of the client assertion has been revoked."
        "Register a new certificate and sign with that."
    CERTIFICATE_TIME = 1000502 invalid_client 401
        "The certificate of the client assertion is outside its time of validity."
        "Register a new certificate and sign with that."
    FEDERATED_NONE = 70021 invalid_client 401
        "No federated credential of the application fits the assertion."
        "Add a federated credential with the assertion's issuer, subject and audience."
    FEDERATED_ISSUER = 700211 invalid_client 401
        "No federated credential of the application has the assertion's issuer."
        "Compare the issuer letter by letter with the registration."
    FEDERATED_SUBJECT = 700213 invalid_client 401
        "No federated credential of the application has the assertion's subject."
        "Compare the subject letter by letter with the registration."
    FEDERATED_AUDIENCE = 700212 invalid_client 401
        "No federated credential of the application has the assertion's audience."
        "The audience is api://AzureADTokenExchange unless the registration says otherwise."

    CROSS_ORIGIN = 9002326 invalid_request 400
        "Only single-page applications get tokens across origins."
        "Register the page's redirect URI for the platform single-page application (in the lab: spa_redirect_uris), \
         and open it under that origin; a program that is no page must not send Origin."
    SPA_NEEDS_ORIGIN = 9002327 invalid_request 400
        "What was issued to a single-page application can only be redeemed by a page, across origins."
        "Let the page redeem it; if a server does, register the redirect URI for the platform web."

    // The service itself, by order.
    TENANT_THROTTLED = 90055 temporarily_unavailable 429
        "The tenant is throttled because of too many requests."
        "Wait for the time of Retry-After, and keep tokens in a cache."
    OVERLOADED = 90033 temporarily_unavailable 503
        "The service is not available for the moment."
        "Wait for the time of Retry-After and try again."
    SERVER_ERROR = 50000 server_error 500
        "The service has failed."
        "Try again once, then later."

    // The user.
    BAD_PASSWORD = 50126 invalid_grant 400
        "The user name or password is wrong."
        "The passwords stand on the home page of the lab."
    UNKNOWN_USER = 50034 invalid_grant 400
        "There is no such account in this directory."
        "The accounts stand on the home page of the lab."
    FOREIGN_ACCOUNT = 50020 invalid_grant 400
        "The account belongs to another tenant and is not a member of this one."
        "Sign in with an account of this tenant."
    NO_SESSION = 50058 login_required 400
        "Nobody is signed in, and the request forbids to ask."
        "Send the user through an interactive sign-in."
    WHICH_ACCOUNT = 16000 interaction_required 400
        "Several accounts are signed in, and the request forbids to ask which one."
        "Send login_hint, or let the user pick an account."
    CONSENT_MISSING = 65001 invalid_grant 400
        "Neither the user nor an administrator has agreed that the application uses this resource."
        "Send the user through an interactive sign-in that asks for the scope."
    DECLINED = 65004 access_denied 400
        "The user did not agree."
        "Ask for less, or explain to the user why it is needed."
    ADMIN_CONSENT = 90094 access_denied 400
        "Only an administrator can agree to this permission."
        "Let an administrator agree for the tenant (in the lab: add a [[tenant.consent]] to the seed)."

    USER_LOCKED = 50053 invalid_grant 400
        "The account is locked after too many wrong passwords."
        "Wait until it is unlocked (in the lab: the switch user_locked)."
    PASSWORD_EXPIRED = 50055 invalid_grant 400
        "The password has expired."
        "Let the user choose a new one in an interactive sign-in (in the lab: the switch password_expired)."
    USER_DISABLED = 50057 invalid_grant 400
        "The account is disabled."
        "An administrator must enable it (in the lab: the switch user_disabled)."
    NO_PASSWORD = 50056 invalid_grant 400
        "The account has no password in this directory."
        "Only people with a password can sign in; they stand on the home page of the lab."
    NOT_AT_COMMON = 9001023 invalid_request 400
        "This grant cannot be used with common or consumers."
        "Use the tenant id or organizations in the address."


    // Policies.
    MFA_NEEDED = 50076 invalid_grant 400
        "A policy demands a second factor."
        "Send the user through an interactive sign-in with the claims of this answer."
    MFA_NOT_ENROLLED = 50079 invalid_grant 400
        "A policy demands a second factor, and the user has none."
        "Give the user an otp in the seed."
    WRONG_OTP = 500121 invalid_grant 400
        "The code of the second factor is wrong."
        "The codes stand on the home page of the lab."
    BLOCKED = 53003 invalid_grant 400
        "Access is blocked by a policy."
        "Nothing that the user does helps; an administrator must change the policy."
    DEVICE_NOT_COMPLIANT = 53000 invalid_grant 400
        "A policy demands a device that the organisation manages."
        "Use a managed device; nothing in the sign-in page helps."
    LOOP = 50196 invalid_grant 400
        "The application asks for the same token over and over."
        "Keep tokens in a cache and use them until they expire; wait a few minutes before the next request."
    SIGN_IN_TOO_OLD = 70043 invalid_grant 400
        "The sign-in is older than a policy allows."
        "Send the user through an interactive sign-in."
    REVOKED = 50173 invalid_grant 400
        "The user's sessions were revoked after this sign-in."
        "Forget the user's tokens and send the user through an interactive sign-in."
    NOT_ASSIGNED = 50105 invalid_grant 400
        "The application demands an assignment, and the user has none."
        "Give the user an app role of the application (in the lab: a [[tenant.role_assignment]])."
    APP_NOT_ASSIGNED = 501051 invalid_grant 400
        "The resource demands an assignment, and the application has none."
        "Give the application an app role of the resource (in the lab: a [[tenant.role_assignment]])."
    NO_PRINCIPAL = 7000229 invalid_client 401
        "The application has no service principal in this tenant."
        "Create one (Graph: POST /servicePrincipals with its appId)."
    APP_DISABLED = 7000112 unauthorized_client 400
        "The application is disabled."
        "Enable its service principal."
    RESOURCE_DISABLED = 500014 invalid_resource 400
        "The resource is disabled."
        "Enable its service principal."

    // Device codes.
    DEVICE_PENDING = 70016 authorization_pending 400
        "Nobody has signed in for this device code yet."
        "Ask again after the interval of the device authorization answer, not sooner."
    DEVICE_UNKNOWN = 70018 bad_verification_code 400
        "The device code is not known."
        "Send the device_code of the device authorization answer, with the same client id."
    DEVICE_EXPIRED = 70020 expired_token 400
        "The device code has expired."
        "Start again; a device code lives fifteen minutes."

    // Codes, refresh tokens, assertions.
    CODE_REDEEMED = 54005 invalid_grant 400
        "The authorization code was used before."
        "A code is good for one request; start a new sign-in."
    GRANT_EXPIRED = 70008 invalid_grant 400
        "The authorization code or refresh token has expired."
        "Start a new sign-in; codes live ten minutes."
    REFRESH_INACTIVE = 700082 invalid_grant 400
        "The refresh token was not used for 90 days and has expired."
        "Start a new sign-in."
    SPA_REFRESH_ENDED = 700084 invalid_grant 400
        "The refresh token belongs to a single-page application: it ends 24 hours after the sign-in, used or not."
        "Start a new sign-in; a silent one (prompt=none) asks nothing while the browser's session lasts."
    GRANT_INVALID = 70000 invalid_grant 400
        "The authorization code or refresh token is not known or was issued to another application."
        "Redeem it with the client that asked for it; after a restart of the lab sign in again."
    FOREIGN_CODE = 700005 invalid_grant 400
        "The authorization code was issued to another application or for another tenant."
        "Redeem it with the client and the tenant that it was issued for."
    MALFORMED_GRANT = 9002313 invalid_grant 400
        "The authorization code or refresh token does not have a valid form."
        "Send it unchanged, form-encoded."
    VERIFIER = 501481 invalid_grant 400
        "The code verifier does not fit the code challenge of the authorization request."
        "Keep the verifier with the sign-in that it was made for."
    ASSERTION_INVALID = 50013 invalid_grant 400
        "The assertion is not a token of this tenant with a valid signature."
        "Pass on the access token that the API received, unchanged."
    ASSERTION_AUDIENCE = 500131 invalid_grant 400
        "The assertion was issued for another audience than this application."
        "The token that an API exchanges must have the API itself as audience."
    ASSERTION_EXPIRED = 500133 invalid_grant 400
        "The assertion is outside its time of validity."
        "Let the caller get a new token for the API."
    ASSERTION_IS_ID_TOKEN = 240002 invalid_grant 400
        "An ID token cannot be used as an assertion."
        "Pass on the access token that the API received."
    ASSERTION_APP_ONLY = 7000114 invalid_grant 400
        "The assertion has no user: an app-only token cannot be exchanged on behalf of one."
        "Use client credentials for calls without a user."
}
