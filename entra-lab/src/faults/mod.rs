//! Faults that a test orders: refusals under load, slow answers, cut connections, wrong documents.
//!
//! A fault may be bound to a client id or a correlation id, so that parallel tests do not meet, and
//! to a number of requests. `inject` is the middleware that carries them out.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::state::LabState;

pub mod inject;

/// Which requests a fault meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The token endpoints.
    Token,
    /// OpenID Connect and instance discovery.
    Discovery,
    /// The key documents.
    Keys,
    /// Microsoft Graph.
    Graph,
    /// The start of a sign-in.
    Authorize,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    /// This status with an error body, and `Retry-After` in seconds.
    Status { status: u16, retry_after: Option<u32> },
    /// The right answer, late.
    Slow { milliseconds: u64 },
    /// The connection ends in the middle of the body.
    Cut,
    /// Half of the body in an answer that is otherwise whole.
    Truncated,
    /// A web page, as from a proxy in between.
    Html { status: u16 },
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    pub id: Uuid,
    pub on: Target,
    #[serde(flatten)]
    pub what: What,
    pub client: Option<Uuid>,
    pub correlation_id: Option<Uuid>,
    /// How many requests it still meets; none means all.
    pub times: Option<u32>,
}

impl Fault {
    /// A fault for every request to this target.
    pub fn new(on: Target, what: What) -> Self {
        Self { id: Uuid::new_v4(), on, what, client: None, correlation_id: None, times: None }
    }

    /// Only requests of this client. Discovery and key requests name none.
    pub fn client(mut self, client: Uuid) -> Self {
        self.client = Some(client);
        self
    }

    /// Only requests with this correlation id.
    pub fn correlation(mut self, id: Uuid) -> Self {
        self.correlation_id = Some(id);
        self
    }

    /// Only so many requests.
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }
}

/// The faults of one lab.
#[derive(Debug, Default)]
pub struct Faults {
    list: Mutex<Vec<Fault>>,
}

impl Faults {
    pub fn add(&self, fault: Fault) {
        self.lock().push(fault);
    }

    pub fn list(&self) -> Vec<Fault> {
        self.lock().clone()
    }

    pub fn remove(&self, id: Uuid) -> bool {
        let mut list = self.lock();
        let before = list.len();
        list.retain(|f| f.id != id);
        list.len() < before
    }

    pub fn clear(&self) {
        self.lock().clear();
    }

    /// The first fault that this request meets; counts it.
    fn meet(&self, on: Target, client: Option<Uuid>, correlation: Option<Uuid>) -> Option<What> {
        let mut list = self.lock();
        let position = list.iter().position(|f| {
            f.on == on
                && (f.client.is_none() || f.client == client)
                && (f.correlation_id.is_none() || f.correlation_id == correlation)
        })?;
        let fault = list.get_mut(position)?;
        let what = fault.what;
        if let Some(left) = &mut fault.times {
            *left = left.saturating_sub(1);
            if *left == 0 {
                list.remove(position);
            }
        }
        Some(what)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Fault>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `POST /lab/fault`: a new fault, or `remove` with an id, or `remove_all`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    kind: String,
    on: Option<Target>,
    status: Option<u16>,
    retry_after: Option<u32>,
    milliseconds: Option<u64>,
    client: Option<Uuid>,
    correlation_id: Option<Uuid>,
    times: Option<u32>,
    id: Option<Uuid>,
}

impl Order {
    /// Carries it out. The error is a sentence.
    pub fn apply(self, state: &LabState) -> Result<Value, String> {
        let status = |default: Option<u16>| {
            let valid = self.status.or(default).filter(|s| (200..600).contains(s));
            valid.ok_or_else(|| "It needs a 'status' from 200 to 599.".to_owned())
        };
        let what = match self.kind.as_str() {
            "status" => What::Status { status: status(None)?, retry_after: self.retry_after },
            "slow" => match self.milliseconds {
                Some(milliseconds @ 0..=600_000) => What::Slow { milliseconds },
                _ => return Err("It needs 'milliseconds', at most ten minutes.".to_owned()),
            },
            "cut" => What::Cut,
            "truncated" => What::Truncated,
            "html" => What::Html { status: status(Some(200))? },
            "remove" => {
                let known = self.id.is_some_and(|id| state.faults.remove(id));
                return if known {
                    Ok(json!({ "status": "done" }))
                } else {
                    Err("There is no such fault.".into())
                };
            }
            "remove_all" => {
                state.faults.clear();
                return Ok(json!({ "status": "done" }));
            }
            _ => return Err("kind is status, slow, cut, truncated, html, remove or remove_all.".to_owned()),
        };
        let on = self.on.ok_or("It needs 'on': token, discovery, keys, graph or authorize.")?;
        if self.times == Some(0) {
            return Err("'times' is at least 1.".to_owned());
        }
        let fault = Fault {
            client: self.client,
            correlation_id: self.correlation_id,
            times: self.times,
            ..Fault::new(on, what)
        };
        let id = fault.id;
        state.faults.add(fault);
        Ok(json!({ "id": id }))
    }
}
