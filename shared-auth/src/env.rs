//! Environment variables, read once at the start; everything that is wrong is said in one message.
//!
//! A setting is read through [`Env`], which remembers each problem instead of stopping at the first one. The names
//! that were asked for are remembered too, so a program can list its own settings.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

/// The environment, with a memory of what was asked and of what was wrong.
///
/// ```
/// use shared_auth::Env;
///
/// let mut env = Env::from_pairs([("PORT", "not a number")]);
/// let error = env.read(|env| {
///     let port = env.or::<u16>("PORT", 4000);
///     let tenant = env.required::<String>("AZURE_TENANT_ID");
///     Some((port?, tenant?))
/// });
/// let text = error.unwrap_err().to_string();
/// assert!(text.contains("PORT") && text.contains("AZURE_TENANT_ID"));
/// ```
pub struct Env {
    variables: HashMap<String, String>,
    asked: Vec<&'static str>,
    problems: Vec<Problem>,
}

/// What is wrong with one setting.
///
/// ```
/// use shared_auth::Env;
///
/// let error = Env::from_pairs([("PORT", "s3cret")]).read(|env| env.or::<u16>("PORT", 1)).unwrap_err();
/// assert_eq!(error.problems[0].name, "PORT");
/// assert!(!error.to_string().contains("s3cret"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The variable.
    pub name: &'static str,
    /// Why its value cannot be used. Never the value itself: it might be a secret.
    pub reason: String,
}

/// The settings cannot be used; every problem at once.
///
/// ```
/// use shared_auth::ConfigError;
///
/// let error = ConfigError::new("TIMEOUT_SECONDS", "must be at least 1");
/// assert!(error.to_string().contains("TIMEOUT_SECONDS: must be at least 1"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// One entry for each variable that is missing or malformed.
    pub problems: Vec<Problem>,
}

impl ConfigError {
    /// An error about a single setting.
    pub fn new(name: &'static str, reason: impl Into<String>) -> Self {
        Self { problems: vec![Problem { name, reason: reason.into() }] }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings cannot be used:")?;
        for Problem { name, reason } in &self.problems {
            write!(f, "\n  {name}: {reason}")?;
        }
        // Only variables of the environment are explained there; members of a configuration file are not.
        let variable =
            |name: &str| name.bytes().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'_');
        if !self.problems.is_empty() && !self.problems.iter().any(|problem| variable(problem.name)) {
            return Ok(());
        }
        f.write_str(
            "\nEach variable is explained in .env.example; copy that file to .env and start from there.",
        )
    }
}

impl Env {
    /// The variables of this process. An empty variable counts as absent, as compose writes `${NAME:-}`.
    pub fn from_process() -> Self {
        Self::from_pairs(std::env::vars())
    }

    /// Variables from elsewhere, for tests.
    pub fn from_pairs<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let variables = pairs.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self {
            variables: variables.filter(|(_, value): &(String, String)| !value.trim().is_empty()).collect(),
            asked: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Runs `settings`, which reads all it needs, and reports every problem that came up.
    ///
    /// # Errors
    /// [`ConfigError`] with each missing or malformed variable.
    pub fn read<T>(&mut self, settings: impl FnOnce(&mut Env) -> Option<T>) -> Result<T, ConfigError> {
        let value = settings(self);
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(ConfigError { problems: std::mem::take(&mut self.problems) }),
        }
    }

    /// A variable that must be there. `None` means that the problem was noted.
    pub fn required<T: FromStr<Err: fmt::Display>>(&mut self, name: &'static str) -> Option<T> {
        match self.raw(name) {
            Some(text) => self.parse(name, &text),
            None => {
                self.note(name, "is missing");
                None
            }
        }
    }

    /// A variable that may be absent. The outer `None` means that a problem was noted.
    #[allow(clippy::option_option, reason = "absent and malformed are different answers")]
    pub fn optional<T: FromStr<Err: fmt::Display>>(&mut self, name: &'static str) -> Option<Option<T>> {
        match self.raw(name) {
            Some(text) => self.parse(name, &text).map(Some),
            None => Some(None),
        }
    }

    /// A variable with a default.
    pub fn or<T: FromStr<Err: fmt::Display>>(&mut self, name: &'static str, default: T) -> Option<T> {
        self.optional(name).map(|value| value.unwrap_or(default))
    }

    /// A number with a default and the range in which it makes sense.
    pub fn number(
        &mut self,
        name: &'static str,
        default: u32,
        range: std::ops::RangeInclusive<u32>,
    ) -> Option<u32> {
        let value = self.or(name, default)?;
        if range.contains(&value) {
            return Some(value);
        }
        self.note(name, format!("must be between {} and {}", range.start(), range.end()));
        None
    }

    /// Notes a problem that only the caller can see.
    pub fn note(&mut self, name: &'static str, reason: impl Into<String>) {
        let problem = Problem { name, reason: reason.into() };
        // Two parts may read the same variable.
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// The names that were asked for so far, in order.
    pub fn asked(&self) -> &[&'static str] {
        &self.asked
    }

    fn raw(&mut self, name: &'static str) -> Option<String> {
        if !self.asked.contains(&name) {
            self.asked.push(name);
        }
        self.variables.get(name).cloned()
    }

    fn parse<T: FromStr<Err: fmt::Display>>(&mut self, name: &'static str, text: &str) -> Option<T> {
        text.trim().parse().map_err(|error| self.note(name, format!("cannot be read: {error}"))).ok()
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env")
            .field("asked", &self.asked)
            .field("problems", &self.problems)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_is_a_missing_one() {
        let error = Env::from_pairs([("A", "  ")]).read(|env| env.required::<String>("A")).unwrap_err();

        assert_eq!(error, ConfigError::new("A", "is missing"));
    }

    #[test]
    fn numbers_have_a_range() {
        let mut env = Env::from_pairs([("SKEW", "301")]);

        let text = env.read(|env| env.number("SKEW", 60, 0..=300)).unwrap_err().to_string();

        assert!(text.contains("SKEW: must be between 0 and 300"), "{text}");
    }

    #[test]
    fn a_malformed_value_is_not_repeated() {
        let text = Env::from_pairs([("KEY", "s3cret")])
            .read(|env| env.required::<u32>("KEY"))
            .unwrap_err()
            .to_string();

        assert!(!text.contains("s3cret"), "{text}");
    }
}
