//! The images that are looked at, and what the engine knows of them.

use anyhow::{Context, Result, bail};
use testcontainers::bollard::Docker;
use testcontainers::bollard::models::ImageInspect;
use testcontainers::core::client::docker_client_instance;

/// What every container of the tests is marked with, so that what a killed test left can be found.
pub const LABEL: &str = "quittance.test";

/// An image by its name and tag.
#[derive(Clone, Debug)]
pub struct Image {
    /// The part before the colon.
    pub name: String,
    /// The part after it.
    pub tag: String,
}

impl Image {
    /// The service's.
    pub fn quittance() -> Result<Self> {
        Self::named_by("QUITTANCE_IMAGE")
    }

    /// A Postgres that is told by the variables of the official image.
    pub fn postgres() -> Result<Self> {
        Self::named_by("QUITTANCE_POSTGRES_IMAGE")
    }

    #[expect(clippy::disallowed_methods, reason = "who runs the tests names the images")]
    fn named_by(variable: &str) -> Result<Self> {
        let Ok(image) = std::env::var(variable) else {
            bail!("{variable} names no image: run `make containers`, which makes what it needs");
        };
        let (name, tag) = image
            .rsplit_once(':')
            .with_context(|| format!("{variable} must be NAME:TAG"))?;
        Ok(Self {
            name: name.to_owned(),
            tag: tag.to_owned(),
        })
    }

    /// What the engine knows of it.
    pub async fn inspect(&self) -> Result<ImageInspect> {
        let name = format!("{}:{}", self.name, self.tag);
        let image = engine().await?.inspect_image(&name).await;
        image.with_context(|| format!("looking at {name}"))
    }
}

/// The engine itself.
pub async fn engine() -> Result<Docker> {
    docker_client_instance()
        .await
        .context("finding a container engine")
}
