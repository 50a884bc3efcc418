//! What happens to Redis while replicas are at work, each of it for a moment. For longer, with figures: the test program
//! `redis_load`.

use std::time::Duration;

use crate::load;

const MOMENT: Duration = Duration::from_secs(2);
const AFTER: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_misses_a_redis_that_is_stopped_and_started_again_under_load() {
    load::stopped(MOMENT, AFTER).await.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_misses_a_redis_that_is_paused_under_load() {
    load::paused(MOMENT, AFTER).await.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_misses_what_is_flushed_under_load() {
    load::emptied(MOMENT, AFTER).await.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_misses_the_room_that_redis_has_not_under_load() {
    load::full(MOMENT, AFTER).await.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_misses_the_master_that_sentinels_replace_under_load() {
    load::failed_over(AFTER).await.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_misses_the_slots_of_a_cluster_that_move_under_load() {
    load::slots_moved(AFTER).await.check();
}
