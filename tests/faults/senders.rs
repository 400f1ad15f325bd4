//! Stripe's couriers: signed events over several connections, to both replicas, until each has its 2xx.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::join_all;
use reqwest::Client;
use serde_json::Value;

use crate::support::signed;

/// How many send at once.
const CONNECTIONS: usize = 8;

/// How long one event may take to be acknowledged.
const PATIENCE: Duration = Duration::from_mins(1);

/// Every how many events one that was acknowledged is sent again, as Stripe may.
const DOUBLED: usize = 10;

/// Events on their way.
pub(super) struct Senders<'a> {
    urls: &'a [String],
    events: &'a [Value],
    next: AtomicUsize,
    acknowledged: Mutex<HashSet<String>>,
    refused: AtomicUsize,
}

impl<'a> Senders<'a> {
    pub(super) fn new(urls: &'a [String], events: &'a [Value]) -> Self {
        Self {
            urls,
            events,
            next: AtomicUsize::new(0),
            acknowledged: Mutex::default(),
            refused: AtomicUsize::new(0),
        }
    }

    /// The ids of the events that had their 2xx.
    pub(super) fn acknowledged(&self) -> HashSet<String> {
        self.held().clone()
    }

    /// How many events had their 2xx.
    pub(super) fn count(&self) -> usize {
        self.held().len()
    }

    /// How often a delivery was refused with 503, or its connection broke.
    pub(super) fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    /// Sends all events, and returns once each had its 2xx.
    pub(super) async fn run(&self) {
        join_all((0..CONNECTIONS).map(|_| self.send_on())).await;
    }

    async fn send_on(&self) {
        let client = Client::builder()
            .timeout(Duration::from_secs(10))
            .build()
            .unwrap();
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(event) = self.events.get(number) else {
                return;
            };
            self.send(&client, number, event).await;
            let id = event["id"].as_str().unwrap().to_owned();
            self.held().insert(id);
            if number.is_multiple_of(DOUBLED) {
                self.send(&client, number + 1, event).await;
            }
        }
    }

    /// Tries until it is acknowledged, each time at the other replica.
    async fn send(&self, client: &Client, first: usize, event: &Value) {
        let started = Instant::now();
        for attempt in 0.. {
            let url = &self.urls[(first + attempt) % self.urls.len()];
            let (signature, body) = signed(event);
            let request = client.post(url).header("Stripe-Signature", signature).body(body);
            match request.send().await.map(|response| response.status().as_u16()) {
                Ok(200..=299) => return,
                // 408: it was so busy that our own request came too slowly.
                Ok(408 | 503) | Err(_) => {}
                Ok(other) => panic!("Stripe would count {other} as a failure that nothing explains"),
            }
            self.refused.fetch_add(1, Ordering::Relaxed);
            assert!(started.elapsed() < PATIENCE, "{} is not taken", event["id"]);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
