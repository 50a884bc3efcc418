//! AADSTS codes about what happened to a code, a token or the service on the way.

use super::{Diagnosis, d};

pub(super) const GRANTS: &[Diagnosis] = &[
    d(
        54005,
        "The code of a sign-in was used before.",
        "The answer of the sign-in page was opened twice, or two programs redeemed it.",
        "Start the sign-in again; a code is good for one request.",
    ),
    d(
        70008,
        "The code or the refresh token has expired.",
        "Codes live about ten minutes, refresh tokens end when they are not used.",
        "Send the user to sign in again.",
    ),
    d(
        70043,
        "The refresh token is too old for a policy.",
        "Conditional Access limits how long a sign-in counts.",
        "Send the user to sign in again.",
    ),
    d(
        700082,
        "The refresh token was not used for too long.",
        "90 days without use.",
        "Send the user to sign in again.",
    ),
    d(
        700084,
        "The refresh token of a single-page application has ended.",
        "It lives 24 hours and cannot be extended.",
        "Send the user to sign in again.",
    ),
    d(
        700081,
        "The refresh token has reached its longest lifetime.",
        "A policy of the tenant limits it.",
        "Send the user to sign in again.",
    ),
    d(
        70000,
        "The code or refresh token is not known, or was issued to another application.",
        "It was revoked, changed, or belongs to another client or to another instance of the authority.",
        "Send the user to sign in again; redeem what was issued to this application only.",
    ),
    d(
        700005,
        "The code was issued for another application or tenant.",
        "Two registrations share a redirect URI, or the tenant changed in between.",
        "Redeem the code with the client and the tenant that asked for it.",
    ),
    d(
        700003,
        "The device of the grant does not exist any more.",
        "It was deleted from the directory.",
        "Register the device again, then send the user to sign in.",
    ),
    d(
        9002313,
        "The code or refresh token is damaged.",
        "It was cut, or + and / were not encoded in the form.",
        "Send it unchanged and form-encoded.",
    ),
    d(
        501481,
        "The verifier does not fit the challenge of the authorization request.",
        "Two sign-ins were mixed up, or the code was stolen.",
        "Keep the verifier with its own sign-in, and start the sign-in again.",
    ),
    d(
        50089,
        "The sign-in page was open for too long.",
        "The flow behind the page has expired.",
        "Start the sign-in again.",
    ),
    d(
        50132,
        "The session is not valid any more.",
        "The password was changed, or an administrator ended the sessions.",
        "Send the user to sign in again.",
    ),
    d(
        50133,
        "The session was revoked.",
        "The password was changed or expired.",
        "Send the user to sign in again.",
    ),
    d(
        50173,
        "The refresh token was revoked.",
        "The password was changed, or an administrator revoked the sessions.",
        "Send the user to sign in again.",
    ),
    d(
        50013,
        "The assertion of an on-behalf-of request is not a valid token of this tenant.",
        "The signature fails: the token was changed, comes from elsewhere, or is a Microsoft Graph token.",
        "Pass on the access token that the API received and checked, unchanged; a Graph token can never be one.",
    ),
    d(
        500131,
        "The assertion was made for another audience than the API that shows it.",
        "The caller asked for a token of another API, or the App ID URI differs in upper and lower case.",
        "Let callers ask for a scope of this API; the assertion's aud has to be this API.",
    ),
    d(
        500133,
        "The assertion has expired, or is not valid yet.",
        "The caller's token was kept too long, or the clocks of the machines differ.",
        "Let the caller get a new token; if it happens at once, compare the clocks.",
    ),
    d(
        50010,
        "The audience of the token is not this resource.",
        "The token is meant for somebody else.",
        "Ask for a token with a scope of this resource.",
    ),
    d(
        240002,
        "An ID token was shown as an assertion.",
        "The caller sent the ID token instead of the access token.",
        "Show the access token for the API, never the ID token.",
    ),
    d(
        7000114,
        "The application may not do this on behalf of anybody.",
        "The assertion has no user: a daemon's token was shown.",
        "Accept users' tokens only where on-behalf-of follows; for daemons use the API's own token.",
    ),
];

pub(super) const DEVICE: &[Diagnosis] = &[
    d(
        70016,
        "The user has not finished yet.",
        "A device-code sign-in is being waited for.",
        "Keep asking at the interval that was given; nothing is wrong.",
    ),
    d(
        70018,
        "The code that was typed is wrong or has expired.",
        "A typing error, or the user took too long.",
        "Start the device-code sign-in again.",
    ),
    d(
        70019,
        "The verification code has expired.",
        "The user took longer than fifteen minutes.",
        "Start the device-code sign-in again.",
    ),
    d(
        70020,
        "The device code has expired.",
        "Nobody finished the sign-in in time.",
        "Start the device-code sign-in again.",
    ),
    d(
        50199,
        "The user has to confirm the application.",
        "For safety, a sign-in from another device shows a page with the application's name.",
        "Let the user answer the page.",
    ),
];

pub(super) const SERVICE: &[Diagnosis] = &[
    d(
        90055,
        "The tenant sends too many requests.",
        "Many clients without a token cache, or a loop.",
        "Wait for as long as Retry-After says, and use one client with its cache.",
    ),
    d(
        90033,
        "A service that Entra needs is not available.",
        "An outage; it passes.",
        "Try again a little later.",
    ),
    d(90006, "The service had an error for a moment.", "An outage; it passes.", "Try again a little later."),
    d(50033, "The service had an error for a moment.", "An outage; it passes.", "Try again a little later."),
    d(
        50000,
        "The service could not make the token.",
        "An error inside Entra, or a registration that it cannot use.",
        "Try again; if it stays, open a support request with the correlation id.",
    ),
    d(
        90024,
        "The service was too busy for the request.",
        "An outage; it passes.",
        "Try again a little later.",
    ),
    d(
        100007,
        "The regional endpoint does not serve this client.",
        "A region was configured for an application that may not use it.",
        "Use the global endpoint: configure no region.",
    ),
];
