//! The floor: how fast the same Postgres takes one row of the same size per transaction, with nothing in front.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use quittance_sandbox::postgres::{self, Cluster};
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor};
use tokio::process::Command;

/// What must be on for a commit to survive a power cut.
pub(crate) const DURABLE: [&str; 3] = ["fsync", "full_page_writes", "synchronous_commit"];

/// `pgbench` with its own database.
#[derive(Debug)]
pub(crate) struct Floor {
    pgbench: PathBuf,
    database: String,
    script: PathBuf,
}

impl Floor {
    /// Makes the table and the script for rows of `row_bytes`.
    pub(crate) async fn prepare(cluster: &Cluster, directory: PathBuf, row_bytes: usize) -> Result<Self> {
        let pgbench = postgres::program("pgbench").context("pgbench is missing")?;
        let database = cluster
            .create_database(&format!("floor_{}", std::process::id()))
            .await?;
        let mut connection = PgConnection::connect(&database).await?;
        let table =
            "CREATE TABLE floor (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text NOT NULL)";
        connection.execute(table).await?;
        connection.close().await?;
        let script = directory.join("floor.sql");
        std::fs::write(
            &script,
            format!("INSERT INTO floor (body) VALUES ('{}');\n", "x".repeat(row_bytes)),
        )?;
        Ok(Self {
            pgbench,
            database,
            script,
        })
    }

    /// Transactions per second at so many connections.
    ///
    /// Prepared statements, as the service uses them: the higher and so the stricter floor.
    pub(crate) async fn run(&self, connections: usize, duration: Duration) -> Result<u64> {
        let mut command = Command::new(&self.pgbench);
        command
            .arg("--no-vacuum")
            .args(["--protocol", "prepared", "--jobs", "2"]);
        command.args([
            "--client",
            &connections.to_string(),
            "--time",
            &duration.as_secs().to_string(),
        ]);
        command.arg("--file").arg(&self.script).arg(&self.database);
        let output = command
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .context("running pgbench")?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            bail!("pgbench failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        let rate = text
            .lines()
            .find_map(|line| line.strip_prefix("tps = "))
            .context("pgbench named no tps")?;
        let whole = rate.split(['.', ' ']).next().unwrap_or_default();
        whole
            .parse()
            .with_context(|| format!("pgbench's tps is no number: {rate}"))
    }
}

/// Refuses a server that could lose what it has acknowledged; the floor and the service share it.
pub(crate) async fn require_durable(cluster: &Cluster) -> Result<()> {
    let mut connection = PgConnection::connect(&cluster.url()).await?;
    for name in DURABLE {
        let value: String = sqlx::query_scalar("SELECT current_setting($1)")
            .bind(name)
            .fetch_one(&mut connection)
            .await?;
        if value != "on" {
            bail!("the bench needs a Postgres with {name} on, and it is {value}");
        }
    }
    Ok(connection.close().await?)
}
