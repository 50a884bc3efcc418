//! Writing to the terminal: colour only where a person looks, and no panic when the reader went away.
//!
//! `NO_COLOR` switches colour off, as <https://no-color.org> asks; so does a pipe or a file.

use std::env;
use std::io::{self, IsTerminal, Write};
use std::sync::LazyLock;

static COLOUR: LazyLock<bool> = LazyLock::new(|| {
    io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
});

/// May we use colour?
pub fn colour() -> bool {
    *COLOUR
}

/// One line on standard output. `println!` would panic when the output is a closed pipe.
pub fn line(text: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// The text in one of the terminal's own colours (an SGR code such as 36), or as it is.
pub fn paint(code: u8, text: &str) -> String {
    if colour() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// A heading, so that a long run can be read afterwards.
pub fn heading(text: &str) {
    line(&format!("\n{}", paint(1, &format!("=== {text}"))));
}
