//! `/v1/audit`: the proof that nothing is missing.

use std::sync::Arc;

use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::Problem;
use super::exceptions::ExceptionView;
use super::refusals::{InTheWay, Unserved};
use super::wants::Wants;
use crate::app::App;
use crate::app::audit::{self, Audit, Balance, Depth, InOdoo, Payouts, Unexplained};
use crate::app::auth::Caller;
use crate::app::reconciliation::opening::Opened;
use crate::domain::scope::Scope;

/// What the provider holds in one currency of an account, and what is known of it here. All in minor units.
#[derive(Debug, Serialize, ToSchema)]
struct BalanceView {
    /// `acc_…`
    provider_account: String,
    /// ISO 4217.
    currency: &'static str,
    /// What the provider holds.
    provider_minor: i64,
    /// By how much that moved while the ledger was summed.
    in_flight_minor: i64,
    /// What the ledger says that the provider holds.
    ledger_minor: i64,
    /// The nets of the lines that wait to be booked.
    unbooked_minor: i64,
    /// What the provider holds more than is known here; none of what moved meanwhile counts.
    difference_minor: i64,
    /// What nobody has explained yet, debits positive: each part of it has an exception.
    suspense_minor: i64,
    /// How much of that stays there because somebody resolved its exception without an account.
    accepted_minor: i64,
    /// Where a journal of a stock Odoo stands for it: what that holds.
    odoo: Option<InOdooView>,
    /// For an account that had a past: what its books begin with.
    opening: Option<OpenedView>,
    /// By how much what earlier audits summed is not what all entries come to, over all accounts of the ledger: only a full audit looks,
    /// and anything but zero says that the past was changed.
    checkpoint_off_minor: i64,
}

/// What the journal of a stock Odoo holds. All in minor units.
#[derive(Debug, Serialize, ToSchema)]
struct InOdooView {
    /// `odo_…`
    odoo_instance: String,
    /// What the journal holds; null where it cannot be read.
    held_minor: Option<i64>,
    /// What the ledger says that was posted there.
    posted_minor: i64,
    /// What waits to be posted.
    unposted_minor: i64,
    /// What the journal holds more than was posted.
    difference_minor: Option<i64>,
    /// Why it cannot be read.
    error: Option<String>,
}

impl From<&InOdoo> for InOdooView {
    fn from(journal: &InOdoo) -> Self {
        Self {
            odoo_instance: journal.odoo_instance_id.to_string(),
            held_minor: journal.held.as_ref().ok().copied(),
            posted_minor: journal.posted_minor,
            unposted_minor: journal.unposted_minor,
            difference_minor: journal.difference_minor(),
            error: journal.held.as_ref().err().cloned(),
        }
    }
}

/// What the books of an account begin with.
#[derive(Debug, Serialize, ToSchema)]
struct OpenedView {
    /// The first day whose lines are booked, in UTC.
    #[schema(value_type = String, format = Date)]
    date: String,
    /// What the provider held then, in minor units.
    amount_minor: i64,
}

impl From<&Balance> for BalanceView {
    fn from(balance: &Balance) -> Self {
        Self {
            provider_account: balance.provider_account_id.to_string(),
            currency: balance.provider.currency.code(),
            provider_minor: balance.provider.minor,
            in_flight_minor: balance.in_flight_minor,
            ledger_minor: balance.ledger_minor,
            unbooked_minor: balance.unbooked_minor,
            difference_minor: balance.difference().minor,
            suspense_minor: balance.suspense_minor,
            opening: balance.opening.map(|(at, amount_minor)| OpenedView {
                date: at.to_offset(time::UtcOffset::UTC).date().to_string(),
                amount_minor,
            }),
            accepted_minor: balance.accepted_minor,
            odoo: balance.in_odoo.as_ref().map(InOdooView::from),
            checkpoint_off_minor: balance.checkpoint_off_minor,
        }
    }
}

/// A payout that arrived or came back and is not explained. Amounts in minor units.
#[derive(Debug, Serialize, ToSchema)]
struct UnexplainedPayoutView {
    /// `pyt_…`
    id: String,
    /// `acc_…`
    provider_account: String,
    /// The provider's id of it, such as `po_…`.
    provider_reference: String,
    /// Where it stands.
    #[schema(examples("paid"))]
    state: String,
    amount_minor: i64,
    /// ISO 4217.
    currency: String,
    /// The sum of the nets of its lines; null while they are not all read.
    net_minor: Option<i64>,
    /// What that is more than the payout; zero where only something about one of its lines is open.
    difference_minor: Option<i64>,
}

impl From<&Unexplained> for UnexplainedPayoutView {
    fn from(payout: &Unexplained) -> Self {
        Self {
            id: payout.id.to_string(),
            provider_account: payout.provider_account_id.to_string(),
            provider_reference: payout.provider_reference.clone(),
            state: payout.state.clone(),
            amount_minor: payout.amount_minor,
            currency: payout.currency.clone(),
            net_minor: payout.net_minor,
            difference_minor: payout.net_minor.map(|net| net - payout.amount_minor),
        }
    }
}

/// Which payouts that arrived or came back are explained.
#[derive(Debug, Serialize, ToSchema)]
struct PayoutsView {
    /// How many have all their lines read, sum to their amount, and have nothing open.
    explained_count: i64,
    /// How many have not.
    unexplained_count: i64,
    /// How many were made by hand: the provider cannot tell their lines.
    by_hand_count: i64,
    /// Those that are not explained, newest first, 100 of each account at most.
    unexplained: Vec<UnexplainedPayoutView>,
}

impl From<&Payouts> for PayoutsView {
    fn from(payouts: &Payouts) -> Self {
        Self {
            explained_count: payouts.explained,
            unexplained_count: payouts.unexplained,
            by_hand_count: payouts.by_hand,
            unexplained: payouts.named.iter().map(UnexplainedPayoutView::from).collect(),
        }
    }
}

/// What an audit found.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditReport {
    /// Whether provider and ledger agree in every currency, every payout is explained and no difference is open.
    explained: bool,
    balances: Vec<BalanceView>,
    payouts: PayoutsView,
    /// The differences that are open, newest first, 100 at most: `GET /v1/exceptions?state=open` lists all.
    open: Vec<ExceptionView>,
}

impl From<&Audit> for AuditReport {
    fn from(audit: &Audit) -> Self {
        Self {
            explained: audit.is_explained(),
            balances: audit.balances.iter().map(BalanceView::from).collect(),
            payouts: PayoutsView::from(&audit.payouts),
            open: audit.open.iter().map(ExceptionView::from).collect(),
        }
    }
}

/// An account that was opened with its past, as the command line answers.
#[derive(Debug, Serialize)]
pub struct OpeningReport {
    opening: String,
    balances: Vec<OpeningView>,
    /// By how much the balance moved while its lines were read, before it stood still.
    in_flight: Vec<MovedView>,
    booked: usize,
}

#[derive(Debug, Serialize)]
struct OpeningView {
    currency: &'static str,
    amount_minor: i64,
    in_transit_minor: i64,
    disputed_minor: i64,
}

#[derive(Debug, Serialize)]
struct MovedView {
    currency: &'static str,
    moved_minor: i64,
}

impl From<&Opened> for OpeningReport {
    fn from(opened: &Opened) -> Self {
        let balances = opened.balances.iter().map(|balance| OpeningView {
            currency: balance.currency.code(),
            amount_minor: balance.amount_minor,
            in_transit_minor: balance.in_transit_minor,
            disputed_minor: balance.disputed_minor,
        });
        let moved = opened.in_flight.iter().map(|moved| MovedView {
            currency: moved.currency.code(),
            moved_minor: moved.minor,
        });
        Self {
            opening: opened.date.to_string(),
            balances: balances.collect(),
            in_flight: moved.collect(),
            booked: opened.booked,
        }
    }
}

/// Holds what the provider says that it holds against the ledger, account by account. Scope `exceptions:read`.
#[utoipa::path(
    tag = "reconciliation",
    responses((status = 200, body = AuditReport), Unserved, InTheWay),
    security(("api_key" = ["exceptions:read"]))
)]
#[get("/v1/audit", wrap = "Wants(Scope::ExceptionsRead)")]
pub(super) async fn get(app: web::Data<Arc<App>>, caller: Caller) -> Result<HttpResponse, Problem> {
    let operator = caller.operator();
    let audit = audit::audit(&app, &operator, Depth::SinceCheckpoint).await?;
    Ok(HttpResponse::Ok().json(AuditReport::from(&audit)))
}
