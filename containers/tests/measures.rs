//! How soon it is ready, and how little it needs.

use std::time::Duration;

use quittance_containers::stage::Stage;

const READY_WITHIN: Duration = Duration::from_secs(1);
/// What an idle `serve` may keep in memory: 24 MiB.
const MOST_KIB: u64 = 24 * 1024;
/// The machine may be busy with other things; the program is as fast as its fastest start.
const STARTS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn serve_is_ready_within_a_second_and_idles_in_less_than_24_mib() {
    let stage = Stage::set().await.unwrap();
    let mut fastest = Duration::MAX;
    let mut last = None;
    for _ in 0..STARTS {
        let serve = stage.serve().await.unwrap();
        fastest = fastest.min(serve.ready_after());
        last = Some(serve);
    }
    println!("ready: {} ms", fastest.as_millis());
    assert!(fastest < READY_WITHIN, "ready after {fastest:?}");
    let serve = last.unwrap();
    serve.wait_until_healthy().await.unwrap();
    let kib = serve.resident_kib().await.unwrap();
    println!("idle: {kib} KiB");
    assert!(kib < MOST_KIB, "{kib} KiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_and_a_server_are_healthy_by_the_image_s_own_check_and_tell_their_metrics() {
    let stage = Stage::set().await.unwrap();
    let serve = stage.serve().await.unwrap();
    let worker = stage.work().await.unwrap();
    serve.wait_until_healthy().await.unwrap();
    worker.wait_until_healthy().await.unwrap();
    let metrics = worker.get("/metrics").await.unwrap();
    assert!(metrics.contains("quittance_build_info"), "{metrics}");
}
