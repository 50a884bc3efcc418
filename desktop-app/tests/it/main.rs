//! The built program against the lab in process. Whatever needs a person at a browser stands in the journeys of `e2e`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod app;
mod endings;
mod start;
