//! The real `quittance` program, run as a child process: what a demo, a bench and a crash test look at.
//!
//! Nothing here reaches into the service: it is set up with its own commands, spoken to over HTTP, and killed.

use std::fs::{File, OpenOptions};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::process::{Child, Command};
use uuid::Uuid;

use crate::cpu;

/// How long a start may take on a busy machine before it counts as failed.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How long an orderly stop may take before the process is killed.
const STOPPED_WITHIN: Duration = Duration::from_secs(30);
/// What limits the requests that go to Stripe.
const RATES: [&str; 3] = [
    "QUITTANCE_STRIPE_REQUESTS_PER_S_LIVE",
    "QUITTANCE_STRIPE_REQUESTS_PER_S_TEST",
    "QUITTANCE_STRIPE_REQUESTS_PER_S_ENDPOINT",
];
/// So many in a second that nothing waits for its turn.
const AMPLE_RATE: &str = "10000";
/// What limits the requests that a merchant may send, and how many are served at once.
const ASKED: [&str; 4] = [
    "QUITTANCE_RATE_READS_PER_S",
    "QUITTANCE_RATE_WRITES_PER_S",
    "QUITTANCE_RATE_READS_PER_S_MERCHANT",
    "QUITTANCE_RATE_WRITES_PER_S_MERCHANT",
];
/// So many that no load of ours is turned away.
const AMPLE_ASKED: &str = "1000000";

/// The ports that programs serve on: below those that systems hand out to connections, so that one is still free when a program that was
/// killed starts again.
const PORTS: Range<u16> = 10_000..32_000;

/// A `quittance` program with an environment, ready to run its commands.
#[derive(Clone, Debug)]
pub struct Quittance {
    program: PathBuf,
    environment: Vec<(String, String)>,
    log: PathBuf,
    port: u16,
}

impl Quittance {
    /// Prepares `program` for a database, with a sealing key of its own and a free port; it logs to `log`.
    pub fn new(program: &Path, database_url: &str, log: &Path) -> Result<Self> {
        if !program.is_file() {
            bail!(
                "{} is missing: run `cargo build --bin quittance` first",
                program.display()
            );
        }
        if let Some(directory) = log.parent() {
            std::fs::create_dir_all(directory)?;
        }
        File::create(log).with_context(|| format!("creating {}", log.display()))?;
        let port = free_port()?;
        let prepared = Self {
            program: program.to_owned(),
            environment: Vec::new(),
            log: log.to_owned(),
            port,
        };
        // The pretend Stripe takes what comes: here the service is looked at, not what it holds back for the real one.
        let prepared = RATES
            .iter()
            .fold(prepared, |prepared, name| prepared.with(name, AMPLE_RATE));
        let prepared = ASKED
            .iter()
            .fold(prepared, |prepared, name| prepared.with(name, AMPLE_ASKED));
        let prepared = prepared
            .with("QUITTANCE_DATABASE_URL", database_url)
            .with("QUITTANCE_SEALING_KEY", &fresh_sealing_key())
            .with("QUITTANCE_LISTEN", &format!("127.0.0.1:{port}"))
            .with("QUITTANCE_ODOO_ALLOWED_NETWORKS", "127.0.0.0/8")
            .with("QUITTANCE_LOG_FORMAT", "text");
        Ok(prepared)
    }

    /// One more of the same, over the same database and with the same key: on a port of its own, logging to `log`.
    pub fn replica(&self, log: &Path) -> Result<Self> {
        File::create(log).with_context(|| format!("creating {}", log.display()))?;
        let port = free_port()?;
        let replica = Self {
            log: log.to_owned(),
            port,
            ..self.clone()
        };
        Ok(replica.with("QUITTANCE_LISTEN", &format!("127.0.0.1:{port}")))
    }

    /// Finds the program in the build directory that this very program runs from.
    pub fn find_program() -> Result<PathBuf> {
        let own = std::env::current_exe().context("asking where this program is")?;
        let directory = own.parent().context("this program is in no directory")?;
        Ok(directory.join(format!("quittance{}", std::env::consts::EXE_SUFFIX)))
    }

    /// Adds a variable to the environment of every command.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Where the service listens once it is started; the same over every restart.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where the service writes its log.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Runs a command to its end, with `secrets` in its environment, and returns the JSON it prints, if any.
    pub async fn run(&self, arguments: &[&str], secrets: &[(&str, &str)]) -> Result<Value> {
        let mut command = self.command(arguments);
        let output = command
            .envs(secrets.iter().copied())
            .output()
            .await
            .context("running quittance")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!(
                "`quittance {}` failed ({}): {}",
                arguments.join(" "),
                output.status,
                said.trim()
            );
        }
        if output.stdout.trim_ascii().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("`quittance {}` did not print JSON", arguments.join(" ")))
    }

    /// Runs a command to its end, however it ends, with `secrets` in its environment; what it wrote, on both of its ways out.
    pub async fn output(&self, arguments: &[&str], secrets: &[(&str, &str)]) -> Result<std::process::Output> {
        let mut command = self.command(arguments);
        let output = command.envs(secrets.iter().copied()).output();
        output.await.context("running quittance")
    }

    /// Starts `worker`, which tells nobody when it is ready.
    pub fn work(&self) -> Result<Service> {
        self.start(&["worker"])
    }

    /// Starts a command that runs until it is killed or ends, and returns at once.
    pub fn start(&self, arguments: &[&str]) -> Result<Service> {
        Ok(Service {
            process: self.spawn(arguments)?,
            ready_after: Duration::ZERO,
        })
    }

    fn spawn(&self, arguments: &[&str]) -> Result<Child> {
        let log = OpenOptions::new().append(true).open(&self.log)?;
        let mut command = self.command(arguments);
        command.stdout(log.try_clone()?).stderr(log);
        command.spawn().context("starting quittance")
    }

    /// Starts `serve` with `arguments` and returns once `/readyz` answers 200.
    pub async fn serve(&self, arguments: &[&str]) -> Result<Service> {
        let started = Instant::now();
        let mut process = self.spawn(&[&["serve"], arguments].concat())?;
        let ready = format!("{}/readyz", self.url());
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(1))
            .build()?;
        while !client
            .get(&ready)
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success())
        {
            if let Some(status) = process.try_wait()? {
                bail!(
                    "quittance ended with {status}; the end of its log: {}",
                    self.end_of_log()
                );
            }
            if started.elapsed() > READY_WITHIN {
                bail!(
                    "quittance was not ready within {READY_WITHIN:?}; the end of its log: {}",
                    self.end_of_log()
                );
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(Service {
            process,
            ready_after: started.elapsed(),
        })
    }

    /// A command with exactly these settings: none of the caller's own reaches it.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("QUITTANCE_") {
                command.env_remove(name);
            }
        }
        command
            .args(arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    fn end_of_log(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }
}

/// A running service; dropping it kills it.
#[derive(Debug)]
pub struct Service {
    process: Child,
    ready_after: Duration,
}

impl Service {
    /// How long it took from the start of the process until it was ready; nothing for a worker.
    #[must_use]
    pub fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// The resident memory, in KiB; only where the system has `/proc`.
    pub fn resident_kib(&self) -> Result<u64> {
        let pid = self.process.id().context("the service has ended")?;
        let status =
            std::fs::read_to_string(format!("/proc/{pid}/status")).context("reading the service's memory")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line
            .and_then(|line| line.split_whitespace().next())
            .context("no VmRSS in the status")?;
        Ok(kib.parse()?)
    }

    /// How long it has worked; only where the system has `/proc`.
    pub fn worked(&self) -> Result<Duration> {
        cpu::used_by(self.process.id().context("the service has ended")?)
    }

    /// Kills it as a power cut would: SIGKILL, no chance to finish anything.
    pub async fn kill(mut self) -> Result<()> {
        self.process.kill().await.context("killing the service")
    }

    /// Asks it to finish what it does and stop.
    pub async fn stop(mut self) -> Result<()> {
        let pid = self.process.id().context("the service has ended")?;
        Command::new("kill")
            .args(["-TERM", &pid.to_string()])
            .status()
            .await?;
        let ended = tokio::time::timeout(STOPPED_WITHIN, self.process.wait()).await;
        let status = ended.context("the service did not stop when asked to")??;
        if !status.success() {
            bail!("the service ended with {status}");
        }
        Ok(())
    }
}

fn free_port() -> Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(101);
    for _ in 0..PORTS.len() {
        let number = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + u16::try_from(number % u32::from(PORTS.end - PORTS.start))?;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port of {PORTS:?} is free");
}

/// 32 bytes as the service wants them, good enough for secrets that are pretended too.
#[must_use]
pub fn fresh_sealing_key() -> String {
    BASE64.encode(Sha256::digest(Uuid::now_v7().as_bytes()))
}
