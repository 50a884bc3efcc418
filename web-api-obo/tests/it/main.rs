//! The built API against the lab in process. What signed-in users see through it is part of the journeys in `e2e`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod api;
mod calls;
mod edge;
mod refused_by_entra;
mod reports;
mod start;
