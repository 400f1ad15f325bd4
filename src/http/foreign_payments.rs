//! `/v1/foreign_payments`: payments at the provider that did not start here.

use std::sync::Arc;

use actix_web::{HttpResponse, get, web};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::check::parse_time;
use super::extract::Queried;
use super::page::{self, LISTED};
use super::refusals::{InTheWay, Unserved};
use super::wants::Wants;
use crate::app::App;
use crate::app::auth::Caller;
use crate::app::foreign::{self, ForeignFilter};
use crate::domain::foreign_payment::ForeignPayment;
use crate::domain::ids::ForeignPaymentId;
use crate::domain::payment::PaymentState;
use crate::domain::scope::Scope;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ForeignPaymentsQuery {
    /// Where they stand.
    #[param(inline)]
    state: Option<PaymentState>,
    /// Those whose money moved then or later, RFC 3339.
    captured_from: Option<String>,
    /// How many at most: 1 to 100, 20 by default.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u16>,
    /// The `next_cursor` of the page before, with the same filters.
    cursor: Option<String>,
}

impl ForeignPaymentsQuery {
    fn parse(self) -> Result<(ForeignFilter, Option<ForeignPaymentId>, u16), Problem> {
        let limit = LISTED.limit(self.limit)?;
        let after = page::after(self.cursor.as_deref())?;
        let filter = ForeignFilter {
            state: self.state,
            captured_from: parse_time("captured_from", self.captured_from.as_deref())?,
        };
        Ok((filter, after, limit))
    }
}

/// A payment at the provider that did not start here: made in its dashboard, by its invoices, or by another program.
#[derive(Debug, Serialize, ToSchema)]
struct ForeignPaymentView {
    /// `fpy_…`
    id: String,
    /// `acc_…`
    provider_account: String,
    /// The provider's id of it, such as `pi_…`; `ch_…` for a charge that belongs to no payment.
    provider_reference: String,
    /// Where it stands; the provider's own word where it is newer than this version.
    #[schema(examples("captured"))]
    state: String,
    /// What was asked of the customer, in minor units.
    amount_minor: i64,
    /// What was captured, in minor units.
    captured_minor: i64,
    /// What was given back or is on its way back, in minor units.
    refunded_minor: i64,
    /// ISO 4217.
    currency: &'static str,
    /// The provider's id of the charge that took the money, such as `ch_…`.
    charge_reference: Option<String>,
    /// What whoever made it wrote on it.
    description: Option<String>,
    /// The payment that it turned out to belong to, `pay_…`.
    payment: Option<String>,
    /// When it was made, by the provider's clock.
    #[serde(with = "time::serde::rfc3339")]
    opened_at: OffsetDateTime,
    /// When its money moved, by the provider's clock.
    #[serde(with = "time::serde::rfc3339::option")]
    captured_at: Option<OffsetDateTime>,
    /// When we first heard of it.
    #[serde(with = "time::serde::rfc3339")]
    first_seen_at: OffsetDateTime,
    /// When it was last read.
    #[serde(with = "time::serde::rfc3339")]
    last_seen_at: OffsetDateTime,
}

/// A page of foreign payments, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ForeignPaymentList {
    data: Vec<ForeignPaymentView>,
    /// Ask with it for the next page; null on the last one.
    next_cursor: Option<String>,
}

impl From<&ForeignPayment> for ForeignPaymentView {
    fn from(payment: &ForeignPayment) -> Self {
        let told = &payment.told;
        Self {
            id: payment.id.to_string(),
            provider_account: payment.provider_account_id.to_string(),
            provider_reference: told.provider_reference.clone(),
            state: told.state.word(),
            amount_minor: told.amount.minor,
            captured_minor: told.captured_minor,
            refunded_minor: told.refunded_minor,
            currency: told.amount.currency.code(),
            charge_reference: told.charge_reference.clone(),
            description: told.description.clone(),
            payment: payment.payment_id.map(|id| id.to_string()),
            opened_at: told.opened_at,
            captured_at: told.captured_at,
            first_seen_at: payment.first_seen_at,
            last_seen_at: payment.last_seen_at,
        }
    }
}

/// A page of the payments that did not start here, newest first. One that turns out to be ours is not shown any more.
#[utoipa::path(
    tag = "foreign payments",
    params(ForeignPaymentsQuery),
    responses((status = 200, body = ForeignPaymentList), Unserved, InTheWay),
    security(("api_key" = ["payments:read"]))
)]
#[get("/v1/foreign_payments", wrap = "Wants(Scope::PaymentsRead)")]
pub(super) async fn list(
    app: web::Data<Arc<App>>,
    caller: Caller,
    query: Queried<ForeignPaymentsQuery>,
) -> Result<HttpResponse, Problem> {
    let (filter, after, limit) = query.read()?.parse()?;
    let page = foreign::list(&app, &caller, &filter, after, limit).await?;
    Ok(HttpResponse::Ok().json(ForeignPaymentList {
        data: page.data.iter().map(ForeignPaymentView::from).collect(),
        next_cursor: page::next_cursor(&page, |payment| payment.id),
    }))
}
