//! How much is served at once. Webhooks, the API and probes each have a gate of their own: a flood of one fills none of the others'.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::http::StatusCode;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Problem;

/// How long a request may wait at a gate.
const WAITS: Duration = Duration::from_secs(2);

/// How many may wait at a gate, for each that is served.
const WAITING_PER_PLACE: usize = 8;

/// How many probes are answered at once.
const PROBES: usize = 16;

/// How many bytes of bodies may be held before what they ask for is served, for webhooks and for the API.
const BODIES: usize = 64 * 1024 * 1024;

/// How much one process serves at once.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Requests of the API.
    pub requests: NonZeroU32,
    /// Webhooks.
    pub webhooks: NonZeroU32,
    /// Open connections.
    pub connections: NonZeroU32,
}

/// The gates of a process.
#[derive(Debug)]
pub struct Gates {
    api: Gate,
    webhooks: Gate,
    probes: Gate,
    api_bodies: Arc<Held>,
    webhook_bodies: Arc<Held>,
}

impl Gates {
    /// Gates with nobody at them.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        let places = |number: NonZeroU32| usize::try_from(number.get()).unwrap_or(usize::MAX);
        Self {
            api: Gate::new(places(bounds.requests)),
            webhooks: Gate::new(places(bounds.webhooks)),
            probes: Gate::new(PROBES),
            api_bodies: Arc::default(),
            webhook_bodies: Arc::default(),
        }
    }

    pub(super) const fn api(&self) -> &Gate {
        &self.api
    }

    pub(super) const fn webhooks(&self) -> &Gate {
        &self.webhooks
    }

    pub(super) const fn probes(&self) -> &Gate {
        &self.probes
    }

    pub(super) fn api_bodies(&self) -> Arc<Held> {
        Arc::clone(&self.api_bodies)
    }

    pub(super) fn webhook_bodies(&self) -> Arc<Held> {
        Arc::clone(&self.webhook_bodies)
    }
}

/// So many are served, some wait a moment, and the rest is turned away.
#[derive(Debug)]
pub(super) struct Gate {
    places: Semaphore,
    queue: Semaphore,
}

impl Gate {
    fn new(places: usize) -> Self {
        let most = Semaphore::MAX_PERMITS;
        Self {
            places: Semaphore::new(places.min(most)),
            queue: Semaphore::new(places.saturating_mul(WAITING_PER_PLACE).min(most)),
        }
    }

    /// A place, until it is dropped.
    ///
    /// # Errors
    /// 503: come back in a moment.
    pub(super) async fn enter(&self) -> Result<SemaphorePermit<'_>, Problem> {
        if let Ok(place) = self.places.try_acquire() {
            return Ok(place);
        }
        let _waiting = self.queue.try_acquire().map_err(|_| overloaded())?;
        match tokio::time::timeout(WAITS, self.places.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(overloaded()),
        }
    }
}

/// How many bytes of bodies are in memory.
#[derive(Debug, Default)]
pub(super) struct Held(AtomicUsize);

/// Some of them, until they are dropped.
#[derive(Debug)]
pub(super) struct Share {
    of: Arc<Held>,
    bytes: usize,
}

impl Share {
    pub(super) const fn none(of: Arc<Held>) -> Self {
        Self { of, bytes: 0 }
    }

    /// Holds so many bytes more.
    ///
    /// # Errors
    /// 503: too many are held.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        self.bytes += bytes;
        let held = self.of.0.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if held > BODIES { Err(overloaded()) } else { Ok(()) }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

fn overloaded() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "overloaded",
        "too much is being served; nothing of this was begun: repeat it after Retry-After, under the same key",
    )
    .retry_after(1)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    #[tokio::test]
    async fn so_many_are_served_some_wait_a_moment_and_the_rest_is_turned_away() {
        let gate = Gate::new(1);
        let served = gate.enter().await.unwrap();
        let mut waiting: Vec<_> = (0..WAITING_PER_PLACE).map(|_| Box::pin(gate.enter())).collect();
        for each in &mut waiting {
            assert!(futures::poll!(each).is_pending());
        }
        assert!(gate.enter().await.is_err(), "the queue is full");
        drop(served);
        drop(waiting.remove(0).await.unwrap());
        for each in waiting {
            drop(each.await.unwrap());
        }
        let _served = gate.enter().await.unwrap();
        assert!(gate.enter().await.is_err(), "nobody waits for ever");
        assert_eq!(gate.queue.available_permits(), WAITING_PER_PLACE);
    }

    #[test]
    fn the_bytes_of_bodies_are_counted_while_they_are_held() {
        let held = Arc::<Held>::default();
        let mut first = Share::none(Arc::clone(&held));
        first.grow(BODIES).unwrap();
        let mut second = Share::none(Arc::clone(&held));
        assert!(second.grow(1).is_err());
        drop((first, second));
        assert_eq!(held.0.load(Ordering::Relaxed), 0);
    }
}
