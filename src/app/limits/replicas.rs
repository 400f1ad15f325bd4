//! How many processes serve requests: each says every two seconds that it is there, and counts the others.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::app::{App, AppError, commit};
use crate::store;

/// From one word to the next. Who is not heard of for five times as long is gone.
const EVERY: Duration = Duration::from_secs(2);

/// This process, as the others know it.
#[derive(Debug)]
pub struct Replica {
    id: Uuid,
}

impl Default for Replica {
    fn default() -> Self {
        Self { id: Uuid::now_v7() }
    }
}

impl Replica {
    /// Takes its share of the budgets until it is told to stop, and leaves it to the others then.
    ///
    /// Where the database does not answer, it keeps the share it had.
    pub async fn share(self, app: Arc<App>, stop: CancellationToken) {
        let mut failed = false;
        loop {
            match self.beat(&app).await {
                Ok(replicas) => {
                    app.limits.share(replicas);
                    failed = false;
                }
                Err(error) if !failed => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the replicas could not be counted"
                    );
                    failed = true;
                }
                Err(_) => {}
            }
            if tokio::time::timeout(EVERY, stop.cancelled()).await.is_ok() {
                break;
            }
        }
        if let Err(error) = self.leave(&app).await {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "the others will find out"
            );
        }
    }

    async fn beat(&self, app: &App) -> Result<u32, AppError> {
        let mut tx = app.db.begin_for([]).await?;
        let replicas = store::replicas::beat(&mut tx, self.id).await?;
        commit(tx).await?;
        Ok(replicas.try_into().unwrap_or(1).max(1))
    }

    async fn leave(&self, app: &App) -> Result<(), AppError> {
        let mut tx = app.db.begin_for([]).await?;
        store::replicas::leave(&mut tx, self.id).await?;
        commit(tx).await
    }
}
