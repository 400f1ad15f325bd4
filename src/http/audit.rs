//! `/v1/audit`: the proof that nothing is missing.

use std::sync::Arc;

use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::Problem;
use super::exceptions::ExceptionView;
use super::refusals::{InTheWay, Unscoped, Unserved};
use crate::app::App;
use crate::app::audit::{self, Audit, Balance};
use crate::app::auth::Caller;
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
            accepted_minor: balance.accepted_minor,
        }
    }
}

/// What an audit found.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditReport {
    /// Whether provider and ledger agree in every currency and no difference is open.
    explained: bool,
    balances: Vec<BalanceView>,
    /// The differences that are open, newest first, 100 at most: `GET /v1/exceptions?state=open` lists all.
    open: Vec<ExceptionView>,
}

impl From<&Audit> for AuditReport {
    fn from(audit: &Audit) -> Self {
        Self {
            explained: audit.is_explained(),
            balances: audit.balances.iter().map(BalanceView::from).collect(),
            open: audit.open.iter().map(ExceptionView::from).collect(),
        }
    }
}

/// Holds what the provider says that it holds against the ledger, account by account. Scope `exceptions:read`.
#[utoipa::path(
    tag = "reconciliation",
    responses((status = 200, body = AuditReport), Unserved, Unscoped, InTheWay),
    security(("api_key" = []))
)]
#[get("/v1/audit")]
pub(super) async fn get(app: web::Data<Arc<App>>, caller: Caller) -> Result<HttpResponse, Problem> {
    let operator = caller.operator(Scope::ExceptionsRead)?;
    let audit = audit::audit(&app, &operator).await?;
    Ok(HttpResponse::Ok().json(AuditReport::from(&audit)))
}
