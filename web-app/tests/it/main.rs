//! The built web app against the lab in process, as far as it goes without a browser. Signing in is part of the
//! journeys in `e2e`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod app;
mod edge;
mod pages;
mod start;
