//! The service's image in a container, told what the chart tells its pods.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use quittance_sandbox::merchant::Commands;
use quittance_sandbox::service::fresh_sealing_key;
use reqwest::Client;
use serde_json::Value;
use testcontainers::bollard::models::{ContainerInspectResponse, HealthStatusEnum};
use testcontainers::core::wait::ExitWaitStrategy;
use testcontainers::core::{AccessMode, IntoContainerPort, Mount, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::image::{Image, LABEL, engine};
use crate::pod::Pod;
use crate::wait::until;

/// How long a start may take on a busy machine before it counts as failed.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// Where the chart mounts the key-encryption key.
const KEY_PLACE: &str = "/etc/quittance/sealing";
/// What is set here and not by the chart: the pretend Stripe takes what comes, and the pretend Odoo is on this machine.
const BESIDE_THE_CHART: [(&str, &str); 4] = [
    ("QUITTANCE_STRIPE_REQUESTS_PER_S_LIVE", "10000"),
    ("QUITTANCE_STRIPE_REQUESTS_PER_S_TEST", "10000"),
    ("QUITTANCE_STRIPE_REQUESTS_PER_S_ENDPOINT", "10000"),
    (
        "QUITTANCE_ODOO_ALLOWED_NETWORKS",
        "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16",
    ),
];
const API: u16 = 8080;
const METRICS: u16 = 9464;

/// Starts the image in a network, with a database and a key.
#[derive(Debug)]
pub(crate) struct Runner {
    image: Image,
    network: String,
    database_url: String,
    key: PathBuf,
}

impl Runner {
    pub(crate) fn new(network: String, database_url: String) -> Result<Self> {
        let key = std::env::temp_dir().join(&network);
        fs::create_dir(&key)?;
        let file = key.join("current");
        fs::write(&file, fresh_sealing_key())?;
        // Another user reads it, as in a pod.
        fs::set_permissions(&key, fs::Permissions::from_mode(0o755))?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o444))?;
        Ok(Self {
            image: Image::quittance()?,
            network,
            database_url,
            key,
        })
    }

    /// Migrates, as the chart's Job does.
    pub(crate) async fn migrate(&self) -> Result<()> {
        let pod = Pod::of("migrate")?;
        let arguments = pod.arguments.clone();
        self.to_its_end(&pod, &arguments, &[]).await.map(drop)
    }

    /// Starts `serve`, and returns once it is ready.
    pub(crate) async fn serve(&self) -> Result<Replica> {
        self.start("serve", API, "/readyz").await
    }

    /// Starts `worker`, and returns once it lives.
    pub(crate) async fn work(&self) -> Result<Replica> {
        self.start("worker", METRICS, "/healthz").await
    }

    async fn start(&self, role: &str, port: u16, ready: &str) -> Result<Replica> {
        let pod = Pod::of(role)?;
        let image = self.image().with_exposed_port(port.tcp());
        let container = self.told(image, &pod, &pod.arguments)?.start().await?;
        let host_port = container.get_host_port_ipv4(port.tcp()).await?;
        let mut replica = Replica {
            url: format!("http://127.0.0.1:{host_port}"),
            ready_after: Duration::ZERO,
            pod,
            container,
        };
        replica.ready_after = replica.wait_until_ready(ready).await?;
        Ok(replica)
    }

    /// What a command wrote, once it ended well.
    async fn to_its_end(&self, pod: &Pod, arguments: &[String], secrets: &[(&str, &str)]) -> Result<Vec<u8>> {
        let ended = WaitFor::exit(ExitWaitStrategy::new());
        let told = self.told(self.image().with_wait_for(ended), pod, arguments)?;
        let told = secrets
            .iter()
            .fold(told, |told, (name, value)| told.with_env_var(*name, *value));
        let container = told.start().await?;
        let code = container.exit_code().await?;
        if code != Some(0) {
            let said = container.stderr_to_vec().await?;
            let said = String::from_utf8_lossy(&said);
            bail!("`quittance {}` ended with {code:?}: {said}", arguments.join(" "));
        }
        Ok(container.stdout_to_vec().await?)
    }

    fn image(&self) -> GenericImage {
        GenericImage::new(&self.image.name, &self.image.tag)
    }

    fn told(
        &self,
        image: GenericImage,
        pod: &Pod,
        arguments: &[String],
    ) -> Result<ContainerRequest<GenericImage>> {
        let memory = pod.memory_bytes()?;
        let key = self
            .key
            .to_str()
            .context("the place of temporary files is no text")?;
        let mounted = Mount::bind_mount(key, KEY_PLACE).with_access_mode(AccessMode::ReadOnly);
        let mut told = image
            .with_cmd(arguments)
            .with_network(&self.network)
            .with_label(LABEL, "1")
            .with_user(&pod.user)
            .with_readonly_rootfs(pod.read_only)
            .with_mount(mounted)
            .with_host_config_modifier(move |host| host.memory = Some(memory))
            .with_env_var("QUITTANCE_DATABASE_URL", &self.database_url);
        if pod.no_new_privileges {
            told = told.with_security_opt("no-new-privileges");
        }
        for right in &pod.dropped {
            told = told.with_cap_drop(right);
        }
        for (name, value) in &pod.environment {
            told = told.with_env_var(name, value);
        }
        for (name, value) in BESIDE_THE_CHART {
            told = told.with_env_var(name, value);
        }
        Ok(told)
    }
}

impl Commands for Runner {
    async fn run(&self, arguments: &[&str], secrets: &[(&str, &str)]) -> Result<Value> {
        let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
        let written = self.to_its_end(&Pod::of("worker")?, &arguments, secrets).await?;
        serde_json::from_slice(&written).context("reading what a command printed")
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // What is left of it is in the place of temporary files.
        let _ = fs::remove_dir_all(&self.key);
    }
}

/// One container that serves or works; dropping it removes it.
#[derive(Debug)]
pub struct Replica {
    container: ContainerAsync<GenericImage>,
    pod: Pod,
    url: String,
    ready_after: Duration,
}

impl Replica {
    /// Where it answers on this machine.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it answers in its network: not through the engine's own proxy, which takes connections for one that has stopped listening.
    pub async fn inner_url(&self) -> Result<String> {
        let address = self.container.get_bridge_ip_address().await?;
        Ok(format!("http://{address}:{API}"))
    }

    /// From the start of its process until it said that it is ready, at most.
    #[must_use]
    pub fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// How the chart runs it.
    #[must_use]
    pub fn pod(&self) -> &Pod {
        &self.pod
    }

    /// What its address of metrics or health answers.
    pub async fn get(&self, path: &str) -> Result<String> {
        let answer = client()?.get(format!("{}{path}", self.url)).send().await?;
        Ok(answer.error_for_status()?.text().await?)
    }

    /// Waits until the image's own `HEALTHCHECK` finds it healthy.
    pub async fn wait_until_healthy(&self) -> Result<()> {
        until("the container is healthy", READY_WITHIN, async || {
            let state = self.inspect().await?.state.unwrap_or_default();
            let status = state.health.and_then(|health| health.status);
            Ok((status == Some(HealthStatusEnum::HEALTHY)).then_some(()))
        })
        .await
    }

    /// The resident memory of its process, in KiB; only where the engine is on this machine, and that is Linux.
    pub async fn resident_kib(&self) -> Result<u64> {
        let state = self.inspect().await?.state.unwrap_or_default();
        let pid = state.pid.context("it has ended")?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next());
        Ok(kib.context("no VmRSS in the status")?.parse()?)
    }

    /// Tells it to end and waits for that, as `docker stop` does; fails where it has to be killed, or ends badly.
    pub async fn stop(&self) -> Result<()> {
        self.container.stop_with_timeout(Some(self.pod.grace_s)).await?;
        let code = self.container.exit_code().await?;
        if code != Some(0) {
            bail!("it ended with {code:?}");
        }
        Ok(())
    }

    /// All that it wrote.
    pub async fn log(&self) -> Result<String> {
        let written = self.container.stderr_to_vec().await?;
        let written = [written, self.container.stdout_to_vec().await?].concat();
        Ok(String::from_utf8(written)?)
    }

    async fn wait_until_ready(&self, path: &str) -> Result<Duration> {
        let ready = until("the container is ready", READY_WITHIN, async || {
            Ok(self.get(path).await.ok().map(|_| SystemTime::now()))
        });
        let ready = match ready.await {
            Ok(ready) => ready,
            Err(error) => bail!("{error:#}; it wrote: {}", self.log().await?),
        };
        let state = self.inspect().await?.state.unwrap_or_default();
        let started = state.started_at.context("it never started")?;
        let started = OffsetDateTime::parse(&started, &Rfc3339)?;
        let took = OffsetDateTime::from(ready) - started;
        Duration::try_from(took).context("it was ready before it started")
    }

    async fn inspect(&self) -> Result<ContainerInspectResponse> {
        let engine = engine().await?;
        let found = engine.inspect_container(self.container.id(), None).await;
        found.context("looking at a container")
    }
}

fn client() -> Result<Client> {
    Client::builder()
        .timeout(Duration::from_secs(2))
        .build()
        .context("building a client")
}
