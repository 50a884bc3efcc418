//! Load on replicas while Redis is away for 20 seconds, paused, emptied, full, failed over, moved: prints the figures, and
//! fails where anybody was refused or waited too long. Takes two minutes, so it is not part of a plain `cargo test`:
//!
//! `cargo test -p shared-auth --all-features --test redis_load`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests say what they expect")]
#![allow(clippy::print_stdout, reason = "the figures are what it is for")]

use std::time::Duration;

#[path = "it/load.rs"]
mod load;
#[path = "it/redis_server.rs"]
#[allow(dead_code, unused_imports, reason = "the other programs use the rest of it")]
mod redis_server;
#[path = "it/support.rs"]
#[allow(dead_code, reason = "the other programs use the rest of it")]
mod support;

const AWAY: Duration = Duration::from_secs(20);
const AFTER: Duration = Duration::from_secs(5);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        said("stopped for 20 s and started again, empty", load::stopped(AWAY, AFTER)).await;
        said("SIGSTOP for 20 s, SIGCONT", load::paused(AWAY, AFTER)).await;
        said("FLUSHALL five times a second for 20 s", load::emptied(AWAY, AFTER)).await;
        said("maxmemory reached for 20 s, noeviction", load::full(AWAY, AFTER)).await;
        said("master killed, sentinels fail over", load::failed_over(AFTER)).await;
        said("5,461 slots of a cluster moved", load::slots_moved(AFTER)).await;
    });
}

async fn said(what: &str, happens: impl Future<Output = load::Figures>) {
    let figures = Box::pin(happens).await;
    println!("{what:<44}{figures}");
    figures.check();
}
