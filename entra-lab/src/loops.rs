//! Loop detection (AADSTS50196): a client that asks for the same token over and over has no cache, or ignores it.
//!
//! Entra does not publish its limit. The lab's is generous, so that a test that repeats itself is not taken for a loop;
//! `POST /lab/policy` with `loop_limit` sets another.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

use crate::errors::LOOP;
use crate::refusal::Refusal;

/// So many requests for one token, within this time, are a loop.
const LIMIT: u32 = 600;
const WINDOW_SECONDS: i64 = 300;
/// Beyond this many different requests those whose time is over are forgotten.
const MOST: usize = 10_000;

/// What makes two requests the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Request {
    pub tenant: Uuid,
    pub client: Uuid,
    /// None: the client for itself.
    pub user: Option<Uuid>,
    pub resource: Uuid,
    /// The scopes as the client wrote them.
    pub scope: String,
}

/// Counts the requests of one lab.
#[derive(Debug)]
pub struct Loops {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    limit: Option<u32>,
    /// Since when, and how many.
    seen: HashMap<Request, (i64, u32)>,
}

impl Default for Loops {
    fn default() -> Self {
        Self { inner: Mutex::new(Inner { limit: Some(LIMIT), seen: HashMap::new() }) }
    }
}

impl Loops {
    /// Counts a request, and refuses it if it is one too many.
    pub fn must_not_loop(&self, request: Request, now: i64) -> Result<(), Refusal> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(limit) = inner.limit else { return Ok(()) };
        let over = |since: i64| !(since..since + WINDOW_SECONDS).contains(&now);
        if inner.seen.len() >= MOST {
            inner.seen.retain(|_, (since, _)| !over(*since));
        }
        let (since, count) = inner.seen.entry(request).or_insert((now, 0));
        if over(*since) {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        if *count > limit {
            return Err(LOOP.about(format!("More than {limit} requests in {WINDOW_SECONDS} s.")));
        }
        Ok(())
    }

    /// Another limit; none switches it off. What was counted is forgotten.
    pub fn set_limit(&self, limit: Option<u32>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        *inner = Inner { limit, seen: HashMap::new() };
    }

    pub fn reset(&self) {
        self.set_limit(Some(LIMIT));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_on_by_default_and_after_a_reset() {
        let loops = Loops::default();
        let id = Uuid::nil();
        let request = Request { tenant: id, client: id, user: None, resource: id, scope: String::new() };
        loops.set_limit(None);
        loops.reset();
        for _ in 0..LIMIT {
            assert!(loops.must_not_loop(request.clone(), 1).is_ok());
        }
        assert_eq!(loops.must_not_loop(request.clone(), 2).unwrap_err().row, LOOP);
        assert!(loops.must_not_loop(request, 1 + WINDOW_SECONDS).is_ok());
    }
}
