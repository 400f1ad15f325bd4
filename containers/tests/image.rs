//! The image itself.

use quittance_containers::image::{Image, LABEL};
use quittance_containers::pod::Pod;
use testcontainers::runners::AsyncRunner;
use testcontainers::{GenericImage, ImageExt};

/// 40 MB, as the README promises.
const MOST_BYTES: i64 = 40_000_000;

#[tokio::test]
async fn the_image_is_smaller_than_40_mb() {
    let found = Image::quittance().unwrap().inspect().await.unwrap();
    let bytes = found.size.unwrap();
    println!("image: {bytes} bytes");
    assert!(bytes < MOST_BYTES, "{bytes} bytes");
}

#[tokio::test]
async fn the_image_runs_what_the_chart_runs_as_the_user_of_the_chart() {
    let found = Image::quittance().unwrap().inspect().await.unwrap();
    let config = found.config.unwrap();
    let pod = Pod::of("serve").unwrap();
    assert_eq!(config.user.as_deref(), Some(&*pod.user));
    assert_eq!(config.entrypoint.unwrap(), ["quittance"]);
    assert_eq!(config.cmd.unwrap(), pod.arguments);
    assert_eq!(config.stop_signal.as_deref(), Some("SIGTERM"));
    let health = config.healthcheck.and_then(|health| health.test);
    assert_eq!(health.unwrap(), ["CMD", "quittance", "health"]);
    let labels = config.labels.unwrap();
    assert_eq!(labels["org.opencontainers.image.title"], "Quittance");
}

#[tokio::test]
async fn the_image_holds_no_shell() {
    let image = Image::quittance().unwrap();
    for shell in ["/bin/sh", "/bin/bash", "/bin/busybox", "sh"] {
        let started = GenericImage::new(&image.name, &image.tag).with_entrypoint(shell);
        let started = started.with_cmd(["-c", "true"]).with_label(LABEL, "1");
        let refused = started.start().await.unwrap_err();
        let told = format!("{refused:?}");
        assert!(
            told.contains("no such file") || told.contains("not found"),
            "{told}"
        );
    }
}
