//! The journeys: what a person does with the whole chain, through the built binaries, in a real browser.
//!
//! Each file is one story and carries the number that it has in `docs/scenarios`. The same files run against processes
//! that the test starts (the default) and against `docker compose up` (`E2E_STACK=compose`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests say what they expect")]

mod browser;
mod desktop;
mod redis;
mod stack;
mod visitor;

mod journey_1_daemon_reads_the_directory;
mod journey_2_user_signs_in;
mod journey_3_web_app_calls_the_api;
mod journey_4_api_acts_on_behalf_of_its_caller;
mod journey_5_it_needs_the_user_again;
mod journey_7_a_person_at_a_terminal;
mod names_with_markup;
mod replicas;
mod sessions_that_end;
mod what_a_burst_costs;
mod what_goes_wrong;
mod what_the_log_says;
