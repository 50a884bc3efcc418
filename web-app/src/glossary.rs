//! What the claims of an ID token mean, one line each, for the page that shows them.
//!
//! The only place of the samples where claims have names: here they are the subject, and nothing is decided by them.
//! The meanings follow OpenID Connect Core §2 and §5.1 and Entra's claims reference.

/// The meaning of a claim for people.
pub fn meaning(claim: &str) -> &'static str {
    match claim {
        "acct" => "Whether the user is a member (0) or a guest (1) of the tenant.",
        "acrs" => "Which authentication contexts of Conditional Access this sign-in has satisfied.",
        "aio" => "Entra's own bookkeeping. Ignore it.",
        "amr" => "How the user proved who they are, for example by password or with a second factor.",
        "at_hash" => "Ties this token to the access token that came with it.",
        "aud" => {
            "The audience: the application this token was made for. It is this app's client id, or the token is refused."
        }
        "auth_time" => "When the user last proved who they are.",
        "azp" => "The application that asked for the token.",
        "c_hash" => "Ties this token to the code that came with it.",
        "email" => "An address of the user. It can change hands: show it, never decide by it.",
        "email_verified" => "Whether somebody has checked the address.",
        "exp" => "The end of this token's life. It is refused afterwards.",
        "family_name" => "The last name.",
        "given_name" => "The first name.",
        "groups" => "The groups of the user, where the registration asks for them.",
        "iat" => "When this token was issued.",
        "idp" => "Who checked the user, if it was not this tenant.",
        "iss" => {
            "The issuer: who made this token, with the tenant in its address. Anything else than expected is refused."
        }
        "login_hint" => "What to hand to Entra so that it need not ask who signs in or out.",
        "name" => "A name to show. Not unique, and people can change it.",
        "nbf" => "The token is not to be used before this moment.",
        "nonce" => {
            "The random value this app sent along when the sign-in began; it ties the token to this browser."
        }
        "oid" => {
            "The user's id in the directory: never changes, the same for every application of the tenant."
        }
        "preferred_username" => "What the user types to sign in. It can change: show it, never decide by it.",
        "rh" => "Entra's own bookkeeping. Ignore it.",
        "roles" => "The roles of this application that the user was given.",
        "sid" => "The user's session at Entra; a sign-out elsewhere names it.",
        "sub" => "The user's id for this application only; another application sees another one.",
        "tid" => "The tenant: the directory in which the user lives.",
        "upn" => "The user's name in the directory. It can change: show it, never decide by it.",
        "uti" => "The id of this token, as Entra's logs know it.",
        "ver" => "The version of the token's format.",
        "wids" => "The directory roles of the user, such as administrator.",
        _ => {
            "This page does not know this claim; the registration or a policy of the tenant may have added it."
        }
    }
}

/// Whether the number of this claim is a moment, in seconds since 1970.
pub fn is_a_moment(claim: &str) -> bool {
    matches!(claim, "exp" | "iat" | "nbf" | "auth_time")
}
