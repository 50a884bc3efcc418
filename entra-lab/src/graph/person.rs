//! A person as Graph shows them: the properties of a user, and how many of them a caller may see.

use serde_json::{Value, json};

use crate::directory::User;
use crate::graph::entity::Entity;
use crate::graph::query::{Options, Supported};

/// Shown without `$select`, in Graph's order.
const DEFAULTS: &[&str] = &[
    "businessPhones",
    "displayName",
    "givenName",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
    "id",
];
/// Shown of other people with `User.ReadBasic.All` only.
const BASIC: &[&str] = &["displayName", "givenName", "mail", "surname", "userPrincipalName", "id"];

/// What `/users` understands.
pub const IN_LIST: Supported = Supported {
    entity: "user",
    options: &["top", "select", "skiptoken"],
    properties: &[
        "businessPhones",
        "displayName",
        "givenName",
        "jobTitle",
        "mail",
        "mobilePhone",
        "officeLocation",
        "preferredLanguage",
        "surname",
        "userPrincipalName",
        "id",
        "accountEnabled",
        "mailNickname",
        "userType",
    ],
    most: 999,
};

/// What `/me` and `/users/{id}` understand.
pub const ALONE: Supported = Supported { options: &["select"], ..IN_LIST };

/// How much of a person the caller may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    Full,
    Basic,
}

/// The person with the selected properties, in the order of `$select`. What the caller may not see
/// is null, as if it were not filled in.
pub fn shown(user: &User, options: &Options, sight: Sight) -> Entity {
    let names = options.select.as_deref().unwrap_or(DEFAULTS);
    names.iter().fold(Entity::default(), |entity, name| {
        let visible = sight == Sight::Full || BASIC.contains(name);
        entity.with(name, if visible { value(user, name) } else { Value::Null })
    })
}

fn value(user: &User, name: &str) -> Value {
    match name {
        "businessPhones" => json!([]),
        "displayName" => json!(user.display_name),
        "givenName" => json!(user.given_name),
        "jobTitle" => json!(user.job_title),
        "mail" => json!(user.mail),
        "mobilePhone" => json!(user.mobile_phone),
        "officeLocation" => json!(user.office_location),
        "preferredLanguage" => json!(user.preferred_language),
        "surname" => json!(user.surname),
        "userPrincipalName" => json!(user.upn),
        "id" => json!(user.id),
        // People without a password cannot sign in.
        "accountEnabled" => json!(user.password.is_some() && !user.disabled),
        "mailNickname" => json!(user.upn.split('@').next()),
        "userType" => json!(if user.home.is_some() { "Guest" } else { "Member" }),
        _ => Value::Null,
    }
}
