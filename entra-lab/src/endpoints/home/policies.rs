//! The policies in force on the home page, each as one sentence.

use uuid::Uuid;

use crate::directory::Directory;
use crate::policy::{Demand, Policy};
use crate::state::LabState;

/// Such as `A second factor for alice@contoso.test at Microsoft Graph (set by control).`
pub fn sentences(state: &LabState, directory: &Directory) -> Vec<String> {
    state.policies.list().iter().map(|policy| sentence(policy, directory)).collect()
}

fn sentence(policy: &Policy, directory: &Directory) -> String {
    let demand = match &policy.demand {
        Demand::RequireMfa => "A second factor".to_owned(),
        Demand::AuthContext { context } => format!("Authentication context {context}"),
        Demand::SignInFrequency { seconds } => format!("A sign-in at most {seconds} s old"),
        Demand::CompliantDevice => "A managed device".to_owned(),
        Demand::Block => "No access".to_owned(),
    };
    let upn = |id: &Uuid| directory.tenants.iter().find_map(|t| t.user(*id)).map(|u| u.upn.clone());
    let app = |id: &Uuid| directory.any_app(*id).map(|a| a.name.clone());
    let users: Vec<String> = policy.users.iter().filter_map(upn).collect();
    let clients: Vec<String> = policy.clients.iter().filter_map(app).collect();
    let resources: Vec<String> = policy.resources.iter().filter_map(app).collect();
    let part = |word: &str, names: &[String]| match names {
        [] => String::new(),
        names => format!(" {word} {}", names.join(", ")),
    };
    let everyone = if users.is_empty() { " for everyone" } else { "" };
    format!(
        "{demand}{everyone}{}{}{} ({}).",
        part("for", &users),
        part("with", &clients),
        part("at", &resources),
        policy.name
    )
}
