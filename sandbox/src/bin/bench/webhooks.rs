//! The load: distinct, freshly signed events of a real one's size, over a fixed number of connections.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use futures::future::try_join_all;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::connection::Connection;

/// What a run of the load came to.
#[derive(Debug)]
pub(crate) struct Acknowledged {
    pub(crate) count: u64,
    pub(crate) within: Duration,
    /// Each event's time from its first byte sent to the last byte of its answer, sorted.
    pub(crate) latencies: Vec<Duration>,
}

impl Acknowledged {
    pub(crate) fn per_second(&self) -> Result<u64> {
        let micros = u64::try_from(self.within.as_micros())?;
        (self.count * 1_000_000)
            .checked_div(micros)
            .context("the load took no time")
    }
}

/// Where the events go and what signs them.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    pub(crate) path: String,
    pub(crate) secret: String,
}

/// How events are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// The number of the first one.
    pub(crate) first: u64,
    pub(crate) connections: u64,
    pub(crate) events: u64,
    pub(crate) at_most: Duration,
    /// All connections together; as fast as they are answered where there is none.
    pub(crate) per_s: Option<u64>,
}

/// What an event tells.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// That this payment has succeeded.
    Succeeded(String),
    /// That the charge of this payment changed: too little to go by.
    ChargeUpdated(String),
}

/// Signs events of payments that nobody knows, then sends them.
pub(crate) async fn run(endpoint: &Endpoint, load: &Load) -> Result<Acknowledged> {
    run_of(endpoint, load, |number| {
        Kind::Succeeded(format!("pi_{number:014}"))
    })
    .await
}

/// Signs the events, then sends them.
///
/// The signing happens before the clock starts: the sender is not what is measured. Every answer must be 200.
pub(crate) async fn run_of(
    endpoint: &Endpoint,
    load: &Load,
    kind: impl Fn(u64) -> Kind,
) -> Result<Acknowledged> {
    let share = load.events / load.connections;
    let batches = (0..load.connections).map(|number| {
        let from = load.first + number * share;
        // The last connection takes what does not divide.
        let to = if number + 1 == load.connections {
            load.first + load.events
        } else {
            from + share
        };
        (from..to)
            .map(|event| request(endpoint, event, &kind(event)))
            .collect::<Result<Vec<_>>>()
    });
    let batches = batches.collect::<Result<Vec<_>>>()?;
    let open = (0..load.connections).map(|_| Connection::open(endpoint.address));
    let open = try_join_all(open).await?;
    let pace = load
        .per_s
        .map(|per_s| Duration::from_micros(1_000_000 * load.connections / per_s.max(1)));
    let started = Instant::now();
    let senders = open
        .into_iter()
        .zip(batches)
        .map(|(connection, batch)| send(connection, batch, (started, started + load.at_most), pace));
    let mut latencies = try_join_all(senders).await?.concat();
    let within = started.elapsed();
    latencies.sort_unstable();
    Ok(Acknowledged {
        count: u64::try_from(latencies.len())?,
        within,
        latencies,
    })
}

async fn send(
    mut connection: Connection,
    batch: Vec<Vec<u8>>,
    (started, until): (Instant, Instant),
    pace: Option<Duration>,
) -> Result<Vec<Duration>> {
    let mut latencies = Vec::with_capacity(batch.len());
    for (number, request) in (0_u32..).zip(batch) {
        if let Some(pace) = pace {
            tokio::time::sleep_until((started + pace * number).into()).await;
        }
        let sent = Instant::now();
        if sent > until {
            break;
        }
        let status = connection.send(&request).await?;
        if status != 200 {
            bail!(
                "a webhook was answered {status}: {}",
                String::from_utf8_lossy(connection.body())
            );
        }
        latencies.push(sent.elapsed());
    }
    Ok(latencies)
}

/// The whole request of event number `number`, as bytes to write.
fn request(endpoint: &Endpoint, number: u64, kind: &Kind) -> Result<Vec<u8>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let body = match kind {
        Kind::Succeeded(intent) => event(number, now, intent),
        Kind::ChargeUpdated(intent) => charge_event(number, now, intent),
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(endpoint.secret.as_bytes())?;
    mac.update(format!("{now}.{body}").as_bytes());
    let signature = hex(&mac.finalize().into_bytes());
    let Endpoint { address, path, .. } = endpoint;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json; charset=utf-8\r\n\
         Content-Length: {}\r\nStripe-Signature: t={now},v1={signature}\r\n\r\n",
        body.len()
    );
    Ok((head + &body).into_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// An event of about 1.5 kB, as Stripe sends one for a payment that has succeeded.
pub(crate) fn event(number: u64, now: u64, intent: &str) -> String {
    let id = format!("{now:x}{number:014}");
    format!(
        r#"{{"id":"evt_{id}","object":"event","api_version":"2026-09-30.endive","created":{now},"data":{{"object":{{"id":"{intent}","object":"payment_intent","amount":12100,"amount_capturable":0,"amount_details":{{"tip":{{}}}},"amount_received":12100,"application":null,"application_fee_amount":null,"automatic_payment_methods":null,"canceled_at":null,"cancellation_reason":null,"capture_method":"automatic_async","client_secret":"{intent}_secret_bench","confirmation_method":"automatic","created":{now},"currency":"eur","customer":"cus_{id}","description":"INV/2026/{number:08}","excluded_payment_method_types":null,"last_payment_error":null,"latest_charge":"ch_{id}","livemode":false,"metadata":{{"reference":"INV/2026/{number:08}-1"}},"next_action":null,"on_behalf_of":null,"payment_method":"pm_{id}","payment_method_configuration_details":null,"payment_method_options":{{"card":{{"installments":null,"mandate_options":null,"network":null,"request_three_d_secure":"automatic"}}}},"payment_method_types":["card"],"processing":null,"receipt_email":null,"review":null,"setup_future_usage":null,"shipping":null,"source":null,"statement_descriptor":null,"statement_descriptor_suffix":null,"status":"succeeded","transfer_data":null,"transfer_group":null}}}},"livemode":false,"pending_webhooks":1,"request":{{"id":"req_{id}","idempotency_key":"op_{id}"}},"type":"payment_intent.succeeded"}}"#
    )
}

/// An event about a charge: it says of which payment, and no more that counts.
fn charge_event(number: u64, now: u64, intent: &str) -> String {
    let id = format!("{now:x}{number:014}");
    format!(
        r#"{{"id":"evt_{id}","object":"event","api_version":"2026-09-30.endive","created":{now},"data":{{"object":{{"id":"ch_{id}","object":"charge","amount":12100,"amount_captured":12100,"balance_transaction":"txn_{id}","captured":true,"created":{now},"currency":"eur","livemode":false,"metadata":{{}},"paid":true,"payment_intent":"{intent}","status":"succeeded"}}}},"livemode":false,"pending_webhooks":1,"request":null,"type":"charge.updated"}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::event;

    #[test]
    fn an_event_has_the_size_of_a_real_one() {
        let text = event(7, 1_800_000_000, "pi_7");

        assert!((1400..1700).contains(&text.len()), "{} bytes", text.len());
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
        assert_ne!(text, event(8, 1_800_000_000, "pi_8"));
    }
}
