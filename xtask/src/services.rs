//! Who is in the demo: the four services in story order, each with exactly the settings of its own
//! `.env.example`. That the demo runs is the proof that those files are complete.
//!
//! The lab has its defaults; they are written out here because the samples' settings name its ports.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};

use crate::workspace;

/// One service of the chain: what to start, with what, and how to see that it is up.
pub struct Service {
    pub name: &'static str,
    /// Who it plays in the story.
    pub plays: &'static str,
    /// What the banner shows as its place.
    pub place: String,
    pub settings: Vec<(String, String)>,
    /// Each port it opens, with the variable that says so. The first one answers `ready`.
    pub ports: Vec<(&'static str, SocketAddr)>,
    /// The path that answers 200 once it works; none for a service that opens no port.
    pub ready: Option<&'static str>,
}

const LAB: [(&str, &str); 2] =
    [("ENTRA_LAB_LISTEN", "127.0.0.1:8400"), ("ENTRA_LAB_HTTPS_LISTEN", "127.0.0.1:8443")];

/// All of them, in the order in which they are started.
pub fn all() -> Result<Vec<Service>> {
    let mut ports = Vec::new();
    for (variable, address) in LAB {
        ports.push((variable, address.parse().with_context(|| format!("{variable}={address}"))?));
    }
    let lab = Service {
        name: "entra-lab",
        plays: "Microsoft Entra ID and Microsoft Graph",
        place: "http://127.0.0.1:8400".to_owned(),
        settings: LAB.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        ports,
        ready: Some("/lab/health"),
    };
    Ok(vec![
        lab,
        sample("web-api-obo", "the API: asks Graph on behalf of its caller")?,
        sample("web-app", "the web site: signs people in, calls the API")?,
        sample("daemon-app", "the night worker: calls Graph and the API as itself")?,
    ])
}

fn sample(name: &'static str, plays: &'static str) -> Result<Service> {
    let settings = settings(&workspace::root().join(name).join(".env.example"))?;
    let value = |key: &str| settings.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    let mut ports = Vec::new();
    let mut place = "no port, watch its log".to_owned();
    if let Some(address) = value("LISTEN_ADDR") {
        let address: SocketAddr =
            address.parse().with_context(|| format!("LISTEN_ADDR={address} in {name}/.env.example"))?;
        place = value("PUBLIC_URL").map_or(format!("http://localhost:{}", address.port()), str::to_owned);
        ports.push(("LISTEN_ADDR", address));
    }
    let ready = (!ports.is_empty()).then_some("/health/ready");
    Ok(Service { name, plays, place, settings, ports, ready })
}

/// The variables that a `.env` file sets.
pub fn settings(file: &Path) -> Result<Vec<(String, String)>> {
    dotenvy::from_path_iter(file)
        .with_context(|| format!("cannot read {}", file.display()))?
        .collect::<Result<_, _>>()
        .with_context(|| format!("{} is not a settings file", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_of_the_demo_has_its_settings() {
        let services = all().unwrap();
        assert_eq!(services.iter().map(|service| service.name).collect::<Vec<_>>(), workspace::BINARIES);
        for service in services {
            assert!(!service.settings.is_empty(), "{}", service.name);
            assert!(service.settings.iter().all(|(_, value)| !value.is_empty()), "{}", service.name);
        }
    }

    #[test]
    fn no_two_services_want_the_same_port() {
        let mut ports: Vec<_> =
            all().unwrap().into_iter().flat_map(|s| s.ports).map(|(_, a)| a.port()).collect();
        ports.sort_unstable();
        assert_eq!(ports, [3000, 4000, 8400, 8443]);
    }
}
