//! What Redis costs: lookups that memory does not have, beside the bare connection and `redis-benchmark` on the same
//! server in the same run; then the same with 100 and with 100,000 users, and what each of them takes there.
//!
//! `cargo run --release --manifest-path bench/Cargo.toml --features redis --bin redis`. What counts is the ratios.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot start should say so and stop")]

mod rates;
mod server;
mod users;

use server::Server;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        rates::report(&Server::start().await).await;
        users::report().await;
    });
}
