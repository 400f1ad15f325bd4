//! Puts the service together. The only place that names Stripe and Odoo.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::pool::PoolConnectionMetadata;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::auth::Keys;
use crate::app::doctor::{self, Finding};
use crate::app::gauges::Gauges;
use crate::app::keys::KeysError;
use crate::app::limits::{Limits, Replica};
use crate::app::queue::InHand;
use crate::app::{Accounts, App, Clock, Inbox, Outgoing, keys, odoo_setup, restore, rights};
use crate::config::{self, Settings};
use crate::domain::ids::MerchantId;
use crate::http::{Listening, Serving};
use crate::odoo::OdooSink;
use crate::provider::Registry;
use crate::store::{self, Db};
use crate::stripe::{self, Stripe, Timeouts};
use crate::worker;

/// How long a connection may rest before it is asked whether it still works.
const IDLE: Duration = Duration::from_secs(1);

/// How long a request waits for a connection to Postgres.
const ACQUIRED_WITHIN: Duration = Duration::from_secs(3);

/// How many connections take webhooks in: one that writes, one that looks accounts up.
const INTAKE: u32 = 2;

/// How long a statement and an idle transaction may take. Migrations may take longer.
const LIMITS: [(&str, &str); 2] = [
    ("statement_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "30s"),
];

/// Why the service cannot start: one line that says what to set.
#[derive(Debug, thiserror::Error)]
pub enum StartupError {
    /// No connection.
    #[error("QUITTANCE_DATABASE_URL: the database cannot be reached: {0}")]
    Database(String),
    /// A commit would not be on disk when it returns.
    #[error(
        "the database has synchronous_commit off, which loses acknowledged events: set it to on for this role or database"
    )]
    NotDurable,
    /// A migration failed.
    #[error("a migration failed: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The login cannot work as the application's roles, or these see more than they may.
    #[error(transparent)]
    Roles(#[from] store::Unfit),
    /// The port is taken, or not ours.
    #[error("QUITTANCE_LISTEN: cannot serve on {address}: {source}")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The same of the port for metrics and probes.
    #[error("QUITTANCE_METRICS_LISTEN: cannot serve on {address}: {source}")]
    ListenForMetrics {
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The keys in the settings are not those that the database needs.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The HTTP client or the TLS library could not be set up.
    #[error("no HTTP client can be made: {0}")]
    Client(#[from] reqwest::Error),
}

/// Connects to Postgres.
async fn reach(settings: &Settings, limits: &[(&str, &str)]) -> Result<PgPool, StartupError> {
    let unreachable = |error: sqlx::Error| StartupError::Database(error.to_string());
    pool(settings.database_connections - INTAKE)
        .connect_with(options(settings, limits).map_err(unreachable)?)
        .await
        .map_err(unreachable)
}

/// Connects to Postgres, and refuses one that would lose what it has acknowledged.
async fn connect(settings: &Settings, limits: &[(&str, &str)]) -> Result<PgPool, StartupError> {
    let unreachable = |error: sqlx::Error| StartupError::Database(error.to_string());
    let pool = reach(settings, limits).await?;
    let mut conn = pool.acquire().await.map_err(unreachable)?;
    let durability = store::health::synchronous_commit(&mut conn)
        .await
        .map_err(|error| StartupError::Database(error.to_string()))?;
    if durability == "off" {
        Err(StartupError::NotDurable)
    } else {
        Ok(pool)
    }
}

fn pool(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRED_WITHIN)
        .test_before_acquire(false)
        .before_acquire(|conn, idle| Box::pin(still_there(conn, idle)))
}

fn options(settings: &Settings, limits: &[(&str, &str)]) -> sqlx::Result<PgConnectOptions> {
    let options: PgConnectOptions = settings.database_url.expose_secret().parse()?;
    Ok(options
        .application_name("quittance")
        .options(limits.iter().copied()))
}

/// Whether a connection that was idle for a while still works; one that was just used does.
async fn still_there(conn: &mut PgConnection, idle: PoolConnectionMetadata) -> sqlx::Result<bool> {
    if idle.idle_for < IDLE {
        return Ok(true);
    }
    Ok(conn.ping().await.is_ok())
}

/// Brings the schema up to this version. Safe to run by several at once.
///
/// # Errors
/// [`StartupError`].
pub async fn migrate(settings: &Settings) -> Result<(), StartupError> {
    let pool = connect(settings, &[]).await?;
    store::MIGRATOR.run(&pool).await?;
    Ok(())
}

/// The payment companies that this version knows. A new one is named here and nowhere else.
///
/// # Errors
/// [`StartupError::Client`].
pub fn providers(settings: &Settings) -> Result<Registry, StartupError> {
    install_tls();
    let timeouts = Timeouts {
        per_attempt: settings.provider_attempt_timeout,
        total: settings.provider_timeout,
    };
    let stripe = Stripe::new(stripe::http_client()?, timeouts, settings.stripe_limits);
    Ok(Registry::default().with(Stripe::NAME, Arc::new(stripe)))
}

/// Chooses the TLS library. A second call finds the first one's choice, which is the same.
pub fn install_tls() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// The use cases over what the settings name.
///
/// # Errors
/// [`StartupError`].
pub async fn app(settings: &Settings) -> Result<Arc<App>, StartupError> {
    app_with(settings, providers(settings)?).await
}

async fn app_with(settings: &Settings, providers: Registry) -> Result<Arc<App>, StartupError> {
    let db = Db::new(connect(settings, &LIMITS).await?);
    db.check().await?;
    let app = assemble(settings, providers, db).await?;
    if let Err(error) = restore::look_first(&app).await {
        // Nothing moves money unless the same is asked and answered again.
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "whether the database was restored could not be looked at"
        );
    }
    keys::prepare(&app).await?;
    Ok(app)
}

/// Looks at everything that the service needs, of one merchant or of all, and says what to do. Changes nothing, and goes as far as it
/// can: what cannot be looked at because of something else is not in it.
pub async fn examine(settings: &Settings, merchant: Option<MerchantId>) -> Vec<Finding> {
    let mut findings = config::fit(settings);
    let reached = match reach(settings, &LIMITS).await {
        Ok(pool) => Db::new(pool),
        Err(error) => {
            findings.push(doctor::unreachable(&error.to_string()));
            return findings;
        }
    };
    findings.extend(doctor::database(&reached).await);
    if findings.iter().any(|finding| finding.is_error_of("database.")) {
        return findings;
    }
    let app = match providers(settings) {
        Ok(providers) => assemble(settings, providers, reached).await,
        Err(error) => Err(error),
    };
    match app {
        Ok(app) => findings.extend(doctor::run(&app, merchant).await),
        Err(error) => findings.push(doctor::unreachable(&error.to_string())),
    }
    findings
}

async fn assemble(settings: &Settings, providers: Registry, db: Db) -> Result<Arc<App>, StartupError> {
    install_tls();
    let intake = options(settings, &LIMITS).map_err(|error| StartupError::Database(error.to_string()))?;
    let intake = Db::new(pool(INTAKE).connect_lazy_with(intake));
    let sink = OdooSink::new(settings.odoo_timeout, settings.odoo_allowed_networks.clone())?;
    let tasks = TaskTracker::new();
    let (clock, following) = Clock::of_database(db.clone())
        .await
        .map_err(|error| StartupError::Database(error.to_string()))?;
    tasks.spawn(following);
    let (inbox, writing) = Inbox::new(intake.clone());
    tasks.spawn(writing);
    let (keys, following) = Keys::following(db.clone());
    tasks.spawn(following);
    Ok(Arc::new(App {
        db,
        intake,
        limits: Limits::new(settings.rates),
        clock,
        sealer: settings.sealer.clone(),
        providers,
        sink: Arc::new(sink),
        outgoing: Outgoing::new(settings.odoo_concurrency),
        timing: settings.timing,
        kept: settings.kept,
        inbox,
        in_hand: InHand::default(),
        keys,
        trusted_proxies: settings.trusted_proxies.clone(),
        accounts: Accounts::default(),
        gauges: Gauges::default(),
        runtime: tokio::runtime::Handle::current(),
        tasks,
        bell: Arc::new(Notify::new()),
    }))
}

/// Starts metrics and probes where settings name an address.
fn start_metrics(settings: &Settings, app: &Arc<App>) -> Result<Option<Listening>, StartupError> {
    let Some(address) = settings.metrics_listen else {
        return Ok(None);
    };
    let listening = Listening::for_operations(address, app)
        .map_err(|source| StartupError::ListenForMetrics { address, source })?;
    tracing::info!(address = ?listening.address(), "metrics and probes");
    Ok(Some(listening))
}

/// Starts to take requests.
fn start_serving(settings: &Settings, app: &Arc<App>) -> Result<Listening, StartupError> {
    let serving = Serving {
        workers: settings.http_workers,
        bounds: settings.bounds,
        grace: settings.shutdown_grace,
    };
    let address = settings.listen;
    let listening = Listening::for_requests(address, serving, app)
        .map_err(|source| StartupError::Listen { address, source })?;
    tracing::info!(address = ?listening.address(), "serving");
    Ok(listening)
}

/// The running service: requests, work, or both.
pub struct Application {
    server: Option<Listening>,
    metrics: Option<Listening>,
    worker: Option<JoinHandle<()>>,
    stop: CancellationToken,
    app: Arc<App>,
    grace: Duration,
}

/// Which parts of the service to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Requests.
    Serve,
    /// What is on disk.
    Work,
    /// Both, in one process.
    Both,
}

impl Application {
    /// Starts the service. Port 0 takes any free port.
    ///
    /// # Errors
    /// [`StartupError`].
    pub async fn start(settings: &Settings, role: Role) -> Result<Self, StartupError> {
        Self::start_with(settings, role, providers(settings)?).await
    }

    /// Starts the service over payment companies of the caller's choice, such as [`providers`] and one more.
    ///
    /// # Errors
    /// [`StartupError`].
    pub async fn start_with(
        settings: &Settings,
        role: Role,
        providers: Registry,
    ) -> Result<Self, StartupError> {
        let app = app_with(settings, providers).await?;
        let stop = CancellationToken::new();
        let server = (role != Role::Work)
            .then(|| start_serving(settings, &app))
            .transpose()?;
        if role != Role::Work {
            let shared = Replica::default().share(Arc::clone(&app), stop.clone());
            app.tasks.spawn_on(shared, &app.runtime);
        }
        let worker = (role != Role::Serve).then(|| {
            app.runtime
                .spawn(worker::run(Arc::clone(&app), settings.poll, stop.clone()))
        });
        let watching = restore::watch(Arc::clone(&app), stop.clone());
        app.tasks.spawn_on(watching, &app.runtime);
        let metrics = start_metrics(settings, &app)?;
        let looked_at = odoo_setup::look(Arc::clone(&app), stop.clone());
        app.tasks.spawn_on(looked_at, &app.runtime);
        if role != Role::Serve {
            let looked_at = rights::look(Arc::clone(&app), stop.clone());
            app.tasks.spawn_on(looked_at, &app.runtime);
        }
        Ok(Self {
            server,
            metrics,
            worker,
            stop,
            app,
            grace: settings.shutdown_grace,
        })
    }

    /// Where requests are served, where they are.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.server.as_ref().map(Listening::address)
    }

    /// Where metrics and probes are served, where they are.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(Listening::address)
    }

    /// The use cases beneath.
    #[must_use]
    pub const fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Runs until SIGTERM or SIGINT, then stops.
    pub async fn run(self) {
        shutdown_signal().await;
        tracing::info!("stopping");
        self.stop().await;
    }

    /// Takes no more in, finishes requests and what was begun, and returns. What is not finished within the grace period
    /// is on disk: another process takes it up.
    pub async fn stop(self) {
        let finish = async {
            self.stop.cancel();
            if let Some(server) = self.server {
                server.stop().await;
            }
            if let Some(worker) = self.worker {
                let _ended = worker.await;
            }
            // Last: until here, whoever asks learns how it goes.
            if let Some(metrics) = self.metrics {
                metrics.stop().await;
            }
            let tasks = self.app.tasks.clone();
            // The inbox writes as long as someone holds it: the last holder is let go here.
            drop(self.app);
            tasks.close();
            tasks.wait().await;
        };
        if tokio::time::timeout(self.grace, finish).await.is_err() {
            tracing::warn!("the grace period is over; what is left is taken up by the next process");
        }
    }
}

async fn shutdown_signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = interrupt.await;
}
