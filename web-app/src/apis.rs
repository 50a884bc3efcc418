//! The two APIs that the pages call, and what they answer, as far as the pages show it.

use serde::Deserialize;
use shared_auth::{ConfidentialClient, DownstreamApi, Scopes};
use url::Url;

/// What the handlers share. A clone is cheap: what lies behind it is the same.
#[derive(Debug, Clone)]
pub struct Apis {
    /// Our own API.
    pub api: DownstreamApi,
    /// What to ask for it.
    pub api_scopes: Scopes,
    /// Microsoft Graph, without our API in between.
    pub graph: DownstreamApi,
}

impl Apis {
    pub fn new(client: &ConfidentialClient, api: Url, api_scopes: Scopes, graph: Url) -> Self {
        let api = DownstreamApi::new("the web API", api, client);
        Self { api, api_scopes, graph: DownstreamApi::new("Microsoft Graph", graph, client) }
    }
}

/// `GET /api/profile` of our API.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    pub display_name: String,
    pub user_principal_name: String,
    pub job_title: Option<String>,
    pub mail: Option<String>,
    pub office_location: Option<String>,
    pub id: String,
    /// Where the API had its Graph token from: `identity provider` or `cache`.
    pub graph_token_from: String,
}

/// `GET /api/messages` of our API.
#[derive(Debug, Deserialize)]
pub struct Messages {
    pub messages: Vec<Message>,
}

/// One message of the mailbox.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    pub subject: String,
    pub from: String,
    pub received_date_time: jiff::Timestamp,
    pub body_preview: String,
}

/// `GET /me` of Microsoft Graph. What a directory leaves empty, Graph answers as null.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    pub id: String,
    pub display_name: String,
    pub user_principal_name: String,
    pub job_title: Option<String>,
    pub mail: Option<String>,
    pub mobile_phone: Option<String>,
    pub office_location: Option<String>,
    pub preferred_language: Option<String>,
}

impl Me {
    /// The fields that may be empty, with their names for people; the empty ones are left out.
    pub fn more(&self) -> Vec<(&'static str, &str)> {
        let fields = [
            ("Job title", &self.job_title),
            ("Mail", &self.mail),
            ("Phone", &self.mobile_phone),
            ("Office", &self.office_location),
            ("Language", &self.preferred_language),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect()
    }
}
