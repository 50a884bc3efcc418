//! What Microsoft Graph and our API answer, as far as the daemon reads it.

use serde::Deserialize;

/// Somebody in the directory. Graph and our API agree on this much.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    pub display_name: String,
}

/// A page of Graph's list; the link leads to the next one.
#[derive(Debug, Deserialize)]
pub struct Page {
    pub value: Vec<User>,
    #[serde(rename = "@odata.nextLink")]
    pub next_link: Option<String>,
}

/// The list of our API.
#[derive(Debug, Deserialize)]
pub struct Directory {
    pub users: Vec<User>,
}

/// The names, for a line in the log.
pub fn names(users: &[User]) -> String {
    users.iter().map(|user| user.display_name.as_str()).collect::<Vec<_>>().join(", ")
}
