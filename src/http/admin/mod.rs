//! `/v1/merchants`: what an administrator sets up. Scope `admin`, on one merchant; or an operator's key, on any.
//!
//! What creates takes an `Idempotency-Key`, and its replay is the same answer, with the secret that was shown: the record is sealed, and
//! belongs to the key that asked. What only changes takes none: it ends as it was asked to, however often.

pub(super) mod api_keys;
pub(super) mod merchants;
pub(super) mod odoo_instances;
pub(super) mod provider_accounts;

use std::str::FromStr;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::check::check_text;
use super::page::{self, LISTED};
use super::respond::respond;
use crate::app::auth::{Administered, Administrator};
use crate::app::{Answer, Served};
use crate::domain::name::Name;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// How many at most: 1 to 100, 20 by default.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u16>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

impl ListQuery {
    fn parse<T: FromStr>(self) -> Result<(Option<T>, u16), Problem> {
        Ok((page::after(self.cursor.as_deref())?, LISTED.limit(self.limit)?))
    }
}

/// How long what is replaced goes on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OverlapBody {
    /// In seconds: 0 to 2592000, a day by default. 0 for what leaked.
    #[schema(minimum = 0, maximum = 2_592_000)]
    overlap_s: Option<u32>,
}

impl OverlapBody {
    fn parse(&self) -> Result<time::Duration, Problem> {
        const MOST_S: u32 = 30 * 24 * 3_600;
        let overlap_s = self.overlap_s.unwrap_or(24 * 3_600);
        if overlap_s > MOST_S {
            let message = format!("must be from 0 to {MOST_S} seconds");
            return Err(Problem::invalid("overlap_s", "invalid_overlap", message));
        }
        Ok(time::Duration::seconds(overlap_s.into()))
    }
}

/// What can be nobody's id is nobody's.
fn parse_path<T: FromStr>(text: &str, what: &str) -> Result<T, Problem> {
    text.parse()
        .map_err(|_| Problem::new(StatusCode::NOT_FOUND, "not_found", format!("no such {what}")))
}

fn over(administrator: &Administrator, merchant: &str) -> Result<Administered, Problem> {
    Ok(administrator.over(parse_path(merchant, "merchant")?)?)
}

fn parse_name(text: &str) -> Result<Name, Problem> {
    text.parse()
        .map_err(|error| Problem::invalid("name", "invalid_name", error))
}

fn check_texts(fields: &[(&str, Option<&str>)]) -> Result<(), Problem> {
    fields.iter().try_for_each(|(field, text)| match text {
        Some("") => Err(Problem::invalid(*field, "empty", "must not be empty")),
        Some(text) => check_text(field, text, 255),
        None => Ok(()),
    })
}

fn created(view: &impl Serialize) -> Answer {
    Answer {
        status: StatusCode::CREATED.as_u16(),
        body: serde_json::to_vec(view).unwrap_or_default(),
    }
}

/// Answers with what may be secret: no cache keeps it.
fn respond_once(request: &HttpRequest, served: Served) -> HttpResponse {
    let mut response = respond(request, served);
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
