//! Whose request it is: the peer of the connection, or whom a trusted proxy names.
//!
//! `X-Forwarded-For` is a list to which each proxy appends its own peer, so it is read from the right, and only as far as
//! the addresses on it are proxies of ours. Anything further left was written by whoever was first. `Forwarded`
//! (RFC 7239), `X-Real-IP` and whatever else there is are not read at all.

use std::net::{IpAddr, SocketAddr};

use actix_web::{HttpRequest, web};
use ipnet::IpNet;

use super::admission::Door;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address of the client: of the other end of the connection, unless that is a proxy named in `TRUSTED_PROXIES`.
///
/// ```
/// use actix_web::HttpRequest;
/// use shared_auth::actix::client_address;
///
/// async fn whoami(request: HttpRequest) -> String {
///     client_address(&request).map_or("nobody".to_owned(), |address| address.to_string())
/// }
/// ```
pub fn client_address(request: &HttpRequest) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip();
    let trusted =
        request.app_data::<web::Data<Door>>().map_or(&[][..], |door| door.limits.trusted_proxies.as_slice());
    let named = request.headers().get_all(FORWARDED_FOR).filter_map(|value| value.to_str().ok());
    let named: Vec<&str> = if trusted.is_empty() { Vec::new() } else { named.collect() };
    Some(behind(trusted, peer, &named))
}

fn behind(trusted: &[IpNet], peer: IpAddr, headers: &[&str]) -> IpAddr {
    let mut client = peer.to_canonical();
    let named = headers.iter().rev().flat_map(|header| header.rsplit(','));
    for name in named {
        if !trusted.iter().any(|network| network.contains(&client)) {
            break;
        }
        match address(name.trim()) {
            Some(address) => client = address,
            None => break, // What stands to the left of a riddle is no better.
        }
    }
    client
}

/// An address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_trusted_proxy_wrote_is_believed() {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        #[rustfmt::skip]
        let rows: &[(&str, &[&str], &str)] = &[
            // peer, X-Forwarded-For, the client
            ("198.51.100.7", &[],                              "198.51.100.7"),
            ("198.51.100.7", &["203.0.113.9"],                 "198.51.100.7"), // from elsewhere
            ("198.51.100.7", &["10.0.0.1, 127.0.0.1"],         "198.51.100.7"),
            ("10.0.0.1",     &["203.0.113.9"],                 "203.0.113.9"),
            ("10.0.0.1",     &["1.1.1.1, 203.0.113.9"],        "203.0.113.9"), // the client invented the left one
            ("10.0.0.1",     &["1.1.1.1", "203.0.113.9"],      "203.0.113.9"), // in a header of its own
            ("10.0.0.1",     &["203.0.113.9, 10.0.0.2"],       "203.0.113.9"), // two proxies
            ("10.0.0.1",     &["203.0.113.9:50123"],           "203.0.113.9"),
            ("10.0.0.1",     &["[2001:db8::1]:443"],           "2001:db8::1"),
            ("fd00::1",      &["[2001:db8::1]"],               "2001:db8::1"),
            ("10.0.0.1",     &["203.0.113.9, unknown"],        "10.0.0.1"),
            ("10.0.0.1",     &["203.0.113.9, "],               "10.0.0.1"),
            ("10.0.0.1",     &["' or 1=1 --"],                 "10.0.0.1"),
            ("::ffff:10.0.0.1", &["::ffff:203.0.113.9"],       "203.0.113.9"), // one address, two spellings
        ];
        for (peer, headers, client) in rows {
            let found = behind(&trusted, peer.parse().unwrap(), headers);
            assert_eq!(found, client.parse::<IpAddr>().unwrap(), "{peer} says {headers:?}");
        }
    }
}
