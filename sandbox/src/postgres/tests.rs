#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Result;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor};

use super::{Cluster, Durability, shared};

async fn migrate(url: String) -> Result<()> {
    let mut connection = PgConnection::connect(&url).await?;
    connection.execute("CREATE TABLE note (body text)").await?;
    Ok(connection.close().await?)
}

async fn write(url: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    connection
        .execute("INSERT INTO note VALUES ('kept')")
        .await
        .unwrap();
    connection.close().await.unwrap();
}

async fn count(url: &str) -> i64 {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query_scalar("SELECT count(*) FROM note")
        .fetch_one(&mut connection)
        .await
        .unwrap()
}

async fn setting(cluster: &Cluster, name: &str) -> String {
    let mut connection = PgConnection::connect(&cluster.url()).await.unwrap();
    sqlx::query_scalar("SELECT current_setting($1)")
        .bind(name)
        .fetch_one(&mut connection)
        .await
        .unwrap()
}

#[test]
fn tests_on_several_runtimes_share_one_cluster_but_no_database() {
    let on_a_runtime_of_its_own = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let database = shared().await.unwrap().migrated_database(migrate).await.unwrap();
            write(&database).await;
            (count(&database).await, database)
        })
    };

    let threads = [(); 4].map(|()| std::thread::spawn(on_a_runtime_of_its_own));

    let mut databases: Vec<String> = threads
        .into_iter()
        .map(|thread| {
            let (rows, database) = thread.join().unwrap();
            assert_eq!(rows, 1);
            database
        })
        .collect();
    databases.sort();
    databases.dedup();
    assert_eq!(databases.len(), 4);
}

#[tokio::test]
async fn what_was_committed_survives_a_crash_of_a_durable_cluster() {
    let cluster = Cluster::start_private(Durability::Full).await.unwrap();
    let database = cluster.migrated_database(migrate).await.unwrap();
    write(&database).await;

    cluster.crash().await.unwrap();
    assert!(PgConnection::connect(&database).await.is_err());
    cluster.start_server().await.unwrap();

    assert_eq!(count(&database).await, 1);
    for name in ["fsync", "full_page_writes", "synchronous_commit"] {
        assert_eq!(setting(&cluster, name).await, "on", "{name}");
    }
}

#[tokio::test]
async fn a_dropped_cluster_leaves_nothing_behind() {
    let cluster = Cluster::start_private(Durability::Fast).await.unwrap();
    let directory = PathBuf::from(setting(&cluster, "data_directory").await);
    let url = cluster.url();
    assert_eq!(setting(&cluster, "fsync").await, "off");

    drop(cluster);

    assert!(PgConnection::connect(&url).await.is_err());
    assert!(!directory.parent().unwrap().exists());
}

/// Not a test of its own: what the next test starts and kills.
#[tokio::test]
#[ignore = "started by a_killed_owner_takes_its_cluster_along"]
async fn owner_to_be_killed() {
    let cluster = Cluster::start_private(Durability::Fast).await.unwrap();
    let directory = setting(&cluster, "data_directory").await;
    std::fs::write(directory_file(std::process::id()), directory).unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
}

fn directory_file(pid: u32) -> PathBuf {
    std::env::temp_dir().join(format!("quittance-postgres-owner-{pid}"))
}

#[test]
fn a_killed_owner_takes_its_cluster_along() {
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "postgres::tests::owner_to_be_killed"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let file = directory_file(owner.id());
    wait_until(|| std::fs::read_to_string(&file).is_ok_and(|text| !text.is_empty()));
    let directory = PathBuf::from(std::fs::read_to_string(&file).unwrap());
    std::fs::remove_file(&file).unwrap();
    let postmaster = directory.join("postmaster.pid");
    let pid = std::fs::read_to_string(postmaster)
        .unwrap()
        .lines()
        .next()
        .unwrap()
        .to_owned();

    owner.kill().unwrap();
    owner.wait().unwrap();

    wait_until(|| !directory.parent().unwrap().exists());
    let alive = Command::new("kill")
        .args(["-0", &pid])
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(!alive.success(), "postgres {pid} outlived its owner");
}

fn wait_until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain");
        std::thread::sleep(Duration::from_millis(20));
    }
}
