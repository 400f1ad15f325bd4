//! What was under way at Stripe when an account's books begin here: payouts, and disputes with what they moved.

use serde::Deserialize;
use serde_json::Value;
use stripe_core::dispute::ListDispute;
use stripe_core::payout::ListPayout;
use stripe_types::{RangeBoundsTs, RangeQueryTs};
use time::OffsetDateTime;

use super::affairs::Payout;
use super::disputes::state;
use super::objects::{BalanceTransaction, Page};
use super::request::Request;
use super::series::StripeHttp;
use super::settlement::unreadable;
use super::snapshots::{Fields, Unreadable};
use crate::domain::opening::{ListedDispute, ListedPayout};
use crate::provider::{DisputePage, PayoutPage, ProviderAccount, ProviderError};

/// How many are read at a time: the most that Stripe gives.
const PAGE: i64 = 100;

/// `dispute`, as far as it tells what it moved.
#[derive(Deserialize)]
struct Contested {
    id: String,
    status: Option<String>,
    #[serde(default)]
    balance_transactions: Vec<BalanceTransaction>,
}

impl TryFrom<Contested> for ListedDispute {
    type Error = Unreadable;

    fn try_from(dispute: Contested) -> Result<Self, Unreadable> {
        let status = Fields("dispute").need(dispute.status, "status")?;
        let lines = dispute.balance_transactions.into_iter().map(|line| {
            let field = Fields("balance_transaction");
            let currency = field.currency(line.currency.as_deref())?;
            let amount = field.need(line.amount, "amount")?.to_money(currency)?;
            Ok((field.moment(line.created)?, amount))
        });
        Ok(Self {
            provider_reference: dispute.id,
            is_closed: state(status).is_closed(),
            moved: lines.collect::<Result<_, Unreadable>>()?,
        })
    }
}

fn listed(payout: Value) -> Result<ListedPayout, Unreadable> {
    let written = |line: &str| {
        payout[line]["created"]
            .as_i64()
            .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
    };
    let (left_at, returned_at) = (
        written("balance_transaction"),
        written("failure_balance_transaction"),
    );
    let read: Result<Payout, _> = serde_json::from_value(payout);
    let payout = read.map_err(|_| Unreadable::Field {
        object: "payout",
        field: "id",
    })?;
    Ok(ListedPayout {
        told: payout.try_into()?,
        left_at,
        returned_at,
    })
}

fn from(moment: OffsetDateTime) -> RangeQueryTs {
    RangeQueryTs::Bounds(RangeBoundsTs {
        gt: None,
        gte: Some(moment.unix_timestamp()),
        lt: None,
        lte: None,
    })
}

/// A page of payouts, newest first, each with the lines that took its money and brought it back.
pub(super) async fn read_payouts(
    http: &StripeHttp,
    account: &ProviderAccount,
    since: OffsetDateTime,
    next: Option<&str>,
) -> Result<PayoutPage, ProviderError> {
    let mut request = ListPayout::new()
        .created(from(since))
        .limit(PAGE)
        .expand(["data.balance_transaction", "data.failure_balance_transaction"].map(String::from));
    if let Some(last) = next {
        request = request.starting_after(last);
    }
    let page: Page<Value> = http
        .send(account, &Request::read(&request), http.deadline())
        .await?;
    let payouts = page.data.into_iter().map(listed);
    let payouts: Vec<ListedPayout> = payouts.collect::<Result<_, _>>().map_err(unreadable)?;
    let last = payouts
        .last()
        .map(|payout| payout.told.provider_reference.clone());
    Ok(PayoutPage {
        next: last.filter(|_| page.has_more),
        payouts,
    })
}

/// A page of disputes, newest first.
pub(super) async fn read_disputes(
    http: &StripeHttp,
    account: &ProviderAccount,
    since: OffsetDateTime,
    next: Option<&str>,
) -> Result<DisputePage, ProviderError> {
    let mut request = ListDispute::new().created(from(since)).limit(PAGE);
    if let Some(last) = next {
        request = request.starting_after(last);
    }
    let page: Page<Contested> = http
        .send(account, &Request::read(&request), http.deadline())
        .await?;
    let disputes = page.data.into_iter().map(ListedDispute::try_from);
    let disputes: Vec<ListedDispute> = disputes.collect::<Result<_, _>>().map_err(unreadable)?;
    let last = disputes.last().map(|dispute| dispute.provider_reference.clone());
    Ok(DisputePage {
        next: last.filter(|_| page.has_more),
        disputes,
    })
}
