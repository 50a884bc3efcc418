//! A run made of steps: a heading for each, the time it took, and a summary that can be read afterwards.
//!
//! The first failure ends the run and says how to repeat just that step.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::output;

/// What happened so far.
#[derive(Default)]
pub struct Steps {
    lines: Vec<String>,
}

impl Steps {
    /// Runs one step. `repeat` is what a person types to see the failure again.
    pub async fn step(
        &mut self,
        name: &str,
        repeat: &str,
        work: impl AsyncFnOnce() -> Result<()>,
    ) -> Result<()> {
        output::heading(name);
        let start = Instant::now();
        let done = work().await;
        let took = seconds(start.elapsed());
        self.lines.push(format!("{} {took:>8}  {name}", if done.is_ok() { "ok     " } else { "FAILED " }));
        if done.is_err() {
            self.summary();
        }
        done.with_context(|| format!("Stopped at: {name}\nRepeat it with: {repeat}\n"))
    }

    /// A step that cannot be done here, with the reason. Not a failure, and not silent either.
    pub fn skip(&mut self, name: &str, reason: &str) {
        output::heading(name);
        output::line(&format!("Skipped: {reason}"));
        self.lines.push(format!("skipped         -  {name} ({reason})"));
    }

    pub fn summary(&self) {
        output::heading("summary");
        self.lines.iter().for_each(|line| output::line(line));
    }
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}
