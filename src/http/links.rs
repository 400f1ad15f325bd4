//! `POST /v1/exceptions/{id}/link`: what a payment that did not start here pays.

use std::sync::Arc;

use actix_web::{HttpResponse, post, web};
use serde::Deserialize;
use utoipa::ToSchema;

use super::Problem;
use super::check::{check_text, parse_id};
use super::exceptions::{ExceptionWithHistory, exception_id, parse_reason};
use super::extract::Json;
use super::new_payment::{SettlesBody, parse_settles};
use super::refusals::{Oversized, Unfound, Unserved, Untouchable};
use super::wants::Wants;
use crate::app::App;
use crate::app::auth::Caller;
use crate::app::links::{self, NewLink};
use crate::domain::money::Amount;
use crate::domain::payment::Reference;
use crate::domain::scope::Scope;

/// What a payment that did not start here pays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkBody {
    /// What Odoo calls what it pays, such as `S00042`: 1 to 255 characters.
    #[schema(min_length = 1, max_length = 255)]
    reference: String,
    /// The documents of Odoo that it settles.
    #[serde(default)]
    settles: Vec<SettlesBody>,
    /// `odo_…`; may be left out where the merchant has one instance, or none.
    odoo_instance: Option<String>,
    /// For whoever reads the books later: 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
}

impl LinkBody {
    fn parse(self) -> Result<NewLink, Problem> {
        check_text("reference", &self.reference, 255)?;
        Ok(NewLink {
            reference: Reference::parse(self.reference)
                .map_err(|error| Problem::invalid("reference", "invalid_reference", error))?,
            settles: parse_settles(&self.settles, Amount::MAX_MINOR)?,
            odoo_instance: parse_id("odoo_instance", self.odoo_instance.as_deref())?,
            reason: self.reason.as_deref().map(parse_reason).transpose()?,
        })
    }
}

/// Links a charge or refund that did not start here to what it pays in Odoo, and resolves its `foreign_line` with that: its money
/// leaves suspense. Scope `reconciliation:write`. No key is needed: the same again changes nothing, and another reference is refused.
#[utoipa::path(
    tag = "exceptions",
    params(("id" = String, Path, description = "`exc_…`")),
    request_body = LinkBody,
    responses((status = 200, body = ExceptionWithHistory, description = "linked"),
              Unserved, Unfound, Untouchable, Oversized),
    security(("api_key" = ["reconciliation:write"]))
)]
#[post("/v1/exceptions/{id}/link", wrap = "Wants(Scope::ReconciliationWrite)")]
pub(super) async fn link(
    app: web::Data<Arc<App>>,
    caller: Caller,
    path: web::Path<String>,
    json: Json<LinkBody>,
) -> Result<HttpResponse, Problem> {
    let operator = caller.operator();
    let id = exception_id(&path)?;
    let detail = links::link(&app, &operator, id, &json.body.parse()?).await?;
    Ok(HttpResponse::Ok().json(ExceptionWithHistory::from(&detail)))
}
