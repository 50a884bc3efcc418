//! The last requests on the home page, newest first. The recorder has no secrets to show.

use crate::directory::Directory;
use crate::recorder::Recorded;
use crate::state::LabState;

const SHOWN: usize = 50;

/// One answered request.
pub struct Line {
    pub time: String,
    pub method: String,
    /// With the tenant's domain instead of its id, which says nothing to a reader.
    pub path: String,
    pub grant: String,
    pub client: String,
    pub status: u16,
    pub failed: bool,
    pub code: String,
}

pub fn lines(state: &LabState, directory: &Directory) -> Vec<Line> {
    let requests = state.recorder.requests();
    requests.iter().rev().filter(|r| !is_this_page(r)).take(SHOWN).map(|r| line(directory, r)).collect()
}

/// The page, its photos and its icon would crowd out everything else.
fn is_this_page(request: &Recorded) -> bool {
    matches!(request.path.as_str(), "/" | "/favicon.ico") || request.path.starts_with("/lab/photo/")
}

fn line(directory: &Directory, request: &Recorded) -> Line {
    let client = request.client_id.map(|id| match directory.any_app(id) {
        Some(app) => app.name.clone(),
        None => id.to_string(),
    });
    Line {
        time: request.at.strftime("%H:%M:%S").to_string(),
        method: request.method.chars().take(10).collect(),
        path: readable(directory, &request.path),
        grant: request.grant.map(short).unwrap_or_default().to_owned(),
        client: client.unwrap_or_default(),
        status: request.status,
        failed: request.status >= 400,
        code: request.error_code.map(|code| format!("AADSTS{code}")).unwrap_or_default(),
    }
}

fn readable(directory: &Directory, path: &str) -> String {
    let parts = path.strip_prefix('/').and_then(|rest| rest.split_once('/'));
    match parts.and_then(|(first, rest)| Some((directory.tenant(first)?, rest))) {
        Some((tenant, rest)) => format!("/{}/{rest}", tenant.domain),
        None => path.to_owned(),
    }
}

/// A grant's name without the namespace in front: `jwt-bearer`.
fn short(grant: &'static str) -> &'static str {
    grant.rsplit(':').next().unwrap_or(grant)
}
