//! What Microsoft Graph answers, as far as this API reads it, and what this API makes of it for its callers.
//!
//! Two sets of types on purpose: Graph's answer is Graph's to change, our answer is a promise in `/openapi.json`.

use serde::{Deserialize, Serialize};
use shared_auth::TokenSource;
use utoipa::ToSchema;

/// A user, as Graph describes one. What a directory leaves empty comes as null.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    pub id: String,
    pub display_name: String,
    pub user_principal_name: String,
    pub job_title: Option<String>,
    pub mail: Option<String>,
    pub office_location: Option<String>,
}

/// A page of a list; the link leads to the next one.
#[derive(Debug, Deserialize)]
pub struct Page<T> {
    pub value: Vec<T>,
    #[serde(rename = "@odata.nextLink")]
    pub next_link: Option<String>,
}

/// A mail, as Graph describes one. A draft has no sender.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mail {
    pub subject: Option<String>,
    pub from: Option<Recipient>,
    pub received_date_time: String,
    pub body_preview: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recipient {
    pub email_address: EmailAddress,
}

#[derive(Debug, Deserialize)]
pub struct EmailAddress {
    pub name: Option<String>,
    pub address: Option<String>,
}

/// The caller's own profile.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    pub display_name: String,
    pub user_principal_name: String,
    pub job_title: Option<String>,
    pub mail: Option<String>,
    pub office_location: Option<String>,
    pub id: String,
    /// The application that called this API for the user.
    pub called_by: String,
    /// Where the token for Graph came from: `identity provider` or `cache`.
    pub graph_token_from: String,
}

impl Profile {
    pub fn new(user: User, called_by: &str, source: TokenSource) -> Self {
        Self {
            display_name: user.display_name,
            user_principal_name: user.user_principal_name,
            job_title: user.job_title,
            mail: user.mail,
            office_location: user.office_location,
            id: user.id,
            called_by: called_by.to_owned(),
            graph_token_from: source.to_string(),
        }
    }
}

/// The caller's latest messages.
#[derive(Debug, Serialize, ToSchema)]
pub struct Messages {
    pub messages: Vec<Message>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    pub subject: String,
    /// Name and address of the sender.
    pub from: String,
    /// RFC 3339.
    pub received_date_time: String,
    pub body_preview: String,
}

impl From<Page<Mail>> for Messages {
    fn from(page: Page<Mail>) -> Self {
        Self { messages: page.value.into_iter().map(Message::from).collect() }
    }
}

impl From<Mail> for Message {
    fn from(mail: Mail) -> Self {
        let sender = mail.from.map(|from| from.email_address);
        Self {
            subject: mail.subject.unwrap_or_default(),
            from: sender.and_then(|sender| sender.name.or(sender.address)).unwrap_or_default(),
            received_date_time: mail.received_date_time,
            body_preview: mail.body_preview.unwrap_or_default(),
        }
    }
}

/// Who works here: names and titles only.
#[derive(Debug, Serialize, ToSchema)]
pub struct Directory {
    pub users: Vec<Colleague>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Colleague {
    pub display_name: String,
    pub user_principal_name: String,
    pub job_title: Option<String>,
}

impl From<User> for Colleague {
    fn from(user: User) -> Self {
        Self {
            display_name: user.display_name,
            user_principal_name: user.user_principal_name,
            job_title: user.job_title,
        }
    }
}
