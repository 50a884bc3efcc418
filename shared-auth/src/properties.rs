//! What holds of every parser whatever it is given: one function a parser, which fails by an assertion.
//!
//! Two drivers call them: the fuzz targets in `fuzz/`, for which this module is visible (`--cfg fuzzing`), and the tests
//! below, which try the seeds, seeds that were changed, and noise. Each property stands in the room of its parser,
//! because it looks behind the public API. Nothing of this is part of a product build.

#[cfg(feature = "actix")]
pub use crate::actix::authorization_header;
pub use crate::authority::properties::discovery;
pub use crate::cache::properties::{cache_entry, msal_cache};
pub use crate::flows::properties::sign_in;
pub use crate::jwt::properties::{jwks, token};
pub use crate::protocol::properties::{challenge, scopes, token_endpoint};
pub use crate::settings::properties::settings;

/// The input as text; what is not UTF-8 is replaced.
pub(crate) fn text(data: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(data)
}

/// The input in two: before and after the first zero byte.
pub(crate) fn two(data: &[u8]) -> (&[u8], &[u8]) {
    let at = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    (&data[..at], data.get(at + 1..).unwrap_or_default())
}

/// Asserts that a sentence can stand in a log: one line, of a length that a person reads.
pub(crate) fn is_one_line(sentence: &str) {
    assert!(!sentence.contains(|c: char| c.is_control()), "more than a line: {sentence:?}");
    assert!(sentence.len() <= 8 * 1024, "{} bytes are no sentence: {sentence:.100?}", sentence.len());
}

#[cfg(test)]
mod tests;
