//! AADSTS codes about what the user or an administrator has to do: sign in, consent, prove more.

use super::{Diagnosis, d};

pub(super) const USER: &[Diagnosis] = &[
    d(
        50126,
        "User name or password is wrong.",
        "A typing error; Entra says so on its own page.",
        "Try again, or reset the password.",
    ),
    d(
        50034,
        "There is no such account in this directory.",
        "The domain of the user name is that of another tenant, or the account was deleted.",
        "Check the user name and its domain, and the tenant that is asked.",
    ),
    d(
        50020,
        "The account belongs to another tenant.",
        "The user is neither a member nor a guest of the tenant that was signed in to.",
        "Sign in with an account of this tenant, or invite the other one as a guest.",
    ),
    d(
        51004,
        "The account is not in the directory of this tenant.",
        "The user was never added to the tenant, or was removed.",
        "Add the user as a member or a guest.",
    ),
    d(
        500341,
        "The account was deleted.",
        "The user was removed from the directory.",
        "Sign in with another account, or restore the user within 30 days.",
    ),
    d(
        50053,
        "The account is locked, or the address has a bad reputation.",
        "Too many wrong passwords, or a sign-in from an address that attacks come from.",
        "Wait a minute and try again; an administrator sees the reason in the sign-in log.",
    ),
    d(
        50055,
        "The password has expired.",
        "The tenant wants passwords to be changed.",
        "Sign in on a page and set a new password.",
    ),
    d(
        50056,
        "There is no password for this account, or it is not valid.",
        "The account signs in elsewhere (federation), or has no password yet.",
        "Sign in on a page instead of sending a password.",
    ),
    d(
        50057,
        "The account is disabled.",
        "An administrator switched it off.",
        "Ask an administrator to enable the account.",
    ),
    d(
        50058,
        "Nobody is signed in and the request forbade to ask.",
        "prompt=none without a session, or with third-party cookies blocked.",
        "Start a sign-in that may show a page.",
    ),
    d(
        16000,
        "Several accounts are signed in and the request forbade to ask which one.",
        "prompt=none with more than one session.",
        "Start a sign-in that may show a page, or send a login_hint.",
    ),
    d(
        50144,
        "The password of the account at home has expired.",
        "The account comes from an on-premises directory.",
        "Change the password there, then sign in again.",
    ),
    d(
        500200,
        "The account is a personal Microsoft account, which this application does not take.",
        "Somebody signed in with outlook.com or the like.",
        "Sign in with a work or school account, or change the supported account types.",
    ),
    d(
        500208,
        "The domain does not belong to this kind of account.",
        "A user name of a work account at a page for external users, or the reverse.",
        "Sign in with an account of the kind that the tenant is for.",
    ),
    d(
        50177,
        "The user's tenant does not support the extra proof that is asked for.",
        "An external challenge for a user who is only passed through.",
        "Add the user as a guest of the tenant.",
    ),
    d(
        50196,
        "The client sends the same request again and again.",
        "A loop: tokens are not kept, or an error leads straight to the same request.",
        "Keep one client for the whole process so that its cache works, and do not repeat what was refused.",
    ),
];

pub(super) const CONSENT: &[Diagnosis] = &[
    d(
        65001,
        "Nobody has agreed that the application does this: neither the user nor an administrator.",
        "A permission that was never consented to; with on-behalf-of it is the API whose consent is missing.",
        "Send the user to the consent page, or let an administrator grant it under \"API permissions\".",
    ),
    d(
        65004,
        "The user said no on the consent page.",
        "The page asked for more than the user wanted to give.",
        "Let the user try again and accept, or ask for less.",
    ),
    d(
        650056,
        "The application's registration is incomplete.",
        "It lists no permissions, or consent has never been given in this tenant.",
        "Add the permissions that the application asks for, then consent again.",
    ),
    d(
        90094,
        "Only an administrator can agree to this permission.",
        "The permission needs admin consent, or the tenant does not let users consent.",
        "Let an administrator grant it under \"API permissions\", \"Grant admin consent\".",
    ),
    d(
        90095,
        "An administrator has to agree, and the user may ask for it.",
        "The tenant has a workflow for requests.",
        "Send the request on the page and wait for the administrator, or let one grant it directly.",
    ),
    d(
        90093,
        "The user may not read what was asked for.",
        "The permission needs an administrator's role.",
        "Let an administrator consent, or ask for less.",
    ),
    d(
        50105,
        "The user or application is not assigned to the application.",
        "\"Assignment required\" is on, and the user, group or application is not on the list.",
        "Assign the user or group under Enterprise applications, Users and groups.",
    ),
    d(
        501051,
        "The calling application is not assigned to a role of the API.",
        "\"Assignment required\" is on for the API, and the client has none of its app roles.",
        "Grant the client an application permission of the API.",
    ),
    d(
        500212,
        "The user's own tenant does not let its users go there.",
        "Cross-tenant access settings of the user's home, outbound.",
        "Ask an administrator of the user's home tenant to allow it.",
    ),
    d(
        500213,
        "This tenant does not let users of that other tenant in.",
        "Cross-tenant access settings of this tenant, inbound.",
        "Ask an administrator of this tenant to allow it.",
    ),
    d(
        500021,
        "The network does not allow access to this tenant.",
        "A proxy of the company restricts which tenants can be used.",
        "Ask the network's administrators to allow the tenant.",
    ),
];

pub(super) const POLICY: &[Diagnosis] = &[
    d(
        50076,
        "A second factor is needed.",
        "Conditional Access or the place of the sign-in asks for multi-factor authentication.",
        "Send the user to sign in again with the claims of the error.",
    ),
    d(
        50074,
        "Strong authentication is needed.",
        "A password alone does not satisfy the policy of the tenant or resource.",
        "Send the user to sign in again with the claims of the error.",
    ),
    d(
        50078,
        "The second factor was shown too long ago.",
        "The policy asks for a fresh one.",
        "Send the user to sign in again with the claims of the error.",
    ),
    d(
        50079,
        "The user has to register a second factor first.",
        "Multi-factor authentication became mandatory for the user.",
        "Send the user to sign in on a page, which leads through the registration.",
    ),
    d(
        50072,
        "The user has to enroll for a second factor first.",
        "Multi-factor authentication became mandatory for the user.",
        "Send the user to sign in on a page, which leads through the enrollment.",
    ),
    d(
        500121,
        "The second factor failed.",
        "It was denied, or not answered in time.",
        "Let the user sign in again and answer it.",
    ),
    d(
        50097,
        "The device has to authenticate.",
        "Conditional Access wants to know the device.",
        "Let the user sign in with a registered device and a browser that can show it.",
    ),
    d(
        50129,
        "The device is not joined to the workplace.",
        "Conditional Access wants a registered device.",
        "Register the device, or sign in with one that is registered.",
    ),
    d(
        50131,
        "Conditional Access did not let the sign-in through.",
        "Device, place or risk do not satisfy the policy.",
        "Look at the sign-in log for the policy, and satisfy it.",
    ),
    d(
        50158,
        "Another service has to prove something first.",
        "Conditional Access sends the user to an external provider.",
        "Send the user to sign in on a page with the claims of the error.",
    ),
    d(
        53000,
        "The device is not compliant.",
        "Conditional Access wants a device that is managed and healthy.",
        "Let the user make the device compliant (Intune), or use another one.",
    ),
    d(
        53001,
        "The device is not joined to the domain.",
        "Conditional Access wants a joined device.",
        "Sign in from a device that is joined.",
    ),
    d(
        53002,
        "The program is not an approved one.",
        "Conditional Access allows approved client applications only.",
        "Use an approved application, or have the policy changed.",
    ),
    d(
        53003,
        "Conditional Access has blocked the token.",
        "A policy that nothing on this device or at this place can satisfy.",
        "Send the user to sign in again with the claims of the error; if that is refused too, ask the administrator for the policy.",
    ),
    d(
        53004,
        "The user has to prove who it is before a second factor can be registered.",
        "The sign-in looks risky.",
        "Sign in from a known place or device, or ask an administrator.",
    ),
    d(
        530032,
        "A security policy of the tenant has blocked the token.",
        "A policy on risk, place or device.",
        "Ask the administrator which policy it is; the sign-in log names it.",
    ),
    d(
        530003,
        "The device has to be managed.",
        "Conditional Access wants a managed device.",
        "Sign in from a device that the tenant manages.",
    ),
];
