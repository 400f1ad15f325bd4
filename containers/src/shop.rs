//! Who asks for payments: one after the other, or many at once for as long as a test wants it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use quittance_sandbox::merchant::Merchant;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

/// Odoo gives up on a call after ten seconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// What every payment is about.
const AMOUNT_MINOR: i64 = 12_100;

/// Speaks to the service with a merchant's key.
#[derive(Clone, Debug)]
pub struct Shop {
    base: String,
    api_key: String,
    client: Client,
}

/// What became of a request.
#[derive(Debug)]
pub enum Outcome {
    /// It was answered with a payment.
    Answered(Value),
    /// Nobody was there to take it.
    NotTaken,
}

impl Shop {
    /// One that asks at an address.
    pub fn new(base: &str, merchant: &Merchant) -> Result<Self> {
        let client = Client::builder().timeout(PATIENCE).build()?;
        Ok(Self {
            base: base.to_owned(),
            api_key: merchant.api_key.clone(),
            client,
        })
    }

    /// Asks for a payment, to be paid at once by a card on file; under the same `reference` it is the same payment.
    pub async fn charge(&self, reference: &str) -> Result<Outcome> {
        let body = json!({
            "reference": reference,
            "amount_minor": AMOUNT_MINOR,
            "currency": "EUR",
            "capture_method": "automatic",
            "payment_method": "pm_card_visa",
        });
        self.post("/v1/payments", reference, &body).await
    }

    /// Asks for a payment that a customer authorizes and the shop captures.
    pub async fn order(&self, reference: &str, invoice: i64) -> Result<Value> {
        let body = json!({
            "reference": reference,
            "amount_minor": AMOUNT_MINOR,
            "currency": "EUR",
            "capture_method": "manual",
            "return_url": "https://shop.example/payment/status",
            "settles": [{"model": "account.move", "id": invoice, "amount_minor": AMOUNT_MINOR}],
        });
        answered(self.post("/v1/payments", reference, &body).await?)
    }

    /// Takes the money.
    pub async fn capture(&self, payment: &str) -> Result<Value> {
        let path = format!("/v1/payments/{payment}/capture");
        answered(
            self.post(&path, &format!("capture-{payment}"), &json!({}))
                .await?,
        )
    }

    /// Looks at a payment.
    pub async fn payment(&self, id: &str) -> Result<Value> {
        let asked = self.client.get(format!("{}/v1/payments/{id}", self.base));
        answered(self.send(asked).await?)
    }

    async fn post(&self, path: &str, key: &str, body: &Value) -> Result<Outcome> {
        let asked = self.client.post(format!("{}{path}", self.base)).json(body);
        self.send(asked.header("Idempotency-Key", key)).await
    }

    async fn send(&self, asked: RequestBuilder) -> Result<Outcome> {
        match asked.bearer_auth(&self.api_key).send().await {
            Ok(answer) => {
                let (status, path) = (answer.status(), answer.url().path().to_owned());
                let body = answer.text().await?;
                ensure!(status.is_success(), "{path} was answered {status}: {body}");
                Ok(Outcome::Answered(serde_json::from_str(&body)?))
            }
            Err(error) if error.is_connect() => Ok(Outcome::NotTaken),
            Err(error) => Err(error.into()),
        }
    }
}

fn answered(outcome: Outcome) -> Result<Value> {
    match outcome {
        Outcome::Answered(payment) => Ok(payment),
        Outcome::NotTaken => anyhow::bail!("nobody took the request"),
    }
}

/// Many callers at once.
#[derive(Clone, Debug)]
pub struct Crowd {
    shop: Shop,
    name: String,
    callers: usize,
    enough: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
}

/// What a crowd asked for.
#[derive(Debug, Default)]
pub struct Asked {
    /// The payments that were answered.
    pub payments: Vec<Value>,
    /// The references of those that nobody took.
    pub not_taken: Vec<String>,
    /// What went wrong in any other way.
    pub failed: Vec<String>,
}

impl Crowd {
    /// So many callers, whose references start with `name`.
    #[must_use]
    pub fn new(shop: Shop, name: &str, callers: usize) -> Self {
        Self {
            shop,
            name: name.to_owned(),
            callers,
            enough: Arc::default(),
            done: Arc::default(),
        }
    }

    /// How many payments were answered so far.
    #[must_use]
    pub fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// Lets each caller finish what it is at, and no more.
    pub fn stop(&self) {
        self.enough.store(true, Ordering::Relaxed);
    }

    /// Asks until it is stopped, each caller one payment after the other, and until a request is not taken.
    pub async fn ask(&self) -> Result<Asked> {
        let each = (0..self.callers).map(|caller| self.caller(caller));
        let all = try_join_all(each).await?;
        Ok(all.into_iter().fold(Asked::default(), |mut all, one| {
            all.payments.extend(one.payments);
            all.not_taken.extend(one.not_taken);
            all.failed.extend(one.failed);
            all
        }))
    }

    async fn caller(&self, caller: usize) -> Result<Asked> {
        let mut asked = Asked::default();
        for number in 0.. {
            if self.enough.load(Ordering::Relaxed) {
                break;
            }
            let reference = format!("{}-{caller}-{number}", self.name);
            match self.shop.charge(&reference).await {
                Ok(Outcome::Answered(payment)) => {
                    self.done.fetch_add(1, Ordering::Relaxed);
                    asked.payments.push(payment);
                }
                Ok(Outcome::NotTaken) => {
                    asked.not_taken.push(reference);
                    break;
                }
                Err(error) => asked.failed.push(format!("{reference}: {error:#}")),
            }
        }
        Ok(asked)
    }
}

/// An id, or another text, of an answer.
pub fn text<'a>(answer: &'a Value, field: &str) -> Result<&'a str> {
    let value = answer.get(field).and_then(Value::as_str);
    value.with_context(|| format!("no {field} in {answer}"))
}
