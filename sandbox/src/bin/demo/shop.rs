//! The part of Odoo that asks: a client of Quittance's API, as Odoo's payment addon would be one.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use reqwest::{Client, Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::odoo::Invoice;

/// Odoo gives up on a call after ten seconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// What does not come true by then is an error.
const DEADLINE: Duration = Duration::from_mins(1);

/// A payment as the API shows it: what the demo looks at.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Payment {
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) refunded_minor: i64,
    /// Stripe's id of it, once it is known.
    pub(crate) provider_reference: Option<String>,
    /// What lets the customer's browser finish it.
    pub(crate) client_secret: Option<String>,
    pub(crate) operations: Vec<Step>,
    pub(crate) postings: Vec<Step>,
    pub(crate) exceptions: Vec<Value>,
    /// Whether the answer said how it ended, or that this is not known yet (202).
    #[serde(skip)]
    pub(crate) is_decided: bool,
}

/// A call to Stripe, or something that Odoo's books must record.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Step {
    pub(crate) state: String,
}

impl Payment {
    /// How much of it stands in Odoo's books.
    pub(crate) fn posted(&self) -> usize {
        self.postings
            .iter()
            .filter(|posting| posting.state == "sent")
            .count()
    }

    /// Whether every call to Stripe is known to have done its work.
    pub(crate) fn is_known(&self) -> bool {
        self.operations
            .iter()
            .all(|operation| operation.state == "succeeded")
    }

    /// Stripe's id and the secret that goes with it, as the shop's page hands them to the browser.
    pub(crate) fn for_browser(&self) -> Result<(&str, &str)> {
        let both = self
            .provider_reference
            .as_deref()
            .zip(self.client_secret.as_deref());
        both.with_context(|| format!("the browser cannot finish {self:?}"))
    }
}

/// What a payment is for and how it is to be made.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) invoice: Invoice,
    pub(crate) capture_method: &'static str,
    /// Charge this saved payment method at once, with nobody at the screen.
    pub(crate) payment_method: Option<&'static str>,
}

/// Speaks to one Quittance with one API key.
#[derive(Debug)]
pub(crate) struct Shop {
    base: String,
    api_key: String,
    client: Client,
}

impl Shop {
    pub(crate) fn new(base: String, api_key: String) -> Result<Self> {
        let client = Client::builder().timeout(PATIENCE).build()?;
        Ok(Self {
            base,
            api_key,
            client,
        })
    }

    /// Asks for a payment. The answer may be that its outcome is not known yet.
    pub(crate) async fn create(&self, order: &Order) -> Result<Payment> {
        let invoice = &order.invoice;
        let mut body = json!({
            "reference": format!("{}-1", invoice.name),
            "amount_minor": invoice.minor,
            "currency": "EUR",
            "capture_method": order.capture_method,
            "return_url": "https://shop.example/payment/status",
            "description": invoice.name,
            "settles": [{"model": "account.move", "id": invoice.id, "amount_minor": invoice.minor}],
        });
        if let Some(method) = order.payment_method {
            body["payment_method"] = json!(method);
        }
        self.post("/v1/payments", &format!("create-{}", invoice.name), &body)
            .await
    }

    pub(crate) async fn capture(&self, payment: &Payment) -> Result<Payment> {
        self.post(
            &format!("/v1/payments/{}/capture", payment.id),
            &format!("capture-{}", payment.id),
            &json!({}),
        )
        .await
    }

    pub(crate) async fn refund(&self, payment: &Payment) -> Result<Payment> {
        self.post(
            &format!("/v1/payments/{}/refunds", payment.id),
            &format!("refund-{}", payment.id),
            &json!({}),
        )
        .await
    }

    /// Looks at a payment until `is_so`, without asking Stripe: what changes it must have come by itself.
    pub(crate) async fn wait(
        &self,
        id: &str,
        what: &str,
        is_so: impl Fn(&Payment) -> bool,
    ) -> Result<Payment> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let payment = self.get(id).await?;
            if is_so(&payment) {
                return Ok(payment);
            }
            if Instant::now() > deadline {
                bail!("{id} was not {what} within {DEADLINE:?}; it is {payment:?}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn get(&self, id: &str) -> Result<Payment> {
        let answer = self
            .client
            .request(Method::GET, format!("{}/v1/payments/{id}", self.base));
        read(answer.bearer_auth(&self.api_key).send().await?).await
    }

    async fn post(&self, path: &str, key: &str, body: &Value) -> Result<Payment> {
        let request = self
            .client
            .post(format!("{}{path}", self.base))
            .bearer_auth(&self.api_key);
        let answer = request.header("Idempotency-Key", key).json(body).send().await;
        read(answer.with_context(|| format!("POST {path}"))?).await
    }
}

async fn read(answer: Response) -> Result<Payment> {
    let (status, path) = (answer.status(), answer.url().path().to_owned());
    let body = answer.text().await?;
    match status {
        StatusCode::OK | StatusCode::CREATED | StatusCode::ACCEPTED => {
            let payment: Payment = serde_json::from_str(&body)
                .with_context(|| format!("{path} did not answer with a payment: {body}"))?;
            Ok(Payment {
                is_decided: status != StatusCode::ACCEPTED,
                ..payment
            })
        }
        _ => bail!("{path} was answered {status}: {body}"),
    }
}
