//! `/v1/customers`.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::check::{check_email, check_text, parse_id};
use super::extract::{Json, Queried, RequiredKey};
use super::new_payment::check_metadata;
use super::page::{self, Bounds};
use super::refusals::{InTheWay, Oversized, Unserved};
use super::respond::respond;
use super::wants::Wants;
use crate::app::auth::Caller;
use crate::app::customers::NewCustomer;
use crate::app::{Answer, App, Key, Page, customers};
use crate::domain::customer::{Customer, Partner, Person};
use crate::domain::ids::CustomerId;
use crate::domain::scope::Scope;

/// How many customers a page shows.
const SHOWN: Bounds = Bounds { usual: 50, most: 100 };

/// What you know of a partner.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CustomerBody {
    /// `acc_…`; may be left out where the merchant has one account of the key's mode.
    provider_account: Option<String>,
    /// Your own, stable name of the partner, never reused for somebody else: 1 to 255 characters.
    partner: String,
    /// What is left out stays as it is.
    name: Option<String>,
    email: Option<String>,
    phone: Option<String>,
    /// Your own notes: up to 40 keys of 40 characters with values of 500; no card numbers.
    metadata: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CustomerQuery {
    /// Your own name of the partner.
    partner: Option<String>,
    /// How many at most: 1 to 100, 50 by default.
    limit: Option<i64>,
    /// The `next_cursor` of an earlier page.
    cursor: Option<String>,
}

/// Somebody who pays.
#[derive(Serialize, ToSchema)]
pub(super) struct CustomerView {
    /// `cus_…`, ours and not the provider's.
    id: String,
    /// Your own name of the partner.
    partner: String,
    name: Option<String>,
    email: Option<String>,
    phone: Option<String>,
    metadata: BTreeMap<String, String>,
    /// `acc_…`
    provider_account: String,
    /// The provider's id of it.
    provider_reference: Option<String>,
    /// `pmt_…`: the method to take where you name none.
    default_payment_method: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

/// Customers, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct CustomerList {
    data: Vec<CustomerView>,
    /// Send it as `cursor` for the next page; null on the last one.
    next_cursor: Option<String>,
}

impl CustomerBody {
    fn parse(self) -> Result<NewCustomer, Problem> {
        let partner = Partner::parse(self.partner)
            .map_err(|error| Problem::invalid("partner", "invalid_partner", error))?;
        if let Some(name) = &self.name {
            check_text("name", name, 256)?;
        }
        if let Some(email) = &self.email {
            check_email("email", email)?;
        }
        if let Some(phone) = &self.phone {
            check_phone(phone)?;
        }
        if let Some(metadata) = &self.metadata {
            check_metadata(metadata)?;
        }
        Ok(NewCustomer {
            provider_account: parse_id("provider_account", self.provider_account.as_deref())?,
            partner,
            person: Person {
                name: self.name,
                email: self.email,
                phone: self.phone,
            },
            metadata: self.metadata,
        })
    }
}

fn check_phone(text: &str) -> Result<(), Problem> {
    let fits = (1..=20).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b" +-().".contains(&byte));
    if fits {
        Ok(())
    } else {
        Err(Problem::invalid(
            "phone",
            "invalid_phone",
            "must be 1 to 20 digits, blanks and + - ( ) .",
        ))
    }
}

impl From<&Customer> for CustomerView {
    fn from(customer: &Customer) -> Self {
        Self {
            id: customer.id.to_string(),
            partner: customer.partner.as_str().to_owned(),
            name: customer.person.name.clone(),
            email: customer.person.email.clone(),
            phone: customer.person.phone.clone(),
            metadata: customer.metadata.clone(),
            provider_account: customer.provider_account_id.to_string(),
            provider_reference: customer.provider_reference.clone(),
            default_payment_method: customer.default_payment_method.map(|id| id.to_string()),
            created_at: customer.created_at,
            updated_at: customer.updated_at,
        }
    }
}

impl From<&Page<Customer>> for CustomerList {
    fn from(page: &Page<Customer>) -> Self {
        Self {
            data: page.data.iter().map(CustomerView::from).collect(),
            next_cursor: page::next_cursor(page, |customer| customer.id),
        }
    }
}

fn render(customer: &Customer) -> Answer {
    Answer {
        status: StatusCode::OK.as_u16(),
        body: serde_json::to_vec(&CustomerView::from(customer)).unwrap_or_default(),
    }
}

/// Makes a partner's customer, or changes what is known of it, here and at the provider.
#[utoipa::path(
    tag = "customers",
    params(("Idempotency-Key" = String, Header, description = "1 to 255 characters; the same key is the same request")),
    request_body = CustomerBody,
    responses(
        (status = 200, body = CustomerView, description = "the partner's one customer, as you said"),
        Unserved,
        InTheWay,
        Oversized
    ),
    security(("api_key" = ["payments:write"]))
)]
#[post("/v1/customers", wrap = "Wants(Scope::PaymentsWrite)")]
pub(super) async fn put(
    app: web::Data<Arc<App>>,
    caller: Caller,
    key: RequiredKey,
    request: HttpRequest,
    json: Json<CustomerBody>,
) -> Result<HttpResponse, Problem> {
    let key = Key::new(&caller, &key.0, json.fingerprint);
    let served = customers::put(&app, &caller, key, render, json.body.parse()?).await?;
    Ok(respond(&request, served))
}

/// One customer.
#[utoipa::path(
    tag = "customers",
    params(("id" = String, Path, description = "`cus_…`")),
    responses((status = 200, body = CustomerView), Unserved, InTheWay),
    security(("api_key" = ["payments:read"]))
)]
#[get("/v1/customers/{id}", wrap = "Wants(Scope::PaymentsRead)")]
pub(super) async fn get(
    app: web::Data<Arc<App>>,
    caller: Caller,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let customer = customers::get(&app, &caller, customer_id(&path)?).await?;
    Ok(HttpResponse::Ok().json(CustomerView::from(&customer)))
}

/// Customers, newest first.
#[utoipa::path(
    tag = "customers",
    params(CustomerQuery),
    responses((status = 200, body = CustomerList), Unserved, InTheWay),
    security(("api_key" = ["payments:read"]))
)]
#[get("/v1/customers", wrap = "Wants(Scope::PaymentsRead)")]
pub(super) async fn list(
    app: web::Data<Arc<App>>,
    caller: Caller,
    query: Queried<CustomerQuery>,
) -> Result<HttpResponse, Problem> {
    let query = query.read()?;
    let limit = SHOWN.limit(query.limit)?;
    let before = page::after(query.cursor.as_deref())?;
    // What can be no partner is nobody.
    let page = match query.partner.map(Partner::parse).transpose() {
        Ok(partner) => {
            let partner = partner.as_ref().map(Partner::as_str);
            customers::list(&app, &caller, partner, before, limit).await?
        }
        Err(_) => Page {
            data: Vec::new(),
            has_more: false,
        },
    };
    Ok(HttpResponse::Ok().json(CustomerList::from(&page)))
}

/// What can be no customer's id is no customer's.
pub(super) fn customer_id(text: &str) -> Result<CustomerId, Problem> {
    text.parse()
        .map_err(|_| Problem::new(StatusCode::NOT_FOUND, "not_found", "no such customer"))
}
