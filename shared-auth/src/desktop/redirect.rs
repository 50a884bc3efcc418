//! The redirect URI of a program on a person's machine: loopback and nothing else (RFC 8252 §7.3, §8.3).

use url::Url;

use crate::env::ConfigError;
use crate::http::is_loopback;

/// A loopback redirect URI, with or without a port.
#[derive(Debug, Clone)]
pub(super) struct Redirect {
    host: String,
    /// 0 for any that is free.
    pub port: u16,
    /// As registered: Entra tells `http://localhost` and `http://localhost/` apart.
    written_path: String,
}

impl Redirect {
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let wrong = |reason: &str| Err(ConfigError::new("redirect_uri", reason));
        let Ok(url) = Url::parse(text) else { return wrong("is not an address") };
        if url.scheme() != "http" || !is_loopback(&url) {
            return wrong(
                "must be http://localhost or another loopback address: the answer of the sign-in page \
                          comes back to this machine",
            );
        }
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
            return wrong("must not hold a query, a fragment or a user name");
        }
        let written_path = match url.path() {
            "/" if !text.ends_with('/') => String::new(),
            path => path.to_owned(),
        };
        Ok(Self {
            host: url.host_str().unwrap_or("localhost").to_owned(),
            port: url.port().unwrap_or(0),
            written_path,
        })
    }

    /// The address with the port that was opened.
    pub fn at(&self, port: u16) -> String {
        format!("http://{}:{port}{}", self.host, self.written_path)
    }

    /// The path at which the answer arrives.
    pub fn path(&self) -> &str {
        if self.written_path.is_empty() { "/" } else { &self.written_path }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_registered_stays_as_it_was_written() {
        for (registered, opened) in [
            ("http://localhost", "http://localhost:5000"),
            ("http://localhost/", "http://localhost:5000/"),
            ("http://localhost/callback", "http://localhost:5000/callback"),
            ("http://127.0.0.1:9", "http://127.0.0.1:5000"),
            ("http://[::1]/x", "http://[::1]:5000/x"),
        ] {
            assert_eq!(Redirect::parse(registered).unwrap().at(5000), opened);
        }
    }

    #[test]
    fn nothing_but_loopback_over_http_is_taken() {
        for text in [
            "",
            "localhost",
            "https://localhost",
            "http://example.com",
            "http://localhost.example.com",
            "http://10.0.0.1",
            "myapp://auth",
            "http://localhost/?a=b",
            "http://localhost/#a",
            "http://a@localhost",
        ] {
            assert!(Redirect::parse(text).is_err(), "{text}");
        }
    }
}
