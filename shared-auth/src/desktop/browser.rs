//! The person's own browser: can one be opened here, and opening it.
//!
//! Never a window of the program itself (RFC 8252 §8.12): only the system's browser has the person's sessions, passkeys
//! and address bar.

use std::io;

use url::Url;

/// The system's browser, or the one that `BROWSER` names.
///
/// ```no_run
/// use shared_auth::desktop::SystemBrowser;
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// if SystemBrowser::is_missing().is_none() {
///     SystemBrowser::open(&"https://myapps.microsoft.com".parse()?)?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct SystemBrowser;

impl SystemBrowser {
    /// Opens an address. On Unix the variable `BROWSER` wins over the system's choice.
    ///
    /// # Errors
    /// Where no browser is found or it does not start.
    pub fn open(url: &Url) -> io::Result<()> {
        let mut options = webbrowser::BrowserOptions::new();
        // What a browser prints must not get between the lines of a program.
        options.with_suppress_output(true);
        webbrowser::open_browser_with_options(webbrowser::Browser::Default, url.as_str(), &options)
    }

    /// Why no browser can be opened for the person in front of this program, or `None` where one can.
    ///
    /// In a remote shell a browser would open on a machine that nobody looks at; without a display it cannot open. The
    /// variable `BROWSER` says that somebody has thought of it.
    ///
    /// ```
    /// use shared_auth::desktop::SystemBrowser;
    ///
    /// match SystemBrowser::is_missing() {
    ///     Some(reason) => println!("signing in with a device code: {reason}"),
    ///     None => println!("opening the browser"),
    /// }
    /// ```
    pub fn is_missing() -> Option<&'static str> {
        missing(cfg!(all(unix, not(target_os = "macos"))), |name| {
            std::env::var_os(name).is_some_and(|value| !value.is_empty())
        })
    }
}

fn missing(needs_a_display: bool, is_set: impl Fn(&str) -> bool) -> Option<&'static str> {
    if is_set("BROWSER") {
        None
    } else if is_set("SSH_CONNECTION") || is_set("SSH_TTY") {
        Some("this is a remote shell")
    } else if needs_a_display
        && !is_set("DISPLAY")
        && !is_set("WAYLAND_DISPLAY")
        && !is_set("WSL_DISTRO_NAME")
    {
        Some("there is no display")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[&str], needs_a_display: bool) -> Option<&'static str> {
        missing(needs_a_display, |name| variables.contains(&name))
    }

    #[test]
    fn a_display_of_ones_own_is_a_browser_and_a_remote_shell_is_none() {
        assert_eq!(with(&["DISPLAY"], true), None);
        assert_eq!(with(&["WAYLAND_DISPLAY"], true), None);
        assert_eq!(with(&["WSL_DISTRO_NAME"], true), None);
        assert_eq!(with(&[], false), None);
        assert_eq!(with(&[], true), Some("there is no display"));
        assert_eq!(with(&["DISPLAY", "SSH_CONNECTION"], true), Some("this is a remote shell"));
        assert_eq!(with(&["SSH_TTY"], false), Some("this is a remote shell"));
    }

    #[test]
    fn who_names_a_browser_gets_it() {
        assert_eq!(with(&["BROWSER", "SSH_CONNECTION"], true), None);
    }
}
