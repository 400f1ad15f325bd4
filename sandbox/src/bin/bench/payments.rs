//! What `POST /v1/payments` costs beyond Stripe's own answering time.
//!
//! Each payment is paired with the same call made straight to the pretend Stripe by the same lean client, so that
//! everything the service adds counts against it: its own HTTP, its transactions, and its client for Stripe.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::connection::Connection;

/// Where payments are made, and where Stripe is asked directly.
#[derive(Debug)]
pub(crate) struct Payments {
    pub(crate) service: SocketAddr,
    pub(crate) api_key: String,
    pub(crate) stripe: SocketAddr,
    pub(crate) stripe_key: String,
}

/// Sorted times of `count` payments and of as many direct calls.
#[derive(Debug)]
pub(crate) struct Times {
    pub(crate) total: Vec<Duration>,
    pub(crate) direct: Vec<Duration>,
}

impl Payments {
    /// Makes payments one after the other, each under a fresh key, after `warm_up` that are not counted.
    pub(crate) async fn run(&self, warm_up: u32, count: u32) -> Result<Times> {
        let mut service = Connection::open(self.service).await?;
        let mut stripe = Connection::open(self.stripe).await?;
        let mut times = Times {
            total: Vec::new(),
            direct: Vec::new(),
        };
        for number in 0..warm_up + count {
            let total = timed(&mut service, &self.payment(number), 201).await?;
            let direct = timed(&mut stripe, &self.intent(number), 200).await?;
            if number >= warm_up {
                times.total.push(total);
                times.direct.push(direct);
            }
        }
        times.total.sort_unstable();
        times.direct.sort_unstable();
        Ok(times)
    }

    /// The request for a payment of its own.
    pub(crate) fn payment(&self, number: u32) -> Vec<u8> {
        let body = serde_json::json!({
            "reference": format!("BENCH/{number:06}"),
            "amount_minor": 12_100,
            "currency": "EUR",
            "capture_method": "automatic",
            "description": format!("Bench payment {number}"),
        });
        let key = format!("bench-{number}");
        post(
            "/v1/payments",
            self.service,
            &self.api_key,
            &key,
            "application/json",
            &body.to_string(),
        )
    }

    /// A request of this merchant's that reads.
    pub(crate) fn get(&self, path: &str) -> Vec<u8> {
        let Self { service, api_key, .. } = self;
        format!("GET {path} HTTP/1.1\r\nHost: {service}\r\nAuthorization: Bearer {api_key}\r\n\r\n")
            .into_bytes()
    }

    /// The same payment, asked for at Stripe.
    pub(crate) fn intent(&self, number: u32) -> Vec<u8> {
        let body = format!(
            "amount=12100&currency=eur&capture_method=automatic_async&automatic_payment_methods[enabled]=true\
             &description=Bench+payment+{number}&metadata[operation_id]=direct-{number}"
        );
        let key = format!("direct-{number}");
        let form = "application/x-www-form-urlencoded";
        post(
            "/v1/payment_intents",
            self.stripe,
            &self.stripe_key,
            &key,
            form,
            &body,
        )
    }
}

async fn timed(connection: &mut Connection, request: &[u8], wanted: u16) -> Result<Duration> {
    let started = Instant::now();
    let status = connection.send(request).await?;
    let took = started.elapsed();
    if status != wanted {
        bail!(
            "a payment was answered {status}: {}",
            String::from_utf8_lossy(connection.body())
        );
    }
    Ok(took)
}

/// A whole request, as bytes to write.
pub(crate) fn post(
    path: &str,
    host: SocketAddr,
    token: &str,
    key: &str,
    content_type: &str,
    body: &str,
) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: {key}\r\n\
         Content-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
