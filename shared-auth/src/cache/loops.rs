//! Loops of our own: the same request, answered again and again, is stopped here before Entra stops it (AADSTS50196).
//!
//! Entra counts the same request more than about 15 times in five minutes as a loop of the client and then refuses it,
//! which hits everybody in the tenant who uses the application. Only answers count, a token as much as a no: who cannot
//! reach Entra may try as often as the retries allow. The key is that of the request, so that one user's loop stops
//! nobody else.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use quick_cache::sync::Cache;

use super::key::PartitionKey;
use crate::error::{Error, RequestLoop};
use crate::protocol::scope::Scopes;

/// Answers to the same request that are still no loop.
const MOST: usize = 15;
/// Within this time.
const WINDOW: SignedDuration = SignedDuration::from_mins(5);
/// Requests that are watched; the least used are forgotten.
const KEYS: usize = 10_000;

/// The answers of late.
#[derive(Debug)]
pub(super) struct Loops {
    recent: Cache<String, Arc<Mutex<Recent>>>,
}

#[derive(Debug, Default)]
struct Recent {
    /// When Entra answered, oldest first.
    answered: VecDeque<Timestamp>,
    /// The last no; `None` where it was a token.
    refused: Option<Error>,
}

impl Default for Loops {
    fn default() -> Self {
        Self { recent: Cache::new(KEYS) }
    }
}

impl Loops {
    /// Stops a request that has been answered too often of late.
    pub fn check(&self, key: &str, scopes: &Scopes, now: Timestamp) -> Result<(), Error> {
        let Some(recent) = self.recent.get(key) else { return Ok(()) };
        let mut recent = recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.forget(now);
        match recent.answered.front() {
            Some(&first) if recent.answered.len() >= MOST => {
                let refused = recent.refused.clone();
                let (scopes, answers) = (scopes.clone(), recent.answered.len());
                let repeated = RequestLoop { scopes, answers, since: first, until: first + WINDOW, refused };
                tracing::warn!("{repeated}");
                // Whose turn it is does not change: the user's.
                Err(match repeated.refused {
                    Some(error) if error.is_interaction_required() => error,
                    _ => repeated.into(),
                })
            }
            _ => Ok(()),
        }
    }

    /// The user signed in: what was refused before may be granted now.
    pub fn begins_anew(&self, partition: &PartitionKey) {
        if !self.recent.is_empty() {
            let begin = partition.request(&Scopes::default());
            self.recent.retain(|key, _| !key.starts_with(&begin));
        }
    }

    /// Entra answered.
    pub fn answered(&self, key: &str, outcome: Result<(), &Error>, now: Timestamp) {
        let refused = match outcome {
            Ok(()) => None,
            Err(error) if error.refusal().is_some() => Some(error.clone()),
            Err(_) => return,
        };
        let recent = self.recent.get(key).unwrap_or_else(|| {
            let recent = Arc::<Mutex<Recent>>::default();
            self.recent.insert(key.to_owned(), Arc::clone(&recent));
            recent
        });
        let mut recent = recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.forget(now);
        recent.answered.push_back(now);
        recent.refused = refused;
    }
}

impl Recent {
    /// What is older than the window; what is from the future too, for then the clock was moved back.
    fn forget(&mut self, now: Timestamp) {
        self.answered.retain(|&at| at <= now && now.duration_since(at) < WINDOW);
        while self.answered.len() > MOST {
            self.answered.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::TransportError;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    fn stopped(loops: &Loops, key: &str, second: i64) -> bool {
        loops.check(key, &Scopes::from("User.Read"), at(second)).is_err()
    }

    #[test]
    fn the_window_moves_on() {
        let loops = Loops::default();
        for second in 0..15 {
            assert!(!stopped(&loops, "a", second * 10));
            loops.answered("a", Ok(()), at(second * 10));
        }

        assert!(stopped(&loops, "a", 141) && stopped(&loops, "a", 299));
        assert!(!stopped(&loops, "a", 300), "the first answer is five minutes old");
        assert!(!stopped(&loops, "b", 141));
    }

    #[test]
    fn who_does_not_reach_entra_is_in_no_loop() {
        let (loops, id) = (Loops::default(), None);
        let cause = TransportError {
            tried: "asking".to_owned(),
            endpoint: "e".to_owned(),
            happened: "h".to_owned(),
            retryable: true,
            correlation_id: id,
        };
        (0..20).for_each(|_| loops.answered("a", Err(&cause.clone().into()), at(0)));

        assert!(!stopped(&loops, "a", 0));
    }

    /// Checklist 37.
    #[test]
    fn a_clock_that_is_moved_back_stops_nobody() {
        let loops = Loops::default();
        (0..20).for_each(|_| loops.answered("a", Ok(()), at(1000)));

        assert!(stopped(&loops, "a", 1000));
        assert!(!stopped(&loops, "a", 0));
    }

    #[test]
    fn memory_is_bounded_however_many_requests_there_are() {
        let loops = Loops::default();
        for key in 0..50_000 {
            loops.answered(&key.to_string(), Ok(()), at(0));
        }

        assert!(loops.recent.len() <= 11_000, "{}", loops.recent.len());
    }
}
