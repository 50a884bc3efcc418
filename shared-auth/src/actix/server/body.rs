//! A body that ends where it may: at so many bytes, or when its time is over.
//!
//! It wraps what the handler reads from, so it holds for forms, JSON and raw bodies alike. A handler that reads nothing
//! is answered at once, and the HTTP library cuts the connection because something unread is on it.

use std::io;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use super::limits::ServerLimits;

pub fn limited(body: Payload, limits: &ServerLimits) -> Payload {
    if matches!(body, Payload::None) {
        return body;
    }
    let (most, deadline) = (limits.body_bytes, Instant::now() + limits.body_time);
    let chunks = stream::try_unfold((body, 0), move |(mut body, read)| async move {
        let Ok(chunk) = timeout_at(deadline, body.next()).await else {
            return Err(PayloadError::Io(io::ErrorKind::TimedOut.into()));
        };
        let Some(chunk) = chunk.transpose()? else { return Ok(None) };
        let read = read + chunk.len();
        if read > most { Err(PayloadError::Overflow) } else { Ok(Some((chunk, (body, read)))) }
    });
    Payload::Stream { payload: Box::pin(chunks) }
}
