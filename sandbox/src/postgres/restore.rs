//! Putting a cluster or a database back to how it was, in each of the ways in which operators do.

use std::path::Path;

use anyhow::{Context, Result, bail};
use sqlx::{Connection, PgConnection};

use super::{Cluster, Keeper, fresh_name, pause};

/// Where a base backup and the archived log stand, beneath the cluster's directory.
pub(super) const ARCHIVE: &str = "archive";
const BACKUP: &str = "backup";

impl Cluster {
    /// Takes a base backup while the server runs. Only of a cluster from [`Cluster::start_archiving`].
    pub async fn back_up(&self) -> Result<()> {
        let url = self.url();
        let program = self.beside_the_server("pg_basebackup")?;
        self.run(vec![
            program,
            format!("--dbname={url}"),
            format!("--pgdata={BACKUP}"),
            "--wal-method=none".to_owned(),
            "--checkpoint=fast".to_owned(),
            "--no-sync".to_owned(),
        ])
        .await
    }

    /// Gives this moment a name to restore to.
    pub async fn name_point(&self, name: &str) -> Result<()> {
        self.ask("select pg_create_restore_point($1)::text", name).await
    }

    /// Stops the server, puts the base backup back, lets it follow the archived log up to a named moment, and starts it there: what
    /// was committed later is gone, and the cluster is on another timeline.
    pub async fn restore_to(&self, point: &str) -> Result<()> {
        self.ask("select pg_walfile_name(pg_switch_wal()) || $1", "")
            .await?;
        self.stop().await?;
        let archive = self.directory()?.join(ARCHIVE);
        let settings = [
            format!("restore_command = 'cp {}/%f %p'", archive.display()),
            format!("recovery_target_name = '{point}'"),
            "recovery_target_action = 'promote'".to_owned(),
        ];
        let script = format!(
            "rm -rf data && cp -a {BACKUP} data && printf '%s\\n' \"$@\" >> data/postgresql.auto.conf && touch data/recovery.signal"
        );
        self.run(shell(&script, &settings.each_ref().map(String::as_str)))
            .await?;
        self.start_server().await?;
        loop {
            let mut connection = PgConnection::connect(&self.url()).await?;
            let follows: bool = sqlx::query_scalar("select pg_is_in_recovery()")
                .fetch_one(&mut connection)
                .await?;
            connection.close().await?;
            if !follows {
                return Ok(());
            }
            pause().await;
        }
    }

    /// Stops the server, copies its data away, and starts it again.
    pub async fn copy_data(&self) -> Result<()> {
        self.stop().await?;
        self.run(shell("rm -rf copy && cp -a data copy", &[])).await?;
        self.start_server().await
    }

    /// Stops the server, puts the copied data back, and starts it: nothing in it tells of that.
    pub async fn put_data_back(&self) -> Result<()> {
        self.stop().await?;
        self.run(shell("rm -rf data && cp -a copy data", &[])).await?;
        self.start_server().await
    }

    /// Dumps a database.
    pub async fn dump(&self, url: &str) -> Result<()> {
        let program = self.beside_the_server("pg_dump")?;
        let words = [
            program,
            "--format=custom".to_owned(),
            "--file=dump".to_owned(),
            url.to_owned(),
        ];
        self.run(words.into()).await
    }

    /// Puts the dump back as a database of its own, and returns its URL.
    pub async fn put_dump_back(&self) -> Result<String> {
        let url = self.create_database(&fresh_name()).await?;
        let program = self.beside_the_server("pg_restore")?;
        self.run(vec![program, format!("--dbname={url}"), "dump".to_owned()])
            .await?;
        Ok(url)
    }

    async fn ask(&self, statement: &'static str, value: &str) -> Result<()> {
        let mut connection = PgConnection::connect(&self.url()).await?;
        let _said: String = sqlx::query_scalar(statement)
            .bind(value)
            .fetch_one(&mut connection)
            .await?;
        Ok(connection.close().await?)
    }

    async fn run(&self, words: Vec<String>) -> Result<()> {
        self.with_keeper(move |keeper: &mut Keeper, _| keeper.run(&words))
            .await
    }

    fn directory(&self) -> Result<&Path> {
        let Some(private) = &self.private else {
            bail!("only a cluster of our own can be put back");
        };
        private.log.parent().context("the log is in no directory")
    }

    fn beside_the_server(&self, name: &str) -> Result<String> {
        self.check_stoppable()?;
        let server = self.private.as_ref().and_then(|private| private.server.first());
        let server = server.context("the server has no program")?;
        Ok(Path::new(server).with_file_name(name).display().to_string())
    }
}

fn shell(script: &str, arguments: &[&str]) -> Vec<String> {
    ["/bin/sh", "-c", script, "sh"]
        .iter()
        .chain(arguments)
        .map(|&word| word.to_owned())
        .collect()
}
