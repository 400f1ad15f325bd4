//! A Postgres for tests, demo and bench, found or started without anybody's help.
//!
//! In this order: the server at `QUITTANCE_TEST_DATABASE_URL`; a private cluster from programs that the system
//! has or that were downloaded; a container. A private cluster listens on 127.0.0.1 only and never outlives the
//! process that started it, even one that was killed.

mod binaries;
mod command;
mod keeper;
mod restore;
#[cfg(test)]
mod tests;
mod user;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use reqwest::Url;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};
use tokio::sync::OnceCell;
use uuid::Uuid;

use binaries::Programs;
use keeper::Keeper;

use crate::cpu;

pub use binaries::program;
pub use command::Durability;

/// Names a server to use instead of a private one; its user must be allowed to create databases.
pub const DATABASE_URL_VARIABLE: &str = "QUITTANCE_TEST_DATABASE_URL";

/// How long a server may take to accept connections, recovery and a busy machine included.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// How often a start is tried: another process may take the free port between our look and the server's bind.
const START_ATTEMPTS: u32 = 3;
/// SQLSTATE `object_in_use`: somebody is still connected to the template.
const OBJECT_IN_USE: &str = "55006";

/// A running Postgres and the databases made in it.
#[derive(Debug)]
pub struct Cluster {
    /// The maintenance database, where databases are made.
    server: Url,
    template: OnceCell<String>,
    private: Option<Private>,
}

/// What only a cluster of our own has.
#[derive(Debug)]
struct Private {
    keeper: Arc<Mutex<Keeper>>,
    server: Vec<String>,
    log: PathBuf,
    /// A container takes its data with it when it stops.
    survives_stop: bool,
}

/// The cluster that all tests of this process share, whatever runtime each of them has.
///
/// It is never dropped; the keeper stops it when the process ends.
pub async fn shared() -> Result<&'static Cluster> {
    static SHARED: OnceCell<Cluster> = OnceCell::const_new();
    SHARED.get_or_try_init(|| Cluster::start(Durability::Fast)).await
}

impl Cluster {
    /// Uses the server that the environment names, else starts a private one.
    pub async fn start(durability: Durability) -> Result<Self> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place where the sandbox reads this variable"
        )]
        match std::env::var(DATABASE_URL_VARIABLE) {
            Ok(url) => Self::existing(&url).await,
            Err(_) => Self::start_private(durability).await,
        }
    }

    /// Uses a server that somebody else runs, after clearing what earlier runs left there.
    async fn existing(url: &str) -> Result<Self> {
        let server = Url::parse(url).with_context(|| format!("{DATABASE_URL_VARIABLE} is not a URL"))?;
        let cluster = Self {
            server,
            template: OnceCell::new(),
            private: None,
        };
        cluster
            .drop_leftovers()
            .await
            .with_context(|| format!("using the server of {DATABASE_URL_VARIABLE}"))?;
        Ok(cluster)
    }

    /// Starts a cluster of our own, on a free port of 127.0.0.1.
    pub async fn start_private(durability: Durability) -> Result<Self> {
        Self::start_with(durability, &[]).await
    }

    /// The same, archiving its log, so that it can be restored to any moment after a backup.
    pub async fn start_archiving(durability: Durability) -> Result<Self> {
        let archiving = format!("mkdir -p ../{0} && cp %p ../{0}/%f", restore::ARCHIVE);
        let settings = [
            "archive_mode=on".to_owned(),
            format!("archive_command={archiving}"),
        ];
        Self::start_with(durability, &settings).await
    }

    async fn start_with(durability: Durability, settings: &[String]) -> Result<Self> {
        let programs = binaries::find().await?;
        let mut last = None;
        for _ in 0..START_ATTEMPTS {
            match Self::try_start(&programs, durability, settings).await {
                Ok(cluster) => return Ok(cluster),
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("no attempt was made")?)
    }

    async fn try_start(programs: &Programs, durability: Durability, settings: &[String]) -> Result<Self> {
        let (dir, identity) = user::private_directory(&durability.parent_directory())?;
        let log = dir.join("log");
        let port = free_port()?;
        let identity = match programs {
            Programs::Directory(_) => identity,
            // The engine's socket is ours to use; inside the container the image drops root by itself.
            Programs::Container(_) => None,
        };
        let mut keeper = Keeper::start(&dir, identity)?;
        let mut server = command::server(programs, &dir, port, durability);
        for setting in settings {
            server.extend(["-c".to_owned(), setting.clone()]);
        }
        let initialise = command::initialise(programs, &dir);
        let keeper = blocking(move || {
            if let Some(initialise) = initialise {
                keeper.run(&initialise)?;
            }
            Ok(keeper)
        });
        let keeper = Arc::new(Mutex::new(keeper.await.with_context(|| tail(&log))?));
        let url = Url::parse(&format!("postgres://postgres@127.0.0.1:{port}/postgres"))?;
        let survives_stop = matches!(programs, Programs::Directory(_));
        let private = Private {
            keeper,
            server,
            log,
            survives_stop,
        };
        let cluster = Self {
            server: url,
            template: OnceCell::new(),
            private: Some(private),
        };
        cluster.start_server().await?;
        Ok(cluster)
    }

    /// The URL of the maintenance database, where databases are made.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.to_string()
    }

    /// Makes an empty database of that name and returns its URL.
    pub async fn create_database(&self, name: &str) -> Result<String> {
        self.execute(format!(r#"CREATE DATABASE "{name}""#)).await?;
        Ok(self.url_of(name))
    }

    /// Makes a user who may make databases, unless it is there.
    pub async fn create_user(&self, name: &str) -> Result<()> {
        const DUPLICATE_OBJECT: &str = "42710";
        let made = self
            .execute(format!(r#"CREATE ROLE "{name}" LOGIN CREATEDB"#))
            .await;
        match made {
            Err(error) if has_code(&error, DUPLICATE_OBJECT) => Ok(()),
            made => Ok(made?),
        }
    }

    /// A database of the caller's own, copied from a template that `migrate` filled on the first call.
    ///
    /// `migrate` gets the template's URL and must have closed its connections when it returns.
    pub async fn migrated_database<F, Migrated>(&self, migrate: F) -> Result<String>
    where
        F: FnOnce(String) -> Migrated,
        Migrated: Future<Output = Result<()>>,
    {
        let template = self.template.get_or_try_init(|| async {
            let name = fresh_name();
            migrate(self.create_database(&name).await?)
                .await
                .context("migrating the template database")?;
            anyhow::Ok(name)
        });
        let template = template.await?;
        let name = fresh_name();
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            match self
                .execute(format!(r#"CREATE DATABASE "{name}" TEMPLATE "{template}""#))
                .await
            {
                Ok(()) => return Ok(self.url_of(&name)),
                Err(error) if has_code(&error, OBJECT_IN_USE) && Instant::now() < deadline => pause().await,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// How long the server has worked, for all that connect to it; only where it is a process of this system and that has `/proc`.
    pub async fn worked(&self) -> Result<Duration> {
        let mut connection = PgConnection::connect(self.server.as_str()).await?;
        let pid: i32 =
            sqlx::query_scalar("select split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int")
                .fetch_one(&mut connection)
                .await?;
        connection.close().await?;
        cpu::used_by(u32::try_from(pid)?)
    }

    /// Whether [`Cluster::stop`] and [`Cluster::crash`] are possible: only where the server is ours and no container.
    #[must_use]
    pub fn is_stoppable(&self) -> bool {
        self.private.as_ref().is_some_and(|private| private.survives_stop)
    }

    /// Stops the server in good order.
    pub async fn stop(&self) -> Result<()> {
        self.check_stoppable()?;
        self.with_keeper(|keeper, _| keeper.stop_server()).await
    }

    /// Stops the server as a crash would; [`Cluster::start_server`] then has to recover.
    pub async fn crash(&self) -> Result<()> {
        self.check_stoppable()?;
        self.with_keeper(|keeper, _| keeper.crash_server()).await
    }

    /// Starts a stopped server on its old port and returns when it accepts connections.
    pub async fn start_server(&self) -> Result<()> {
        self.with_keeper(Keeper::start_server).await?;
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            match PgConnection::connect(self.server.as_str()).await {
                Ok(connection) => return Ok(connection.close().await?),
                Err(error) if Instant::now() > deadline => {
                    let said = self
                        .private
                        .as_ref()
                        .map(|private| tail(&private.log))
                        .unwrap_or_default();
                    return Err(error).context(format!("Postgres did not become ready: {said}"));
                }
                Err(_) => pause().await,
            }
        }
    }

    fn check_stoppable(&self) -> Result<()> {
        if !self.is_stoppable() {
            bail!(
                "this Postgres cannot be stopped and started: it is not ours, or a container that would lose its data"
            );
        }
        Ok(())
    }

    async fn with_keeper(
        &self,
        act: impl FnOnce(&mut Keeper, &[String]) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let Some(private) = &self.private else {
            bail!("the server of {DATABASE_URL_VARIABLE} is not ours to stop and start");
        };
        let (keeper, server) = (Arc::clone(&private.keeper), private.server.clone());
        blocking(move || {
            act(
                &mut keeper.lock().unwrap_or_else(PoisonError::into_inner),
                &server,
            )
        })
        .await
    }

    fn url_of(&self, database: &str) -> String {
        let mut url = self.server.clone();
        url.set_path(database);
        url.to_string()
    }

    async fn execute(&self, statement: String) -> sqlx::Result<()> {
        let mut connection = PgConnection::connect(self.server.as_str()).await?;
        connection.execute(AssertSqlSafe(statement)).await?;
        connection.close().await
    }

    /// Drops the databases of runs that are over: nobody runs tests for a day.
    async fn drop_leftovers(&self) -> Result<()> {
        let mut connection = PgConnection::connect(self.server.as_str()).await?;
        let leftovers: Vec<String> =
            sqlx::query_scalar("SELECT datname FROM pg_database WHERE datname LIKE 'quittance\\_test\\_%'")
                .fetch_all(&mut connection)
                .await?;
        for name in leftovers.into_iter().filter(|name| is_over_a_day_old(name)) {
            connection
                .execute(AssertSqlSafe(format!(r#"DROP DATABASE IF EXISTS "{name}""#)))
                .await?;
        }
        Ok(connection.close().await?)
    }
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("looking for a free port")?;
    Ok(listener.local_addr()?.port())
}

/// A name no other run can have made, which says when it was made.
fn fresh_name() -> String {
    format!("quittance_test_{}", Uuid::now_v7().simple())
}

fn is_over_a_day_old(name: &str) -> bool {
    let made = name
        .strip_prefix("quittance_test_")
        .and_then(|id| Uuid::parse_str(id).ok()?.get_timestamp());
    let now = Uuid::now_v7().get_timestamp();
    made.zip(now)
        .is_some_and(|(made, now)| made.to_unix().0 + 24 * 60 * 60 < now.to_unix().0)
}

fn has_code(error: &sqlx::Error, wanted: &str) -> bool {
    error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .is_some_and(|code| code == wanted)
}

/// The last lines of the server's log, for an error message.
fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join(" | ")
}

async fn pause() {
    tokio::time::sleep(Duration::from_millis(25)).await;
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .context("a blocking task failed")?
}
