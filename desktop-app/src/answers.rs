//! What our API answers, as far as this program shows it.

use serde::{Deserialize, Serialize};

/// The signed-in user, as Graph told our API.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    pub display_name: String,
    pub user_principal_name: String,
    pub job_title: Option<String>,
    pub mail: Option<String>,
    pub office_location: Option<String>,
    /// Where the API got its token for Graph.
    pub graph_token_from: String,
    /// Where this program got its token for the API.
    #[serde(default)]
    pub token_from: String,
}
