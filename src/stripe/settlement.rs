//! Stripe's own ledger: balance transactions and the balance.

use async_trait::async_trait;
use serde::Deserialize;
use stripe_core::balance::RetrieveForMyAccountBalance;
use stripe_core::balance_transaction::ListBalanceTransaction;
use stripe_types::{RangeBoundsTs, RangeQueryTs};
use time::OffsetDateTime;

use super::Stripe;
use super::compose::checked;
use super::ledger::classify;
use super::money::StripeAmount;
use super::objects::{BalanceTransaction, Expandable, Identified, Metadata, Page};
use super::opening;
use super::request::{Reads, Request};
use super::snapshots::{Fields, Unreadable};
use crate::domain::balance_transaction::{About, BalanceTransaction as Fact, Line};
use crate::domain::ledger::Classified;
use crate::domain::money::Money;
use crate::provider::{DisputePage, LinePage, Lines, PayoutPage, ProviderAccount, ProviderError, Settlement};

/// How many lines are read at a time: the most that Stripe gives.
const PAGE: i64 = 100;

impl Reads for RetrieveForMyAccountBalance {}

/// A balance transaction, its source whole.
#[derive(Deserialize)]
struct Written {
    #[serde(flatten)]
    fact: BalanceTransaction,
    source: Option<Expandable<Source>>,
}

/// What a balance transaction is about, as far as it tells whose it is: a charge, a refund, a dispute, or none of these.
#[derive(Deserialize)]
struct Source {
    id: String,
    object: Option<String>,
    payment_intent: Option<Expandable<Identified>>,
    charge: Option<Expandable<Identified>>,
    metadata: Option<Metadata>,
    amount: Option<StripeAmount>,
    amount_captured: Option<StripeAmount>,
    currency: Option<String>,
}

impl Source {
    fn tell(self, fact: &Fact) -> Result<About, Unreadable> {
        let field = Fields("source");
        let payment = self.metadata.as_ref().and_then(Metadata::payment);
        let is_named = self.metadata.as_ref().is_some_and(Metadata::is_ours);
        let notes = self.metadata.as_ref().filter(|_| !is_named).map(Metadata::notes);
        let (charge_reference, amount) = match self.object.as_deref() {
            Some("charge") => (Some(self.id), self.amount_captured.or(self.amount)),
            Some("refund" | "dispute") => (self.charge.map(Expandable::into_id), self.amount),
            Some(_) | None => return Ok(About::default()),
        };
        let currency = field.currency(self.currency.as_deref())?;
        let minor = field.need(amount, "amount")?.to_minor(currency)?.saturating_abs();
        let presented = Money::new(if fact.amount.minor < 0 { -minor } else { minor }, currency);
        Ok(About {
            payment,
            payment_reference: self.payment_intent.map(Expandable::into_id),
            charge_reference,
            presented: (currency != fact.amount.currency).then_some(presented),
            is_named,
            notes: notes.unwrap_or_default(),
        })
    }
}

impl TryFrom<Written> for Line {
    type Error = Unreadable;

    fn try_from(written: Written) -> Result<Self, Unreadable> {
        let mut fact = Fact::try_from(written.fact)?;
        let (source, about) = match written.source {
            None => (None, About::default()),
            Some(Expandable::Id(id)) => (Some(id), About::default()),
            Some(Expandable::Whole(source)) => (Some(source.id.clone()), source.tell(&fact)?),
        };
        fact.source = source;
        Ok(Self { fact, about })
    }
}

/// `balance`, as far as it says how much.
#[derive(Deserialize)]
struct Balance {
    #[serde(default)]
    available: Vec<Held>,
    #[serde(default)]
    pending: Vec<Held>,
}

#[derive(Deserialize)]
struct Held {
    amount: StripeAmount,
    currency: String,
}

#[async_trait]
impl Settlement for Stripe {
    /// Newest first: what is written meanwhile comes before a walk's first page, and moves none of the others.
    async fn read_lines(
        &self,
        account: &ProviderAccount,
        lines: Lines<'_>,
        next: Option<&str>,
    ) -> Result<LinePage, ProviderError> {
        let mut request = ListBalanceTransaction::new()
            .limit(PAGE)
            .expand([String::from("data.source")]);
        request = match lines {
            Lines::OfPayout(payout) => request.payout(checked(payout)?),
            Lines::Since(since) => request.created(RangeQueryTs::Bounds(RangeBoundsTs {
                gt: None,
                gte: Some(since.unix_timestamp()),
                lt: None,
                lte: None,
            })),
        };
        if let Some(last) = next {
            request = request.starting_after(last);
        }
        let page: Page<Written> = self
            .http
            .send(account, &Request::read(&request), self.http.deadline())
            .await?;
        let last = page.data.last().map(|written| written.fact.id.clone());
        let lines = page.data.into_iter().map(Line::try_from);
        Ok(LinePage {
            lines: lines.collect::<Result<_, _>>().map_err(unreadable)?,
            next: last.filter(|_| page.has_more),
        })
    }

    fn classify(&self, line: &Fact) -> Classified {
        classify(line)
    }

    async fn read_payouts(
        &self,
        account: &ProviderAccount,
        since: OffsetDateTime,
        next: Option<&str>,
    ) -> Result<PayoutPage, ProviderError> {
        opening::read_payouts(&self.http, account, since, next).await
    }

    async fn read_disputes(
        &self,
        account: &ProviderAccount,
        since: OffsetDateTime,
        next: Option<&str>,
    ) -> Result<DisputePage, ProviderError> {
        opening::read_disputes(&self.http, account, since, next).await
    }

    async fn fetch_balance(&self, account: &ProviderAccount) -> Result<Vec<Money>, ProviderError> {
        let request = RetrieveForMyAccountBalance::new();
        let balance: Balance = self
            .http
            .send(account, &Request::read(&request), self.http.deadline())
            .await?;
        let mut sums: Vec<Money> = Vec::new();
        for held in balance.available.into_iter().chain(balance.pending) {
            let field = Fields("balance");
            let currency = field.currency(Some(&held.currency)).map_err(unreadable)?;
            let minor = held
                .amount
                .to_minor(currency)
                .map_err(|what| unreadable(what.into()))?;
            match sums.iter_mut().find(|sum| sum.currency == currency) {
                Some(sum) => sum.minor += minor,
                None => sums.push(Money::new(minor, currency)),
            }
        }
        Ok(sums)
    }
}

/// Waiting may help: a person, or a later version of ours, may read what this one cannot.
pub(super) fn unreadable(what: Unreadable) -> ProviderError {
    ProviderError::Unavailable {
        message: what.to_string(),
    }
}
