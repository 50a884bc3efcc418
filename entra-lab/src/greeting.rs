//! What the program says on the terminal.

use std::io::Write;
use std::net::SocketAddr;

use entra_lab::LabState;

/// The line that other programs wait for, then a few for people.
pub fn greet(state: &LabState, listen: SocketAddr) {
    // With port 0 only the public address knows the port; with a public address of its own the
    // listening address is the one that this machine can use.
    let here = match listen.port() {
        0 => state.public_url().to_owned(),
        _ => format!("http://{listen}"),
    };
    let mut text = format!("entra-lab listening on {here}\n");
    let mut line = |label: &str, value: &str| text.push_str(&format!("  {label:<10} {value}\n"));
    line("home page", &format!("{}/", state.public_url()));
    for tenant in &state.directory().tenants {
        let people: Vec<&str> =
            tenant.users.iter().filter(|u| u.password.is_some()).map(|u| u.upn.as_str()).collect();
        line("tenant", &format!("{} ({})", tenant.id, tenant.domain));
        line("sign in as", &people.join(", "));
    }
    match state.https_url() {
        Some(url) => {
            line("HTTPS", &url);
            line("its CA", &format!("{}/lab/ca.pem", state.public_url()));
        }
        None => line("HTTPS", "off"),
    }
    line("note", "local use only: passwords and secrets stand on the home page; Ctrl-C stops it");
    say(text.trim_end());
}

/// A line on stdout. A closed pipe is no reason to end.
pub fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// A line on stderr.
pub fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "entra-lab: {text}");
}
