//! The `healthcheck` subcommand: an image without a shell or curl asks its own server with it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use crate::greeting::complain;

/// Exit code 0 if the lab that listens at this address is well.
pub async fn run(listen: SocketAddr) -> ExitCode {
    // Nobody can connect to "all addresses".
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let url = format!("http://{}/lab/health", SocketAddr::new(ip, listen.port()));
    match ask(&url).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            complain(&sentence);
            ExitCode::FAILURE
        }
    }
}

async fn ask(url: &str) -> Result<(), String> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(3)).build();
    let client = client.map_err(|e| format!("No HTTP client: {e}."))?;
    let response = client.get(url).send().await.map_err(|_| format!("{url} does not answer."))?;
    let status = response.status();
    if status.is_success() { Ok(()) } else { Err(format!("{url} answers {status}.")) }
}
