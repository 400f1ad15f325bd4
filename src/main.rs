//! The `quittance` command.

mod cli;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use quittance::config::{self, Settings};
use quittance::provider::ProviderError;
use quittance::sink::SinkError;
use quittance::startup::{self, Application, Role};
use quittance::{http, telemetry};
use serde_json::json;

/// How long the process may take to say that it is alive.
const HEALTH_WITHIN: Duration = Duration::from_secs(3);

/// A self-hosted payment service between Odoo and Stripe.
///
/// Settings come from the environment (`QUITTANCE_…`) and a file; `quittance config-table` lists them. Secrets are never
/// arguments: they come from the environment, as each command says. Commands answer with one JSON object, but where another form is
/// asked for.
#[derive(Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve requests and webhooks.
    Serve {
        /// Work through events and messages in the same process.
        #[arg(long)]
        with_worker: bool,
    },
    /// Work through events, messages to Odoo, and operations without an outcome.
    Worker,
    /// Bring the database's schema up to this version.
    Migrate,
    /// Ask the process beside this one whether it is alive: its metrics port where it has one, else its API.
    Health,
    /// Look at settings, database, keys, every account and every Odoo, and say what to do. Changes nothing. Exit code 1 where something
    /// does not work.
    Doctor(cli::Doctor),
    /// Print the API's contract, `OpenAPI` 3.1 in JSON.
    Openapi,
    /// Print the table of settings, in Markdown.
    ConfigTable,
    #[command(flatten)]
    Administer(cli::Administer),
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = run(Cli::parse().command).await;
    telemetry::finish().await;
    match done {
        Ok(code) => code,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Carries a command out. An answer that says `"ok": false` is a failure that was asked about.
async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Health => return Ok(ask_health(&config::load()?).await),
        Command::Doctor(doctor) => {
            let (answer, ok) = doctor.run(&prepare()?).await;
            say(&answer);
            if !ok {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Openapi => say(&serde_json::to_string_pretty(&http::openapi_document())?),
        Command::ConfigTable => say(config::table().trim_end()),
        Command::Serve { with_worker } => run_as(if with_worker { Role::Both } else { Role::Serve }).await?,
        Command::Worker => run_as(Role::Work).await?,
        Command::Migrate => {
            startup::migrate(&prepare()?).await?;
            say(&json!({ "status": "migrated" }).to_string());
        }
        Command::Administer(command) => {
            let app = startup::app(&prepare()?).await?;
            let answer = cli::run(&app, command).await?;
            if !answer.is_null() {
                say(&answer.to_string());
            }
            if answer["ok"] == false {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads the settings and starts logging as they say.
fn prepare() -> anyhow::Result<Settings> {
    let settings = config::load()?;
    startup::install_tls();
    telemetry::init(&settings.log, settings.log_format, settings.traces.as_ref())?;
    Ok(settings)
}

/// Asks `/healthz` at the address that the settings name, for a container's health check.
async fn ask_health(settings: &Settings) -> ExitCode {
    let mut address = settings.metrics_listen.unwrap_or(settings.listen);
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    startup::install_tls();
    let asked = tokio::time::timeout(HEALTH_WITHIN, reqwest::get(format!("http://{address}/healthz"))).await;
    match asked {
        Ok(Ok(answer)) if answer.status().is_success() => ExitCode::SUCCESS,
        Ok(Ok(_) | Err(_)) | Err(_) => ExitCode::FAILURE,
    }
}

async fn run_as(role: Role) -> anyhow::Result<()> {
    Application::start(&prepare()?, role).await?.run().await;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the one place where commands answer")]
fn say(answer: &str) {
    println!("{answer}");
}

/// One line: what went wrong, and what beneath it, in the words of whoever said so. This is the operator's terminal and no log.
#[expect(clippy::print_stderr, reason = "the one place where commands complain")]
fn complain(error: &anyhow::Error) {
    let told = error.chain().map(|cause| {
        let provider = cause.downcast_ref::<ProviderError>().map(ProviderError::told);
        let sink = || cause.downcast_ref::<SinkError>().map(SinkError::told);
        provider.or_else(sink).unwrap_or_else(|| cause.to_string())
    });
    eprintln!("quittance: {}", told.collect::<Vec<_>>().join(": "));
}
