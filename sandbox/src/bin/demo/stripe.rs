//! Stripe seen from outside: what the account's own books say, through its own API.

use anyhow::{Context, Result, bail};
use quittance_sandbox::merchant::StripeAccess;
use reqwest::Client;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A charge, as far as the demo looks at it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Charge {
    pub(crate) id: String,
    pub(crate) payment_intent: String,
    pub(crate) paid: bool,
    pub(crate) amount_captured: i64,
    pub(crate) amount_refunded: i64,
}

/// Money given back.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Refund {
    pub(crate) id: String,
    pub(crate) charge: String,
}

/// A line of Stripe's own ledger.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct LedgerLine {
    pub(crate) id: String,
    /// The charge or refund that it is for.
    pub(crate) source: String,
    pub(crate) amount: i64,
    pub(crate) fee: i64,
}

#[derive(Debug, Deserialize)]
struct List<T> {
    data: Vec<T>,
    has_more: bool,
}

#[derive(Debug, Deserialize)]
struct Balance {
    available: Vec<Held>,
    pending: Vec<Held>,
}

#[derive(Debug, Deserialize)]
struct Held {
    amount: i64,
    currency: String,
}

/// One Stripe account, read with its secret key.
#[derive(Debug)]
pub(crate) struct Stripe {
    client: Client,
    access: StripeAccess,
}

impl Stripe {
    pub(crate) fn new(access: StripeAccess) -> Result<Self> {
        Ok(Self {
            client: Client::builder().build()?,
            access,
        })
    }

    /// Every attempt to charge a card, declined ones included.
    pub(crate) async fn charges(&self) -> Result<Vec<Charge>> {
        self.list("charges").await
    }

    /// Everything that was given back.
    pub(crate) async fn refunds(&self) -> Result<Vec<Refund>> {
        self.list("refunds").await
    }

    /// Every line of the account's ledger.
    pub(crate) async fn ledger(&self) -> Result<Vec<LedgerLine>> {
        self.list("balance_transactions").await
    }

    /// What the account holds of a currency, whether it can be paid out yet or not.
    pub(crate) async fn balance(&self, currency: &str) -> Result<i64> {
        let balance: Balance = self.read("balance").await?;
        let held = balance
            .available
            .iter()
            .chain(&balance.pending)
            .filter(|held| held.currency == currency);
        Ok(held.map(|held| held.amount).sum())
    }

    async fn list<T: DeserializeOwned>(&self, resource: &str) -> Result<Vec<T>> {
        let list: List<T> = self.read(&format!("{resource}?limit=100")).await?;
        if list.has_more {
            bail!("more {resource} than the demo makes");
        }
        Ok(list.data)
    }

    async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let request = self.client.get(format!("{}/v1/{path}", self.access.api_base));
        let answer = request
            .bearer_auth(&self.access.secret_key)
            .send()
            .await?
            .error_for_status()?;
        answer
            .json()
            .await
            .with_context(|| format!("reading Stripe's {path}"))
    }
}
