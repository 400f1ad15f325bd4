//! `/v1/payments`: ask, look, list.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use serde::Deserialize;
use time::OffsetDateTime;
use utoipa::IntoParams;

use super::Problem;
use super::check::{parse_id, parse_time};
use super::extract::{Json, Queried, RequiredKey};
use super::new_payment::CreateBody;
use super::page::{self, LISTED};
use super::refusals::{InTheWay, Oversized, Unserved};
use super::respond::respond;
use super::view::{PaymentList, PaymentView, render};
use super::wants::Wants;
use crate::app::auth::Caller;
use crate::app::payments::{After, List, PaymentFilter};
use crate::app::{App, Key, Keyed, payments};
use crate::domain::ids::PaymentId;
use crate::domain::payment::PaymentState;
use crate::domain::scope::Scope;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct GetQuery {
    /// Whether to read the payment from the provider first.
    #[serde(default)]
    refresh: bool,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Odoo's own reference.
    reference: Option<String>,
    /// Where they stand.
    #[param(inline)]
    state: Option<PaymentState>,
    /// Who pays: `cus_…`.
    customer: Option<String>,
    /// Asked for then or later, RFC 3339.
    created_from: Option<String>,
    /// Asked for before then, RFC 3339.
    created_before: Option<String>,
    /// Those that changed then or later, RFC 3339, in the order of their changes: for who keeps a copy. Goes with no other
    /// filter.
    updated_since: Option<String>,
    /// How many at most: 1 to 100, 20 by default.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
    /// The `next_cursor` of the page before, with the same filters.
    cursor: Option<String>,
}

impl GetQuery {
    pub(super) const fn refresh(&self) -> bool {
        self.refresh
    }
}

impl ListQuery {
    fn parse(self) -> Result<(List, Option<After>, u16), Problem> {
        let limit = LISTED.limit(self.limit)?;
        let after = page::after(self.cursor.as_deref())?;
        let filter = PaymentFilter {
            reference: self.reference,
            state: self.state,
            customer: parse_id("customer", self.customer.as_deref())?,
            created_from: parse_time("created_from", self.created_from.as_deref())?,
            created_before: parse_time("created_before", self.created_before.as_deref())?,
        };
        let which = match parse_time("updated_since", self.updated_since.as_deref())? {
            None => List::Newest(filter),
            Some(since) if filter.is_empty() => List::Updated(since),
            Some(_) => {
                let message = "goes with no other filter";
                return Err(Problem::invalid("updated_since", "conflicting_filters", message));
            }
        };
        Ok((which, after, limit))
    }
}

/// Cursors are by our ids and whole microseconds, as Postgres keeps them.
impl FromStr for After {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let read = |(id, micros): (&str, &str)| {
            let nanos = micros.parse::<i128>().ok()?.checked_mul(1_000)?;
            Some(Self {
                id: id.parse().ok()?,
                updated_at: OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?,
            })
        };
        text.split_once(' ').and_then(read).ok_or(())
    }
}

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}",
            self.id,
            self.updated_at.unix_timestamp_nanos() / 1_000
        )
    }
}

/// Asks a customer for money.
#[utoipa::path(
    tag = "payments",
    params(("Idempotency-Key" = String, Header, description = "1 to 255 characters; the same key is the same request")),
    request_body = CreateBody,
    responses(
        (status = 201, body = PaymentView, description = "decided: look at its state"),
        (status = 202, body = PaymentView, description = "not decided yet: repeat under the same key, or read it"),
        Unserved,
        InTheWay,
        Oversized
    ),
    security(("api_key" = ["payments:write"]))
)]
#[post("/v1/payments", wrap = "Wants(Scope::PaymentsWrite)")]
pub(super) async fn create(
    app: web::Data<Arc<App>>,
    caller: Caller,
    key: RequiredKey,
    request: HttpRequest,
    json: Json<CreateBody>,
) -> Result<HttpResponse, Problem> {
    let keyed = Keyed::new(Key::new(&caller, &key.0, json.fingerprint), render);
    let served = payments::create(&app, &caller, keyed, json.body.parse()?).await?;
    Ok(respond(&request, served))
}

/// One payment.
#[utoipa::path(
    tag = "payments",
    params(("id" = String, Path, description = "`pay_…`"), GetQuery),
    responses((status = 200, body = PaymentView), Unserved, InTheWay),
    security(("api_key" = ["payments:read"]))
)]
#[get("/v1/payments/{id}", wrap = "Wants(Scope::PaymentsRead)")]
pub(super) async fn get(
    app: web::Data<Arc<App>>,
    caller: Caller,
    path: web::Path<String>,
    query: Queried<GetQuery>,
) -> Result<HttpResponse, Problem> {
    let query = query.read()?;
    let detail = payments::get(&app, &caller, payment_id(&path)?, query.refresh).await?;
    Ok(HttpResponse::Ok().json(PaymentView::from(&detail)))
}

/// A page of the payments, newest first, or in the order of their changes.
#[utoipa::path(
    tag = "payments",
    params(ListQuery),
    responses((status = 200, body = PaymentList), Unserved, InTheWay),
    security(("api_key" = ["payments:read"]))
)]
#[get("/v1/payments", wrap = "Wants(Scope::PaymentsRead)")]
pub(super) async fn list(
    app: web::Data<Arc<App>>,
    caller: Caller,
    query: Queried<ListQuery>,
) -> Result<HttpResponse, Problem> {
    let (which, after, limit) = query.read()?.parse()?;
    let page = payments::list(&app, &caller, &which, after, limit).await?;
    Ok(HttpResponse::Ok().json(PaymentList::from(&page)))
}

/// What can be no payment's id is no payment's.
pub(super) fn payment_id(text: &str) -> Result<PaymentId, Problem> {
    text.parse()
        .map_err(|_| Problem::new(StatusCode::NOT_FOUND, "not_found", "no such payment"))
}
