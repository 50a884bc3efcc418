//! Where a sign-in may lead back to: paths of this site, however they are spelt.

use url::{Position, Url};

/// The path to return to, if it is one of our own; home otherwise.
pub(super) fn own_path(public_url: &Url, wanted: &str) -> String {
    const HOME: &str = "/";
    let plain = wanted.starts_with('/')
        && wanted.len() < 2_000
        && !wanted.chars().any(|c| c.is_control() || c == '\\');
    // Resolved as a browser would: what leaves our origin that way is not a path of ours, however it is spelt.
    match public_url.join(wanted) {
        Ok(url) if plain && url.origin() == public_url.origin() && !url.path().starts_with("//") => {
            path_and_query(&url).to_owned()
        }
        _ => HOME.to_owned(),
    }
}

/// The same for a whole address, such as that of the page on which a script runs.
pub(super) fn own_address(public_url: &Url, wanted: &str) -> Option<String> {
    let url = Url::parse(wanted).ok().filter(|url| url.origin() == public_url.origin())?;
    Some(own_path(public_url, path_and_query(&url)))
}

fn path_and_query(url: &Url) -> &str {
    &url[Position::BeforePath..Position::AfterQuery]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checklist 71.
    #[test]
    fn the_way_back_never_leaves_the_site() {
        let own = Url::parse("http://localhost:3000").unwrap();
        let tries = [
            "",
            "//evil.test",
            "/\\evil.test",
            "\\\\evil.test",
            "/\t/evil.test",
            "/\r\n/evil.test",
            "https://evil.test",
            "https:evil.test",
            "http:/evil.test",
            "javascript:alert(1)",
            "data:text/html,x",
            "///evil.test",
            "/\\/evil.test",
            "http://localhost:3000@evil.test",
            "//localhost:3000@evil.test",
            "http://localhost:3000.evil.test",
            "evil.test",
            ".evil.test",
            "@evil.test",
            "/\u{0}//evil.test",
            "http://localhost:3001/",
            "/..//evil.test",
            "/.//evil.test",
        ];
        for wanted in tries {
            assert_eq!(own_path(&own, wanted), "/", "{wanted:?}");
        }
        assert_eq!(own_path(&own, "/messages?page=2"), "/messages?page=2");
    }
}
