//! Writes events to disk, many deliveries in one insert and one commit.
//!
//! Each delivery waits until its own event is committed; those that come while one commit is under way share the next.

use tokio::sync::{mpsc, oneshot};

use crate::store::webhook_events::{SealedEvent, keep};
use crate::store::{Db, StoreError};

/// How many events one insert holds at most.
const BATCH: usize = 128;

/// How many deliveries may wait for the next commit; more are turned away and come back.
const WAITING: usize = 4_096;

/// The event is not on disk: the database cannot be reached, or too many wait.
#[derive(Debug, thiserror::Error)]
#[error("the event is not on disk")]
pub struct NotKept;

struct Waiting {
    event: SealedEvent,
    kept: oneshot::Sender<Result<(), NotKept>>,
}

/// The way of events to disk.
#[derive(Clone, Debug)]
pub struct Inbox {
    waiting: mpsc::Sender<Waiting>,
}

impl Inbox {
    /// An inbox, and the work that must be spawned for it to write. The work ends when the last inbox is dropped.
    pub fn new(db: Db) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (waiting, queue) = mpsc::channel(WAITING);
        (Self { waiting }, write(db, queue))
    }

    /// Returns once the event is committed.
    ///
    /// # Errors
    /// [`NotKept`]: the sender must come back.
    pub async fn keep(&self, event: SealedEvent) -> Result<(), NotKept> {
        let (kept, done) = oneshot::channel();
        self.waiting
            .try_send(Waiting { event, kept })
            .map_err(|_| NotKept)?;
        done.await.map_err(|_| NotKept)?
    }
}

async fn write(db: Db, mut queue: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        let (events, waiting): (Vec<_>, Vec<_>) = batch.drain(..).map(|each| (each.event, each.kept)).unzip();
        let together = keep(&db, &events).await;
        let may_split =
            events.len() > 1 && matches!(&together, Err(StoreError::Database(sqlx::Error::Database(_))));
        for (index, kept) in waiting.into_iter().enumerate() {
            // One event that Postgres refuses must not turn its neighbours away.
            let result = if may_split {
                keep(&db, &events[index..=index]).await.is_ok()
            } else {
                together.is_ok()
            };
            // A receiver that is gone has hung up: the event is kept all the same.
            let _ = kept.send(if result { Ok(()) } else { Err(NotKept) });
        }
        if let Err(error) = together {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "events could not be kept"
            );
        }
    }
}
