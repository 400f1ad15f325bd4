#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test stops at the first surprise, and says what it skips"
)]

use std::path::{Path, PathBuf};
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

fn directory_of(cluster: &Cluster) -> PathBuf {
    cluster.private.as_ref().unwrap().log.parent().unwrap().to_owned()
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
    if !cluster.is_stoppable() {
        eprintln!("skipped: a Postgres in a container would lose its data");
        return;
    }
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
    let directory = directory_of(&cluster);
    let url = cluster.url();
    assert_eq!(setting(&cluster, "fsync").await, "off");
    assert!(directory.exists());

    drop(cluster);

    assert!(PgConnection::connect(&url).await.is_err());
    assert!(!directory.exists());
}

/// Not a test of its own: what the next test starts and kills.
#[tokio::test]
#[ignore = "started by a_killed_owner_takes_its_cluster_along"]
async fn owner_to_be_killed() {
    let cluster = Cluster::start_private(Durability::Fast).await.unwrap();
    let notes = format!("{}\n{}", cluster.url(), directory_of(&cluster).display());
    std::fs::write(notes_of(std::process::id()), notes).unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
}

fn notes_of(pid: u32) -> PathBuf {
    std::env::temp_dir().join(format!("quittance-postgres-owner-{pid}"))
}

#[tokio::test]
async fn a_killed_owner_takes_its_cluster_along() {
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "postgres::tests::owner_to_be_killed"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let file = notes_of(owner.id());
    wait_until(|| std::fs::read_to_string(&file).is_ok_and(|text| text.contains('\n')));
    let notes = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let (url, directory) = notes.split_once('\n').unwrap();
    assert!(PgConnection::connect(url).await.is_ok());

    owner.kill().unwrap();
    owner.wait().unwrap();

    wait_until(|| !Path::new(directory).exists());
    assert!(PgConnection::connect(url).await.is_err());
}

fn wait_until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain");
        std::thread::sleep(Duration::from_millis(20));
    }
}
