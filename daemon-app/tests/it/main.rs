//! The built daemon against the lab in process. Our API is played by a mock here; the real one takes part in the
//! journeys of `e2e`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod daemon;
mod proxy;
mod refused_by_entra;
mod refusing_apis;
mod rounds;
mod start;
